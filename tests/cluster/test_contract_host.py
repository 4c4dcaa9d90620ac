"""The contract, where the host hangs on another node than its session's owner."""

import asyncio

import pytest

from cluster_nodes import Nodes, Party, heard, see_each_other
from loudsync.protocol import ConnectionStatus
from raw_peer import until
from seated_peer import SeatedPeer


async def test_the_host_comes_through_another_node(nodes: Nodes) -> None:
    party = await nodes[0].create(hostName="Sara")
    ann = await nodes[1].seat(party, "device-1")
    assert ann.members[party.host_id].connection_status is ConnectionStatus.DISCONNECTED
    host = await nodes[2].seat_host(party)
    assert host.id == party.host_id
    here = ConnectionStatus.CONNECTED
    await until(lambda: ann.members[party.host_id].connection_status is here)
    await see_each_other(ann, host)
    await host.raw.hang_up(1006)
    away = ConnectionStatus.RECONNECTING
    await until(lambda: ann.members[party.host_id].connection_status is away)
    again = await nodes[3].seat_host(party)
    await see_each_other(ann, again)
    assert again.id == party.host_id


async def check_kicked(
    nodes: Nodes, party: Party, guest: SeatedPeer, onlooker: SeatedPeer, device: str
) -> None:
    """Check what follows from a kick: for the guest, the others, and its device."""
    assert await guest.raw.closed() == 1000
    assert (await heard(guest, "kicked"))["reason"]
    await heard(onlooker, "member_left", memberId=guest.id, reason="kicked")
    for node in nodes:
        assert (await node.refusal(party, device))["code"] == "unauthorized"


async def test_a_host_kicks_from_another_node(nodes: Nodes) -> None:
    party = await nodes[0].create()
    host = await nodes[1].seat_host(party)
    guests = [await node.seat(party, f"device-{at}") for at, node in enumerate(nodes)]
    onlooker = await nodes[3].seat(party, "onlooker")
    for at, guest in enumerate(guests):
        await host.raw.say({"type": "kicked", "memberId": guest.id, "reason": "Loud"})
        await check_kicked(nodes, party, guest, onlooker, f"device-{at}")
        assert (await heard(guest, "kicked"))["reason"] == "Loud"
    await host.raw.say({"type": "kicked", "memberId": guests[0].id})
    assert (await heard(host, "error"))["code"] == "invalid_message"
    await see_each_other(host, onlooker)


async def test_a_kick_over_http_at_any_node(nodes: Nodes) -> None:
    party = await nodes[0].create()
    onlooker = await nodes[3].seat(party, "onlooker")
    for at, node in enumerate(nodes):
        guest = await nodes[(at + 1) % 4].seat(party, f"device-{at}")
        path = f"/sessions/{party.id}/members/{guest.id}"
        assert (await node.request("DELETE", path)).status == 401
        assert (await node.request("DELETE", path, token="wrong")).status == 401
        assert (await node.request("DELETE", path, token=party.token)).status == 204
        await check_kicked(nodes, party, guest, onlooker, f"device-{at}")
        answer = await node.request("DELETE", path, token=party.token)
        assert (answer.status, answer.error_code) == (404, "member_not_found")


async def check_closed(
    nodes: Nodes, party: Party, members: list[SeatedPeer], reason: str
) -> None:
    """Check that a session's end is told to all, and that nobody knows it after."""
    for member in members:
        assert await member.raw.closed() == 1000
        assert (await heard(member, "session_closed"))["reason"] == reason
    for node in nodes:
        assert (await node.refusal(party, "late"))["code"] == "session_not_found"
        answer = await node.request("GET", f"/sessions/{party.id}")
        assert (answer.status, answer.error_code) == (404, "session_not_found")


@pytest.mark.parametrize("at", range(4))
async def test_a_session_is_closed_over_http_at_any_node(nodes: Nodes, at: int) -> None:
    party = await nodes[0].create()
    members = [await nodes[1].seat_host(party)] + [
        await node.seat(party, f"device-{number}") for number, node in enumerate(nodes)
    ]
    path = f"/sessions/{party.id}"
    assert (await nodes[at].request("DELETE", path)).status == 401
    assert (await nodes[at].request("DELETE", path, token="wrong")).status == 401
    assert (await nodes[at].request("DELETE", path, token=party.token)).status == 204
    await check_closed(nodes, party, members, "Host ended the session")


@pytest.mark.parametrize("word", ["leave", "session_closed"])
async def test_a_host_ends_its_session_from_another_node(
    nodes: Nodes, word: str
) -> None:
    party = await nodes[0].create()
    host = await nodes[1].seat_host(party)
    members = [host] + [
        await node.seat(party, f"device-{number}") for number, node in enumerate(nodes)
    ]
    await host.raw.say({"type": word, "reason": "Host ended the session"})
    await check_closed(nodes, party, members, "Host ended the session")
    # The id is free again, everywhere.
    again = await nodes[2].create(id=party.id)
    assert (await nodes[3].seat(again, "device-1")).id == "client-1"


async def test_sessions_are_shown_by_every_node(nodes: Nodes) -> None:
    made = [
        await node.create(name=f"Party {at}", listed=True, hostName="Sara")
        for at, node in enumerate(nodes)
    ]
    hidden = await nodes[0].create()
    await nodes[1].seat(made[2], "device-1")
    for node in nodes:
        listed = (await node.request("GET", "/sessions")).json()["sessions"]
        by_id = {it["id"]: it for it in listed}
        assert {it.id for it in made} <= by_id.keys()
        assert hidden.id not in by_id
        for at, party in enumerate(made):
            shown = by_id[party.id]
            assert (await node.request("GET", f"/sessions/{party.id}")).json() == shown
            assert shown["name"] == f"Party {at}"
            assert shown["hostName"] == "Sara"
            assert shown["maxMembers"] == 100
            assert shown["memberCount"] == (2 if at == 2 else 1)
        assert (await node.request("GET", f"/sessions/{hidden.id}")).status == 200
        assert (await node.request("GET", "/sessions/nowhere")).status == 404


async def test_an_id_is_taken_everywhere(nodes: Nodes) -> None:
    party = await nodes[0].create(id="friday")
    for node in nodes:
        answer = await node.request("POST", "/sessions", {"name": "P", "id": party.id})
        assert (answer.status, answer.error_code) == (409, "session_exists")


async def test_one_of_all_who_want_an_id_at_once_gets_it(nodes: Nodes) -> None:
    for attempt in range(10):
        body = {"name": "Party", "id": f"wanted-{attempt}"}
        answers = await asyncio.gather(
            *[node.request("POST", "/sessions", body) for node in nodes]
        )
        assert sorted(it.status for it in answers) == [201, 409, 409, 409]
        (made,) = [it.json() for it in answers if it.status == 201]
        token = made["hostToken"]
        path = f"/sessions/{made['id']}"
        assert (
            await nodes[attempt % 4].request("DELETE", path, token=token)
        ).status == 204
