"""Sessions in a file: seats that outlive the process.

A change is on disk before the message that announces it leaves the server.
All changes of one turn of the loop, and all that come while a commit is under
way, share the next commit. Heartbeats, statuses and latencies write nothing.
"""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from loudsync.core import (
    SeatRecord,
    Session,
    SessionChanges,
    SessionRecord,
    SessionSpec,
)
from loudsync.errors import LoudSyncError, StartFailed
from loudsync.protocol import DeviceId, SessionId

_APPLICATION_ID: Final = 0x4C6F7564
"""Marks a SQLite file as ours ("Loud"), at byte 68 of its header."""

_SCHEMA_VERSION: Final = 1
"""Raise it with the tables; a file with a higher one is refused, untouched."""

_HEADER_BYTES: Final = 100

_SCHEMA: Final = f"""
    PRAGMA application_id = {_APPLICATION_ID};
    BEGIN;
    CREATE TABLE session (
        id TEXT PRIMARY KEY, spec BLOB NOT NULL,
        created_at_ms INTEGER NOT NULL, next_number INTEGER NOT NULL
    );
    CREATE TABLE seat (
        session_id TEXT NOT NULL, member_id TEXT NOT NULL, record BLOB NOT NULL,
        UNIQUE (session_id, member_id)
    );
    CREATE TABLE kicked (
        session_id TEXT NOT NULL, device_id TEXT NOT NULL,
        PRIMARY KEY (session_id, device_id)
    ) WITHOUT ROWID;
    PRAGMA user_version = {_SCHEMA_VERSION};
    COMMIT;
"""


class SaveFailed(LoudSyncError):
    """The file could not be written; what was to be kept is still to be."""


class SqliteStore:
    """Keeps sessions in a SQLite file (contract, section 8, ``--state``).

    Args:
        path: The file; it is created where there is none.
    """

    outlives_process: Final = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="loudsync-state")
        self._waiting: list[_Write] = []
        self._failed: set[SessionId] = set()
        self._next: asyncio.Future[None] | None = None
        self._committing: asyncio.Future[None] | None = None

    def load(self) -> list[SessionRecord]:
        """Open the file and return every session in it, oldest first.

        Raises:
            StartFailed: The file is not ours, newer, damaged, in use, or can't
                be written. It is left as it is.
        """
        self._check_header()
        try:
            self._database = self._open()
            return _read(self._database)
        except sqlite3.Error as fault:
            self._close_database()
            raise StartFailed(self._why(fault)) from None
        except OSError as fault:
            raise StartFailed(self._unwritable(fault.strerror or str(fault))) from None
        except msgspec.MsgspecError:
            self._close_database()
            raise StartFailed(self._unreadable("is damaged")) from None

    def save(self, session: Session) -> "asyncio.Future[None] | None":
        """Keep what changed; the future ends once it is on disk.

        Its error is ``SaveFailed``; the next call for any session tries again.
        """
        changes = session.take_changes()
        if changes is not None:
            self._waiting.append(_Write(session, changes))
        elif session.id not in self._failed:
            return None
        if self._next is None:
            loop = asyncio.get_running_loop()
            self._next = loop.create_future()
            if self._committing is None:
                loop.call_soon(self._write)
        return self._next

    async def close(self) -> None:
        """Finish what is to be written, then let the file go."""
        while (unfinished := self._next or self._committing) is not None:
            await asyncio.wait([unfinished])
        self._writer.shutdown()
        self._close_database()

    # --- Writing ------------------------------------------------------------

    def _write(self) -> None:
        """Commit everything that waits, in the writer's thread."""
        loop = asyncio.get_running_loop()
        writes, self._waiting = self._waiting, []
        waiter, self._next = self._next, None
        committing = loop.run_in_executor(self._writer, self._commit, writes)
        self._committing = committing

        def done(committed: "asyncio.Future[None]") -> None:
            fault = committed.exception()
            if fault is None:
                self._failed.clear()
            else:
                self._waiting = writes + self._waiting
                self._failed = {write.session.id for write in self._waiting}
            self._committing = None
            if self._next is not None:
                self._write()
            if waiter is not None and not waiter.cancelled():
                if fault is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(SaveFailed(f"{self._path}: {fault}"))

        committing.add_done_callback(done)

    def _commit(self, writes: "list[_Write]") -> None:
        database = self._database
        if database is None:
            raise sqlite3.OperationalError("the state file is closed")
        database.execute("BEGIN IMMEDIATE")
        try:
            for write in writes:
                write.into(database)
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    # --- Opening ------------------------------------------------------------

    def _check_header(self) -> None:
        """Look at the first bytes only: what is not ours must not be touched."""
        try:
            with self._path.open("rb") as file:
                header = file.read(_HEADER_BYTES)
        except FileNotFoundError:
            return
        except OSError as fault:
            raise StartFailed(self._unwritable(fault.strerror or str(fault))) from None
        if not header:
            return
        application_id = int.from_bytes(header[68:72], "big")
        if header[:16] != b"SQLite format 3\0" or application_id != _APPLICATION_ID:
            raise StartFailed(self._unreadable("is not a LoudSync state file"))
        if int.from_bytes(header[60:64], "big") > _SCHEMA_VERSION:
            raise StartFailed(self._unreadable("was written by a newer LoudSync"))

    def _open(self) -> sqlite3.Connection:
        # Device ids take seats back: nobody else on this machine may read them.
        self._path.touch(mode=0o600)
        database = sqlite3.connect(
            self._path, timeout=0.5, isolation_level=None, check_same_thread=False
        )
        self._database = database
        # One process at a time: the lock is held until the file is closed.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version == 0:
            # Before WAL, so that the header of the file itself tells whose it is.
            database.executescript(_SCHEMA)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("BEGIN IMMEDIATE")
        database.execute("COMMIT")
        return database

    def _close_database(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _why(self, fault: sqlite3.Error) -> str:
        if isinstance(fault, sqlite3.OperationalError) and "locked" in str(fault):
            return self._unreadable("is in use by another server")
        if isinstance(fault, sqlite3.OperationalError):
            return self._unwritable(str(fault))
        return self._unreadable("is damaged")

    def _unreadable(self, why: str) -> str:
        return f"The state file {self._path} {why}; name another with --state"

    def _unwritable(self, why: str) -> str:
        return (
            f"Can't use the state file {self._path}: {why}; "
            "name a file in a folder that can be written with --state"
        )


class _Write:
    """What is to be written of one session."""

    def __init__(self, session: Session, changes: SessionChanges) -> None:
        self.session = session
        self._changes = changes

    def into(self, database: sqlite3.Connection) -> None:
        """Write it, as part of the open transaction."""
        session_id, changes = self.session.id, self._changes
        if changes.ended:
            for table, column in _TABLES:
                database.execute(
                    f"DELETE FROM {table} WHERE {column} = ?",  # noqa: S608  # ours
                    (session_id,),
                )
            return
        database.execute(
            "INSERT INTO session VALUES (?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET next_number = excluded.next_number",
            (
                session_id,
                msgspec.json.encode(self.session.spec),
                self.session.created_at_ms,
                changes.next_number,
            ),
        )
        database.executemany(
            "DELETE FROM seat WHERE session_id = ? AND member_id = ?",
            [(session_id, member_id) for member_id in changes.freed],
        )
        # An update keeps the row's number, and with it the order of arrival.
        database.executemany(
            "INSERT INTO seat VALUES (?, ?, ?)"
            " ON CONFLICT (session_id, member_id) DO UPDATE SET record = excluded.record",
            [
                (session_id, seat.member_id, msgspec.json.encode(seat))
                for seat in changes.seats
            ],
        )
        database.executemany(
            "INSERT OR IGNORE INTO kicked VALUES (?, ?)",
            [(session_id, device_id) for device_id in changes.kicked_devices],
        )


_TABLES = (("session", "id"), ("seat", "session_id"), ("kicked", "session_id"))


def _read(database: sqlite3.Connection) -> list[SessionRecord]:
    seats: dict[str, list[SeatRecord]] = {}
    for session_id, record in database.execute(
        "SELECT session_id, record FROM seat ORDER BY rowid"
    ):
        seat = msgspec.json.decode(record, type=SeatRecord)
        seats.setdefault(session_id, []).append(seat)
    kicked: dict[str, list[DeviceId]] = {}
    for session_id, device_id in database.execute(
        "SELECT session_id, device_id FROM kicked"
    ):
        kicked.setdefault(session_id, []).append(DeviceId(device_id))
    return [
        SessionRecord(
            spec=msgspec.json.decode(spec, type=SessionSpec),
            created_at_ms=created_at_ms,
            next_number=next_number,
            seats=tuple(seats.get(session_id, ())),
            kicked_devices=tuple(kicked.get(session_id, ())),
        )
        for session_id, spec, created_at_ms, next_number in database.execute(
            "SELECT id, spec, created_at_ms, next_number FROM session ORDER BY rowid"
        )
    ]
