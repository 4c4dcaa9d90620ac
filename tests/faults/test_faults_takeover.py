"""A device comes back while the server still holds its old connection."""

import asyncio
import struct
from collections.abc import Callable

import pytest

import loudsync
from followed_client import followed
from loudsync import ClientSettings, HostedSession, ServerSettings, SessionServer
from loudsync.testing import FaultProxy, Way
from raw_peer import CLOSE, RawPeer, until
from same_views import check_same_views, seen
from seated_peer import SeatedPeer
from stage import join

WAIT_S = 0.3
"""How long an old connection may take to answer, here."""

Figure = Callable[[str, float], None]


@pytest.fixture
def settings() -> ServerSettings:
    return ServerSettings(max_message_rate=0, takeover_wait_s=WAIT_S)


async def test_a_half_open_connection_loses_its_seat_to_its_device(
    server: SessionServer,
    session: HostedSession,
    proxy: FaultProxy,
    figure: Figure,
) -> None:
    onlooker = await SeatedPeer.join(server.port, session.id, "onlooker")
    old = await SeatedPeer.join(proxy.port, session.id, "phone", "Sara")
    before = old.members[old.id]
    (connection,) = proxy.connections
    connection.drop()
    started_s = asyncio.get_running_loop().time()
    new = await SeatedPeer.join(proxy.port, session.id, "phone", "Sara")
    figure("seconds", asyncio.get_running_loop().time() - started_s)
    assert new.id == old.id
    assert new.members[new.id].joined_at_ms == before.joined_at_ms
    assert server.stats.takeovers == 1
    await onlooker.settle()
    assert onlooker.kinds == ["member_list", "member_joined", "member_joined", "pong"]
    await check_same_views(server.port, session, [onlooker, new])
    await _gone(onlooker, old, new)


async def test_a_client_gets_out_of_a_half_open_connection_by_itself(
    server: SessionServer,
    session: HostedSession,
    proxy: FaultProxy,
    figure: Figure,
) -> None:
    onlooker = await SeatedPeer.join(server.port, session.id, "onlooker")
    settings = ClientSettings(
        heartbeat_interval_s=0.2, heartbeat_timeout_s=0.8, reconnect_delay_s=0.1
    )
    client = loudsync.join(
        proxy.url, session_id=session.id, name="Sara", settings=settings
    )
    async with followed([client]) as (sara,):
        (connection,) = proxy.connections
        started_s = asyncio.get_running_loop().time()
        connection.drop()
        await until(lambda: sara.returns == 1)
        figure("seconds", sara.connected_s[-1] - started_s)
        assert sara.has_its_seat
        assert server.stats.takeovers == 1
        await onlooker.settle()
        assert "member_left" not in onlooker.kinds
        await check_same_views(server.port, session, [onlooker, sara])
    await _gone(onlooker)


async def test_a_living_connection_keeps_its_seat(
    server: SessionServer, session: HostedSession, proxy: FaultProxy
) -> None:
    old = await SeatedPeer.join(proxy.port, session.id, "phone", "Sara")
    onlooker = await SeatedPeer.join(server.port, session.id, "onlooker")
    await old.settle()
    so_far = list(old.heard)
    proxy.delay(WAIT_S / 10)  # far away, but alive
    newcomer = await RawPeer.connect(server.port)
    await newcomer.say(join("phone", "Sara", session.id))
    assert (await newcomer.receive())["code"] == "already_joined"
    await old.settle()
    assert [message["type"] for message in old.heard[len(so_far) :]] == ["pong"]
    assert server.stats.takeovers == 0
    await newcomer.gone()
    await check_same_views(server.port, session, [old, onlooker])
    await _gone(old, onlooker)


async def test_a_close_that_comes_late_changes_nothing(
    server: SessionServer, session: HostedSession, proxy: FaultProxy
) -> None:
    """Its close frame and its RST arrive when a newer connection has the seat."""
    onlooker = await SeatedPeer.join(server.port, session.id, "onlooker")
    old = await SeatedPeer.join(proxy.port, session.id, "phone", "Sara")
    (connection,) = proxy.connections
    connection.stall(Way.TO_SERVER)
    old.raw.send_frame(CLOSE, struct.pack("!H", 1000))
    await old.raw.gone()
    new = await SeatedPeer.join(proxy.port, session.id, "phone", "Sara")
    assert server.stats.takeovers == 1
    taken = seen(session.members)
    connection.heal()
    await connection.closed()
    await new.beat()
    assert new.id == old.id
    assert seen(session.members) == taken
    await onlooker.settle()
    assert "member_left" not in onlooker.kinds
    await check_same_views(server.port, session, [onlooker, new])
    await _gone(onlooker, new)


class TestWhileADeviceWaits:
    """The old connection's end comes before its time to answer is over."""

    @pytest.fixture
    def settings(self) -> ServerSettings:
        return ServerSettings(max_message_rate=0, takeover_wait_s=600)

    @pytest.mark.parametrize("does_close", [True, False])
    async def test_the_end_of_the_old_connection_seats_it(
        self,
        server: SessionServer,
        session: HostedSession,
        proxy: FaultProxy,
        does_close: bool,
    ) -> None:
        onlooker = await SeatedPeer.join(server.port, session.id, "onlooker")
        old = await SeatedPeer.join(proxy.port, session.id, "phone", "Sara")
        (connection,) = proxy.connections
        old.raw.answers_pings = False
        connection.stall(Way.TO_SERVER)
        if does_close:
            old.raw.send_frame(CLOSE, struct.pack("!H", 1000))
        await old.raw.gone()
        raw = await RawPeer.connect(proxy.port)
        await raw.say(join("phone", "Sara", session.id))
        await raw.say({"type": "ping", "timestamp": 5})
        assert (await raw.receive())["type"] == "pong", "the JOIN waits for an answer"
        connection.heal()
        new = SeatedPeer(raw, await raw.receive())
        await new.settle()
        assert new.id == old.id
        await onlooker.settle()
        assert "member_left" not in onlooker.kinds
        await check_same_views(server.port, session, [onlooker, new])
        await _gone(onlooker, new)


async def _gone(*peers: SeatedPeer) -> None:
    for peer in peers:
        await peer.raw.gone()
