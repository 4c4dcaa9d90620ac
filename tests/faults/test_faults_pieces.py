"""Traffic that is late, in crumbs, or cut in the middle."""

from collections.abc import Callable

import msgspec
import pytest

import loudsync
from followed_client import followed
from loudsync import ClientSettings, HostedSession, SessionServer
from loudsync.core.events import Left, RemovedByHost, SessionEnded
from loudsync.errors import ConnectionFailed
from loudsync.testing import FaultProxy, Way
from raw_peer import TEXT, RawPeer, frame, until
from same_views import check_same_views, seen
from seated_peer import SeatedPeer
from stage import join

JOIN = frame(
    TEXT, msgspec.json.encode({"timestamp": 1, **join("phone", "Sara", "abc123")})
)

FAST = ClientSettings(reconnect_delay_s=0.05)


def crumbs(proxy: FaultProxy) -> None:
    proxy.trickle()


def far_away(proxy: FaultProxy) -> None:
    proxy.delay(0.05)


@pytest.mark.parametrize("slow_down", [crumbs, far_away])
async def test_a_whole_party_works_through_a_slow_network(
    server: SessionServer, proxy: FaultProxy, slow_down: Callable[[FaultProxy], None]
) -> None:
    slow_down(proxy)
    session = await server.create_session("Party", remote_host=True)
    host = loudsync.join(
        proxy.url, session_id=session.id, name="Host", token=session.host_token
    )
    guests = [
        loudsync.join(proxy.url, session_id=session.id, name=name)
        for name in ("Sara", "Ann", "Bob")
    ]
    async with followed([host, *guests]) as everybody:
        boss, sara, ann, bob = everybody
        await check_same_views(server.port, session, everybody)
        await sara.client.leave("bored")
        await boss.client.kick(ann.id, "rude")
        await until(lambda: len(session.members) == 2)
        await check_same_views(server.port, session, [boss, bob])
        await until(lambda: any(isinstance(e, RemovedByHost) for e in ann.events))
        assert {sara.id, ann.id} <= {left.member.id for left in bob.left}
        assert boss.returns == bob.returns == 0
        await boss.client.close_session("late")
        await until(lambda: any(isinstance(e, SessionEnded) for e in bob.events))
        assert dict(bob.members) == {}
    assert session.is_closed


async def test_a_join_that_is_cut_takes_no_seat(
    server: SessionServer, session: HostedSession, proxy: FaultProxy
) -> None:
    onlooker = await SeatedPeer.join(server.port, session.id, "onlooker")
    before = seen(session.members)
    for size in (1, 2, 5, 7, len(JOIN) // 2, len(JOIN) - 1):
        raw = await RawPeer.connect(proxy.port)
        (connection,) = proxy.connections
        connection.cut_after(size, Way.TO_SERVER)
        raw.send_bytes(JOIN)
        await raw.closed()
        await connection.closed()
        await raw.gone()
    await until(lambda: server.connection_count == 1)
    await onlooker.settle()
    assert onlooker.kinds == ["member_list", "pong"]
    assert seen(session.members) == before
    phone = await SeatedPeer.join(proxy.port, session.id, "phone", "Sara")
    assert phone.id == "client-2"
    await check_same_views(server.port, session, [onlooker, phone])
    for peer in (onlooker, phone):
        await peer.raw.gone()


@pytest.mark.parametrize("has_welcome", [False, True])
async def test_an_answer_that_is_cut_leaves_a_whole_seat_to_come_back_to(
    server: SessionServer, session: HostedSession, proxy: FaultProxy, has_welcome: bool
) -> None:
    onlooker = await SeatedPeer.join(server.port, session.id, "onlooker")
    raw = await RawPeer.connect(proxy.port)
    (connection,) = proxy.connections
    if has_welcome:
        connection.halve(Way.TO_CLIENT)  # WELCOME and the list come as one piece
    else:
        connection.cut_after(20, Way.TO_CLIENT)
    raw.send_bytes(JOIN)
    await raw.closed()
    assert [message["type"] for message in raw.unread()] == ["welcome"] * has_welcome
    await raw.gone()
    await until(lambda: seen(session.members)[-1].status.value == "reconnecting")
    phone = await SeatedPeer.join(proxy.port, session.id, "phone", "Sara")
    assert phone.id == "client-2"
    await onlooker.settle()
    assert "member_left" not in onlooker.kinds
    await check_same_views(server.port, session, [onlooker, phone])
    for peer in (onlooker, phone):
        await peer.raw.gone()


async def test_a_client_whose_welcome_is_cut_is_told_and_can_try_again(
    server: SessionServer, session: HostedSession, proxy: FaultProxy
) -> None:
    proxy.cut_after(180, Way.TO_CLIENT)  # the upgrade's answer, and a little more
    device = "0123456789abcdef"
    first = loudsync.join(
        proxy.url, session_id=session.id, name="Sara", device_id=device
    )
    with pytest.raises(ConnectionFailed):
        await first.__aenter__()
    proxy.heal()
    again = loudsync.join(
        proxy.url, session_id=session.id, name="Sara", device_id=device
    )
    async with followed([again]) as (sara,):
        assert len(session.members) == 2
        await check_same_views(server.port, session, [sara])


@pytest.mark.parametrize("way", [Way.TO_SERVER, Way.TO_CLIENT])
async def test_a_member_cut_in_the_middle_of_a_frame_comes_back(
    server: SessionServer, session: HostedSession, proxy: FaultProxy, way: Way
) -> None:
    onlooker = await SeatedPeer.join(server.port, session.id, "onlooker")
    client = loudsync.join(proxy.url, session_id=session.id, name="Sara", settings=FAST)
    async with followed([client]) as (sara,):
        (connection,) = proxy.connections
        for size in (1, 2, 10):
            before = sara.returns
            connection.cut_after(size, way)
            await sara.client.request_members()
            await until(lambda: sara.returns == before + 1)  # noqa: B023
            (connection,) = proxy.connections
        assert sara.has_its_seat
        await onlooker.settle()
        assert "member_left" not in onlooker.kinds, "cut is lost, not broken rules"
        assert not any(isinstance(event, Left) for event in sara.events)
        await check_same_views(server.port, session, [onlooker, sara])
    await onlooker.raw.gone()
