"""A session as the program that runs the server holds it."""

from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Final, Self

from loudsync.core import MemberView, Session
from loudsync.core.events import ServerEvent, SessionEnded
from loudsync.errors import InvalidSetting, SessionNotFound
from loudsync.event_queue import EventQueue
from loudsync.protocol import (
    MAX_REASON_LENGTH,
    MemberId,
    MemberInfo,
    SessionClosed,
    SessionId,
    TextError,
    check_shown,
)
from loudsync.server.runner import Announcement, Runner

MAX_QUEUED_EVENTS: Final = 1000
"""Events that wait for a slow reader; then the oldest make room."""


class EventStream:
    """What happens in a session, from where it was opened, for one reader.

    An async iterator, and an async context manager that ends it. It ends by
    itself after ``SessionEnded``. A slow reader gets ``EventsLost`` in place of
    the oldest events.
    """

    def __init__(self, runner: Runner, session: Session) -> None:
        self._session_id = session.id
        self._view = MemberView(session.id, session.members())
        self._queue: EventQueue[ServerEvent] = EventQueue(MAX_QUEUED_EVENTS)
        self._unobserve: Callable[[], None] | None
        if session.ended:
            self._unobserve = None
            self._queue.close()
        else:
            self._unobserve = runner.observe(session.id, self._take)

    def _take(self, message: Announcement) -> None:
        if isinstance(message, SessionClosed):
            self._queue.put(
                SessionEnded(session_id=self._session_id, reason=message.reason)
            )
            self._queue.close()
            self._unobserve = None
            return
        for event in self._view.apply(message):
            self._queue.put(event)

    def close(self) -> None:
        """End the stream; what waits can still be read."""
        if self._unobserve is not None:
            self._unobserve()
            self._unobserve = None
        self._queue.close()

    def __aiter__(self) -> AsyncIterator[ServerEvent]:
        return self

    async def __anext__(self) -> ServerEvent:
        return await self._queue.get()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class HostedSession:
    """A session on a server in this process.

    ``async for event in session`` gives what happens from then on.

    Attributes:
        host_token: What a remote host proves itself with; ``None`` where this
            process is the host. It is kept nowhere else.
    """

    def __init__(
        self,
        runner: Runner,
        session: Session,
        join_url: str,
        host_token: str | None,
    ) -> None:
        self._runner = runner
        self._session = session
        self._join_url = join_url
        self.host_token = host_token

    @property
    def id(self) -> SessionId:
        """What guests type to find it."""
        return self._session.id

    @property
    def name(self) -> str:
        """What it is called."""
        return self._session.spec.name

    @property
    def max_members(self) -> int:
        """How many seats it has, the host's included."""
        return self._session.spec.max_members

    @property
    def join_url(self) -> str:
        """The link that opens the page on it."""
        return self._join_url

    @property
    def members(self) -> tuple[MemberInfo, ...]:
        """Everybody with a seat: the host first, then in order of arrival."""
        return self._session.members()

    @property
    def is_closed(self) -> bool:
        """Whether it is over."""
        return self._session.ended

    async def kick(self, member_id: str, reason: str = "") -> None:
        """Remove a member; its device is refused from then on.

        Raises:
            MemberNotFound: Nobody has this id.
            InvalidMessage: It is the host's.
            InvalidSetting: The reason can't be shown to others.
            SessionNotFound: The session is over.
        """
        _check_reason(reason)
        if self._session.ended:  # its id may be another session's by now
            raise SessionNotFound("The session has ended")
        await self._runner.kick(self.id, MemberId(member_id), reason)

    async def close(self, reason: str = "") -> None:
        """End the session for everybody; once it is over, nothing.

        Raises:
            InvalidSetting: The reason can't be shown to others.
        """
        _check_reason(reason)
        if not self._session.ended:
            await self._runner.close(self.id, reason)

    def events(self) -> EventStream:
        """Open a stream of what happens from now on."""
        return EventStream(self._runner, self._session)

    def __aiter__(self) -> AsyncIterator[ServerEvent]:
        return self.events()


def _check_reason(reason: str) -> None:
    try:
        check_shown("reason", reason, MAX_REASON_LENGTH)
    except TextError as fault:
        raise InvalidSetting("reason", f"is refused: {fault.reason}") from None
