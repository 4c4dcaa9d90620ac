"""A state file's store without a server around it: seats come and go in bulk."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from core_builders import RULES, a_join, a_spec, at, connection
from loudsync.core import Session, SessionRecord
from loudsync.server import SqliteStore

LONG = "x" * 60
"""Makes a device id nearly as long as it may be, so that few seats fill much."""


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[tuple[SqliteStore, list[SessionRecord]]]:
    store = SqliteStore(path)
    records = store.load()
    try:
        yield store, records
    finally:
        await store.close()


def new_session(session_id: str = "abc123") -> Session:
    return Session(a_spec(session_id=session_id, max_members=10_000), RULES, at(0))


def seat(session: Session, numbers: Iterable[int]) -> None:
    """Give devices with these numbers a seat."""
    for number in numbers:
        device = f"{LONG}{LONG}-{number}"
        request = a_join(device, name="Ann", session_id=session.id)
        session.join(request, connection(number), at(0))


async def saved(store: SqliteStore, *sessions: Session) -> None:
    """Save in one turn of the loop; return once all of it is on disk."""
    savings = [store.save(session) for session in sessions]
    await asyncio.gather(*[saving for saving in savings if saving is not None])


def sizes(path: Path) -> tuple[int, int]:
    """What the file and its log have of the disk, in bytes."""
    return path.stat().st_blocks * 512, Path(f"{path}-wal").stat().st_blocks * 512


def check_integrity(path: Path) -> None:
    """Check a closed file as SQLite does."""
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
