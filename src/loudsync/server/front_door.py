"""One port for everybody: reads the request head, then hands the transport on.

A WebSocket upgrade goes to picows, any other request to aiohttp. This is the
one file that touches the constructor of picows' protocol class, which is not
public API: ``tests/server/test_picows_contract.py`` watches it.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Callable
from typing import Final, NamedTuple, cast

from picows import WSAutoPingStrategy
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # not public

from loudsync.server.lingering import Lingerer
from loudsync.server.logs import get_logger
from loudsync.server.settings import ServerSettings
from loudsync.server.websocket import PicowsTransport, WebSocket, WriteTurn

log = get_logger("server")

SOCKET_PATHS: Final = frozenset({b"/", b"/ws"})
"""Where a member's connection is upgraded (contract, section 2)."""

_HEAD_END: Final = b"\r\n\r\n"

_READ_BUFFER_BYTES: Final = 2048
"""What picows keeps per connection for reading, the least it takes: messages
are small, and the buffer grows by itself for one that is not."""

_TOLD_THAT_FULL: Final = 32
"""Connections over the limit that hear so; a larger crowd is just cut off, or
telling it would use up the descriptors that are kept back."""

_FULL_LOG_INTERVAL_S: Final = 10.0
"""A full server says so once in this time, not once a connection."""


class RequestHead(NamedTuple):
    """A request's first line and headers; names in lower case, repeats joined."""

    method: bytes
    path: bytes
    version: bytes
    headers: dict[bytes, bytes]

    @property
    def wants_socket(self) -> bool:
        """Whether this asks for a WebSocket, on a path that has one."""
        return (
            self.method == b"GET"
            and self.headers.get(b"upgrade", b"").lower() == b"websocket"
            and self.path.split(b"?", 1)[0] in SOCKET_PATHS
        )


class Refusal(NamedTuple):
    """An HTTP error that is sent before anything else handles the request."""

    status: int
    title: str
    code: str
    message: str
    headers: str = ""

    def as_bytes(self) -> bytes:
        """Write the response; the body is the contract's error object."""
        error = {"error": {"code": self.code, "message": self.message}}
        body = json.dumps(error).encode()
        head = (
            f"HTTP/1.1 {self.status} {self.title}\r\n"
            f"Content-Type: application/json; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\n"
            f"{self.headers}Connection: close\r\n\r\n"
        )
        return head.encode() + body


class FrontDoor:
    """Lets connections in, as many as there may be.

    Args:
        accept: Gets each new WebSocket; says who handles it.
        http: Makes a protocol that serves one HTTP connection, and calls
            back when that has ended.
        max_connections: Connections at once; further ones get 503.

    Attributes:
        is_open: Whether anybody is let in; false while shutting down.
        emptied: Set while no connection is open.
    """

    def __init__(
        self,
        settings: ServerSettings,
        accept: Callable[[WebSocket], None],
        http: Callable[[Callable[[], None]], asyncio.Protocol],
        max_connections: int,
    ) -> None:
        self.settings = settings
        self.is_open = True
        self.max_connections = max_connections
        self._accept = accept
        self._http = http
        self._loop = asyncio.get_running_loop()
        self._turn = WriteTurn(self._loop)
        self._transports: set[asyncio.Transport] = set()
        self._full_logged_s = float("-inf")
        self.emptied = asyncio.Event()
        self.emptied.set()

    def __call__(self) -> "Doorway":
        """Make the protocol of a connection that was just accepted."""
        return Doorway(self)

    @property
    def connection_count(self) -> int:
        """TCP connections that are open."""
        return len(self._transports)

    def entered(self, transport: asyncio.Transport) -> bool:
        """Count a connection in; tell whether there is room for it."""
        self._transports.add(transport)
        self.emptied.clear()
        if len(self._transports) <= self.max_connections:
            return True
        if self._loop.time() - self._full_logged_s > _FULL_LOG_INTERVAL_S:
            self._full_logged_s = self._loop.time()
            log.warning("connections_full", max_connections=self.max_connections)
        return False

    def left(self, transport: asyncio.Transport) -> None:
        """Count a connection out."""
        self._transports.discard(transport)
        if not self._transports:
            self.emptied.set()

    def abort_all(self) -> None:
        """Drop every connection that is still open."""
        for transport in list(self._transports):
            transport.abort()

    def open_socket(
        self, transport: asyncio.Transport, key: bytes, rest: bytes
    ) -> None:
        """Hand a connection to picows, as if it had read the request itself.

        picows gets a request of our own making: it would refuse
        ``Connection: keep-alive, Upgrade``, which Firefox sends, and has no
        need to read cookies.
        """
        settings = self.settings
        socket = WebSocket(
            self._turn,
            max_message_bytes=settings.max_message_bytes,
            max_outgoing_bytes=settings.max_outgoing_bytes,
        )
        self._accept(socket)
        protocol = _SocketProtocol(self, transport, socket)
        transport.set_protocol(protocol)
        protocol.connection_made(
            PicowsTransport(transport, socket, protocol.connection_lost)
        )
        _feed(transport, protocol, _UPGRADE_HEAD % key + rest)

    def open_http(self, transport: asyncio.Transport, data: bytes) -> None:
        """Hand a connection to aiohttp, with what was read of it so far."""
        protocol = self._http(lambda: self.left(transport))
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)


class Doorway(asyncio.Protocol):
    """A connection whose request head is not complete yet."""

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        self._head = bytearray()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the head, for so long; or say that there is no room."""
        # A stream's transport, though uvloop's is no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        has_room = self._door.entered(self._transport)
        if self._door.connection_count > self._door.max_connections + _TOLD_THAT_FULL:
            self._transport.abort()
        elif not self._door.is_open:
            self._refuse(_SHUTTING_DOWN)
        elif not has_room:
            self._refuse(_FULL)
        else:
            loop = asyncio.get_running_loop()
            timeout_s = self._door.settings.head_timeout_s
            self._timer = loop.call_later(timeout_s, self._refuse, _SLOW_HEAD)

    def data_received(self, data: bytes) -> None:
        """Take a piece of the head; hand over once it is whole."""
        if self._transport is None or self._timer is None:
            return
        searched = max(0, len(self._head) - len(_HEAD_END) + 1)
        self._head += data
        end = self._head.find(_HEAD_END, searched)
        limit = self._door.settings.max_head_bytes
        if (end if end >= 0 else len(self._head)) > limit:
            self._refuse(_BIG_HEAD)
        elif end >= 0:
            self._hand_over(bytes(self._head), end)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Forget a connection that ended before it asked for anything."""
        self._cancel_timer()
        if self._transport is not None:
            self._door.left(self._transport)

    def _hand_over(self, data: bytes, end: int) -> None:
        self._cancel_timer()
        transport = self._transport
        if transport is None:
            return
        head = parse_head(data[:end])
        if head is None:
            self._refuse(_BAD_HEAD)
        elif not self._door.is_open:
            self._refuse(_SHUTTING_DOWN)
        elif not head.wants_socket:
            self._door.open_http(transport, data)
        elif (refusal := _upgrade_fault(head)) is not None:
            self._refuse(refusal)
        else:
            key = head.headers[b"sec-websocket-key"]
            self._door.open_socket(transport, key, data[end + len(_HEAD_END) :])

    def _refuse(self, refusal: Refusal) -> None:
        self._cancel_timer()
        if self._transport is not None:
            self._transport.write(refusal.as_bytes())
            Lingerer(self._transport, self.connection_lost)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _SocketProtocol(WSProtocol):  # type: ignore[misc]  # Cython, without types
    """picows' protocol for one connection that we upgrade."""

    __slots__ = ("_door", "_socket", "_transport")

    def __init__(
        self, door: FrontDoor, transport: asyncio.Transport, socket: WebSocket
    ) -> None:
        self._door = door
        self._transport = transport
        self._socket = socket
        super().__init__(
            None,  # host and port: for clients
            None,  # path: for clients
            False,  # is a client
            lambda _request: socket,
            _picows_log,
            True,  # disconnect on an exception
            None,  # handshake timeout: the head is here already
            False,  # ping by itself
            1,
            1,
            WSAutoPingStrategy.PING_WHEN_IDLE,
            False,  # pong by itself: WebSocket does, in the order of its writes
            door.settings.max_message_bytes,
            None,  # extra headers: for clients
            _READ_BUFFER_BYTES,
        )

    def buffer_updated(self, nbytes: int) -> None:
        super().buffer_updated(nbytes)
        self._socket.settle()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._door.left(self._transport)


class _PicowsLog:
    """What picows may log: our own faults. What peers do wrong is no news.

    It also keeps picows from making a logger per connection.
    """

    def isEnabledFor(self, _level: int) -> bool:  # noqa: N802  # logging's name
        return False

    def debug(self, *_args: object, **_kwargs: object) -> None:
        pass

    log = info = warning = error = debug

    def exception(self, message: str, *_args: object, **_kwargs: object) -> None:
        log.error("connection_failed", reason=message, exc_info=True)


_picows_log = _PicowsLog()


def parse_head(head: bytes) -> RequestHead | None:
    """Read a request head, without the empty line; ``None`` if it is none."""
    first, *lines = head.split(b"\r\n")
    parts = first.split(b" ")
    if len(parts) != 3 or not parts[0].isalpha() or parts[2] not in _VERSIONS:
        return None
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip():
            return None
        name, value = name.lower(), value.strip()
        known = headers.get(name)
        headers[name] = value if known is None else known + b", " + value
    return RequestHead(parts[0], parts[1], parts[2], headers)


def _upgrade_fault(head: RequestHead) -> Refusal | None:
    """Check an upgrade request (RFC 6455, section 4.2.1)."""
    connection = head.headers.get(b"connection", b"").lower()
    if b"upgrade" not in [token.strip() for token in connection.split(b",")]:
        return _bad_upgrade("The Connection header must name Upgrade")
    if head.version != b"HTTP/1.1":
        return _bad_upgrade("A WebSocket needs HTTP/1.1")
    if head.headers.get(b"sec-websocket-version") != b"13":
        return _OTHER_SOCKET_VERSION
    try:
        key = base64.b64decode(
            head.headers.get(b"sec-websocket-key", b""), validate=True
        )
    except binascii.Error:
        key = b""
    if len(key) != 16:
        return _bad_upgrade("Sec-WebSocket-Key must be 16 bytes in base64")
    return None


def _feed(transport: asyncio.Transport, protocol: _SocketProtocol, data: bytes) -> None:
    """Give picows bytes as the loop would; stop where it gives the transport up."""
    rest = memoryview(data)
    while rest and transport.get_protocol() is protocol:
        buffer = protocol.get_buffer(-1)
        size = min(len(buffer), len(rest))
        buffer[:size] = rest[:size]
        protocol.buffer_updated(size)
        rest = rest[size:]


def _bad_upgrade(message: str) -> Refusal:
    return Refusal(400, "Bad Request", "invalid_request", message)


_VERSIONS = frozenset({b"HTTP/1.1", b"HTTP/1.0"})

_UPGRADE_HEAD = (
    b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n"
)

_BAD_HEAD = Refusal(
    400, "Bad Request", "invalid_request", "This is not an HTTP/1.1 request"
)
_SLOW_HEAD = Refusal(
    408, "Request Timeout", "request_timeout", "The request head took too long"
)
_BIG_HEAD = Refusal(
    431, "Request Header Fields Too Large", "head_too_large", "The head is too large"
)
_OTHER_SOCKET_VERSION = Refusal(
    426,
    "Upgrade Required",
    "invalid_request",
    "Only WebSocket version 13 is spoken here",
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
)
_FULL = Refusal(
    503,
    "Service Unavailable",
    "too_many_connections",
    "The server has all the connections it can have; try again later",
    "Retry-After: 5\r\n",
)
_SHUTTING_DOWN = Refusal(
    503, "Service Unavailable", "shutting_down", "The server is shutting down"
)
