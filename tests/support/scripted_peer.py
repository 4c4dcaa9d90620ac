"""Servers that do what a test tells them, right or wrong."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from loudsync.protocol import (
    ClientMessage,
    ConnectionStatus,
    Error,
    Join,
    Leave,
    MemberId,
    MemberInfo,
    MemberList,
    ServerMessage,
    SessionId,
    SessionInfo,
    Welcome,
    decode_client_message,
    encode,
)

M = TypeVar("M", bound=ClientMessage)

SESSION = SessionInfo(
    id=SessionId("abc123"), name="Sara's party", host_id=MemberId("host-1")
)


def member(member_id: str, **changes: Any) -> MemberInfo:
    fields: dict[str, Any] = {
        "id": MemberId(member_id),
        "name": member_id.title(),
        "is_host": member_id == SESSION.host_id,
        "connection_status": ConnectionStatus.CONNECTED,
        "joined_at_ms": 1_000,
    }
    return MemberInfo(**(fields | changes))


HOST = member("host-1")
ME = member("client-1")


def welcome(client_id: str = "client-1") -> Welcome:
    return Welcome(timestamp_ms=1, client_id=MemberId(client_id), session_info=SESSION)


def member_list(*members: MemberInfo) -> MemberList:
    return MemberList(timestamp_ms=1, members=members or (HOST, ME))


def error(code: str, details: dict[str, Any] | None = None) -> Error:
    return Error(timestamp_ms=1, code=code, message=f"Because {code}", details=details)


@dataclass
class Peer:
    """The server's end of one connection."""

    connection: ServerConnection
    received: list[ClientMessage] = field(default_factory=list)

    async def send(self, *messages: ServerMessage | str | bytes) -> None:
        for message in messages:
            if isinstance(message, str | bytes):
                await self.connection.send(message)
            else:
                await self.connection.send(encode(message), text=True)

    async def receive(self, kind: type[M]) -> M:
        """Read on until a message of this kind."""
        while True:
            message = decode_client_message(await self.connection.recv())
            self.received.append(message)
            if isinstance(message, kind):
                return message

    async def seat(self, *members: MemberInfo, client_id: str = "client-1") -> Join:
        """Let the client in."""
        join = await self.receive(Join)
        await self.send(welcome(client_id), member_list(*members))
        return join

    async def stay(self) -> None:
        """Read, and say nothing, until the client leaves."""
        await self.receive(Leave)
        await self.connection.close(1000)

    async def ignore(self) -> None:
        """Read, and say nothing, until the client is gone."""
        while True:
            await self.receive(Leave)

    async def break_off(self, rubbish: bytes = b"") -> None:
        """End TCP without a close frame."""
        if rubbish:
            self.connection.transport.write(rubbish)
        self.connection.transport.close()
        await self.connection.wait_closed()

    @property
    def close_code(self) -> int | None:
        return self.connection.close_code


Script = Callable[[Peer], Awaitable[None]]


async def stay_seated(peer: Peer) -> None:
    await peer.seat()
    await peer.stay()


async def stay_though_left(peer: Peer) -> None:
    await peer.seat()
    await peer.ignore()


@dataclass
class ScriptedServer:
    """Plays one script per connection, in order; a further one is a fault."""

    scripts: list[Script]
    peers: list[Peer] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    url: str = ""

    async def handle(self, connection: ServerConnection) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        peer = Peer(connection)
        self.peers.append(peer)
        try:
            await self.scripts[len(self.peers) - 1](peer)
        except ConnectionClosed:
            pass
        except Exception as fault:  # noqa: BLE001 - told when the server ends
            self.faults.append(fault)
        finally:
            self.tasks.discard(task)


@asynccontextmanager
async def scripted(*scripts: Script) -> AsyncIterator[ScriptedServer]:
    script_runner = ScriptedServer(list(scripts))
    server: Server = await serve(
        script_runner.handle,
        "127.0.0.1",
        0,
        compression=None,
        ping_interval=None,
        close_timeout=1,
    )
    port = server.sockets[0].getsockname()[1]
    script_runner.url = f"ws://127.0.0.1:{port}"
    try:
        yield script_runner
    finally:
        for task in script_runner.tasks:
            task.cancel()
        server.close()
        await server.wait_closed()
    if script_runner.faults:
        raise script_runner.faults[0]


@asynccontextmanager
async def raw_server(answer: bytes | None) -> AsyncIterator[str]:
    """Answer the first bytes with these and close; with ``None``, say nothing."""
    tasks: set[asyncio.Task[Any]] = set()

    async def handle(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await reader.read(1)
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
        except (asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            tasks.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"ws://127.0.0.1:{port}"
    finally:
        server.close()
        pending = list(tasks)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        await server.wait_closed()
