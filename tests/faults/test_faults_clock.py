"""The system clock jumps by an hour, forward or back, while members are in."""

from collections.abc import Sequence
from pathlib import Path

import pytest

import loudsync
from client_manual_clock import NS_PER_S
from client_manual_clock import ManualClock as ClientClock
from followed_client import followed
from loudsync import ClientSettings, HostedSession, ServerSettings, SessionServer
from loudsync.core.events import LatencyMeasured, StateChanged
from loudsync.server.clock import Clock
from loudsync.server.sqlite_store import SqliteStore
from loudsync.testing import FaultProxy, Way
from raw_peer import until
from same_views import Seen, check_same_views, seen
from seated_peer import SeatedPeer
from stage import FlowClock

HOUR_S = 3600
NOON_MS = 1_706_889_600_000

both_directions = pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])


def server_with(clock: Clock, store: SqliteStore | None = None) -> SessionServer:
    settings = ServerSettings(max_message_rate=0)
    return SessionServer(
        host="127.0.0.1", port=0, settings=settings, clock=clock, store=store
    )


def status_of(session: HostedSession, peer: SeatedPeer) -> str | None:
    found = [one.status.value for one in seen(session.members) if one.id == peer.id]
    return found[0] if found else None


async def pass_time(clock: FlowClock, seconds: int, *alive: SeatedPeer) -> None:
    """Let time pass; these members send HEARTBEAT every 5 s."""
    for _ in range(seconds // 5):
        clock.advance(5)
        for peer in alive:
            await peer.beat()


@both_directions
async def test_nobody_is_timed_out_or_kept_by_a_jump(jump_s: int) -> None:
    clock = FlowClock(NOON_MS)
    async with server_with(clock) as server:
        session = await server.create_session("Party")
        ann = await SeatedPeer.join(server.port, session.id, "ann")
        bob = await SeatedPeer.join(server.port, session.id, "bob")
        silent = await SeatedPeer.join(server.port, session.id, "silent")
        lost = await SeatedPeer.join(server.port, session.id, "lost")
        await lost.raw.hang_up(1006)
        await until(lambda: status_of(session, lost) == "reconnecting")
        before = seen(session.members)

        clock.jump(jump_s)
        await pass_time(clock, 10, ann, bob)
        assert seen(session.members) == before, "10 s of silence are no 15 s"

        # Who comes now is last in order, whatever the calendar says.
        late = await SeatedPeer.join(server.port, session.id, "late")
        assert seen(session.members)[:-1] == before
        assert list(late.members)[-1] == late.id
        assert late.members[late.id].joined_at_ms == NOON_MS + 1000 * (jump_s + 10)

        await pass_time(clock, 10, ann, bob, late)
        assert status_of(session, silent) is status_of(session, lost) is None
        assert [one.id for one in seen(session.members)][1:] == [
            ann.id,
            bob.id,
            late.id,
        ]
        clock.jump(-jump_s)
        await pass_time(clock, 30, ann, bob, late)
        assert len(session.members) == 4
        await check_same_views(server.port, session, [ann, bob, late])
        for peer in (ann, bob, silent, lost, late):
            await peer.raw.gone()


@both_directions
async def test_a_seat_is_taken_back_after_a_jump(jump_s: int) -> None:
    clock = FlowClock(NOON_MS)
    async with server_with(clock) as server:
        session = await server.create_session("Party")
        ann = await SeatedPeer.join(server.port, session.id, "ann")
        old = await SeatedPeer.join(server.port, session.id, "bob")
        await old.raw.hang_up(1006)
        await until(lambda: status_of(session, old) == "reconnecting")
        clock.jump(jump_s)
        await pass_time(clock, 10, ann)
        bob = await SeatedPeer.join(server.port, session.id, "bob")
        assert bob.id == old.id
        assert bob.members[bob.id].joined_at_ms == NOON_MS
        await ann.settle()
        assert "member_left" not in ann.kinds
        await check_same_views(server.port, session, [ann, bob])
        for peer in (ann, old, bob):
            await peer.raw.gone()


@both_directions
async def test_a_round_trip_over_a_jump_is_as_long_as_it_was(jump_s: int) -> None:
    clock = FlowClock(NOON_MS)
    async with server_with(clock) as server, FaultProxy(server.port) as proxy:
        session = await server.create_session("Party")
        ann = await SeatedPeer.join(proxy.port, session.id, "ann")
        (connection,) = proxy.connections
        await pass_time(clock, 10, ann)
        connection.stall(Way.TO_CLIENT)  # the ping of the next heartbeat waits
        clock.advance(5)
        taken = server.stats.messages_in
        await ann.raw.say({"type": "heartbeat"})
        await until(lambda: server.stats.messages_in > taken)
        clock.jump(jump_s)
        clock.advance(0.2)
        connection.heal()
        await ann.settle()
        assert [member.latency_ms for member in session.members][1:] == [200]
        await check_same_views(server.port, session, [ann])
        await ann.raw.gone()


@both_directions
async def test_a_restart_at_another_hour_changes_no_seat(
    tmp_path: Path, jump_s: int
) -> None:
    store = tmp_path / "party.state"
    clock = FlowClock(NOON_MS)
    async with server_with(clock, SqliteStore(store)) as server:
        session = await server.create_session("Party", remote_host=True)
        token, code = session.host_token, session.id
        peers = [await SeatedPeer.join(server.port, code, "host", "Host", token=token)]
        for device in ("ann", "bob", "lost"):
            clock.advance(1)
            peers.append(await SeatedPeer.join(server.port, code, device))
        before = identities(seen(session.members))
    for peer in peers:
        assert await peer.raw.closed() == 1012
        await peer.raw.gone()

    clock = FlowClock(NOON_MS + 1000 * jump_s)
    async with server_with(clock, SqliteStore(store)) as server:
        (session,) = server.sessions()
        assert identities(seen(session.members)) == before
        host = await SeatedPeer.join(server.port, code, "host", "Host", token=token)
        await pass_time(clock, 10, host)
        assert identities(seen(session.members)) == before
        new = await SeatedPeer.join(server.port, code, "new")
        bob = await SeatedPeer.join(server.port, code, "bob")
        ann = await SeatedPeer.join(server.port, code, "ann")
        everybody = [host, ann, bob, new]
        assert identities(seen(session.members)) == [*before, (new.id, clock.unix_ms())]
        await pass_time(clock, 10, *everybody)
        await until(lambda: "member_left" in host.kinds)  # once it is saved
        gone = [m for m in host.heard if m["type"] == "member_left"]
        assert [(m["memberId"], m["reason"]) for m in gone] == [("client-3", "timeout")]
        assert [peer.id for peer in everybody] == [one.id for one in session.members]
        await check_same_views(server.port, session, everybody)
        for peer in everybody:
            await peer.raw.gone()


def identities(members: list[Seen]) -> list[tuple[str, int]]:
    return [(one.id, one.joined_at_ms) for one in members]


@both_directions
async def test_a_client_does_not_mind_its_own_clocks_jump(
    jump_s: int,
    server: SessionServer,
    session: HostedSession,
    proxy: FaultProxy,
) -> None:
    clock = ClientClock()
    client = loudsync.join(
        proxy.url,
        session_id=session.id,
        name="Sara",
        clock=clock,
        settings=ClientSettings(reconnect_spread=0),
    )
    async with followed([client]) as (sara,):
        await until(lambda: measured(sara.events) == [0])
        (connection,) = proxy.connections
        connection.stall()
        await clock.pass_by(5)
        await clock.slept()
        await clock.sleeping(5)  # HEARTBEAT and PING are on their way
        clock.wall_ms += 1000 * jump_s
        clock.now_ns += NS_PER_S // 10
        connection.heal()
        await until(lambda: len(measured(sara.events)) == 2)
        assert measured(sara.events)[1] == 100
        for _ in range(4):  # longer than any timeout
            heard = len(measured(sara.events))
            await clock.pass_by(5)
            await until(lambda: len(measured(sara.events)) > heard)  # noqa: B023
        assert not any(isinstance(event, StateChanged) for event in sara.events)

        clock.wall_ms -= 1000 * jump_s
        connection.reset()
        await clock.pass_by(2)
        await until(lambda: sara.returns == 1)
        assert sara.has_its_seat
        await check_same_views(server.port, session, [sara])


def measured(events: Sequence[object]) -> list[float]:
    return [it.latency_ms for it in events if isinstance(it, LatencyMeasured)]
