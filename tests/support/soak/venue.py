"""A server of the run, with a clock whose timers can be counted."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

from loudsync import SessionServer
from loudsync.core import Moment
from loudsync.server import SessionStore
from loudsync.server.clock import Clock, SystemClock, Timer
from soak.plan import SERVER_SETTINGS


class CountingClock:
    """The system's clock; knows how many of its timers are still to come."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: set[_CountedTimer] = set()

    @property
    def timers_due(self) -> int:
        """Timers that neither fired nor were cancelled."""
        return len(self._due)

    def now(self) -> Moment:
        return self._clock.now()

    def monotonic_ns(self) -> int:
        return self._clock.monotonic_ns()

    def unix_ms(self) -> int:
        return self._clock.unix_ms()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        timer = _CountedTimer(self._due, callback)
        timer.start(self._clock, delay_s)
        return timer


class _CountedTimer:
    def __init__(self, due: "set[_CountedTimer]", callback: Callable[[], None]) -> None:
        self._due = due
        self._callback = callback
        self._timer: Timer | None = None

    def start(self, clock: Clock, delay_s: float) -> None:
        self._due.add(self)
        self._timer = clock.call_later(delay_s, self._fire)

    def cancel(self) -> None:
        self._due.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def _fire(self) -> None:
        self._due.discard(self)
        self._callback()


class Venue:
    """A running server, by the name of its store."""

    def __init__(self, name: str, server: SessionServer, clock: CountingClock) -> None:
        self.name = name
        self.server = server
        self.clock = clock


@asynccontextmanager
async def open_venue(store: SessionStore) -> AsyncIterator[Venue]:
    """Run a server on a free loopback port."""
    clock = CountingClock(SystemClock())
    async with SessionServer(
        host="127.0.0.1", port=0, settings=SERVER_SETTINGS, store=store, clock=clock
    ) as server:
        yield Venue(type(store).__name__, server, clock)


def rows_in(file: Path) -> int:
    """Count what a state file has of sessions; only once its server is stopped."""
    with closing(sqlite3.connect(file)) as database:
        return sum(
            database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("session", "seat", "kicked")
        )
