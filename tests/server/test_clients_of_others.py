"""The whole story, told with clients that are not ours: websockets and aiohttp."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Protocol

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect

from loudsync import SessionServer
from raw_peer import PATIENCE_S, RawPeer, until
from stage import join


class Client(Protocol):
    """What the story asks of a WebSocket library."""

    async def say(self, message: dict[str, Any]) -> None: ...
    async def say_bytes(self, data: bytes) -> None: ...
    async def receive(self) -> dict[str, Any]: ...
    async def hang_up(self, code: int) -> None: ...
    async def lose(self) -> None: ...
    async def closed(self) -> int | None: ...


class WebsocketsClient:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def say(self, message: dict[str, Any]) -> None:
        await self._socket.send(json.dumps({"timestamp": 1, **message}))

    async def say_bytes(self, data: bytes) -> None:
        await self._socket.send(data)

    async def receive(self) -> dict[str, Any]:
        text = await asyncio.wait_for(self._socket.recv(), PATIENCE_S)
        assert isinstance(text, str)
        message = json.loads(text)
        assert isinstance(message, dict)
        return message

    async def hang_up(self, code: int) -> None:
        await self._socket.close(code)

    async def lose(self) -> None:
        self._socket.transport.abort()
        await self._socket.wait_closed()

    async def closed(self) -> int | None:
        await asyncio.wait_for(self._socket.wait_closed(), PATIENCE_S)
        return self._socket.close_code


class AiohttpClient:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def say(self, message: dict[str, Any]) -> None:
        await self._socket.send_json({"timestamp": 1, **message})

    async def say_bytes(self, data: bytes) -> None:
        await self._socket.send_bytes(data)

    async def receive(self) -> dict[str, Any]:
        message = await self._socket.receive_json(timeout=PATIENCE_S)
        assert isinstance(message, dict)
        return message

    async def hang_up(self, code: int) -> None:
        await self._socket.close(code=code)

    async def lose(self) -> None:
        transport = self._socket._response.connection
        assert transport is not None
        assert transport.transport is not None
        transport.transport.abort()

    async def closed(self) -> int | None:
        message = await self._socket.receive(timeout=PATIENCE_S)
        assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
        return self._socket.close_code


Connect = Callable[..., Awaitable[Client]]


@pytest.fixture(params=["websockets", "websockets without deflate", "aiohttp"])
async def arrive(
    request: pytest.FixtureRequest, server: SessionServer
) -> AsyncIterator[Connect]:
    """Open connections with one library; all are closed at the end."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())

        async def by_websockets(path: str = "/ws") -> Client:
            # By default it offers compression and sends pings of its own.
            compression = None if "without" in request.param else "deflate"
            url = f"ws://127.0.0.1:{server.port}{path}"
            socket = connect(url, compression=compression, close_timeout=PATIENCE_S)
            return WebsocketsClient(await stack.enter_async_context(socket))

        async def by_aiohttp(path: str = "/ws") -> Client:
            url = f"http://127.0.0.1:{server.port}{path}"
            socket = http.ws_connect(url, compress=15, heartbeat=None)
            return AiohttpClient(await stack.enter_async_context(socket))

        yield by_aiohttp if request.param == "aiohttp" else by_websockets


async def seated(arrive: Connect, device: str, **more: Any) -> tuple[Client, str]:
    client = await arrive()
    await client.say(join(device, device.title(), **more))
    welcome = await client.receive()
    assert welcome["type"] == "welcome", welcome
    assert (await client.receive())["type"] == "member_list"
    return client, welcome["clientId"]


@pytest.mark.parametrize("path", ["/", "/ws", "/ws?device=phone"])
async def test_both_paths_are_a_members_connection(arrive: Connect, path: str) -> None:
    client = await arrive(path)
    await client.say({"type": "ping", "timestamp": 1706889600123.5})
    assert await client.receive() == {"type": "pong", "timestamp": 1706889600123.5}


async def test_come_talk_and_leave(arrive: Connect, server: SessionServer) -> None:
    session = await server.create_session("Friday Party", session_id="abc123")
    ann, ann_id = await seated(arrive, "ann")
    bob, bob_id = await seated(arrive, "bob")
    joined = await ann.receive()
    assert (joined["type"], joined["member"]["id"]) == ("member_joined", bob_id)
    assert joined["member"]["name"] == "Bob"

    await ann.say({"type": "heartbeat"})
    await ann.say({"type": "ping", "timestamp": 7})
    assert await ann.receive() == {"type": "pong", "timestamp": 7}
    await ann.say({"type": "member_list"})
    listed = await ann.receive()
    assert [member["id"] for member in listed["members"]] == [
        session.members[0].id,
        ann_id,
        bob_id,
    ]

    await bob.say({"type": "leave"})
    assert await bob.closed() == 1000
    left = await ann.receive()
    assert (left["memberId"], left["reason"]) == (bob_id, "left")
    await ann.hang_up(1000)
    await until(lambda: len(session.members) == 1)


async def test_what_is_refused_closes_nothing(
    arrive: Connect, server: SessionServer
) -> None:
    await server.create_session("P", session_id="abc123", max_members=2)
    await seated(arrive, "ann")
    late = await arrive()
    for message, code in (
        ({"type": "leave"}, "unauthorized"),
        (join("bob", session_id="zzz"), "session_not_found"),
        (join("bob", version="2.0"), "version_mismatch"),
        (join("bob"), "session_full"),
        (join("bob", token="x"), "unauthorized"),
    ):
        await late.say(message)
        assert (await late.receive())["code"] == code
    await late.say_bytes(b"\x00\xff")
    assert (await late.receive())["code"] == "invalid_message"
    await late.say({"type": "ping"})
    assert (await late.receive())["type"] == "pong"


async def test_a_remote_host_kicks_and_closes(
    arrive: Connect, server: SessionServer
) -> None:
    session = await server.create_session("P", session_id="abc123", remote_host=True)
    host, host_id = await seated(arrive, "zoe", token=session.host_token)
    ann, ann_id = await seated(arrive, "ann")
    bob, _ = await seated(arrive, "bob")
    assert [(await host.receive())["type"] for _ in range(2)] == ["member_joined"] * 2
    await ann.receive()

    await ann.say({"type": "kicked", "memberId": host_id})
    assert (await ann.receive())["code"] == "unauthorized"
    await host.say({"type": "kicked", "memberId": ann_id, "reason": "Too loud"})
    kicked = await ann.receive()
    assert (kicked["type"], kicked["reason"]) == ("kicked", "Too loud")
    assert await ann.closed() == 1000
    for peer in (host, bob):
        left = await peer.receive()
        assert (left["memberId"], left["reason"]) == (ann_id, "kicked")

    await host.say({"type": "session_closed", "reason": "Good night"})
    for peer in (host, bob):
        closed = await peer.receive()
        assert (closed["type"], closed["reason"]) == ("session_closed", "Good night")
        assert await peer.closed() == 1000
    assert session.is_closed


@pytest.mark.parametrize("how", ["lost", "page reload"])
async def test_come_back(arrive: Connect, server: SessionServer, how: str) -> None:
    session = await server.create_session("P", session_id="abc123")
    ann, ann_id = await seated(arrive, "ann")
    bob, _ = await seated(arrive, "bob")
    await ann.receive()
    joined_at_ms = session.members[1].joined_at_ms
    if how == "lost":
        await ann.lose()
    else:
        await ann.hang_up(1001)
    away = await bob.receive()
    assert away["type"] == "member_list"
    assert [member["connectionStatus"] for member in away["members"]] == [
        "connected",
        "reconnecting",
        "connected",
    ]
    _, again_id = await seated(arrive, "ann")
    assert again_id == ann_id
    back = await bob.receive()
    assert (back["type"], back["member"]["id"]) == ("member_joined", ann_id)
    assert back["member"]["joinedAt"] == joined_at_ms
    assert back["member"]["connectionStatus"] == "connected"


async def test_a_living_library_answers_the_servers_ping(
    arrive: Connect, server: SessionServer
) -> None:
    """So its latency gets known, and nobody can push it out."""
    session = await server.create_session("P", session_id="abc123")
    ann, _ = await seated(arrive, "ann")
    second = await arrive()
    await second.say(join("ann"))
    reading = asyncio.create_task(ann.receive())  # aiohttp answers while it reads
    assert (await second.receive())["code"] == "already_joined"
    await until(lambda: session.members[1].latency_ms is not None)
    await ann.say({"type": "ping"})
    assert (await reading)["type"] == "pong"


async def test_a_large_member_list_arrives_whole(
    arrive: Connect, server: SessionServer
) -> None:
    """More than 64 KiB: the longest form of a frame's length."""
    session = await server.create_session("P", session_id="abc123", max_members=302)
    crowd = [await RawPeer.connect(server.port) for _ in range(300)]
    for number, peer in enumerate(crowd):
        await peer.say(join(f"device-{number}", "\u20ac" * 64))
    await until(lambda: server.stats.members == 300)
    late = await arrive()
    await late.say(join("late", "Last"))
    assert (await late.receive())["type"] == "welcome"
    listed = await late.receive()
    assert len(listed["members"]) == 302
    assert len(json.dumps(listed, ensure_ascii=False).encode()) > 64 * 1024
    assert listed["members"][-1]["name"] == "Last"
    await session.close()
    assert (await late.receive())["type"] == "session_closed"
    assert await late.closed() == 1000
    for peer in crowd:
        assert await peer.closed() == 1000
