"""The programming interface: a server, or one party, inside a program."""

import asyncio
import re
from typing import Any

import pytest

import loudsync
from loudsync import HostedSession, ServerSettings, SessionServer
from loudsync.core.events import EventsLost, SessionEnded, Updated
from loudsync.errors import (
    InvalidMessage,
    InvalidSetting,
    LoudSyncError,
    MemberNotFound,
    SessionExists,
    SessionNotFound,
    StartFailed,
    TooManySessions,
)
from loudsync.server.creation import ID_ALPHABET
from loudsync.server.hosting import MAX_QUEUED_EVENTS
from raw_peer import ABNORMAL, PATIENCE_S, RawPeer, until
from stage import Guest, join


@pytest.fixture
async def party(server: SessionServer) -> HostedSession:
    return await server.create_session("Party", session_id="abc123")


async def guest(server: SessionServer, device: str, name: str = "Ann") -> Guest:
    peer = await RawPeer.connect(server.port)
    await peer.say(join(device, name))
    return Guest(peer, await peer.receive(), await peer.receive())  # type: ignore[arg-type]


async def next_of(events: Any) -> Any:
    """Wait for what happens next, but for news of somebody's latency."""
    while True:
        event = await asyncio.wait_for(anext(events), PATIENCE_S)
        if not isinstance(event, Updated):
            return event


# --- Creating -------------------------------------------------------------------


async def test_a_session_needs_only_a_name(server: SessionServer) -> None:
    session = await server.create_session("  Friday Party ")
    assert re.fullmatch(f"[{ID_ALPHABET}]{{6}}", session.id)
    assert (session.name, session.max_members) == ("Friday Party", 10)
    assert session.join_url == f"{server.url}/?session={session.id}"
    assert session.host_token is None
    assert not session.is_closed
    (host,) = session.members
    assert (host.name, host.is_host, host.connection_status) == (
        "Host",
        True,
        "connected",
    )


async def test_everything_can_be_asked_for(server: SessionServer) -> None:
    session = await server.create_session(
        "P", host_name="Zoë", max_members=2, session_id="Fri_day-1", listed=True
    )
    assert (session.id, session.max_members) == ("Fri_day-1", 2)
    assert session.members[0].name == "Zoë"


async def test_a_remote_host_gets_a_token_and_is_awaited(server: SessionServer) -> None:
    session = await server.create_session("P", session_id="abc123", remote_host=True)
    assert session.host_token
    assert session.members[0].connection_status == "disconnected"
    peer = await RawPeer.connect(server.port)
    await peer.say(join("device-1", "Zoë", token=session.host_token))
    assert (await peer.receive())["clientId"] == session.members[0].id
    assert session.members[0].connection_status == "connected"
    assert session.members[0].name == "Zoë"
    await peer.gone()


async def test_a_local_hosts_seat_is_nobody_elses(
    server: SessionServer, party: HostedSession
) -> None:
    for token in ("", "None", "x"):
        peer = await RawPeer.connect(server.port)
        await peer.say(join("device-1", token=token))
        assert (await peer.receive())["code"] == "unauthorized"
        await peer.gone()


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"host_name": " "}, "hostName"),
        ({"max_members": 0}, "maxMembers"),
        ({"max_members": 10_001}, "maxMembers"),
        ({"session_id": ""}, "id"),
        ({"session_id": "a/b"}, "id"),
        ({"session_id": "x" * 65}, "id"),
    ],
)
async def test_a_wrong_argument_is_named(
    server: SessionServer, arguments: dict[str, Any], setting: str
) -> None:
    with pytest.raises(InvalidSetting) as caught:
        await server.create_session(**{"name": "P", **arguments})
    assert caught.value.name == setting
    assert str(caught.value).startswith(setting)
    assert server.sessions() == []


async def test_an_id_is_taken_until_its_session_ends(
    server: SessionServer, party: HostedSession
) -> None:
    with pytest.raises(SessionExists) as caught:
        await server.create_session("Other", session_id="abc123")
    assert caught.value.session_id == "abc123"
    await party.close()
    await server.create_session("Other", session_id="abc123")


async def test_no_more_sessions_than_there_may_be() -> None:
    settings = ServerSettings(max_sessions=2)
    async with SessionServer(host="127.0.0.1", port=0, settings=settings) as server:
        await server.create_session("One")
        await server.create_session("Two")
        with pytest.raises(TooManySessions) as caught:
            await server.create_session("Three")
        assert caught.value.max_sessions == 2


async def test_sessions_are_those_that_are_open_oldest_first(
    server: SessionServer,
) -> None:
    assert server.sessions() == []
    for name in ("one", "two", "three"):
        await server.create_session(name, session_id=name)
    await server.sessions()[1].close()
    assert [session.id for session in server.sessions()] == ["one", "three"]
    assert [session.name for session in server.sessions()] == ["one", "three"]


# --- Members, kick, close -------------------------------------------------------


async def test_members_are_who_is_here(
    server: SessionServer, party: HostedSession
) -> None:
    ann, bob = await guest(server, "device-1"), await guest(server, "device-2", "Bob")
    assert [member.name for member in party.members] == ["Host", "Ann", "Bob"]
    assert [member.id for member in party.members[1:]] == [ann.id, bob.id]
    await ann.peer.say({"type": "leave"})
    assert await ann.peer.closed() == 1000
    assert [member.name for member in party.members] == ["Host", "Bob"]
    await bob.peer.hang_up()


@pytest.mark.parametrize(
    ("given", "told"), [("Too loud", "Too loud"), ("", "Host removed you")]
)
async def test_kick(
    server: SessionServer, party: HostedSession, given: str, told: str
) -> None:
    ann = await guest(server, "device-1")
    await party.kick(ann.id, given)
    assert [member.name for member in party.members] == ["Host"]
    kicked = await ann.peer.receive()
    assert kicked["type"] == "kicked"
    assert kicked["reason"].startswith(told)
    assert await ann.peer.closed() == 1000


@pytest.mark.parametrize("reason", ["\ud800", "\x1b[2J", "a\u202eb", "x" * 257])
async def test_a_reason_that_nobody_may_be_shown(
    party: HostedSession, reason: str
) -> None:
    with pytest.raises(InvalidSetting, match="reason"):
        await party.kick("client-1", reason)
    with pytest.raises(InvalidSetting, match="reason"):
        await party.close(reason)
    assert not party.is_closed


async def test_who_can_not_be_kicked(party: HostedSession) -> None:
    with pytest.raises(MemberNotFound):
        await party.kick("client-99")
    with pytest.raises(InvalidMessage, match="host"):
        await party.kick(party.members[0].id)
    await party.close()
    with pytest.raises(SessionNotFound):
        await party.kick("client-1")


async def test_close_can_be_repeated(
    server: SessionServer, party: HostedSession
) -> None:
    ann = await guest(server, "device-1")
    await party.close("Enough")
    await party.close("Again")
    assert party.is_closed
    assert party.members == ()
    assert server.sessions() == []
    closed = await ann.peer.receive()
    assert (closed["type"], closed["reason"]) == ("session_closed", "Enough")
    assert await ann.peer.closed() == 1000


async def test_an_old_handle_never_touches_a_newer_session(
    server: SessionServer, party: HostedSession
) -> None:
    await party.close()
    newer = await server.create_session("Newer", session_id="abc123")
    ann = await guest(server, "device-1")
    with pytest.raises(SessionNotFound):
        await party.kick(ann.id)
    await party.close()
    async with party.events() as events:
        with pytest.raises(StopAsyncIteration):
            await next_of(events)
    assert [member.name for member in newer.members] == ["Host", "Ann"]
    await ann.peer.hang_up()


# --- Events ---------------------------------------------------------------------


async def test_a_session_tells_its_whole_story(
    server: SessionServer, party: HostedSession
) -> None:
    async with party.events() as events:
        ann = await guest(server, "device-1")
        bob = await guest(server, "device-2", "Bob")
        joined = [await next_of(events) for _ in range(2)]
        assert [type(event).__name__ for event in joined] == ["Joined"] * 2
        assert [event.member.name for event in joined] == ["Ann", "Bob"]
        assert {event.session_id for event in joined} == {"abc123"}

        await ann.peer.hang_up(ABNORMAL)
        lost = await next_of(events)
        assert (type(lost).__name__, lost.member.id) == ("Reconnecting", ann.id)
        assert lost.member.connection_status == "reconnecting"

        again = await guest(server, "device-1", "Anna")
        back = await next_of(events)
        assert (type(back).__name__, back.member.id) == ("Returned", ann.id)
        assert back.member.name == "Anna"
        assert back.member.joined_at_ms == joined[0].member.joined_at_ms

        await bob.peer.say({"type": "leave"})
        left = await next_of(events)
        assert (type(left).__name__, left.member.name) == ("Left", "Bob")
        assert left.reason == "left"

        await party.kick(again.id)
        kicked = await next_of(events)
        assert (type(kicked).__name__, kicked.reason) == ("Left", "kicked")

        await party.close("Enough")
        ended = await next_of(events)
        assert ended == SessionEnded(session_id=party.id, reason="Enough")
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await next_of(events)
    for peer in (bob.peer, again.peer):
        await peer.closed()


async def test_iterating_ends_with_the_session(
    server: SessionServer, party: HostedSession
) -> None:
    seen = []

    async def read() -> None:
        async for event in party:
            seen.append(type(event).__name__)  # noqa: PERF401  # as users write it

    reader = asyncio.create_task(read())
    await asyncio.sleep(0)
    ann = await guest(server, "device-1")
    await server.stop()
    await asyncio.wait_for(reader, PATIENCE_S)
    assert seen == ["Joined", "SessionEnded"]
    assert await ann.peer.closed() == 1000


async def test_every_stream_gets_everything_from_its_opening_on(
    server: SessionServer, party: HostedSession
) -> None:
    early = party.events()
    ann = await guest(server, "device-1")
    late = party.events()
    bob = await guest(server, "device-2", "Bob")
    await party.close()
    names = [[type(event).__name__ async for event in each] for each in (early, late)]
    assert names == [["Joined", "Joined", "SessionEnded"], ["Joined", "SessionEnded"]]
    for peer in (ann.peer, bob.peer):
        await peer.closed()


async def test_a_closed_stream_hears_no_more(
    server: SessionServer, party: HostedSession
) -> None:
    events = party.events()
    ann = await guest(server, "device-1")
    events.close()
    events.close()
    await ann.peer.hang_up()
    await until(lambda: len(party.members) == 1)
    assert [type(event).__name__ async for event in events] == ["Joined"]


async def test_closing_a_stream_wakes_its_reader(party: HostedSession) -> None:
    events = party.events()
    reader = asyncio.create_task(next_of(events))
    await asyncio.sleep(0)
    events.close()
    with pytest.raises(StopAsyncIteration):
        await reader


async def test_a_stream_has_one_reader(party: HostedSession) -> None:
    async with party.events() as events:
        first = asyncio.create_task(next_of(events))
        await until(lambda: events._queue._has_reader)
        with pytest.raises(RuntimeError, match="iterating"):
            await next_of(events)
        first.cancel()
        await asyncio.wait([first])


async def test_a_slow_reader_is_told_what_it_lost(
    server: SessionServer, party: HostedSession
) -> None:
    events = party.events()
    comings = MAX_QUEUED_EVENTS // 2 + 20  # each is a Joined and a Left
    for number in range(comings):
        ann = await guest(server, f"device-{number}")
        await ann.peer.say({"type": "leave"})
        await ann.peer.closed()
    await party.close()
    lost, *rest = [event async for event in events]
    assert isinstance(lost, EventsLost)
    assert len(rest) == MAX_QUEUED_EVENTS - 1
    assert lost.count + len(rest) == 2 * comings + 1
    assert isinstance(rest[-1], SessionEnded)


# --- Misuse ---------------------------------------------------------------------


async def test_a_server_that_does_not_run_says_so() -> None:
    server = SessionServer(host="127.0.0.1", port=0)

    async def misuse() -> None:
        for use in (server.sessions, lambda: server.stats):
            with pytest.raises(LoudSyncError, match="does not run; use 'async with'"):
                use()
        with pytest.raises(LoudSyncError, match="does not run"):
            await server.create_session("P")
        with pytest.raises(LoudSyncError, match="does not run"):
            _ = server.connection_count

    await misuse()
    await server.stop()
    async with server:
        await server.create_session("P")
    await misuse()
    await server.stop()


async def test_a_running_server_can_not_be_started(server: SessionServer) -> None:
    with pytest.raises(LoudSyncError, match="runs already"):
        await server.start()
    assert server.sessions() == []


async def test_two_starts_at_once_start_it_once() -> None:
    server = SessionServer(host="127.0.0.1", port=0)
    outcomes = await asyncio.gather(
        server.start(), server.start(), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), LoudSyncError]
    await server.stop()


# --- Addresses ------------------------------------------------------------------


async def test_a_port_in_use(server: SessionServer) -> None:
    other = SessionServer(host="127.0.0.1", port=server.port)
    with pytest.raises(StartFailed) as caught:
        await other.start()
    assert str(caught.value) == (
        f"Can't listen at 127.0.0.1:{server.port}: the port is in use; "
        "stop what uses it or choose another with --port"
    )
    await other.stop()


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "a..b", "x" * 70])
async def test_an_address_that_is_not_ours(host: str) -> None:
    with pytest.raises(StartFailed, match="no such address; choose another with"):
        await SessionServer(host=host, port=0).start()


@pytest.mark.parametrize("port", [-1, 65536, 10**6])
async def test_a_port_that_is_none(port: int) -> None:
    with pytest.raises(StartFailed, match="from 0 to 65535"):
        await SessionServer(host="127.0.0.1", port=port).start()


# --- host() ---------------------------------------------------------------------


async def test_a_party_in_one_line() -> None:
    async with loudsync.host(
        "Friday Party",
        host="127.0.0.1",
        port=0,
        host_name="Zoë",
        max_members=3,
        session_id="abc123",
    ) as party:
        assert (party.id, party.name, party.max_members) == (
            "abc123",
            "Friday Party",
            3,
        )
        assert party.members[0].name == "Zoë"
        assert party.host_token is None
        port = int(party.join_url.split(":")[2].split("/")[0])
        peer = await RawPeer.connect(port)
        await peer.say(join("device-1"))
        assert (await peer.receive())["type"] == "welcome"
    assert party.is_closed
    assert await peer.closed() == 1000
    with pytest.raises(OSError, match=r"[Cc]onnect"):
        await RawPeer.connect(port)


async def test_a_wrong_argument_leaves_no_server() -> None:
    before = asyncio.all_tasks()
    with pytest.raises(InvalidSetting):
        async with loudsync.host("", host="127.0.0.1", port=0):
            pass
    assert asyncio.all_tasks() <= before


async def test_an_error_in_the_block_ends_the_party() -> None:
    with pytest.raises(ZeroDivisionError):
        async with loudsync.host("P", host="127.0.0.1", port=0) as party:
            _ = 1 / 0
    assert party.is_closed
