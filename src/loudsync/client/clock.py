"""Time as the client needs it, and how tests replace it."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What tells the client the time and lets it wait."""

    def monotonic_ns(self) -> int:
        """An instant in nanoseconds that only grows; for every duration."""
        ...

    def unix_ms(self) -> int:
        """Milliseconds since the Unix epoch; only ever sent, never subtracted."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; a cancellation ends it at once and leaves nothing behind."""
        ...


class SystemClock:
    """This machine's clocks."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that only grow."""
        return time.monotonic_ns()

    def unix_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Wait on the running event loop."""
        await asyncio.sleep(seconds)
