"""Events on their way to a reader, who may be slow."""

import asyncio
from typing import Final, Generic, TypeVar

from loudsync.core.events import (
    Connected,
    Event,
    EventsLost,
    RemovedByHost,
    SessionEnded,
    StateChanged,
)

_LASTING: Final = (Connected, StateChanged, RemovedByHost, SessionEnded)
"""Dropped last: without them a reader would not know where it stands."""


EventT = TypeVar("EventT", bound=Event)


class EventQueue(Generic[EventT]):
    """A bounded queue with one reader.

    When it is full the oldest event makes room, and an ``EventsLost`` with the
    count stands in its place. Events that tell where the reader stands go only
    when nothing else is left to drop; the newest event and the end never do.

    Args:
        max_events: Places, at least 2; an ``EventsLost`` takes one as well.
    """

    def __init__(self, max_events: int) -> None:
        self._max_events = max_events
        self._events: list[EventT | EventsLost] = []
        self._closed = False
        self._error: BaseException | None = None
        self._news = asyncio.Event()
        self._has_reader = False

    def put(self, event: EventT) -> None:
        """Add an event; after the end it is ignored."""
        if self._closed:
            return
        while len(self._events) >= self._max_events:
            self._drop_one()
        self._events.append(event)
        self._news.set()

    def close(self, error: BaseException | None = None) -> None:
        """End the queue: the reader gets what waits, then the error or the end."""
        if not self._closed:
            self._closed = True
            self._error = error
            self._news.set()

    async def get(self) -> EventT | EventsLost:
        """Wait for the oldest event; cancelled, it takes none.

        Raises:
            StopAsyncIteration: Closed without an error, and nothing is left.
            RuntimeError: Somebody else waits already.
            BaseException: What the queue was closed with, each time again.
        """
        if self._has_reader:
            raise RuntimeError("Another task is iterating over these events already")
        self._has_reader = True
        try:
            while not self._events:
                if self._closed:
                    raise self._error or StopAsyncIteration
                self._news.clear()
                await self._news.wait()
        finally:
            self._has_reader = False
        return self._events.pop(0)

    def _drop_one(self) -> None:
        """Free a place, or turn an event into a count that next time can grow."""
        at = self._oldest_to_drop()
        lost = 1
        if at + 1 < len(self._events) and isinstance(
            following := self._events[at + 1], EventsLost
        ):
            lost += following.count
            del self._events[at + 1]
        if at > 0 and isinstance(before := self._events[at - 1], EventsLost):
            lost += before.count
            del self._events[at]
            at -= 1
        self._events[at] = EventsLost(count=lost)

    def _oldest_to_drop(self) -> int:
        lasting = 0
        for at, event in enumerate(self._events):
            if isinstance(event, EventsLost):
                continue
            if not isinstance(event, _LASTING):
                return at
            lasting = lasting or at + 1
        return lasting - 1
