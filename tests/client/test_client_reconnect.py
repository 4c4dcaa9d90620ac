"""A lost connection, and how it comes back or doesn't."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from client_manual_clock import ManualClock
from loudsync.client import Client, ClientSettings, join
from loudsync.core.events import (
    ClientEvent,
    Connected,
    RemovedByHost,
    SessionEnded,
    StateChanged,
)
from loudsync.errors import (
    InvalidMessage,
    NotConnected,
    ReconnectionFailed,
    Refused,
    SessionNotFound,
    Unauthorized,
    VersionMismatch,
)
from loudsync.protocol import (
    ConnectionState,
    Join,
    Kicked,
    Leave,
    Ping,
    SessionClosed,
)
from scripted_peer import (
    HOST,
    ME,
    Peer,
    Script,
    error,
    member,
    scripted,
    stay_seated,
    welcome,
)

pytestmark = pytest.mark.usefixtures("nothing_left")

DELAY_S = 3.0
"""Unlike every other wait of a client."""


def client_of(url: str, clock: ManualClock, **more: Any) -> Client:
    settings = ClientSettings(reconnect_delay_s=DELAY_S, reconnect_spread=0, **more)
    return join(url, session_id="abc123", name="Sara", clock=clock, settings=settings)


async def next_of(party: Client, kind: type[ClientEvent]) -> Any:
    async for event in party:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"No {kind}")


def closing(code: int, reason: str = "") -> Script:
    async def script(peer: Peer) -> None:
        await peer.seat()
        await peer.receive(Ping)
        await peer.connection.close(code, reason)

    return script


def refusing(code: str) -> Script:
    async def script(peer: Peer) -> None:
        await peer.receive(Join)
        await peer.send(error(code))
        await peer.connection.wait_closed()

    return script


async def broken(peer: Peer) -> None:
    await peer.seat()
    await peer.break_off()


async def broken_in_a_frame(peer: Peer) -> None:
    await peer.seat()
    await peer.break_off(b'\x81\x7e\x01\x00{"type":"memb')


async def unwelcome(peer: Peer) -> None:
    await peer.break_off()


async def half_welcome(peer: Peer) -> None:
    await peer.send(welcome())
    await peer.break_off()


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (broken, "the connection broke"),
        (broken_in_a_frame, "the connection broke"),
        (closing(1001), "the server closed the connection (code 1001)"),
        (closing(1012, "soon"), "the server closed the connection (code 1012: 'soon')"),
        # Without KICKED or SESSION_CLOSED nobody said that it is over.
        (closing(1000), "the server closed the connection (code 1000)"),
        (closing(1008), "the server closed the connection (code 1008)"),
    ],
)
async def test_resumed(loss: Script, reason: str, clock: ManualClock) -> None:
    joins: list[Join] = []

    async def script(peer: Peer) -> None:
        joins.append(await peer.seat(HOST, ME, member("client-2")))
        await peer.stay()

    async with scripted(loss, script) as server:
        async with client_of(server.url, clock) as party:
            members = party.members
            assert isinstance(await anext(party), Connected)
            assert await next_of(party, StateChanged) == StateChanged(
                state=ConnectionState.RECONNECTING,
                attempt=1,
                max_attempts=3,
                reason=reason,
            )
            assert party.state.value == "reconnecting"
            assert party.latency_ms is None
            assert set(party.members) == {"host-1", "client-1"}
            with pytest.raises(NotConnected):
                await party.request_members()
            await clock.pass_by(DELAY_S)
            assert await anext(party) == StateChanged(state=ConnectionState.CONNECTED)
            connected = await anext(party)
            assert isinstance(connected, Connected)
            assert connected.resumed
            assert len(connected.members) == len(members) == 3
            assert party.state.value == "connected"
        first = server.peers[0].received[0]
        assert isinstance(first, Join)
        assert joins[0].device_info == first.device_info
        assert joins[0].timestamp_ms == first.timestamp_ms + 3_000


async def test_another_seat_is_no_resumption(clock: ManualClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.seat(client_id="client-2")
        await peer.stay()

    async with (
        scripted(broken, script) as server,
        client_of(server.url, clock) as party,
    ):
        assert isinstance(await anext(party), Connected)
        await clock.pass_by(DELAY_S)
        connected = await next_of(party, Connected)
        assert not connected.resumed
        assert party.client_id == "client-2"


async def test_failed_attempts_are_counted(clock: ManualClock) -> None:
    scripts = (broken, refusing("already_joined"), refusing("session_full"))
    async with (
        scripted(*scripts, stay_seated) as server,
        client_of(server.url, clock) as party,
    ):
        for _ in range(3):
            await clock.pass_by(DELAY_S)
            await clock.slept()
        assert isinstance(await anext(party), Connected)
        changes = [await anext(party) for _ in range(4)]
        assert changes == [
            StateChanged(
                state=ConnectionState.RECONNECTING,
                attempt=attempt,
                max_attempts=3,
                reason=reason,
            )
            for attempt, reason in enumerate(
                (
                    "the connection broke",
                    "Because already_joined",
                    "Because session_full",
                ),
                start=1,
            )
        ] + [StateChanged(state=ConnectionState.CONNECTED)]


async def test_attempts_start_afresh_after_each_success(clock: ManualClock) -> None:
    rounds = (broken, unwelcome, half_welcome)
    async with (
        scripted(*rounds, *rounds, *rounds, stay_seated) as server,
        client_of(server.url, clock) as party,
    ):
        attempts = []
        for _ in range(3):
            assert isinstance(await next_of(party, Connected), Connected)
            for _ in range(3):
                attempts.append((await next_of(party, StateChanged)).attempt)
                await clock.pass_by(DELAY_S)
        assert attempts == [1, 2, 3] * 3
        await next_of(party, Connected)


async def test_every_attempt_used_up(clock: ManualClock) -> None:
    scripts = (broken, unwelcome, half_welcome, refusing("already_joined"))
    async with (
        scripted(*scripts) as server,
        client_of(server.url, clock) as party,
    ):
        assert isinstance(await anext(party), Connected)
        for attempt in (1, 2, 3):
            assert (await next_of(party, StateChanged)).attempt == attempt
            await clock.pass_by(DELAY_S)
        assert await anext(party) == StateChanged(
            state=ConnectionState.FAILED, reason="Because already_joined"
        )
        for _ in range(2):
            with pytest.raises(ReconnectionFailed, match="after 3 attempts") as caught:
                await anext(party)
        assert caught.value.attempts == 3
        assert caught.value.url == server.url + "/ws"
        assert party.state.value == "failed"
        assert dict(party.members) == {}
        with pytest.raises(NotConnected):
            await party.leave()


async def test_the_server_is_gone(clock: ManualClock) -> None:
    async with scripted(broken) as server:
        client = client_of(server.url, clock, reconnect_attempts=1)
        await client.__aenter__()
    await clock.pass_by(DELAY_S)
    with pytest.raises(ReconnectionFailed, match="connection refused"):
        await next_of(client, Leave)  # type: ignore[arg-type]
    await client.__aexit__(None, None, None)


async def test_no_attempts_at_all(clock: ManualClock) -> None:
    async with (
        scripted(broken) as server,
        client_of(server.url, clock, reconnect_attempts=0) as party,
    ):
        assert isinstance(await anext(party), Connected)
        assert (await anext(party)) == StateChanged(
            state=ConnectionState.FAILED, reason="the connection broke"
        )
        with pytest.raises(ReconnectionFailed):
            await anext(party)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("session_not_found", SessionNotFound),
        ("unauthorized", Unauthorized),
        ("version_mismatch", VersionMismatch),
        ("invalid_message", InvalidMessage),
    ],
)
async def test_refused_for_good(
    code: str, kind: type[Refused], clock: ManualClock
) -> None:
    async with (
        scripted(broken, refusing(code)) as server,
        client_of(server.url, clock) as party,
    ):
        await clock.pass_by(DELAY_S)
        with pytest.raises(kind):
            await next_of(party, Leave)  # type: ignore[arg-type]
        assert party.state.value == "disconnected"


@pytest.mark.parametrize("welcomed", [False, True])
@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (Kicked(timestamp_ms=1, reason="rude"), RemovedByHost),
        (SessionClosed(timestamp_ms=1, reason="late"), SessionEnded),
    ],
)
async def test_ended_while_coming_back(
    end: Kicked | SessionClosed,
    kind: type[ClientEvent],
    welcomed: bool,
    clock: ManualClock,
) -> None:
    async def script(peer: Peer) -> None:
        if welcomed:
            await peer.send(welcome())
        await peer.send(end)
        await peer.connection.wait_closed()

    async with (
        scripted(broken, script) as server,
        client_of(server.url, clock) as party,
    ):
        await clock.pass_by(DELAY_S)
        assert (await next_of(party, kind)).reason == end.reason
        assert [event async for event in party] == []
        assert party.state.value == "disconnected"


async def test_an_attempt_that_stalls(clock: ManualClock) -> None:
    reached = asyncio.Event()

    async def stall(peer: Peer) -> None:
        await peer.receive(Join)
        reached.set()
        await peer.ignore()

    async with (
        scripted(broken, stall, stay_seated) as server,
        client_of(server.url, clock) as party,
    ):
        await clock.pass_by(DELAY_S)
        await reached.wait()
        await clock.pass_by(10)
        await clock.pass_by(DELAY_S)
        reasons = [(await next_of(party, StateChanged)).reason for _ in range(3)]
        assert reasons[1:] == ["no WELCOME within 10 s", ""]
        # The server may hold the seat: it is not given up.
        assert not any(isinstance(m, Leave) for m in server.peers[1].received)


async def test_leaving_while_reconnecting(clock: ManualClock) -> None:
    async with (
        scripted(broken) as server,
        client_of(server.url, clock) as party,
    ):
        await clock.sleeping(DELAY_S)
        await party.leave()
        assert party.state.value == "disconnected"
        assert [type(event).__name__ async for event in party] == [
            "Connected",
            "StateChanged",
        ]


async def test_exit_while_reconnecting(clock: ManualClock) -> None:
    async with (
        scripted(broken) as server,
        client_of(server.url, clock) as party,
    ):
        await clock.sleeping(DELAY_S)
    assert party.state.value == "disconnected"


Ending = Callable[[Peer], Awaitable[None]]


async def close_1000(peer: Peer) -> None:
    await peer.connection.close(1000)


async def break_off(peer: Peer) -> None:
    await peer.break_off()


async def wait_for_the_client(peer: Peer) -> None:
    await peer.connection.wait_closed()
    assert peer.close_code == 1000


@pytest.mark.parametrize("ending", [close_1000, break_off, wait_for_the_client])
@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (Kicked(timestamp_ms=1, reason="rude"), RemovedByHost),
        (SessionClosed(timestamp_ms=1), SessionEnded),
    ],
)
async def test_the_end_is_the_end(
    end: Kicked | SessionClosed,
    kind: type[ClientEvent],
    ending: Ending,
    clock: ManualClock,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.seat()
        await peer.send(end, Kicked(timestamp_ms=1, reason="again"))
        await ending(peer)

    async with scripted(script) as server, client_of(server.url, clock) as party:
        events = [event async for event in party]
        assert [type(event) for event in events] == [Connected, kind]
        assert party.state.value == "disconnected"
        assert dict(party.members) == {}


async def test_a_server_that_kicks_and_then_stalls(clock: ManualClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.seat()
        await peer.send(Kicked(timestamp_ms=1, reason="rude"))
        # Not read on: the close frame stays unanswered.
        peer.connection.transport.pause_reading()
        await asyncio.Event().wait()

    async with scripted(script) as server:
        client = client_of(server.url, clock)
        await client.__aenter__()
        assert len([event async for event in client]) == 2
        exiting = asyncio.create_task(client.__aexit__(None, None, None))
        await clock.pass_by(2)
        await exiting


async def delays_of(count: int, spread: float, clock: ManualClock) -> list[float]:
    """Let so many clients lose their server, and tell what each waits for."""

    async def seat_and_break(peer: Peer) -> None:
        await peer.seat()
        await peer.receive(Ping)  # with the heartbeat, after which only one sleeps
        if len(server.peers) == count:
            all_seated.set()
        await all_seated.wait()
        await peer.break_off()

    all_seated = asyncio.Event()
    settings = ClientSettings(reconnect_spread=spread)
    async with AsyncExitStack() as exits:
        server = await exits.enter_async_context(scripted(*[seat_and_break] * count))
        for _ in range(count):
            party = join(
                server.url,
                session_id="abc123",
                name="Sara",
                clock=clock,
                settings=settings,
            )
            await exits.enter_async_context(party)
            await anext(party)
        while not (
            len(clock.sleepers) == count
            and all(sleeper.seconds < 5 for sleeper in clock.sleepers)
        ):
            await clock.changed()
        return [sleeper.seconds for sleeper in clock.sleepers]


async def test_a_crowd_that_lost_its_server_comes_back_spread(
    clock: ManualClock,
) -> None:
    delays = await delays_of(100, 0.25, clock)
    assert all(2 <= delay_s <= 2.5 for delay_s in delays)
    assert len(set(delays)) == 100
    assert max(delays) - min(delays) > 0.25, "as good as certain for 100 draws"


async def test_without_a_spread_everybody_waits_alike(clock: ManualClock) -> None:
    assert set(await delays_of(5, 0, clock)) == {2.0}


async def test_chance_decides_within_the_spread(clock: ManualClock) -> None:
    draws = iter([0.0, 0.5, 0.999])
    async with scripted(broken, unwelcome, unwelcome, stay_seated) as server:
        settings = ClientSettings(reconnect_delay_s=DELAY_S, reconnect_spread=0.5)
        async with join(
            server.url,
            session_id="abc123",
            name="Sara",
            clock=clock,
            settings=settings,
            chance=lambda: next(draws),
        ) as party:
            await clock.pass_by(DELAY_S)
            await clock.pass_by(1.25 * DELAY_S)
            await clock.pass_by(1.4995 * DELAY_S)
            assert (await next_of(party, Connected)).session_id == "abc123"
            await next_of(party, Connected)
