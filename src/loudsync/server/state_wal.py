"""SQLite's log (``FILE-wal``) as bytes: what must be known before SQLite opens it.

Opening a database takes its log in, and closing it writes the log into the
database. So whether a log is damaged, or a newer LoudSync's, is read here.
Only the header of the log and of its frames is looked at; their checksums are
SQLite's business, which ends a log at the first frame that is not whole.
"""

import os
from pathlib import Path
from typing import BinaryIO, Final

_MAGIC: Final = 0x377F0682
"""The last bit tells the byte order of the checksums."""

_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
_DATABASE_HEADER_BYTES: Final = 100


def is_damaged(wal: Path) -> bool:
    """Tell whether something else than a log is where the log should be.

    No file, an empty one and one that begins with zeros are logs with nothing
    in them.
    """
    try:
        with wal.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except FileNotFoundError:
        return False
    return any(header) and not _is_log(header)


def newest_database_header(wal: Path) -> bytes | None:
    """Return the database's header as the log has it; ``None``: it has none."""
    try:
        with wal.open("rb") as file:
            return _newest_header(file)
    except FileNotFoundError:
        return None


def make_empty(wal: Path) -> None:
    """Make the log one with nothing in it, and keep its length on disk."""
    with wal.open("r+b") as file:
        file.write(bytes(_HEADER_BYTES))
        file.flush()
        os.fsync(file.fileno())


def _newest_header(file: BinaryIO) -> bytes | None:
    header = file.read(_HEADER_BYTES)
    if not _is_log(header):
        return None
    page_bytes, salt = _number(header, 8), header[16:24]
    newest = committed = None
    at = _HEADER_BYTES
    while True:
        frame = file.read(_FRAME_HEADER_BYTES + _DATABASE_HEADER_BYTES)
        if len(frame) < _FRAME_HEADER_BYTES or frame[8:16] != salt:
            return committed
        if _number(frame, 0) == 1:
            newest = frame[_FRAME_HEADER_BYTES:]
        if _number(frame, 4):  # the last frame of a commit
            committed = newest
        at += _FRAME_HEADER_BYTES + page_bytes
        file.seek(at)


def _is_log(header: bytes) -> bool:
    return len(header) == _HEADER_BYTES and _number(header, 0) & ~1 == _MAGIC


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")
