"""Between the party's loop and the screen's: neither waits for the other."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from loudsync.cli.views import Snapshot


class Mailbox:
    """Holds the latest snapshot until the screen takes it.

    Earlier ones are lost, so a screen that hangs has nothing piled up before it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None

    def put(self, snapshot: Snapshot) -> bool:
        """Leave a snapshot; return whether the screen must be told."""
        with self._lock:
            is_news = self._snapshot is None
            self._snapshot = snapshot
            return is_news

    def take(self) -> Snapshot | None:
        """Return what was left since the last time."""
        with self._lock:
            snapshot, self._snapshot = self._snapshot, None
            return snapshot


class Bridge:
    """Has the party's loop do what the screen is asked for.

    Args:
        loop: The party's.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    async def ask(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Wait until it is done; cancelled, it is done all the same.

        Raises:
            Exception: What the work raises.
        """
        done = asyncio.run_coroutine_threadsafe(work(), self._loop)
        await asyncio.shield(asyncio.wrap_future(done))
