"""A WebSocket peer light enough to have thousands of: no task, no queue.

``RawPeer`` has both, which is handy in a test of a few; here what comes in goes
straight to the owner.
"""

import asyncio
import base64
import os
import socket
import struct
from typing import Any, Final, Protocol

from raw_peer import CLOSE, PING, PONG, TEXT, frame

_HEAD_END: Final = b"\r\n\r\n"
_FINAL: Final = 0x80
_RESET_AT_ONCE: Final = struct.pack("ii", 1, 0)


class SocketOwner(Protocol):
    """Who hears of a socket; calls come one after another."""

    def socket_opened(self, socket: "LightSocket") -> None:
        """The upgrade was answered with 101."""

    def text_received(self, socket: "LightSocket", payload: bytes) -> None:
        """A text message came."""

    def socket_ended(self, socket: "LightSocket") -> None:
        """TCP is closed, by whomever; ``close_code`` and ``status`` tell more."""


class LightSocket(asyncio.Protocol):
    """One connection of a guest.

    Attributes:
        answers_pings: Turn it off to look dead while the socket stays open.
        close_code: What the server closed with; ``None`` without a close frame.
        is_reading: Whether it takes in what comes.
        status: The HTTP status of the server's answer; 0 before it.
        fault: How the server broke the WebSocket protocol; empty: it did not.
    """

    __slots__ = (
        "_buffer",
        "_owner",
        "_said_goodbye",
        "_transport",
        "answers_pings",
        "close_code",
        "fault",
        "is_reading",
        "status",
    )

    def __init__(self, owner: SocketOwner) -> None:
        self.answers_pings = True
        self.close_code: int | None = None
        self.status = 0
        self.fault = ""
        self.is_reading = True
        self._owner = owner
        self._buffer = bytearray()
        self._said_goodbye = False
        self._transport: Any = None

    @classmethod
    async def connect(cls, port: int, owner: SocketOwner) -> None:
        """Connect and ask for the upgrade; the owner hears how it goes on.

        Raises:
            OSError: Nobody listens there.
        """
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: cls(owner), "127.0.0.1", port)

    # --- Sending ------------------------------------------------------------

    def send(self, frames: bytes) -> None:
        """Write ready frames; after the end, nothing."""
        if not self._transport.is_closing():
            self._transport.write(frames)

    def say(self, text: bytes) -> None:
        """Send a text message."""
        self.send(frame(TEXT, text))

    def hang_up(self, code: int) -> None:
        """Say goodbye with this close code and wait for the server to close."""
        self._said_goodbye = True
        self.send(frame(CLOSE, struct.pack("!H", code)))

    def cut(self) -> None:
        """Close TCP without a WebSocket goodbye."""
        self._transport.abort()

    def reset(self) -> None:
        """Close TCP with a reset, as a device does that has lost its state."""
        if not self._transport.is_closing():
            raw = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_ONCE)
        self._transport.abort()

    def stop_reading(self) -> None:
        """Leave what comes where it is."""
        self.is_reading = False
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def go_on_reading(self) -> None:
        """Take in what waits."""
        self.is_reading = True
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # --- What the loop calls ------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        self.send(
            f"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self.status != 101 and not self._has_upgraded():
            return
        self._take_frames()

    def connection_lost(self, exc: Exception | None) -> None:
        self._buffer.clear()
        self._owner.socket_ended(self)

    # --- Parts of the above -------------------------------------------------

    def _has_upgraded(self) -> bool:
        head, end, rest = bytes(self._buffer).partition(_HEAD_END)
        if not end:
            return False
        self.status = int(head.split(b" ", 2)[1])
        if self.status != 101:
            self._transport.close()
            return False
        self._buffer = bytearray(rest)
        self._owner.socket_opened(self)
        return True

    def _take_frames(self) -> None:
        buffer = self._buffer
        at, end = 0, len(buffer)
        while end - at >= 2 and not self._transport.is_closing():
            size, start = buffer[at + 1], at + 2
            if size == 126:
                start = at + 4
            elif size == 127:
                start = at + 10
            if end < start:
                break
            if size > 125:
                size = int.from_bytes(buffer[at + 2 : start], "big")
            if end < start + size:
                break
            self._take(buffer[at], bytes(buffer[start : start + size]))
            at = start + size
        del buffer[:at]

    def _take(self, first: int, payload: bytes) -> None:
        if first == _FINAL | TEXT:
            self._owner.text_received(self, payload)
        elif first == _FINAL | PING:
            if self.answers_pings:
                self.send(frame(PONG, payload))
        elif first == _FINAL | CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big") if payload else 1005
            if not self._said_goodbye:
                self.hang_up(self.close_code if payload else 1000)
        elif first != _FINAL | PONG:
            self.fault = f"a frame that starts with {first:#04x}"
            self.cut()
