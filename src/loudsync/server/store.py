"""Where sessions are kept: a port, and the store that keeps them in memory."""

import asyncio
from typing import Final, Protocol

from loudsync.core import Session, SessionRecord


class SessionStore(Protocol):
    """Keeps sessions. What a change announces is said only once it is kept."""

    @property
    def outlives_process(self) -> bool:
        """Whether sessions wait here while no server runs."""

    @property
    def has_room(self) -> bool:
        """Whether new sessions and seats can be kept; costs nothing to ask.

        Without room they are refused; what else changes is saved as usual.
        """

    def load(self) -> list[SessionRecord]:
        """Get ready; return the sessions that wait here, oldest first.

        Raises:
            StartFailed: The store can't be used; the text says what to do.
        """

    def save(self, session: Session) -> "asyncio.Future[None] | None":
        """Keep what changed of a session; forget it where it has ended.

        Returns:
            ``None`` when that is done already, else a future of it. An error
            of the future means that nothing is lost, but nothing is kept yet.
        """

    async def close(self) -> None:
        """Finish what is under way; nothing is saved afterwards."""


class MemoryStore:
    """Keeps sessions in the process itself: nothing to do, nothing to wait for."""

    outlives_process: Final = False
    has_room: Final = True

    def load(self) -> list[SessionRecord]:
        """Return nothing: no process but this one can have kept it."""
        return []

    def save(self, session: Session) -> None:
        """Take the changes as kept: the session is where it is kept."""
        session.drop_changes()

    async def close(self) -> None:
        """Do nothing."""
