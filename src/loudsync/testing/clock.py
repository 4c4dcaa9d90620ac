"""A clock that stands still until it is told to move."""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from loudsync.core import NS_PER_S, Moment

_NS_PER_MS = 1_000_000


class ManualTimer:
    """A timer of a ``ManualClock``."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Let it not happen."""
        self._callback = None

    def fire(self) -> None:
        """Call back, unless it was cancelled."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class ManualClock:
    """A server's clock for tests: time passes only in ``advance``.

    Args:
        unix_ms: What the calendar shows at the beginning.
    """

    def __init__(self, unix_ms: int = 1_706_889_600_000) -> None:
        self._unix_ms = unix_ms
        self._elapsed_ns = 0
        self._timers: list[tuple[int, int, ManualTimer]] = []
        self._order = count()

    def now(self) -> Moment:
        """Return this instant on both clocks."""
        return Moment(self.unix_ms(), self.monotonic_ns())

    def monotonic_ns(self) -> int:
        """Return the nanoseconds that have passed since the beginning."""
        return self._elapsed_ns

    def unix_ms(self) -> int:
        """Return the calendar's milliseconds."""
        return self._unix_ms + self._elapsed_ns // _NS_PER_MS

    def jump(self, seconds: float) -> None:
        """Set the calendar forward or back; no time passes."""
        self._unix_ms += int(seconds * 1000)

    def stand_still(self, seconds: float) -> None:
        """Let time pass without a timer firing, like a process that is stopped."""
        self._elapsed_ns += int(seconds * NS_PER_S)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> ManualTimer:
        """Call back once that much time has passed."""
        timer = ManualTimer(callback)
        due_ns = self._elapsed_ns + int(delay_s * NS_PER_S)
        heappush(self._timers, (due_ns, next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Let time pass; timers fire at their instants, in their order."""
        until_ns = self._elapsed_ns + int(seconds * NS_PER_S)
        while self._timers and self._timers[0][0] <= until_ns:
            due_ns, _, timer = heappop(self._timers)
            self._elapsed_ns = max(self._elapsed_ns, due_ns)
            timer.fire()
        self._elapsed_ns = until_ns
