"""The tables of a state file: what a session becomes in them, and back."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from loudsync.core import (
    SeatRecord,
    Session,
    SessionChanges,
    SessionRecord,
    SessionSpec,
)
from loudsync.protocol import DeviceId, SessionId

APPLICATION_ID: Final = 0x4C6F7564
"""Marks a SQLite file as ours ("Loud"), at byte 68 of its header."""

SCHEMA_VERSION: Final = 1
"""Raise it with the tables; a file with a higher one is refused, untouched."""

SCHEMA: Final = f"""
    PRAGMA application_id = {APPLICATION_ID};
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
    PRAGMA user_version = {SCHEMA_VERSION};
    COMMIT;
"""

PART_ROWS: Final = 10
"""Rows that a part of a write changes at most. A row changes some ten pages, in
its table and its index, so that a part fits into the reserve's log twice."""

_RowT = TypeVar("_RowT")


class SessionWrite:
    """What is to be written of one session.

    Attributes:
        session: Whose changes these are.
        changes: All of them as one.
    """

    def __init__(self, session: Session, changes: SessionChanges) -> None:
        self.session = session
        self.changes = changes

    def add(self, newer: SessionChanges) -> None:
        """Write these too, after what is here already."""
        self.changes = _joined(self.changes, newer)

    def parts(self, database: sqlite3.Connection) -> Iterator[None]:
        """Write it part by part, inside the transaction that is open.

        After each part there may be a commit: what is on disk then is a
        session as it may be, and repeating all parts is harmless. What frees
        comes first: it may make the room that the rest needs.
        """
        if self.changes.ended:
            return end_session(database, self.session.id)
        return self._change(database, self.changes)

    def _change(
        self, database: sqlite3.Connection, changes: SessionChanges
    ) -> Iterator[None]:
        session_id = self.session.id
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
        yield
        for freed in _in_parts(changes.freed):
            database.executemany(
                "DELETE FROM seat WHERE session_id = ? AND member_id = ?",
                [(session_id, member_id) for member_id in freed],
            )
            yield
        # An update keeps the row's number, and with it the order of arrival.
        for seats in _in_parts(changes.seats):
            database.executemany(
                "INSERT INTO seat VALUES (?, ?, ?) ON CONFLICT (session_id, member_id)"
                " DO UPDATE SET record = excluded.record",
                [
                    (session_id, seat.member_id, msgspec.json.encode(seat))
                    for seat in seats
                ],
            )
            yield
        for devices in _in_parts(changes.kicked_devices):
            database.executemany(
                "INSERT OR IGNORE INTO kicked VALUES (?, ?)",
                [(session_id, device_id) for device_id in devices],
            )
            yield


def _joined(older: SessionChanges, newer: SessionChanges) -> SessionChanges:
    if newer.ended:
        return newer  # nothing older is of use any more
    # A member id is never used twice: who was freed is never seated again.
    seats = {seat.member_id: seat for seat in (*older.seats, *newer.seats)}
    for member_id in newer.freed:
        seats.pop(member_id, None)
    return SessionChanges(
        next_number=newer.next_number,
        seats=tuple(seats.values()),
        freed=older.freed + newer.freed,
        kicked_devices=older.kicked_devices + newer.kicked_devices,
    )


def end_session(database: sqlite3.Connection, session_id: SessionId) -> Iterator[None]:
    """Delete a session part by part; with the first part it is over."""
    database.execute("DELETE FROM session WHERE id = ?", (session_id,))
    yield
    for table, column in (("seat", "member_id"), ("kicked", "device_id")):
        rows = (session_id, session_id, PART_ROWS)
        while database.execute(
            f"DELETE FROM {table} WHERE session_id = ? AND {column} IN"  # noqa: S608
            f" (SELECT {column} FROM {table} WHERE session_id = ? LIMIT ?)",
            rows,
        ).rowcount:
            yield


def half_deleted(database: sqlite3.Connection) -> list[SessionId]:
    """Find what a process that was killed left of sessions that are over."""
    rows = database.execute(
        "SELECT session_id FROM seat UNION SELECT session_id FROM kicked"
        " EXCEPT SELECT id FROM session"
    )
    return [SessionId(session_id) for (session_id,) in rows]


def read_sessions(database: sqlite3.Connection) -> list[SessionRecord]:
    """Read every session, oldest first.

    Raises:
        sqlite3.Error, msgspec.MsgspecError: The file is damaged.
    """
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


def _in_parts(rows: Sequence[_RowT]) -> Iterator[Sequence[_RowT]]:
    for start in range(0, len(rows), PART_ROWS):
        yield rows[start : start + PART_ROWS]
