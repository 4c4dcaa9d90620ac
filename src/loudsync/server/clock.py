"""Time, as a part that can be replaced: tests bring a clock of their own."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from loudsync.core import Moment

_NS_PER_MS = 1_000_000


class Timer(Protocol):
    """Something that will happen unless it is cancelled."""

    def cancel(self) -> None:
        """Let it not happen; no error where it has."""


class Clock(Protocol):
    """What the server asks of time."""

    def now(self) -> Moment:
        """Return this instant on both clocks."""

    def monotonic_ns(self) -> int:
        """Return this instant in nanoseconds that only grow."""

    def unix_ms(self) -> int:
        """Return this instant in milliseconds since the Unix epoch."""

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call back once, in a later turn of the loop, after ``delay_s`` seconds."""


class SystemClock:
    """The operating system's clocks and the running event loop's timers."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def now(self) -> Moment:
        """Return this instant on both clocks."""
        return Moment(time.time_ns() // _NS_PER_MS, time.monotonic_ns())

    monotonic_ns = staticmethod(time.monotonic_ns)

    def unix_ms(self) -> int:
        """Return this instant in milliseconds since the Unix epoch."""
        return time.time_ns() // _NS_PER_MS

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call back once, in a later turn of the loop, after ``delay_s`` seconds."""
        return self._loop.call_later(delay_s, callback)
