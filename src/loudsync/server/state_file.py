"""The SQLite file that sessions are kept in; everything here blocks.

It is opened, read, written and closed from one thread at a time. What opens
it first looks at its bytes only: a file that is not ours, or newer, is refused
before SQLite gets to change anything in it or beside it.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from loudsync.core import SessionRecord
from loudsync.errors import StartFailed
from loudsync.server.state_reserve import LOW_PAGES, Reserve, is_out_of_space
from loudsync.server.state_rows import (
    APPLICATION_ID,
    SCHEMA,
    SCHEMA_VERSION,
    SessionWrite,
    end_session,
    half_deleted,
    read_sessions,
)
from loudsync.server.state_wal import is_damaged, make_empty, newest_database_header

_HEADER_BYTES: Final = 100

_LOCK_WAIT_S: Final = 0.5

_PRAGMAS: Final = (
    "journal_mode = WAL",
    "synchronous = FULL",
    # Half of the log at most, so that what comes next fits behind it.
    f"wal_autocheckpoint = {LOW_PAGES}",
    # What a statement may have to undo goes to no other disk that may be full.
    "temp_store = MEMORY",
)


SPACE_NEEDED: Final = "3 MB"
"""A new file with its log takes 2.1 MB."""


class StateFile:
    """One state file, open from ``load`` to ``close``.

    Args:
        path: Where it is; it is created where there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._wal = Path(f"{path}-wal")
        self._kept_wal = Path(f"{path}-wal-kept")
        self._database: sqlite3.Connection | None = None
        self._file: BinaryIO | None = None
        self._reserve: Reserve | None = None

    @property
    def lack(self) -> str | None:
        """Why there is no room for more sessions and seats; ``None``: there is."""
        return None if self._reserve is None else self._reserve.lack

    # --- Opening ------------------------------------------------------------

    def load(self) -> list[SessionRecord]:
        """Open the file and return every session in it, oldest first.

        Raises:
            StartFailed: The file is not ours, newer, damaged, in use, or can't
                be written. It is left as it is.
        """
        try:
            self._check_bytes()
            return self._open()
        except sqlite3.Error as fault:
            self._let_go()
            raise StartFailed(self._why(fault)) from None
        except OSError as fault:
            self._let_go()
            raise StartFailed(self._why_not_usable(fault)) from None
        except msgspec.MsgspecError:
            self._let_go()
            raise StartFailed(self._unreadable("is damaged")) from None

    def _check_bytes(self) -> None:
        """Look only: what is not ours must not be touched."""
        try:
            with self.path.open("rb") as file:
                header = file.read(_HEADER_BYTES)
        except FileNotFoundError:
            return
        if not header:
            return
        if header[:16] != b"SQLite format 3\0" or _number(header, 68) != APPLICATION_ID:
            raise StartFailed(self._unreadable("is not a LoudSync state file"))
        if is_damaged(self._wal):
            raise StartFailed(self._unreadable(f"is damaged (in {self._wal.name})"))
        for newest in (header, newest_database_header(self._wal)):
            if newest is not None and _number(newest, 60) > SCHEMA_VERSION:
                raise StartFailed(self._unreadable("was written by a newer LoudSync"))

    def _open(self) -> list[SessionRecord]:
        # Device ids take seats back: nobody else on this machine may read them.
        self.path.touch(mode=0o600)
        self._take_back_wal()
        self._file = self.path.open("r+b", buffering=0)
        database = self._database = sqlite3.connect(
            self.path,
            timeout=_LOCK_WAIT_S,
            isolation_level=None,
            check_same_thread=False,
        )
        # One process at a time: the lock is held until the file is closed.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version == 0:
            # Before WAL, so that the header of the file itself tells whose it is.
            database.executescript(SCHEMA)
        for pragma in _PRAGMAS:
            database.execute(f"PRAGMA {pragma}")
        sessions = read_sessions(database)
        self._reserve = Reserve(database, self.path, self._file)
        self._reserve.set_up()
        for session_id in half_deleted(database):
            self._commit_in_parts(end_session(database, session_id))
        return sessions

    # --- Closing ------------------------------------------------------------

    def close(self) -> None:
        """Let the file go; it has everything that was committed.

        SQLite would delete the log, and with it the reserve: on a full disk
        the next start would find no space. So the log is moved out of its
        sight, and comes back empty.
        """
        if self._reserve is None:
            self._let_go()
            return
        with contextlib.suppress(sqlite3.Error, OSError):
            if self._reserve.checkpoint():
                self._wal.rename(self._kept_wal)
        self._let_go()
        with contextlib.suppress(OSError):
            self._take_back_wal()

    def _take_back_wal(self) -> None:
        """Put the log back that ``close`` has moved; also one whose process died.

        There is nothing in it that the database has not.
        """
        if not self._kept_wal.exists():
            return
        if self._wal.exists():
            self._kept_wal.unlink()
        else:
            make_empty(self._kept_wal)
            self._kept_wal.rename(self._wal)

    def _let_go(self) -> None:
        if self._database is not None:
            self._database.close()
        if self._file is not None:
            self._file.close()
        self._database = self._file = self._reserve = None

    # --- Writing ------------------------------------------------------------

    def commit(self, writes: Sequence[SessionWrite]) -> list[Exception | None]:
        """Write all of these with one commit; on a full disk with many.

        Returns:
            For each write what kept it from being written, or ``None``.
        """
        faults: list[Exception | None] = [None] * len(writes)
        try:
            self._commit_at_once(writes)
        except Exception as fault:  # noqa: BLE001  # whatever it is: it is not written
            if is_out_of_space(fault):
                faults = [self._try_in_parts(write) for write in writes]
            else:
                faults = [fault] * len(writes)
        if self._reserve is not None:
            self._reserve.top_up()
        return faults

    def look_for_room(self) -> None:
        """Try whether the reserve can be filled again."""
        if self._reserve is not None:
            self._reserve.top_up(again=True)

    def _commit_at_once(self, writes: Iterable[SessionWrite]) -> None:
        def write_all(database: sqlite3.Connection) -> None:
            for write in writes:
                for _ in write.parts(database):
                    pass

        self._transact(write_all)

    def _try_in_parts(self, write: SessionWrite) -> Exception | None:
        try:
            self._commit_in_parts(write.parts(self._opened))
        except Exception as fault:  # noqa: BLE001  # as above
            return fault
        return None

    def _commit_in_parts(self, parts: Iterator[None]) -> None:
        """Commit each part by itself: none is longer than the reserve's log."""
        is_done = False

        def write_one(_database: sqlite3.Connection) -> None:
            nonlocal is_done
            is_done = next(parts, _DONE) is _DONE

        while not is_done:
            self._kept_reserve.checkpoint()
            self._transact(write_one)

    def _transact(self, write: Callable[[sqlite3.Connection], None]) -> None:
        database = self._opened
        database.execute("BEGIN IMMEDIATE")
        try:
            write(database)
            self._kept_reserve.cover()
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    @property
    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            raise sqlite3.OperationalError("the state file is closed")
        return self._database

    @property
    def _kept_reserve(self) -> Reserve:
        if self._reserve is None:
            raise sqlite3.OperationalError("the state file is closed")
        return self._reserve

    # --- What to tell ---------------------------------------------------------

    def _why(self, fault: sqlite3.Error) -> str:
        if is_out_of_space(fault):
            return self._no_space()
        if not isinstance(fault, sqlite3.OperationalError):
            return self._unreadable("is damaged")
        if "locked" in str(fault):
            return self._unreadable("is in use by another server")
        return self._unwritable(str(fault))

    def _why_not_usable(self, fault: OSError) -> str:
        if is_out_of_space(fault):
            return self._no_space()
        return self._unwritable(fault.strerror or str(fault))

    def _no_space(self) -> str:
        return (
            f"No space for the state file {self.path}; free {SPACE_NEEDED} on its "
            "disk and start again, or name a file on another with --state"
        )

    def _unreadable(self, why: str) -> str:
        return f"The state file {self.path} {why}; name another with --state"

    def _unwritable(self, why: str) -> str:
        return (
            f"Can't use the state file {self.path}: {why}; "
            "name a file in a folder that can be written with --state"
        )


_DONE: Final = object()


def _number(header: bytes, at: int) -> int:
    return int.from_bytes(header[at : at + 4], "big")
