"""A WebSocket peer that does just what it is told, right or wrong."""

import asyncio
import base64
import os
import struct
from collections.abc import Callable
from typing import Any, Final, Self

import msgspec

PATIENCE_S: Final = 20.0
"""How long a test waits for what must come: a bound, not an expectation."""

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA

ABNORMAL: Final = 1006


_reading: Final[set["asyncio.Task[None]"]] = set()
"""The loop doesn't hold on to tasks: one whose peer a test let go would be collected
in the middle of its waiting."""


class RawPeer:
    """One connection over a real socket.

    Attributes:
        answers_pings: Turn it off to look dead while the socket stays open.
        close_code: What the server closed with, once it has.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.answers_pings = True
        self.close_code: int | None = None
        self._reader = reader
        self._writer = writer
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._ended = asyncio.Event()
        self._task = asyncio.create_task(self._read())
        _reading.add(self._task)
        self._task.add_done_callback(_reading.discard)

    @classmethod
    async def connect(cls, port: int, path: str = "/ws") -> Self:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            f"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        assert head.startswith(b"HTTP/1.1 101 "), head
        return cls(reader, writer)

    # --- Sending ------------------------------------------------------------

    async def say(self, message: dict[str, Any]) -> None:
        await self.say_text(msgspec.json.encode({"timestamp": 1, **message}).decode())

    async def say_text(self, text: str) -> None:
        self.send_frame(TEXT, text.encode())

    def send_frame(
        self, opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True
    ) -> None:
        self.send_bytes(frame(opcode, payload, fin=fin, masked=masked))

    def send_bytes(self, data: bytes) -> None:
        self._writer.write(data)

    async def hang_up(self, code: int = 1000) -> None:
        if code == ABNORMAL:
            self._writer.transport.abort()
        else:
            self.send_frame(CLOSE, struct.pack("!H", code))
        await self.closed()

    async def break_protocol(self) -> None:
        self.send_frame(TEXT, b"{}", masked=False)

    # --- Receiving ----------------------------------------------------------

    async def receive(self) -> dict[str, Any]:
        """Return the next message."""
        return await asyncio.wait_for(self._messages.get(), PATIENCE_S)

    async def closed(self) -> int:
        """Wait for the end of the connection; return the close code or 1006."""
        await asyncio.wait_for(self._ended.wait(), PATIENCE_S)
        return self.close_code or ABNORMAL

    def unread(self) -> list[dict[str, Any]]:
        """Return the messages that came and were not read."""
        return [self._messages.get_nowait() for _ in range(self._messages.qsize())]

    def stop_reading(self) -> None:
        """Leave everything that comes where it is."""
        self._task.cancel()

    async def gone(self) -> None:
        """End the peer without a goodbye and leave nothing behind."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._writer.transport.abort()

    async def _read(self) -> None:
        try:
            while True:
                opcode, payload = await self._read_frame()
                if opcode == TEXT:
                    self._messages.put_nowait(msgspec.json.decode(payload))
                elif opcode == PING and self.answers_pings:
                    self.send_frame(PONG, payload)
                elif opcode == CLOSE:
                    self.close_code = struct.unpack("!H", payload[:2] or b"\x03\xed")[0]
                    self.send_frame(CLOSE, payload[:2])
        except (asyncio.IncompleteReadError, OSError):
            self._writer.close()
        finally:
            self._ended.set()

    async def _read_frame(self) -> tuple[int, bytes]:
        head, size = await self._reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack("!H", await self._reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self._reader.readexactly(8))
        return head & 0x0F, await self._reader.readexactly(size)


def frame(
    opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True
) -> bytes:
    """Build a frame as a client sends it."""
    size = len(payload)
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", fin << 7 | opcode, mask_bit | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", fin << 7 | opcode, mask_bit | 126, size)
    else:
        head = struct.pack("!BBQ", fin << 7 | opcode, mask_bit | 127, size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    # As one large number each: a crowd of thousands masks all the time.
    cover = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    covered = int.from_bytes(payload, "big") ^ cover
    return head + mask + covered.to_bytes(size, "big")


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so; a bound keeps a failing test from hanging."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.001)
