"""Space that the state file keeps for itself, so that a full disk stops no party.

On a full disk seats must still be freed, devices kicked and sessions closed,
and each of that is saved before it is said. So the space for it is taken
beforehand, inside SQLite's own two files, where nobody else on the disk can
take it:

- **The log (``FILE-wal``).** Commits go there first. After a checkpoint has
  copied all of it into the database, SQLite writes the next commit over its
  start: the file keeps its length. Once it is as long as the longest commit,
  commits need no new space. Our connection is the only one (exclusive lock),
  so that no reader ever holds a checkpoint back.
- **The database (``FILE``).** Pages that are freed stay in the file, on its
  freelist, and the next row that needs a page takes it from there.

Both are filled by writing a blob of ``RESERVE_PAGES`` pages and deleting it.

A commit must never make the database longer than its file: SQLite would take
it into the log, and the checkpoint that finds no space later would block the
log for good, so that not even a delete could be saved. Therefore ``cover``
lengthens the file with zeros before the commit. It fails while everything can
still be rolled back.

This holds where overwriting needs no space (ext4, XFS, tmpfs, NTFS, APFS
without snapshots). A file system that copies on write (btrfs, ZFS) may refuse
even that; the store then holds a change back until it can be saved.
"""

import errno
import os
import sqlite3
from pathlib import Path
from typing import BinaryIO, Final

from loudsync._systems import free_bytes

RESERVE_PAGES: Final = 256
"""What a whole reserve has: 1 MiB with SQLite's pages of 4 KiB, enough to seat
some 4,000 devices or to kick as many."""

LOW_PAGES: Final = 128
"""Below this it is filled up again: in steps, not at each commit."""

_FULL_CODES: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE})
"""A quota and a limit on a file's size come as an I/O error of the write."""

_FULL_NUMBERS: Final = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EFBIG", "EDQUOT")
    if hasattr(errno, name)  # Windows has no quotas of this kind
)

_WAL_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
_SPARE_PAGES: Final = 8
"""The tables' own pages that change with a blob."""


class Reserve:
    """The reserve of one open state file; everything in it blocks.

    Args:
        database: The connection, in WAL mode and with the exclusive lock.
        path: The database's file.
        file: The same file, open for reading and writing. It must be closed
            after the database: closing it drops the process's locks on it.

    Attributes:
        lack: Why the reserve is not whole; ``None``: it is.
    """

    def __init__(
        self, database: sqlite3.Connection, path: Path, file: BinaryIO
    ) -> None:
        self._database = database
        self._wal = Path(f"{path}-wal")
        self._file = file
        self._page_bytes = self._number("page_size")
        self.lack: str | None = None

    def set_up(self) -> None:
        """Take the space, once per opening; cheap where it is still there.

        Raises:
            sqlite3.Error, OSError: There is no space for the log, without
                which nothing can be saved. Nothing has changed.
        """
        self.checkpoint()
        self._database.execute("CREATE TABLE IF NOT EXISTS reserve (filler BLOB)")
        self._empty()
        if self._wal_pages < RESERVE_PAGES:
            self._fill()
        else:
            self.top_up(again=True)

    def top_up(self, *, again: bool = False) -> None:
        """Fill the reserve where it has become low; note in ``lack`` how it went.

        A disk with no space left for another reserve counts as full already
        while this one is whole: it is for those who are in.

        Args:
            again: Try also where it failed before, which costs a write.
        """
        had_room = self.lack is None
        try:
            # More is asked for before it counts as whole again: no to and fro.
            enough_pages = LOW_PAGES if had_room else RESERVE_PAGES
            enough_bytes = self._page_bytes * RESERVE_PAGES * (1 if had_room else 2)
            if free_bytes(self._wal.parent) < enough_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self._number("freelist_count") < enough_pages:
                if not had_room and not again:
                    return
                self._fill()
        except (sqlite3.Error, OSError) as fault:
            self.lack = str(fault)
        else:
            self.lack = None

    def cover(self) -> None:
        """Make the file as long as the open transaction makes the database.

        Raises:
            OSError: There is no space for it; the file is as long as before.
        """
        self._lengthen(self._number("page_count"))

    def checkpoint(self) -> bool:
        """Copy the log into the database, so that it begins anew.

        Returns:
            Whether all of it is copied.
        """
        row = self._database.execute("PRAGMA wal_checkpoint").fetchone()
        busy, in_log, copied = row
        return not busy and in_log == copied

    def _fill(self) -> None:
        self.checkpoint()
        size = self._file.seek(0, os.SEEK_END)
        missing = RESERVE_PAGES - self._number("freelist_count") + _SPARE_PAGES
        self._lengthen(self._number("page_count") + missing)
        blob_bytes = RESERVE_PAGES * (self._page_bytes - 4)  # 4: to the next page
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._database.execute(
                "INSERT INTO reserve VALUES (zeroblob(?))", (blob_bytes,)
            )
            self.cover()
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self._file.truncate(size)
            raise
        self._empty()

    def _empty(self) -> None:
        """Free the blob; a process that was killed may have left one."""
        self.checkpoint()
        if self._database.execute("SELECT 1 FROM reserve").fetchone() is not None:
            self._database.execute("DELETE FROM reserve")
            self.checkpoint()

    def _lengthen(self, pages: int) -> None:
        size = self._file.seek(0, os.SEEK_END)
        missing = pages * self._page_bytes - size
        if missing <= 0:
            return
        try:
            while missing > 0:
                # Written, not just set: a hole in a file has no space.
                written = self._file.write(bytes(min(missing, 1 << 20)))
                missing -= written
        except OSError:
            self._file.truncate(size)
            raise

    @property
    def _wal_pages(self) -> int:
        try:
            size = self._wal.stat().st_size
        except FileNotFoundError:
            return 0
        return (size - _WAL_HEADER_BYTES) // (self._page_bytes + _FRAME_HEADER_BYTES)

    def _number(self, pragma: str) -> int:
        (number,) = self._database.execute(f"PRAGMA {pragma}").fetchone()
        return int(number)


def is_out_of_space(fault: Exception) -> bool:
    """Tell a full disk, quota or file-size limit from other faults."""
    if isinstance(fault, sqlite3.Error):
        return getattr(fault, "sqlite_errorcode", None) in _FULL_CODES
    return isinstance(fault, OSError) and fault.errno in _FULL_NUMBERS
