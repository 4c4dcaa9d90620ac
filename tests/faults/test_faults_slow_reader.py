"""One guest stops reading in a busy session, and the others don't notice."""

import asyncio
from collections.abc import Callable

import pytest

import loudsync
from followed_client import followed
from loudsync import ClientSettings, HostedSession, ServerSettings, SessionServer
from loudsync.testing import FaultProxy, Way
from raw_peer import until
from same_views import check_same_views, seen
from seated_peer import SeatedPeer

REGULARS = 20
MAX_ROUNDS = 2_000
"""Far more than any buffer holds; the end of a failing test."""

Figure = Callable[[str, float], None]


@pytest.fixture
def settings() -> ServerSettings:
    return ServerSettings(max_message_rate=0, max_outgoing_bytes=16 * 1024)


async def come_and_go(server: SessionServer, code: str, number: int) -> None:
    """Join, come back under another name, leave; the others hear of it all."""
    device = f"device {number}"
    first = await SeatedPeer.join(server.port, code, device, "A" * 64)
    await first.raw.hang_up(1006)
    again = await SeatedPeer.join(server.port, code, device, "B" * 64)
    assert again.id == first.id
    await again.leave()
    await first.raw.gone()


@pytest.mark.parametrize("does_return", [True, False])
async def test_a_reader_that_stalls_is_dropped_and_the_others_go_on(
    server: SessionServer,
    session: HostedSession,
    does_return: bool,
    figure: Figure,
) -> None:
    regulars = [
        await SeatedPeer.join(server.port, session.id, f"regular {n}", "R" * 64)
        for n in range(REGULARS)
    ]
    fast = ClientSettings(reconnect_delay_s=0.05)
    async with FaultProxy(server.port, max_waiting_bytes=4096) as proxy:
        client = loudsync.join(
            proxy.url, session_id=session.id, name="Sara", settings=fast
        )
        async with followed([client]) as (sara,):
            (connection,) = proxy.connections
            connection.stall(Way.TO_CLIENT)
            started_s = asyncio.get_running_loop().time()
            rounds = 0
            while server.stats.overflows == 0:
                rounds += 1
                assert rounds < MAX_ROUNDS
                await come_and_go(server, session.id, rounds)
                for peer in regulars:
                    await peer.settle()
            figure("rounds", rounds)
            figure("dropped_s", asyncio.get_running_loop().time() - started_s)
            if does_return:
                connection.heal()  # it reads what came, and then the end
                await until(lambda: sara.returns == 1)
                assert sara.has_its_seat
                await check_same_views(server.port, session, [*regulars, sara])
            else:
                await proxy.cut()
                onlooking = [one for one in seen(session.members) if one.id == sara.id]
                assert [one.status.value for one in onlooking] == ["reconnecting"]
                await check_same_views(server.port, session, regulars)
    assert server.stats.overflows == 1
    for peer in regulars:
        assert peer.raw.close_code is None
        left = {m["memberId"] for m in peer.heard if m["type"] == "member_left"}
        assert not {one.id for one in regulars} & left
        await peer.raw.gone()
