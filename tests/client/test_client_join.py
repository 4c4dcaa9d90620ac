"""Getting a seat, or a clear reason why not."""

import asyncio
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest

from client_manual_clock import ManualClock
from loudsync.client import Client, ClientSettings, join
from loudsync.core.events import Connected, ErrorReported
from loudsync.errors import (
    AlreadyJoined,
    ConnectionFailed,
    InvalidMessage,
    NotConnected,
    Refused,
    SessionFull,
    SessionNotFound,
    Unauthorized,
    VersionMismatch,
)
from loudsync.protocol import (
    CloseRequest,
    ConnectionState,
    DeviceType,
    Heartbeat,
    Join,
    Kicked,
    KickRequest,
    Leave,
    MemberId,
    MemberJoined,
    MemberListRequest,
    Ping,
    Pong,
    SessionClosed,
)
from scripted_peer import (
    HOST,
    ME,
    SESSION,
    Peer,
    error,
    member,
    member_list,
    raw_server,
    scripted,
    stay_seated,
    stay_though_left,
    welcome,
)

pytestmark = pytest.mark.usefixtures("nothing_left")


def client_of(url: str, clock: ManualClock, **more: Any) -> Client:
    return join(url, session_id="abc123", name="Sara", clock=clock, **more)


async def test_connected_comes_first(clock: ManualClock) -> None:
    async with scripted(stay_seated) as server:
        client = client_of(server.url, clock, device_id="device-1")
        async with client as party:
            assert party is client
            assert party.state is ConnectionState.CONNECTED
            assert party.client_id == "client-1"
            assert party.session == SESSION
            assert dict(party.members) == {"host-1": HOST, "client-1": ME}
            assert party.me == ME
            assert not party.is_host
            assert await anext(party) == Connected(
                session_id=SESSION.id,
                client_id=MemberId("client-1"),
                session=SESSION,
                members=(HOST, ME),
            )
        assert client.state.value == "disconnected"
        assert dict(client.members) == {}
        assert client.client_id == "client-1"
        with pytest.raises(StopAsyncIteration):
            await anext(client)
        (peer,) = server.peers
        await peer.connection.wait_closed()
        assert [type(message) for message in peer.received][0:3] == [
            type(peer.received[0]),
            Heartbeat,
            Ping,
        ]
        assert isinstance(peer.received[-1], Leave)


async def test_the_join_message(clock: ManualClock) -> None:
    seen: list[Any] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.seat(client_id="host-1"))
        await peer.stay()

    async with (
        scripted(script) as server,
        client_of(server.url, clock, device_id="device-1", token="t0k3n") as party,
    ):
        assert party.is_host
        assert party.me == HOST
    (request,) = seen
    assert request.timestamp_ms == clock.wall_ms
    assert request.session_id == "abc123"
    assert request.token == "t0k3n"
    assert request.version == "1.0"
    assert request.device_info.id == "device-1"
    assert request.device_info.name == "Sara"
    assert request.device_info.type is DeviceType.HOST


async def test_a_join_link(clock: ManualClock) -> None:
    async with scripted(stay_seated) as server:
        link = server.url.replace("ws://", "http://") + "/?session=link-1"
        async with join(link, name="Sara", clock=clock):
            pass
        (peer,) = server.peers
        assert peer.connection.request is not None
        assert peer.connection.request.path == "/ws"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("session_not_found", SessionNotFound),
        ("session_full", SessionFull),
        ("already_joined", AlreadyJoined),
        ("unauthorized", Unauthorized),
        ("version_mismatch", VersionMismatch),
        ("on_fire", Refused),
    ],
)
async def test_refusals(code: str, kind: type[Refused], clock: ManualClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.receive(Join)
        await peer.send(error(code, {"maxMembers": 10}))
        await peer.stay()

    async with scripted(script) as server:
        client = client_of(server.url, clock)
        with pytest.raises(Refused) as caught:
            await client.__aenter__()
        assert type(caught.value) is kind
        assert caught.value.code == code
        assert caught.value.message == str(caught.value) == f"Because {code}"
        assert caught.value.details == {"maxMembers": 10}
        assert client.state is ConnectionState.DISCONNECTED
        await server.peers[0].connection.wait_closed()
        assert server.peers[0].close_code == 1000


@pytest.mark.parametrize(
    ("details", "path", "reason"),
    [
        (
            {"path": "$.deviceInfo.id", "reason": "too long"},
            "$.deviceInfo.id",
            "too long",
        ),
        (None, "$", "Because invalid_message"),
        ({"path": 3, "reason": []}, "$", "Because invalid_message"),
    ],
)
async def test_invalid_message(
    details: dict[str, Any] | None, path: str, reason: str, clock: ManualClock
) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(error("invalid_message", details))
        await peer.stay()

    async with scripted(script) as server:
        with pytest.raises(InvalidMessage) as caught:
            await client_of(server.url, clock).__aenter__()
    assert (caught.value.path, caught.value.reason) == (path, reason)
    assert str(caught.value) == "Because invalid_message"
    assert caught.value.details == details


async def fails(client: Client) -> ConnectionFailed:
    with pytest.raises(ConnectionFailed) as caught:
        await client.__aenter__()
    assert client.state.value == "disconnected"
    return caught.value


async def test_nothing_listens(clock: ManualClock) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{unused.getsockname()[1]}"
        failure = await fails(client_of(url, clock))
    assert failure.url == url + "/ws"
    assert failure.reason == "nothing listens there (connection refused)"


async def test_no_such_name(clock: ManualClock) -> None:
    failure = await fails(client_of("ws://no-such-host.invalid", clock))
    assert "no-such-host.invalid" in failure.reason


@pytest.mark.parametrize("url", ["ws://" + "x" * 300, "ws://a..b", "ws://[v1.x]"])
async def test_no_usable_name(url: str, clock: ManualClock) -> None:
    failure = await fails(client_of(url, clock))
    assert failure.reason


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "HTTP 200"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP 404"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "full or shutting down"),
        (
            b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
            "does not speak WebSocket properly",
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "does not speak HTTP"),
        (b"\x00" * 50, "does not speak HTTP"),
        (b"", "closed the connection before it answered|connection reset"),
        (b"HTTP/1.1 101 Swi", "before it answered|not speak HTTP|reset"),
        (b"HTTP/1.1 302 Found\r\nLocation: ftp://x/\r\n\r\n", ""),
    ],
)
async def test_not_a_loudsync_server(
    answer: bytes, words: str, clock: ManualClock
) -> None:
    async with raw_server(answer) as url:
        failure = await fails(client_of(url, clock))
    assert re.search(words, failure.reason), failure.reason


async def test_no_tls_there(clock: ManualClock) -> None:
    async with raw_server(b"HTTP/1.1 400 Bad\r\n\r\n") as url:
        failure = await fails(client_of(url.replace("ws:", "wss:"), clock))
    assert "TLS" in failure.reason, failure.reason


async def test_a_handshake_that_stalls(clock: ManualClock) -> None:
    async with raw_server(None) as url:
        entering = asyncio.create_task(fails(client_of(url, clock)))
        await clock.pass_by(10)
        assert (await entering).reason == "no answer within 10 s"


@pytest.mark.parametrize("missing", ["WELCOME", "MEMBER_LIST"])
async def test_a_join_that_stalls(missing: str, clock: ManualClock) -> None:
    reached, left = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.receive(Join)
        if missing == "MEMBER_LIST":
            await peer.send(welcome())
            await peer.receive(Ping)
        reached.set()
        await peer.receive(Leave)
        left.set()

    async with scripted(script) as server:
        entering = asyncio.create_task(fails(client_of(server.url, clock)))
        await reached.wait()
        await clock.pass_by(10)
        assert (await entering).reason == f"no {missing} within 10 s"
        # The seat that the server may have given is not kept from others.
        await left.wait()


async def close_at_once(peer: Peer) -> None:
    await peer.connection.close(1013, "come later\x1b[2J")


async def close_after_welcome(peer: Peer) -> None:
    await peer.send(welcome())
    await peer.connection.close(1001)


async def break_at_once(peer: Peer) -> None:
    await peer.break_off()


async def break_in_a_frame(peer: Peer) -> None:
    await peer.break_off(b'\x81\x7e\x01\x00{"type":"welc')


async def break_the_protocol(peer: Peer) -> None:
    await peer.break_off(b"\xff\xff\xff\xff")


async def kick_at_once(peer: Peer) -> None:
    await peer.send(welcome(), Kicked(timestamp_ms=1, reason="too fast"))
    await peer.stay()


async def end_at_once(peer: Peer) -> None:
    await peer.send(SessionClosed(timestamp_ms=1, reason="over"))
    await peer.stay()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (close_at_once, r"closed the connection \(code 1013: 'come later\\x1b\[2J'\)"),
        (close_after_welcome, r"closed the connection \(code 1001\)"),
        (break_at_once, "the connection broke"),
        (break_in_a_frame, "the connection broke"),
        (break_the_protocol, "broke the protocol"),
        (kick_at_once, "removed this client while it joined: 'too fast'"),
        (end_at_once, "ended the session while it joined: 'over'"),
    ],
)
async def test_an_end_while_joining(
    script: Callable[[Peer], Any], words: str, clock: ManualClock
) -> None:
    async with scripted(script) as server:
        failure = await fails(client_of(server.url, clock))
    assert re.search(words, failure.reason), failure.reason


async def test_lies_while_joining(clock: ManualClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(
            "not json",
            b"\x00\xff",
            "[]",
            '{"type":"welcome"}',
            '{"type":"dance","timestamp":1}',
            Pong(timestamp_ms=1),
            member_list(member("client-9")),
            MemberJoined(timestamp_ms=1, member=member("client-8")),
            welcome("client-1"),
            welcome("client-7"),
            error("session_full"),
            MemberJoined(timestamp_ms=1, member=member("client-8")),
            member_list(),
        )
        await peer.stay()

    async with scripted(script) as server, client_of(server.url, clock) as party:
        assert party.client_id == "client-1"
        assert set(party.members) == {"host-1", "client-1"}


async def test_a_message_too_big_while_joining(clock: ManualClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.send("x" * 1_025)
        await peer.stay()

    settings = ClientSettings(max_message_bytes=1_024)
    async with scripted(script) as server:
        failure = await fails(client_of(server.url, clock, settings=settings))
        await server.peers[0].connection.wait_closed()
        assert server.peers[0].close_code == 1009
    assert "broke the protocol" in failure.reason


async def test_requests(clock: ManualClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.seat()
        kick = await peer.receive(KickRequest)
        assert (kick.member_id, kick.reason) == ("client-2", "loud")
        await peer.receive(MemberListRequest)
        await peer.send(error("unauthorized"))
        close = await peer.receive(CloseRequest)
        assert close.reason == "late"
        await peer.send(SessionClosed(timestamp_ms=1, reason="late"))
        await peer.connection.close(1000)

    async with scripted(script) as server, client_of(server.url, clock) as party:
        assert isinstance(await anext(party), Connected)
        await party.kick("client-2", "loud")
        await party.request_members()
        assert await anext(party) == ErrorReported(
            code="unauthorized", message="Because unauthorized"
        )
        await party.close_session("late")
        assert [type(event).__name__ async for event in party] == ["SessionEnded"]
        for call in (party.request_members, party.leave, party.close_session):
            with pytest.raises(NotConnected):
                await call()


async def test_a_client_joins_once(clock: ManualClock) -> None:
    async with scripted(stay_seated) as server:
        client = client_of(server.url, clock)
        async with client:
            with pytest.raises(RuntimeError, match="joins once"):
                await client.__aenter__()
        with pytest.raises(RuntimeError, match="joins once"):
            await client.__aenter__()


async def test_leave_says_why_and_waits_for_the_close(clock: ManualClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.seat()
        leave = await peer.receive(Leave)
        assert leave.reason == "bedtime"
        await peer.connection.close(1000)

    async with scripted(script) as server, client_of(server.url, clock) as party:
        await party.leave("bedtime")
        assert server.peers[0].close_code == 1000
        assert party.state is ConnectionState.DISCONNECTED
        assert [type(event).__name__ async for event in party] == ["Connected"]
        with pytest.raises(NotConnected):
            await party.leave()


async def test_leave_twice_at_once(clock: ManualClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.seat()
        await peer.receive(Leave)
        await peer.connection.close(1000)

    async with scripted(script) as server, client_of(server.url, clock) as party:
        await asyncio.gather(party.leave(), party.leave())
        leaves = [m for m in server.peers[0].received if isinstance(m, Leave)]
        assert len(leaves) == 1


@pytest.mark.parametrize("by", ["leave", "exit"])
async def test_a_server_that_ignores_leave(by: str, clock: ManualClock) -> None:
    async with scripted(stay_though_left) as server:
        client = client_of(server.url, clock)
        await client.__aenter__()
        call = client.leave() if by == "leave" else client.__aexit__(None, None, None)
        leaving = asyncio.create_task(call)
        await clock.pass_by(2)
        await leaving
        assert client.state.value == "disconnected"
        await client.__aexit__(None, None, None)


async def test_an_error_in_the_body_leaves(clock: ManualClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.seat()
        await peer.receive(Leave)

    async with scripted(script) as server:
        with pytest.raises(ZeroDivisionError):
            async with client_of(server.url, clock):
                _ = 1 / 0
        assert server.peers[0].close_code == 1000
