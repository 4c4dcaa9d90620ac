"""All sessions of one server: created, found, listed, expired."""

from collections.abc import Iterable, Iterator

from loudsync.core.admission import check_version
from loudsync.core.deadlines import Deadlines
from loudsync.core.effects import ConnectionId, Effects
from loudsync.core.moment import Moment
from loudsync.core.records import SessionRecord
from loudsync.core.session import Session
from loudsync.core.session_spec import SessionRules, SessionSpec
from loudsync.errors import (
    SessionExists,
    SessionNotFound,
    StorageFull,
    TooManySessions,
)
from loudsync.protocol import Join, SessionId

MAX_SESSIONS = 10_000
"""Sessions a server has at most by default (contract, section 7)."""


class Registry:
    """The sessions by their ids, and which of them has something due.

    After each change to a session, ``reschedule`` must be told; ``forget``
    after its end.
    """

    def __init__(self, rules: SessionRules, max_sessions: int = MAX_SESSIONS) -> None:
        self._rules = rules
        self._max_sessions = max_sessions
        self._sessions: dict[SessionId, Session] = {}
        self._deadlines: Deadlines[SessionId] = Deadlines()

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def __contains__(self, session_id: SessionId) -> bool:
        return session_id in self._sessions

    def create(
        self, spec: SessionSpec, now: Moment, *, has_room: bool = True
    ) -> Session:
        """Open a session.

        Args:
            has_room: Whether it could be kept.

        Raises:
            SessionExists: The id is taken.
            TooManySessions: There are as many as there may be.
            StorageFull: There is no room to keep it.
        """
        if spec.id in self._sessions:
            raise SessionExists(spec.id)
        if len(self._sessions) >= self._max_sessions:
            raise TooManySessions(self._max_sessions)
        if not has_room:
            raise StorageFull
        return self._add(Session(spec, self._rules, now))

    def restore(self, record: SessionRecord, now: Moment) -> Session:
        """Take up a session that was kept; limits don't keep it out."""
        return self._add(Session.restore(record, self._rules, now))

    def _add(self, session: Session) -> Session:
        self._sessions[session.id] = session
        self.reschedule(session)
        return session

    def find(self, session_id: SessionId) -> Session:
        """Return the session with this id.

        Raises:
            SessionNotFound: There is none, or it has ended.
        """
        session = self._sessions.get(session_id)
        if session is None or session.ended:
            raise SessionNotFound(f"No session has the id {session_id!r}")
        return session

    def listed(self) -> Iterable[Session]:
        """Return the sessions that want to be found, oldest first."""
        return [s for s in self._sessions.values() if s.spec.listed and not s.ended]

    def join(
        self,
        request: Join,
        connection: ConnectionId,
        now: Moment,
        *,
        has_room: bool = True,
    ) -> tuple[Session, Effects]:
        """Check version and session, then let the session decide.

        Args:
            has_room: Whether a new seat could be kept.

        Raises:
            VersionMismatch: Another major version than this one.
            SessionNotFound: No such session.
            Refused: As ``Session.join``.

        Source: contract, section 3, "Checks in this order".
        """
        check_version(request.version)
        session = self.find(request.session_id)
        return session, session.join(request, connection, now, has_room=has_room)

    def reschedule(self, session: Session) -> None:
        """Note when the session has something due, after a change to it."""
        due_ns = session.next_due_ns
        if due_ns is None:
            self._deadlines.discard(session.id)
        else:
            self._deadlines.set(session.id, due_ns)

    def expire(self, now: Moment) -> list[tuple[Session, Effects]]:
        """Let every session expire its seats that are due; nobody else's cost."""
        expired: list[tuple[Session, Effects]] = []
        for session_id in self._deadlines.pop_due(now.monotonic_ns):
            session = self._sessions[session_id]
            expired.append((session, session.expire(now)))
            self.reschedule(session)
        return expired

    def forget(self, session: Session) -> None:
        """Free the id of a session that has ended."""
        del self._sessions[session.id]
        self._deadlines.discard(session.id)
