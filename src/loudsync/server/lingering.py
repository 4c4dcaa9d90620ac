"""Closing a TCP connection so that the peer gets to read our last words.

Closing a socket while the peer still sends makes the kernel reset the
connection, and the reset may overtake the close frame that says why. So the
sending side is shut first, and what still comes in is thrown away for a while.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

LINGER_S: Final = 2.0
"""How long a peer may take to hang up: a round trip on any network."""

_MAX_DISCARDED_BYTES: Final = 4 * 1024 * 1024
"""What a peer may still send; one that goes on gets its reset."""

_SMALL_READ: Final = 131
"""A masked close frame at most: two bytes, four of mask, 125 of payload."""

_scratch = bytearray(64 * 1024)
"""Where thrown-away bytes land; nobody reads it, so all connections share it."""


class TransportOwner(Protocol):
    """Who had the transport before, and wants to hear of its end."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Hear that the transport is closed."""


class Lingerer(asyncio.BufferedProtocol):
    """Takes a transport over in order to close it gently, then reports the end."""

    __slots__ = ("_discarded", "_lost", "_timer", "_transport")

    def __init__(
        self,
        transport: asyncio.Transport,
        lost: Callable[[Exception | None], None],
    ) -> None:
        self._transport = transport
        self._lost = lost
        self._discarded = 0
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(LINGER_S, transport.abort)
        transport.set_protocol(self)
        try:
            transport.resume_reading()
            if transport.can_write_eof():
                transport.write_eof()
        except (OSError, RuntimeError):
            transport.abort()  # the peer has reset it: there is nothing to read

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002
        """Offer the shared scratch space."""
        return _scratch

    def buffer_updated(self, nbytes: int) -> None:
        """Throw away what came; hang up once the peer can have nothing to add."""
        self._discarded += nbytes
        if self._discarded > _MAX_DISCARDED_BYTES:
            self._transport.abort()
        elif not self._transport.can_write_eof() and nbytes <= _SMALL_READ:
            # TLS can't be shut on one side; this is the peer's close frame.
            self._transport.close()

    def eof_received(self) -> bool:
        """Close: the peer has hung up."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end to who had the transport before."""
        self._timer.cancel()
        self._lost(exc)
