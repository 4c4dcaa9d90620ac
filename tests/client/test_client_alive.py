"""Heartbeats, silence, latency, and servers that lie."""

import asyncio
from typing import Any

import pytest

from client_manual_clock import ManualClock
from loudsync.client import Client, ClientSettings, join
from loudsync.core.events import (
    ClientEvent,
    Connected,
    ErrorReported,
    EventsLost,
    Joined,
    LatencyMeasured,
    Left,
    Reconnecting,
    RemovedByHost,
    Returned,
    StateChanged,
)
from loudsync.protocol import (
    ConnectionState,
    ConnectionStatus,
    Heartbeat,
    Kicked,
    LeaveReason,
    MemberId,
    MemberJoined,
    MemberLeft,
    Ping,
    Pong,
)
from scripted_peer import (
    HOST,
    ME,
    SESSION,
    Peer,
    error,
    member,
    member_list,
    scripted,
    stay_seated,
    welcome,
)

pytestmark = pytest.mark.usefixtures("nothing_left")

DELAY_S = 3.0


def client_of(url: str, clock: ManualClock, **more: Any) -> Client:
    settings = ClientSettings(reconnect_delay_s=DELAY_S, reconnect_spread=0, **more)
    return join(url, session_id="abc123", name="Sara", clock=clock, settings=settings)


async def test_a_heartbeat_and_a_ping_at_once_then_every_5_s(
    clock: ManualClock,
) -> None:
    beats: asyncio.Queue[int | float] = asyncio.Queue()

    async def script(peer: Peer) -> None:
        await peer.seat()
        for _ in range(3):
            heartbeat = await peer.receive(Heartbeat)
            ping = await peer.receive(Ping)
            assert heartbeat.timestamp_ms == ping.timestamp_ms
            beats.put_nowait(ping.timestamp_ms)
            await peer.send(member_list())
        await peer.stay()

    async with scripted(script) as server, client_of(server.url, clock):
        start = clock.wall_ms
        assert await beats.get() == start
        await clock.pass_by(5)
        assert await beats.get() == start + 5_000
        await clock.pass_by(5)
        assert await beats.get() == start + 10_000


async def test_latency_is_measured_on_the_own_clock(clock: ManualClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.seat()
        ping = await peer.receive(Ping)
        clock.advance(0.042)
        # This machine's wall clock is set back; the measure does not care.
        clock.wall_ms -= 3_600_000
        await peer.send(Pong(timestamp_ms=ping.timestamp_ms))
        again = await peer.receive(Ping)
        clock.advance(0.007)
        await peer.send(Pong(timestamp_ms=float(again.timestamp_ms)))
        await peer.stay()

    async with scripted(script) as server, client_of(server.url, clock) as party:
        assert isinstance(await anext(party), Connected)
        assert await anext(party) == LatencyMeasured(latency_ms=42.0)
        assert party.latency_ms == 42.0
        await clock.pass_by(5)
        assert await anext(party) == LatencyMeasured(latency_ms=7.0)
        assert party.latency_ms == 7.0


async def test_pongs_to_no_ping_are_ignored(clock: ManualClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.seat()
        ping = await peer.receive(Ping)
        await peer.send(
            Pong(timestamp_ms=0),
            Pong(timestamp_ms=ping.timestamp_ms - 60_000),
            Pong(timestamp_ms=ping.timestamp_ms + 0.5),
            Pong(timestamp_ms=ping.timestamp_ms),
            Pong(timestamp_ms=ping.timestamp_ms),
            error("seen"),
        )
        await peer.stay()

    async with scripted(script) as server, client_of(server.url, clock) as party:
        assert isinstance(await anext(party), Connected)
        assert await anext(party) == LatencyMeasured(latency_ms=0.0)
        assert isinstance(await anext(party), ErrorReported)


async def test_two_pings_never_share_a_timestamp(clock: ManualClock) -> None:
    stamps: list[int | float] = []

    async def script(peer: Peer) -> None:
        await peer.seat()
        for _ in range(40):
            stamps.append((await peer.receive(Ping)).timestamp_ms)
            await peer.connection.ping()
        await peer.send(error("enough"))
        await peer.stay()

    async with scripted(script) as server, client_of(server.url, clock) as party:
        assert isinstance(await anext(party), Connected)
        last = asyncio.ensure_future(anext(party))
        while not last.done():
            clock.wall_ms = 1_706_889_600_000
            clock.advance(0.5)
            await asyncio.sleep(0)
        await last
    # What is not remembered any more may come again.
    assert all(len(set(stamps[at : at + 16])) == 16 for at in range(25))


async def test_silence_is_a_loss(clock: ManualClock) -> None:
    codes: list[int | None] = []

    async def half_open(peer: Peer) -> None:
        await peer.seat()
        try:
            await peer.ignore()
        finally:
            codes.append(peer.close_code)

    async with (
        scripted(half_open, stay_seated) as server,
        client_of(server.url, clock) as party,
    ):
        assert isinstance(await anext(party), Connected)
        await clock.sleeping(15)
        for _ in range(3):
            await clock.pass_by(5)
        assert await anext(party) == StateChanged(
            state=ConnectionState.RECONNECTING,
            attempt=1,
            max_attempts=3,
            reason="nothing heard for 15 s",
        )
        await clock.pass_by(DELAY_S)
        assert isinstance(await anext(party), StateChanged)
        assert isinstance(await anext(party), Connected)
    # A close frame with 1000 would have given the seat up.
    assert codes == [1006]


@pytest.mark.parametrize("sign", ["ping frame", "binary", "rubbish"])
async def test_any_frame_is_a_sign_of_life(sign: str, clock: ManualClock) -> None:
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.seat()
        await peer.receive(Ping)
        await go.wait()
        if sign == "ping frame":
            await peer.connection.ping()
        else:
            await peer.send(b"\x00" if sign == "binary" else "{")
        # Its pong says that the client has read all of that.
        await (await peer.connection.ping())
        clock.advance(5)
        await peer.stay()

    async with scripted(script) as server, client_of(server.url, clock) as party:
        await clock.sleeping(15)
        clock.advance(10)
        go.set()
        await clock.sleeping(10)
        assert party.state is ConnectionState.CONNECTED


async def test_a_server_that_pings_but_never_reads(clock: ManualClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.seat()
        transport = peer.connection.transport
        transport.pause_reading()
        frame = b"\x89\x7d" + b"x" * 125
        try:
            while not transport.is_closing():
                if transport.get_write_buffer_size() < 1_000_000:
                    transport.write(frame * 1_000)
                await asyncio.sleep(0)
        finally:
            transport.abort()

    async with scripted(script) as server:
        client = client_of(server.url, clock, reconnect_attempts=0)
        async with client as party:
            assert isinstance(await anext(party), Connected)
            ending = asyncio.ensure_future(anext(party))
            while not ending.done():
                clock.advance(0.01)
                await asyncio.sleep(0)
            event = await ending
            assert isinstance(event, StateChanged)
            assert event.reason == "nothing heard for 15 s"


async def test_members_follow_the_messages(clock: ManualClock) -> None:
    ali, away = member("ali"), ConnectionStatus.RECONNECTING

    async def script(peer: Peer) -> None:
        await peer.seat()
        await peer.send(
            MemberJoined(timestamp_ms=2, member=ali),
            member_list(HOST, ME, member("ali", connection_status=away)),
            MemberJoined(timestamp_ms=2, member=ali),
            MemberLeft(
                timestamp_ms=3, member_id=MemberId("ali"), reason=LeaveReason.TIMEOUT
            ),
            member_list(HOST, ME, member("eve")),
        )
        await peer.stay()

    async with scripted(script) as server, client_of(server.url, clock) as party:
        members = party.members
        events = [await anext(party) for _ in range(6)]
        assert events[1:] == [
            Joined(session_id=SESSION.id, member=ali),
            Reconnecting(
                session_id=SESSION.id, member=member("ali", connection_status=away)
            ),
            Returned(session_id=SESSION.id, member=ali),
            Left(session_id=SESSION.id, member=ali, reason=LeaveReason.TIMEOUT),
            Joined(session_id=SESSION.id, member=member("eve")),
        ]
        assert set(members) == {"host-1", "client-1", "eve"}
        with pytest.raises(TypeError):
            members["x"] = ME  # type: ignore[index]


async def test_lies_change_nothing(clock: ManualClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.seat()
        await peer.send(
            welcome(),
            welcome("client-9"),
            MemberLeft(timestamp_ms=1, member_id=MemberId("nobody")),
            Pong(timestamp_ms=77),
            b"\x00\xff\xfe",
            "",
            "null",
            "[" * 100_000,
            '{"type":"member_list","timestamp":1,"members":[{"id":1}]}',
            '{"type":"member_list","timestamp":1}',
            '{"type":"join","timestamp":1}',
            '{"type":"kicked","timestamp":1}',
            '{"type":"pong","timestamp":1e999}',
            '{"type":"pong","timestamp":' + "9" * 5_000 + "}",
            '{"type":"error","timestamp":1,"code":7,"message":"x"}',
            error("unauthorized"),
        )
        await peer.stay()

    async with scripted(script) as server, client_of(server.url, clock) as party:
        assert isinstance(await anext(party), Connected)
        assert await anext(party) == ErrorReported(
            code="unauthorized", message="Because unauthorized"
        )
        assert party.client_id == "client-1"
        assert dict(party.members) == {"host-1": HOST, "client-1": ME}
        assert party.state is ConnectionState.CONNECTED


async def test_a_server_that_forgets_this_client(clock: ManualClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.seat()
        await peer.send(MemberLeft(timestamp_ms=1, member_id=ME.id))
        await peer.stay()

    async with scripted(script) as server, client_of(server.url, clock) as party:
        assert isinstance(await anext(party), Connected)
        assert await anext(party) == Left(session_id=SESSION.id, member=ME)
        assert party.me is None
        assert party.client_id == "client-1"


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\xff\xff",  # reserved bits
        b"\x83\x00",  # an opcode nobody knows
        b"\x81\x02\xc3\x28",  # text that is not UTF-8
        b"\x80\x00",  # a continuation of nothing
        b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",  # 8 EiB announced
        b"\x81\x7e\x08\x00" + b"x" * 2_048,  # more than the limit
        b"\xc1\x01x",  # compressed, though nobody agreed to that
    ],
)
async def test_a_broken_protocol_is_a_loss(rubbish: bytes, clock: ManualClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.seat()
        await peer.receive(Ping)
        peer.connection.transport.write(rubbish)
        await peer.ignore()

    async with scripted(script, stay_seated) as server:
        client = client_of(server.url, clock, max_message_bytes=1_024)
        async with client as party:
            assert isinstance(await anext(party), Connected)
            event = await anext(party)
            assert isinstance(event, StateChanged)
            assert event.reason.startswith("the server broke the protocol"), event
            await clock.pass_by(DELAY_S)
            assert isinstance(await anext(party), StateChanged)
            assert isinstance(await anext(party), Connected)


async def test_fragments_are_put_together(clock: ManualClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.seat()
        text = '{"type":"error","timestamp":1,"code":"x","message":"whole"}'
        await peer.connection.send(iter([text[:9], text[9:20], text[20:]]))
        await peer.stay()

    async with scripted(script) as server, client_of(server.url, clock) as party:
        assert isinstance(await anext(party), Connected)
        assert await anext(party) == ErrorReported(code="x", message="whole")


async def test_a_slow_reader_loses_the_oldest_and_never_the_end(
    clock: ManualClock,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.seat()
        for number in range(100):
            await peer.send(
                MemberJoined(timestamp_ms=1, member=member(f"client-{number + 2}"))
            )
        await peer.send(Kicked(timestamp_ms=1, reason="full"))
        await peer.connection.wait_closed()
        ended.set()

    ended = asyncio.Event()
    async with scripted(script) as server:
        client = client_of(server.url, clock, max_queued_events=10)
        async with client as party:
            await ended.wait()
            events: list[ClientEvent] = [event async for event in party]
    assert isinstance(events[0], Connected)
    assert events[1] == EventsLost(count=93)
    assert [type(event) for event in events[2:]] == [Joined] * 7 + [RemovedByHost]


async def test_one_task_iterates(clock: ManualClock) -> None:
    async with scripted(stay_seated) as server, client_of(server.url, clock) as party:
        assert isinstance(await anext(party), Connected)
        first = asyncio.ensure_future(anext(party))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="iterating"):
            await anext(party)
        first.cancel()


async def test_a_bug_is_shown_and_not_swallowed(
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    async def script(peer: Peer) -> None:
        await peer.seat()
        await peer.receive(Ping)
        await peer.send(Pong(timestamp_ms=1))
        await peer.ignore()

    monkeypatch.setattr("loudsync.client.keeper.SeatKeeper._note_latency", fail)
    async with scripted(script) as server, client_of(server.url, clock) as party:
        assert isinstance(await anext(party), Connected)
        with pytest.raises(ZeroDivisionError):
            await anext(party)
    assert "ended with a bug" in caplog.text
