"""Where sessions are kept: a port, and the store that keeps them in memory."""

import asyncio
from typing import Final, Protocol

from loudsync.core import Session, SessionRecord
from loudsync.errors import LoudSyncError
from loudsync.protocol import SessionId


class SessionLost(LoudSyncError):
    """Another process decides about this session; what was asked here was not done."""

    def __init__(self, session_id: SessionId) -> None:
        super().__init__(f"Another process decides about the session {session_id!r}")


class SessionStore(Protocol):
    """Keeps sessions. What a change announces is said only once it is kept."""

    @property
    def outlives_process(self) -> bool:
        """Whether sessions wait here while no server runs."""

    @property
    def is_sure(self) -> bool:
        """Whether what this process knows of its sessions is known to be so still."""

    @property
    def has_room(self) -> bool:
        """Whether new sessions can be kept; costs nothing to ask.

        Without room they are refused; what else changes is saved as usual.
        """

    def has_room_for(self, session_id: SessionId) -> bool:
        """Tell whether new seats of a session can be kept; costs nothing either."""

    def load(self) -> list[SessionRecord]:
        """Get ready; return the sessions that wait here, oldest first.

        Raises:
            StartFailed: The store can't be used; the text says what to do.
        """

    def save(self, session: Session) -> "asyncio.Future[None] | None":
        """Keep what changed of a session; forget it where it has ended.

        Returns:
            ``None`` when that is done already, else a future of it. An error
            of the future means that nothing is lost, but nothing is kept yet;
            only ``SessionLost`` means that this process has nothing to say.
        """

    def forget(self, session_id: SessionId) -> None:
        """Hear that a session is over, and everybody was told so."""

    async def close(self) -> None:
        """Finish what is under way; nothing is saved afterwards."""


class MemoryStore:
    """Keeps sessions in the process itself: nothing to do, nothing to wait for."""

    outlives_process: Final = False
    has_room: Final = True
    is_sure: Final = True

    def has_room_for(self, session_id: SessionId) -> bool:  # noqa: ARG002
        """Tell that there is room."""
        return True

    def load(self) -> list[SessionRecord]:
        """Return nothing: no process but this one can have kept it."""
        return []

    def save(self, session: Session) -> None:
        """Take the changes as kept: the session is where it is kept."""
        session.drop_changes()

    def forget(self, session_id: SessionId) -> None:
        """Do nothing: it is nowhere."""

    async def close(self) -> None:
        """Do nothing."""
