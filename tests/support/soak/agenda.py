"""What is to happen later, and the tasks that are under way: both countable."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

from soak.tally import Tally


class Agenda:
    """Callbacks with their instants; no timer of the loop for any of them."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._waiting)

    def later(self, delay_s: float, callback: Callable[[], None]) -> None:
        """Call back in a while."""
        due_s = time.monotonic() + delay_s
        heappush(self._waiting, (due_s, next(self._order), callback))

    def hurry(self, within_s: float) -> None:
        """Bring everything forward, so that nothing is due later than this."""
        latest_s = time.monotonic() + within_s
        self._waiting = [
            (min(due_s, latest_s), number, callback)
            for due_s, number, callback in self._waiting
        ]
        heapify(self._waiting)

    def work_off(self) -> None:
        """Do what is due by now; what that adds waits for the next time."""
        now_s = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now_s:
            heappop(self._waiting)[2]()

    def clear(self) -> None:
        """Let nothing of it happen."""
        self._waiting.clear()


class Tasks:
    """Tasks that end by themselves; an error in one is a fault of the run."""

    def __init__(self, tally: Tally) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._tally = tally

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)

    async def stop(self) -> None:
        """Cancel what still runs and wait for its end."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._tally.fault(f"a task of the crowd failed: {error!r}")
