"""picows' protocol for one connection that we upgrade.

This is the one file that touches the constructor of picows' protocol class,
which is not public API: ``tests/server/test_picows_contract.py`` watches it.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from picows import WSAutoPingStrategy
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # not public

from loudsync.server.logs import get_logger
from loudsync.server.websocket import PicowsTransport, WebSocket

log = get_logger("server")

_READ_BUFFER_BYTES: Final = 2048
"""What picows keeps per connection for reading, the least it takes: messages
are small, and the buffer grows by itself for one that is not."""

_MAX_READ_BYTES: Final = 16 * 1024
"""What a connection reads at once: about 200 messages, or one of the largest."""

_UPGRADE_HEAD: Final = (
    b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n"
)


class SocketProtocol(WSProtocol):  # type: ignore[misc]  # Cython, without types
    """Reads frames for a ``WebSocket`` from a transport that ``start`` takes over.

    Args:
        socket: Gets what comes.
        max_message_bytes: A larger frame is refused by its head, with 1009.
        on_end: Called once the transport is closed.
    """

    __slots__ = ("_on_end", "_read", "_socket")

    def __init__(
        self, socket: WebSocket, max_message_bytes: int, on_end: Callable[[], None]
    ) -> None:
        self._socket = socket
        self._on_end = on_end
        self._read: memoryview | None = None
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
            max_message_bytes,
            None,  # extra headers: for clients
            _READ_BUFFER_BYTES,
        )

    def start(self, transport: asyncio.Transport, key: bytes, rest: bytes) -> None:
        """Answer the upgrade, then read what came behind the request's head.

        picows gets a request of our own making: it would refuse
        ``Connection: keep-alive, Upgrade``, which Firefox sends, and has no
        need to read cookies.

        Args:
            key: The request's ``Sec-WebSocket-Key``, checked.
        """
        transport.set_protocol(self)
        self.connection_made(
            PicowsTransport(transport, self._socket, self.connection_lost)
        )
        head = _UPGRADE_HEAD % key
        super().get_buffer(-1)[: len(head)] = head
        super().buffer_updated(len(head))
        while rest and transport.get_protocol() is self:
            buffer = self.get_buffer(-1)
            size = min(len(buffer), len(rest))
            buffer[:size] = rest[:size]
            self.buffer_updated(size)
            rest = rest[size:]

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where the next read goes."""
        # picows doubles its buffer whenever one read fills it, and keeps it so
        # for good: what comes at once must not decide how large it gets.
        read: memoryview = super().get_buffer(sizehint)[:_MAX_READ_BYTES]
        self._read = read
        return read

    def buffer_updated(self, nbytes: int) -> None:
        """Take a read: its frames first, then what is left of it."""
        # A copy: picows may move its buffer while it parses.
        data = b"" if self._read is None else bytes(self._read[:nbytes])
        self._read = None
        self._socket.unread_bytes = nbytes
        super().buffer_updated(nbytes)
        self._socket.settle(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end."""
        super().connection_lost(exc)
        self._on_end()


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
