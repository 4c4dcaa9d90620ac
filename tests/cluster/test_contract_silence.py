"""Who is silent goes, wherever it hangs; short times, so that nobody waits for it."""

import asyncio

import pytest

from cluster_nodes import Nodes, heard, see_each_other
from loudsync.protocol import ConnectionStatus
from raw_peer import until
from seated_peer import SeatedPeer


@pytest.fixture(scope="module")
def options() -> tuple[str, ...]:
    return ("--heartbeat-timeout", "2", "--heartbeat-check", "0.1")


class Beating:
    """Keeps peers alive for as long as the block lasts."""

    def __init__(self, *peers: SeatedPeer) -> None:
        self._peers = peers

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._beat())

    async def __aexit__(self, *_exception: object) -> None:
        self._task.cancel()

    async def _beat(self) -> None:
        while True:
            for peer in self._peers:
                await peer.raw.say({"type": "heartbeat"})
            await asyncio.sleep(0.2)


async def test_a_silent_member_of_another_node_times_out(nodes: Nodes) -> None:
    party = await nodes[0].create()
    host = await nodes[1].seat_host(party)
    ann = await nodes[2].seat(party, "device-1")
    async with Beating(host, ann):
        bob = await nodes[3].seat(party, "device-2")
        assert await bob.raw.closed() == 1008
        for onlooker in (host, ann):
            await heard(onlooker, "member_left", memberId=bob.id, reason="timeout")
        again = await nodes[3].seat(party, "device-2")
        assert again.id != bob.id


async def test_a_lost_member_times_out_and_who_comes_back_does_not(
    nodes: Nodes,
) -> None:
    party = await nodes[0].create()
    host = await nodes[1].seat_host(party)
    async with Beating(host):
        ann = await nodes[2].seat(party, "device-1")
        bob = await nodes[3].seat(party, "device-2")
        for guest in (ann, bob):
            await guest.raw.hang_up(1006)
        away = ConnectionStatus.RECONNECTING
        await until(
            lambda: all(
                host.members[it.id].connection_status is away for it in (ann, bob)
            )
        )
        back = await nodes[0].seat(party, "device-2")
        async with Beating(back):
            await heard(host, "member_left", memberId=ann.id, reason="timeout")
            await see_each_other(host, back)
            assert back.id == bob.id
            left = [it for it in host.heard if it["type"] == "member_left"]
            assert [it["memberId"] for it in left] == [ann.id]


@pytest.mark.parametrize("host_at", [0, 1])
async def test_a_lost_host_closes_the_session_on_all_nodes(
    nodes: Nodes, host_at: int
) -> None:
    party = await nodes[0].create()
    host = await nodes[host_at].seat_host(party)
    guests = [await node.seat(party, f"device-{at}") for at, node in enumerate(nodes)]
    async with Beating(*guests):
        await host.raw.hang_up(1006)
        for guest in guests:
            assert await guest.raw.closed() == 1000
            closed = await heard(guest, "session_closed")
            assert closed["reason"] == "Host connection lost"
        for node in nodes:
            answer = await node.request("GET", f"/sessions/{party.id}")
            assert answer.status == 404


async def test_a_silent_host_closes_the_session_on_all_nodes(nodes: Nodes) -> None:
    party = await nodes[0].create()
    guests = [await node.seat(party, f"device-{at}") for at, node in enumerate(nodes)]
    async with Beating(*guests):
        await nodes[1].seat_host(party)  # and no HEARTBEAT
        for guest in guests:
            assert await guest.raw.closed() == 1000
            closed = await heard(guest, "session_closed")
            assert closed["reason"] == "Host connection lost"
