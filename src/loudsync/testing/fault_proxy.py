"""A network between clients and a server that a test can break."""

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import Any, Final, Self, cast

import msgspec

from loudsync.testing.fault_pipe import FaultPipe, Faults

MAX_WAITING_BYTES: Final = 64 * 1024
"""What one way of a connection holds before it stops to read."""

_LOOPBACK: Final = "127.0.0.1"

_BACKLOG: Final = 4096
"""A crowd that was cut comes back at once."""

_SEGMENT_BYTES: Final = 1460
"""Ethernet's. A sender may buffer some 20 segments at first, and loopback's of
64 KiB would hide a stalled reader behind megabytes."""

_RESET: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""SO_LINGER with no time to linger: the end is an RST, and nothing is delivered."""


class Way(Enum):
    """A direction in which bytes go, or both."""

    TO_SERVER = "to the server"
    TO_CLIENT = "to the client"
    BOTH = "both ways"


class Breakable:
    """What can be done to a connection, or to all of them.

    Faults add up until ``heal``. What has gone through already stays so.
    """

    def delay(self, seconds: float, way: Way = Way.BOTH) -> None:
        """Let each byte take so long, in order, however many are on their way."""
        self._change(way, delay_s=seconds)

    def drop(self, way: Way = Way.BOTH) -> None:
        """Swallow everything, the end of the connection too: it is half open."""
        self._change(way, drops=True)

    def stall(self, way: Way = Way.BOTH) -> None:
        """Stop reading, so that what is sent piles up before the proxy."""
        self._change(way, stalls=True)

    def trickle(self, way: Way = Way.BOTH) -> None:
        """Deliver byte by byte."""
        self._change(way, trickles=True)

    def halve(self, way: Way = Way.BOTH) -> None:
        """Deliver half of the next piece that comes, then end the connection."""
        self._change(way, halves=True)

    def cut_after(self, size: int, way: Way = Way.BOTH) -> None:
        """Deliver ``size`` more bytes, at least 1, then end the connection."""
        if size < 1:
            raise ValueError("cut_after delivers 1 byte or more; reset() none")
        self._change(way, cut_after_bytes=size)

    def _change(self, way: Way, **faults: Any) -> None:
        raise NotImplementedError


class ProxiedConnection(Breakable):
    """One client's connection through a ``FaultProxy``.

    Attributes:
        is_open: Whether either of its two sockets is still open.
    """

    def __init__(
        self,
        max_waiting_bytes: int,
        faults: dict[Way, Faults],
        on_closed: Callable[["ProxiedConnection"], None],
    ) -> None:
        self.is_open = True
        self._on_closed = on_closed
        self._pipes = {
            way: FaultPipe(max_waiting_bytes, faults[way], self._close)
            for way in (Way.TO_SERVER, Way.TO_CLIENT)
        }
        to_server, to_client = self._pipes.values()
        self._client_end = _End(to_server, to_client)
        self._server_end = _End(to_client, to_server)
        self._client_end.other = self._server_end
        self._server_end.other = self._client_end
        self._task: asyncio.Task[None] | None = None
        self._is_reset = False

    def swallowed_bytes(self, way: Way = Way.BOTH) -> int:
        """Return how much ``drop`` has swallowed of it so far."""
        return sum(
            pipe.swallowed_bytes
            for each, pipe in self._pipes.items()
            if way in (each, Way.BOTH)
        )

    def reset(self) -> None:
        """End it at once with an RST to both; what was on its way is lost."""
        for end in (self._client_end, self._server_end):
            end.reset()
        # A dial may be under way. Once is enough: cancelled again, the task
        # would not wait for its sockets.
        if self._task is not None and not self._is_reset:
            self._is_reset = True
            self._task.cancel()

    def heal(self) -> None:
        """Let bytes through again, after those that a stall held back.

        What was swallowed stays so. A side that missed the other's end learns
        of it now.
        """
        for pipe in self._pipes.values():
            pipe.change(Faults())

    async def closed(self) -> None:
        """Wait until both of its sockets are closed."""
        if self._task is not None:
            await asyncio.wait({self._task})

    def _change(self, way: Way, **faults: Any) -> None:
        for each, pipe in self._pipes.items():
            if way in (each, Way.BOTH):
                pipe.change(msgspec.structs.replace(pipe.faults, **faults))

    # --- For the proxy ------------------------------------------------------

    def start(
        self, client: socket.socket, server: tuple[str, int], receive_bytes: int
    ) -> None:
        """Take an accepted socket over, dial the server, and carry."""
        self._task = asyncio.create_task(
            self._live(client, server, receive_bytes), name="loudsync fault proxy"
        )

        def ended(_: asyncio.Task[None]) -> None:
            client.close()  # the task may not have come to take it over
            self.is_open = False
            self._on_closed(self)

        self._task.add_done_callback(ended)

    # --- Parts of the above -------------------------------------------------

    async def _live(
        self, client: socket.socket, server: tuple[str, int], receive_bytes: int
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: self._client_end, client)
            dialled = _socket(receive_bytes)
            try:
                await loop.sock_connect(dialled, server)
            except BaseException:
                dialled.close()
                raise
            await loop.create_connection(lambda: self._server_end, sock=dialled)
            await self._carry()
        except OSError:
            pass  # nobody is there: the client gets an RST
        finally:
            for end in (self._client_end, self._server_end):
                await end.gone()

    async def _carry(self) -> None:
        """Carry both ways until both sockets are closed."""
        ways = asyncio.gather(*(pipe.run() for pipe in self._pipes.values()))
        ways.add_done_callback(lambda _: self._close())
        try:
            await self._client_end.lost.wait()
            await self._server_end.lost.wait()
        finally:
            ways.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ways

    def _close(self) -> None:
        """Close both sides once they have what was written to them."""
        for end in (self._client_end, self._server_end):
            end.close()


class _End(asyncio.Protocol):
    """One of the two sockets of a connection."""

    other: "_End"

    def __init__(self, goes_out: FaultPipe, comes_in: FaultPipe) -> None:
        self.lost = asyncio.Event()
        self._goes_out = goes_out
        self._comes_in = comes_in
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is one too, though not by inheritance.
        self._transport = tcp = cast("asyncio.Transport", transport)
        self._goes_out.come_from(tcp)
        self._comes_in.go_to(tcp)

    def data_received(self, data: bytes) -> None:
        self._goes_out.take(data)

    def eof_received(self) -> bool:
        self._goes_out.end()
        return True  # the other way may still have something to say

    def pause_writing(self) -> None:
        self._comes_in.pause()

    def resume_writing(self) -> None:
        self._comes_in.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()
        self._comes_in.resume()
        if self._goes_out.end() and exc is not None:
            self.other.reset()  # an RST overtakes what is on its way

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        if self._transport is not None and not self.lost.is_set():
            tcp = self._transport.get_extra_info("socket")
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()

    async def gone(self) -> None:
        """Reset it and wait until it is closed, where it was open at all."""
        self.reset()
        if self._transport is not None:
            await self.lost.wait()


class FaultProxy(Breakable):
    """A port before a server's port, with a network between that can be broken.

    An async context manager::

        async with FaultProxy(server.port) as proxy:
            async with loudsync.join(proxy.url, session_id="abc123", name="Ann"):
                proxy.reset()  # a lost network: the client comes back by itself

    Its own methods are about every connection, those of ``connections`` about
    one. ``delay``, ``drop``, ``stall``, ``trickle``, ``halve`` and ``cut_after``
    count for the connections that are open and for those that come, until
    ``heal``. It listens on loopback, at one port from beginning to end.

    Memory is bounded by back-pressure: each way of a connection stops to read
    where ``max_waiting_bytes`` wait, and asks the system for receive buffers of
    the same size, so that a sender soon feels a reader that stalls.

    Args:
        server_port: The server's port.
        server_host: Where the server is.
        max_waiting_bytes: What each way of a connection may hold.

    Attributes:
        port: Where clients reach the server through it.
    """

    def __init__(
        self,
        server_port: int,
        *,
        server_host: str = _LOOPBACK,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        self.port = 0
        self._server = (server_host, server_port)
        self._max_waiting_bytes = max_waiting_bytes
        self._faults = {Way.TO_SERVER: Faults(), Way.TO_CLIENT: Faults()}
        self._connections: dict[ProxiedConnection, None] = {}
        self._accepting: asyncio.Task[None] | None = None
        self._reserved: socket.socket | None = None

    @property
    def url(self) -> str:
        """The server's HTTP address through the proxy, without a slash at the end."""
        return f"http://{_LOOPBACK}:{self.port}"

    @property
    def connections(self) -> tuple[ProxiedConnection, ...]:
        """The connections that are open, oldest first."""
        return tuple(self._connections)

    async def __aenter__(self) -> Self:
        # Held to the end, so that nobody else gets the port while it refuses.
        self._reserved = _socket()
        try:
            self._reserved.bind((_LOOPBACK, 0))
            self.port = self._reserved.getsockname()[1]
            self._listen()
        except BaseException:
            self._reserved.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.cut()
        finally:
            if self._reserved is not None:
                self._reserved.close()

    def reset(self) -> None:
        """End every connection that is open with an RST to both sides."""
        for connection in self.connections:
            connection.reset()

    async def refuse(self) -> None:
        """Refuse new connections until ``heal``; those that are open stay."""
        accepting, self._accepting = self._accepting, None
        if accepting is not None:
            accepting.cancel()
            await asyncio.wait({accepting})

    async def cut(self) -> None:
        """Refuse new connections, and reset the open ones until none is left."""
        await self.refuse()
        # All before any is waited for: they are to be lost at the same time.
        connections = self.connections
        self.reset()
        for connection in connections:
            await connection.closed()

    def heal(self) -> None:
        """Let everything through again, on old and new connections."""
        self._faults = dict.fromkeys(self._faults, Faults())
        for connection in self.connections:
            connection.heal()
        if self._accepting is None:
            self._listen()

    def _change(self, way: Way, **faults: Any) -> None:
        for each, before in self._faults.items():
            if way in (each, Way.BOTH):
                self._faults[each] = msgspec.structs.replace(before, **faults)
        for connection in self.connections:
            connection._change(way, **faults)  # noqa: SLF001  # of the same family

    def _listen(self) -> None:
        listening = _socket(self._max_waiting_bytes)
        try:
            listening.bind((_LOOPBACK, self.port))
            listening.listen(_BACKLOG)
        except BaseException:
            listening.close()
            raise
        self._accepting = asyncio.create_task(
            self._accept(listening), name="loudsync fault proxy accepts"
        )
        self._accepting.add_done_callback(lambda _: listening.close())

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(listening)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = ProxiedConnection(
                self._max_waiting_bytes, self._faults, self._forget
            )
            self._connections[connection] = None
            connection.start(client, self._server, self._max_waiting_bytes)

    def _forget(self, connection: ProxiedConnection) -> None:
        self._connections.pop(connection, None)


def _socket(receive_bytes: int | None = None) -> socket.socket:
    """Make a TCP socket; one that listens hands its sizes on."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    # More than one may be bound to a port as long as only one listens.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if receive_bytes is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        if hasattr(socket, "TCP_MAXSEG"):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT_BYTES)
    return made
