"""One way of a proxied connection: what happens to bytes between two sockets."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import msgspec

_END = memoryview(b"")


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one way; they add up, and ``drop`` wins.

    Attributes:
        delay_s: How long each byte is on its way.
        drops: Everything is swallowed, the end too.
        stalls: Nothing is read.
        trickles: Bytes go one by one.
        halves: Of the next piece half goes on, then the connection ends.
        cut_after_bytes: So many more go on, then the connection ends.
    """

    delay_s: float = 0.0
    drops: bool = False
    stalls: bool = False
    trickles: bool = False
    halves: bool = False
    cut_after_bytes: int | None = None


class _Piece(NamedTuple):
    arrived_s: float
    data: memoryview


class FaultPipe:
    """Carries bytes in their order from one socket to another.

    What waits here is bounded by back-pressure: from ``max_waiting_bytes`` on,
    the source is not read until some of it has gone. One read can go beyond.

    Args:
        max_waiting_bytes: The bound.
        faults: What is wrong from the beginning.
        on_cut: Ends the connection: what was said is delivered, no more is.

    Attributes:
        swallowed_bytes: What ``drop`` has swallowed so far.
    """

    def __init__(
        self, max_waiting_bytes: int, faults: Faults, on_cut: Callable[[], None]
    ) -> None:
        self.swallowed_bytes = 0
        self._max_waiting_bytes = max_waiting_bytes
        self._faults = faults
        self._on_cut = on_cut
        self._waiting: deque[_Piece] = deque()
        self._waiting_bytes = 0
        self._missed_end = False
        self._source: asyncio.Transport | None = None
        self._target: asyncio.Transport | None = None
        self._is_reading = True
        self._changed = asyncio.Event()
        self._may_write = asyncio.Event()
        self._may_write.set()

    # --- What its connection tells it ---------------------------------------

    def come_from(self, source: asyncio.Transport) -> None:
        """Take bytes from here."""
        self._source = source
        self._pace_reading()

    def go_to(self, target: asyncio.Transport) -> None:
        """Bring bytes there; ``run`` begins to."""
        self._target = target
        target.set_write_buffer_limits(high=self._max_waiting_bytes)

    def take(self, data: bytes) -> None:
        """Take a piece that came."""
        if self._faults.drops:
            self.swallowed_bytes += len(data)
            return
        now_s = asyncio.get_running_loop().time()
        self._waiting.append(_Piece(now_s, memoryview(data)))
        self._waiting_bytes += len(data)
        self._pace_reading()
        self._changed.set()

    def end(self) -> bool:
        """Take the end of what comes; tell whether the other side will hear of it."""
        if self._faults.drops:
            self._missed_end = True
            return False
        self._waiting.append(_Piece(asyncio.get_running_loop().time(), _END))
        self._changed.set()
        return True

    def pause(self) -> None:
        """Wait: the target has enough to do."""
        self._may_write.clear()

    def resume(self) -> None:
        """Go on."""
        self._may_write.set()

    @property
    def faults(self) -> Faults:
        """What is wrong now."""
        return self._faults

    def change(self, faults: Faults) -> None:
        """Let other things be wrong from now on."""
        self._faults = faults
        if faults.drops:
            was_ending = any(not piece.data for piece in self._waiting)
            self._missed_end = self._missed_end or was_ending
            self._waiting.clear()
            self.swallowed_bytes += self._waiting_bytes
            self._waiting_bytes = 0
        elif self._missed_end:
            self._missed_end = False
            self.end()
        self._pace_reading()
        self._changed.set()

    # --- Carrying -----------------------------------------------------------

    async def run(self) -> None:
        """Carry until the end; then the target knows of it, in TCP's way."""
        target = self._target
        if target is None:
            raise RuntimeError("go_to comes before run")
        while True:
            await self._ready()
            piece = self._waiting.popleft()
            if not piece.data:
                if target.can_write_eof() and not target.is_closing():
                    target.write_eof()
                return
            size = self._size_to_send(len(piece.data))
            if size < len(piece.data):
                self._waiting.appendleft(_Piece(piece.arrived_s, piece.data[size:]))
            if not target.is_closing():  # else it is as if the network lost it
                target.write(piece.data[:size])
            self._waiting_bytes -= size
            if self._faults.cut_after_bytes == 0:
                self._on_cut()
                return
            self._pace_reading()
            if self._faults.trickles:
                # A turn of the loop for each: the reader may take it alone.
                await asyncio.sleep(0)
            await self._may_write.wait()

    async def _ready(self) -> None:
        """Wait until the first piece may go on."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            timer: asyncio.TimerHandle | None = None
            if self._waiting and not self._faults.stalls:
                due_s = self._waiting[0].arrived_s + self._faults.delay_s
                if due_s <= loop.time():
                    return
                timer = loop.call_at(due_s, self._changed.set)
            try:
                await self._changed.wait()
            finally:
                if timer is not None:
                    timer.cancel()

    def _size_to_send(self, size: int) -> int:
        faults = self._faults
        if faults.halves:
            left_bytes: int | None = size // 2
            faults = msgspec.structs.replace(faults, halves=False)
        else:
            left_bytes = faults.cut_after_bytes
        size = min(size, 1 if faults.trickles else size)
        if left_bytes is not None:
            size = min(size, left_bytes)
            left_bytes -= size
        self._faults = msgspec.structs.replace(faults, cut_after_bytes=left_bytes)
        return size

    def _pace_reading(self) -> None:
        source = self._source
        if source is None or source.is_closing():
            return
        is_full = self._waiting_bytes >= self._max_waiting_bytes
        should_read = not (self._faults.stalls or is_full)
        if should_read == self._is_reading:
            return
        self._is_reading = should_read
        if should_read:
            source.resume_reading()
        else:
            source.pause_reading()
