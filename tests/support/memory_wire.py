"""A TCP connection without a network: what comes in pieces is up to the test.

Everything above the transport is the real thing. Another constructor of
``FrontDoor`` is a change of ``a_door`` alone.
"""

import asyncio
import functools
import socket
from collections.abc import Callable
from typing import Any, Final

from loudsync import ServerSettings, SessionServer
from loudsync.server.front_door import Doorway, FrontDoor
from loudsync.server.visitors import Visit
from loudsync.server.websocket import Ending, WebSocket

READ_BYTES: Final = 256 * 1024
"""What a loop hands over at once, at most; both loops use this or less."""

UPGRADE: Final = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@functools.cache
def _some_socket() -> socket.socket:
    """Return a socket that takes options; nobody ever connects it."""
    return socket.socket()


class MemoryTransport(asyncio.Transport):
    """The server's end of a connection, and the peer's hand on it.

    Attributes:
        sent: What the server wrote.
        sent_bytes: How much that was, where it is not kept.
        reads: Whether the peer reads what the server writes.
        is_gone: Whether the server's protocol has been told of the end.
        largest_read_bytes: The most that a protocol offered room for.
    """

    def __init__(
        self,
        protocol: asyncio.BaseProtocol,
        *,
        reads: bool = True,
        keeps_sent: bool = True,
    ) -> None:
        super().__init__()
        self.sent = bytearray()
        self.sent_bytes = 0
        self.reads = reads
        self.is_gone = False
        self.largest_read_bytes = 0
        self._keeps_sent = keeps_sent
        self._protocol: Any = protocol
        self._loop = asyncio.get_running_loop()
        self._is_closing = False
        self._has_sent_eof = False
        self._is_paused = False
        self._unread = bytearray()
        protocol.connection_made(self)

    # --- The peer's side ----------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Let bytes come in, as the loop would hand them over."""
        if self._unread or self._is_paused:
            self._unread += data
            return
        rest = memoryview(data)
        while rest and not self._is_closing:
            if not self.is_reading():
                self._unread += rest
                return
            rest = rest[self._hand_over(rest) :]

    async def feed_in_turns(self, data: bytes) -> None:
        """Let bytes come in, one read in a turn of the loop."""
        rest = memoryview(data)
        while rest and not self._is_closing:
            rest = rest[self._hand_over(rest) :]
            await asyncio.sleep(0)

    def hang_up(self, error: Exception | None = None) -> None:
        """End the connection without a word: an error, or the end of data."""
        if error is not None:
            self._lose(error)
        elif not self._is_closing and not self._protocol.eof_received():
            self.close()  # the loop's rule, for who doesn't ask to stay half open

    def _hand_over(self, rest: memoryview) -> int:
        protocol = self._protocol
        if not isinstance(protocol, asyncio.BufferedProtocol):
            size = min(len(rest), READ_BYTES)
            protocol.data_received(bytes(rest[:size]))
            return size
        buffer = memoryview(protocol.get_buffer(-1))
        assert buffer, "the loop takes an empty buffer for an error"
        self.largest_read_bytes = max(self.largest_read_bytes, len(buffer))
        size = min(len(buffer), len(rest))
        buffer[:size] = rest[:size]
        buffer.release()
        protocol.buffer_updated(size)
        return size

    # --- The server's side (asyncio.Transport) ------------------------------

    def write(self, data: Any) -> None:
        if self._has_sent_eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._is_closing:
            return
        self.sent_bytes += len(data)
        if self._keeps_sent:
            self.sent += data

    def get_write_buffer_size(self) -> int:
        return 0 if self.reads else self.sent_bytes

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._has_sent_eof = True

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False
        unread, self._unread = bytes(self._unread), bytearray()
        if unread:
            self._loop.call_soon(self.feed, unread)

    def is_reading(self) -> bool:
        return not self._is_paused

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        """Close; a peer that reads nothing keeps it open until ``abort``."""
        if self.reads:
            self._lose(None)

    def abort(self) -> None:
        self._lose(None)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        known = {"socket": _some_socket(), "peername": ("127.0.0.1", 9)}
        return known.get(name, default)

    def _lose(self, error: Exception | None) -> None:
        if self._is_closing:
            return
        self._is_closing = True

        def lost() -> None:
            self.is_gone = True
            self._protocol.connection_lost(error)

        self._loop.call_soon(lost)


class Listener:
    """A ``SocketHandler`` that writes down what it hears.

    Attributes:
        heard: Messages and pongs in their order; no overhead, which is policy.
        endings: Every call of ``ended``.
        keeps: Whether it remembers messages; or else it only counts them.
    """

    def __init__(self, *, keeps: bool = True) -> None:
        self.heard: list[tuple[str, str | bytes]] = []
        self.endings: list[tuple[Ending, int]] = []
        self.count = 0
        self._keeps = keeps

    def text_received(self, text: str) -> None:
        self._note("text", text)

    def binary_received(self, data: bytes) -> None:
        self._note("binary", data)

    def pong_received(self, payload: bytes) -> None:
        self._note("pong", payload)

    def overhead_received(self) -> None:
        pass

    def ended(self, ending: Ending, code: int) -> None:
        self.endings.append((ending, code))

    def _note(self, kind: str, content: str | bytes) -> None:
        assert not self.endings, "nothing is heard after the end"
        self.count += 1
        if self._keeps:
            self.heard.append((kind, content))


class HeardHttp(asyncio.Protocol):
    """An HTTP protocol that writes down what it gets."""

    def __init__(self, visit: Visit) -> None:
        self.data = bytearray()
        self._visit = visit

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        self._visit.end()


def a_door(
    accept: Callable[[WebSocket], None], settings: ServerSettings, **more: Any
) -> FrontDoor:
    """Make a front door that stands alone."""
    http = more.pop("http", HeardHttp)
    return FrontDoor(settings, lambda socket, _visit: accept(socket), http)


def at(door: FrontDoor) -> Doorway:
    """Return what the loop would make for a connection that was just accepted."""
    return Doorway(door)


def door_of(server: SessionServer) -> FrontDoor:
    """Return a running server's front door."""
    assert server._parts is not None
    return server._parts.door


def in_pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut bytes into pieces of these sizes, over and over; no sizes, no cut."""
    pieces, at, turn = [], 0, 0
    while sizes and at < len(data):
        size = sizes[turn % len(sizes)]
        pieces.append(data[at : at + size])
        at, turn = at + size, turn + 1
    return pieces or [data]


async def http_loaded(server: SessionServer) -> None:
    """Wait until a server has loaded what serves HTTP, as it does when asked."""
    first = MemoryTransport(at(door_of(server)))
    first.feed(b"GET /healthz HTTP/1.0\r\n\r\n")
    while not first.sent:  # noqa: ASYNC110  # nothing tells what a transport is written
        await asyncio.sleep(0.001)
