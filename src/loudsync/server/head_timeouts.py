"""Who takes too long to send a request head: one timer for all of them."""

import asyncio
from collections.abc import Callable


class HeadTimeouts:
    """Calls back for whoever is not done in time.

    All have the same time, so the first who came is the first who is late, and
    a timer for that one is enough: a timer for each would cost a crowd more
    than reading its heads.
    """

    def __init__(self, timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._waiting: dict[Callable[[], None], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, on_late: Callable[[], None]) -> None:
        """Begin to wait for somebody; ``on_late`` is called once, if at all."""
        self._waiting[on_late] = self._loop.time() + self._timeout_s
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout_s, self._look)

    def discard(self, on_late: Callable[[], None]) -> None:
        """Wait no more; no error where nobody does."""
        self._waiting.pop(on_late, None)
        if not self._waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        now_s = self._loop.time()
        while self._waiting:
            on_late, due_s = next(iter(self._waiting.items()))
            if due_s > now_s:
                self._timer = self._loop.call_at(due_s, self._look)
                return
            del self._waiting[on_late]
            on_late()
