"""What there is in this process: counted before and after, it must be the same."""

import asyncio
import gc
import os
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from soak.venue import Venue

_COUNTED_PACKAGES = ("loudsync", "uvloop", "aiohttp", "light_socket")
_COUNTED_OURS = ("soak.guest", "soak.place", "soak.rival", "soak.real_client")
_DESCRIPTORS = Path("/proc/self/fd")
_MEMORY = Path("/proc/self/statm")

Census = dict[str, int]

_TIMERS = "timers of the loop still to come"


def take(venues: Sequence[Venue]) -> Census:
    """Count sessions, seats, connections, tasks, timers, descriptors, objects.

    Objects are counted by type, those of this package and of the libraries
    under its sockets. Only what the garbage collector could not free counts.
    """
    gc.collect()
    found = gc.get_objects()
    census: Census = {
        "tasks": len(asyncio.all_tasks()),
        _TIMERS: sum(_is_to_come(it) for it in found if _is_timer(it)),
        "threads": threading.active_count(),
    }
    if _DESCRIPTORS.exists():
        census["descriptors"] = len(os.listdir(_DESCRIPTORS))  # noqa: PTH208
    for venue in venues:
        sessions = venue.server.sessions()
        census[f"{venue.name}: sessions"] = len(sessions)
        census[f"{venue.name}: seats"] = sum(len(each.members) for each in sessions)
        census[f"{venue.name}: members connected"] = venue.server.stats.members
        census[f"{venue.name}: connections"] = venue.server.connection_count
        census[f"{venue.name}: timers of the clock still due"] = venue.clock.timers_due
    for name, number in _by_type(found).items():
        census[f"objects: {name}"] = number
    return census


def differences(before: Census, after: Census) -> list[str]:
    """Tell what is more or less than before, in words.

    Fewer timers are as good: one of the first crowd may still have been due when
    all else was as it stays.
    """
    return [
        f"{name}: {before.get(name, 0)} before, {after.get(name, 0)} after"
        for name in sorted(before.keys() | after.keys())
        if before.get(name, 0) != after.get(name, 0)
        and not (name == _TIMERS and after.get(name, 0) < before.get(name, 0))
    ]


def memory_blocks() -> int:
    """Return how many small objects Python holds memory for."""
    gc.collect()
    return sys.getallocatedblocks()


def rss_mb() -> float:
    """Return the memory of this process in megabytes; 0 where nobody tells."""
    if not _MEMORY.exists():
        return 0.0
    pages = int(_MEMORY.read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _is_timer(found: object) -> bool:
    """On any loop: uvloop does not show its timers, the collector does."""
    return type(found).__name__ == "TimerHandle"


def _is_to_come(timer: Any) -> bool:
    """Tell it without a clock: one that is due may just not have had its turn."""
    if timer.cancelled():
        return False
    if isinstance(timer, asyncio.TimerHandle):
        return bool(getattr(timer, "_scheduled"))  # noqa: B009  # it has no other name
    # One of uvloop's forgets its callback once it has run, and shows none.
    return repr(timer) != "<TimerHandle>"


def _by_type(found: list[Any]) -> Counter[str]:
    return Counter(
        f"{kind.__module__}.{kind.__qualname__}"
        for kind in map(type, found)
        if str(kind.__module__).startswith(_COUNTED_PACKAGES + _COUNTED_OURS)
    )
