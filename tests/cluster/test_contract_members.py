"""The contract, where each member hangs on another node than its session's owner."""

import asyncio
import random

import pytest

from cluster_nodes import Nodes, heard, see_each_other
from loudsync.protocol import ConnectionStatus
from raw_peer import until
from same_views import seen
from seated_peer import SeatedPeer
from stage import join


async def test_a_join_is_answered_then_listed_then_announced(nodes: Nodes) -> None:
    party = await nodes[0].create()
    ann, bob, cid = [
        await node.seat(party, f"device-{at}", f"Name {at}")
        for at, node in enumerate((nodes[1], nodes[2], nodes[3]))
    ]
    await see_each_other(ann, bob, cid)
    assert ann.kinds == ["member_list", "member_joined", "member_joined"]
    assert bob.kinds == ["member_list", "member_joined"]
    assert cid.kinds == ["member_list"]
    assert [it["member"]["id"] for it in ann.heard[1:]] == [bob.id, cid.id]
    first, *others = cid.heard[0]["members"]
    assert (first["id"], first["isHost"]) == (party.host_id, True)
    assert [it["id"] for it in others] == [ann.id, bob.id, cid.id]
    assert cid.welcome["sessionInfo"] == {
        "id": party.id,
        "name": "Party",
        "hostId": party.host_id,
    }


async def test_joins_through_all_nodes_at_once_are_told_in_order(nodes: Nodes) -> None:
    party = await nodes[0].create()
    peers = await asyncio.gather(
        *[nodes[at % 4].seat(party, f"device-{at}", f"Name {at}") for at in range(40)]
    )
    await see_each_other(*peers)
    for peer in peers:
        # The list it was welcomed with, then everybody once who came later.
        known = {it["id"] for it in peer.heard[0]["members"]}
        came = [it["member"]["id"] for it in peer.heard[1:]]
        assert peer.kinds[1:] == ["member_joined"] * len(came)
        assert len(known) + len(came) == len(known | set(came)) == 41


async def test_ids_are_never_used_again(nodes: Nodes) -> None:
    party = await nodes[0].create()
    ids = []
    for at in range(8):
        guest = await nodes[at % 4].seat(party, "the same device")
        ids.append(guest.id)
        await guest.leave()
    assert ids == [f"client-{number}" for number in range(1, 9)]


async def test_exactly_as_many_get_in_as_there_are_seats(nodes: Nodes) -> None:
    party = await nodes[0].create(maxMembers=100)
    peers = await asyncio.gather(*[nodes[at % 4].connect() for at in range(500)])
    # All at once, and by chance the first of one node or of another.
    numbered = list(enumerate(peers))
    random.shuffle(numbered)
    for number, peer in numbered:
        await peer.say(join(f"device-{number}", f"Name {number}", party.id))
    answers = await asyncio.gather(*[peer.receive() for peer in peers])
    refusals = [it for it in answers if it["type"] == "error"]
    welcomes = [it["clientId"] for it in answers if it["type"] == "welcome"]
    assert (len(welcomes), len(refusals)) == (99, 401)
    assert len(set(welcomes)) == 99
    for refusal in refusals:
        assert refusal["code"] == "session_full"
        assert refusal["details"] == {"maxMembers": 100, "currentMembers": 100}
    for node in nodes:
        shown = (await node.request("GET", f"/sessions/{party.id}")).json()
        assert shown["memberCount"] == 100


async def test_a_device_comes_back_through_another_node(nodes: Nodes) -> None:
    party = await nodes[0].create()
    bob = await nodes[1].seat(party, "device-2", "Bob")
    ann = await nodes[2].seat(party, "device-1", "Ann")
    await see_each_other(ann, bob)
    for node in (nodes[3], nodes[0], nodes[2], nodes[2]):
        await ann.raw.hang_up(1006)
        away = ConnectionStatus.RECONNECTING
        await until(lambda: bob.members[ann.id].connection_status is away)  # noqa: B023
        again = await node.seat(party, "device-1", "Ann")
        await see_each_other(again, bob)
        assert again.id == ann.id
        assert again.members[ann.id].joined_at_ms == ann.members[ann.id].joined_at_ms
        assert bob.kinds[-2:] == ["member_list", "member_joined"]
        ann = again
    assert "member_left" not in bob.kinds


async def test_a_dead_connection_on_another_node_loses_its_seat(nodes: Nodes) -> None:
    party = await nodes[0].create()
    bob = await nodes[0].seat(party, "device-2", "Bob")
    ann = await nodes[1].seat(party, "device-1", "Ann")
    ann.raw.answers_pings = False
    again = await nodes[2].seat(party, "device-1", "Ann")
    assert again.id == ann.id
    assert await ann.raw.closed() == 1006
    await see_each_other(again, bob)
    assert bob.kinds.count("member_joined") == 2
    assert "member_left" not in bob.kinds
    # The old connection's end comes late: it touches nothing.
    await again.beat()
    await again.ask_for_list()
    assert again.members[again.id].connection_status is ConnectionStatus.CONNECTED


async def test_a_living_connection_on_another_node_keeps_its_seat(
    nodes: Nodes,
) -> None:
    party = await nodes[0].create()
    ann = await nodes[1].seat(party, "device-1", "Ann")
    for node in nodes:
        refusal = await node.refusal(party, "device-1")
        assert refusal["code"] == "already_joined"
    await ann.settle()
    assert ann.kinds == ["member_list", "pong"]


async def test_leaving_in_either_way_is_told_everywhere(nodes: Nodes) -> None:
    party = await nodes[0].create()
    onlookers = [
        await node.seat(party, f"device-{at}") for at, node in enumerate(nodes)
    ]
    ann = await nodes[1].seat(party, "device-ann")
    await ann.leave()
    bob = await nodes[2].seat(party, "device-bob")
    await bob.raw.hang_up(1000)
    eve = await nodes[3].seat(party, "device-eve")
    await eve.raw.break_protocol()
    assert await eve.raw.closed() == 1002
    for onlooker in onlookers:
        for who, reason in ((ann, "left"), (bob, "left"), (eve, "error")):
            await heard(onlooker, "member_left", memberId=who.id, reason=reason)
    await see_each_other(*onlookers)


async def test_every_member_may_ask_for_the_list(nodes: Nodes) -> None:
    party = await nodes[0].create()
    peers = [await node.seat(party, f"device-{at}") for at, node in enumerate(nodes)]
    await see_each_other(*peers)
    for peer in peers:
        await peer.ask_for_list()
    lists = [seen(peer.members.values()) for peer in peers]
    assert lists == [lists[0]] * 4
    assert len(lists[0]) == 5


async def test_a_flood_ends_the_connection_and_the_seat(nodes: Nodes) -> None:
    party = await nodes[0].create()
    onlooker = await nodes[2].seat(party, "device-1")
    ann = await nodes[1].seat(party, "device-2")
    for number in range(300):
        await ann.raw.say({"type": "ping", "timestamp": number})
    assert await ann.raw.closed() == 1008
    assert (await heard(ann, "kicked"))["reason"]
    await heard(onlooker, "member_left", memberId=ann.id, reason="kicked")
    again = await nodes[3].seat(party, "device-2")
    assert again.id != ann.id


async def test_refusals_are_the_same_through_every_node(nodes: Nodes) -> None:
    party = await nodes[0].create(maxMembers=2)
    ann = await nodes[0].seat(party, "device-1")
    for node in nodes:
        code = (await node.refusal("nowhere", "device-2"))["code"]
        assert code == "session_not_found"
        refusal = await node.refusal("nowhere", "device-2", version="2.0")
        assert refusal["code"] == "version_mismatch"
        assert refusal["details"] == {"supported": "1.0", "requested": "2.0"}
        refusal = await node.refusal(party, "device-2", token="wrong")
        assert refusal["code"] == "unauthorized"
        refusal = await node.refusal(party, "device-2")
        assert refusal["code"] == "session_full"
        assert refusal["details"] == {"maxMembers": 2, "currentMembers": 2}
    await ann.settle()
    assert ann.kinds == ["member_list", "pong"]


@pytest.mark.parametrize("at", [0, 1])
async def test_a_joined_connection_joins_once(nodes: Nodes, at: int) -> None:
    party = await nodes[0].create()
    ann = await nodes[at].seat(party, "device-1")
    await ann.raw.say(join("device-1", session_id=party.id))
    assert (await heard(ann, "error"))["code"] == "already_joined"
    await ann.raw.say({"type": "kicked", "memberId": party.host_id})
    assert (await heard(ann, "error", code="unauthorized"))["message"]
    await ann.raw.say({"type": "session_closed"})
    await until(lambda: ann.kinds.count("error") == 3)


@pytest.mark.parametrize("at", [0, 1])
async def test_ten_refused_joins_are_the_last(nodes: Nodes, at: int) -> None:
    party = await nodes[0].create(maxMembers=1)
    peer = await nodes[at].connect()
    for _ in range(10):
        await peer.say(join("device-1", session_id=party.id))
        assert (await peer.receive())["code"] == "session_full"
    assert await peer.closed() == 1008


async def test_a_latency_is_measured_at_the_edge(nodes: Nodes) -> None:
    party = await nodes[0].create()
    ann = await nodes[1].seat(party, "device-1")
    bob = await nodes[2].seat(party, "device-2")

    async def is_measured(asks: SeatedPeer) -> bool:
        await asks.ask_for_list()
        return all(
            it.latency_ms is not None for it in asks.members.values() if not it.is_host
        )

    async with asyncio.timeout(20):
        while not (await is_measured(ann) and await is_measured(bob)):
            await ann.beat()
            await asyncio.sleep(0.05)
