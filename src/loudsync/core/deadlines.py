"""Things that fall due, cheapest where nothing does."""

from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=str)

_WORTH_COMPACTING = 64
"""Below this many heap entries, stale ones are not worth a rebuild."""


class Deadlines(Generic[KeyT]):
    """One deadline per key; finding who is due costs nothing for who isn't.

    A heap in which changed deadlines stay behind as stale entries until they
    surface, or until they outnumber the live ones and the heap is rebuilt.
    """

    __slots__ = ("_due_ns", "_heap")

    def __init__(self) -> None:
        self._due_ns: dict[KeyT, int] = {}
        self._heap: list[tuple[int, KeyT]] = []

    def __len__(self) -> int:
        return len(self._due_ns)

    def set(self, key: KeyT, due_ns: int) -> None:
        """Let ``key`` fall due at ``due_ns``, instead of whenever it was to."""
        if self._due_ns.get(key) == due_ns:
            return
        self._due_ns[key] = due_ns
        heappush(self._heap, (due_ns, key))
        self._compact()

    def discard(self, key: KeyT) -> None:
        """Forget ``key``; no error where it has no deadline."""
        if self._due_ns.pop(key, None) is not None:
            self._compact()

    def next_due_ns(self) -> int | None:
        """Return the earliest deadline, ``None`` where there is none."""
        while self._heap:
            due_ns, key = self._heap[0]
            if self._due_ns.get(key) == due_ns:
                return due_ns
            heappop(self._heap)
        return None

    def pop_due(self, now_ns: int) -> list[KeyT]:
        """Remove and return every key due at ``now_ns``, earliest first."""
        due: list[KeyT] = []
        while (next_ns := self.next_due_ns()) is not None and next_ns <= now_ns:
            key = heappop(self._heap)[1]
            del self._due_ns[key]
            due.append(key)
        return due

    def _compact(self) -> None:
        if len(self._heap) > max(_WORTH_COMPACTING, 2 * len(self._due_ns)):
            self._heap = [(due_ns, key) for key, due_ns in self._due_ns.items()]
            heapify(self._heap)
