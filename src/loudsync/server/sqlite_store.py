"""Sessions in a file: seats that outlive the process.

A change is on disk before the message that announces it leaves the server.
All changes of one turn of the loop, and all that come while a commit is under
way, share the next commit. Heartbeats, statuses and latencies write nothing.

On a full disk nothing new is taken (``has_room``), and everything else goes on
out of a reserve: see ``state_reserve``.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from loudsync.core import Session, SessionRecord
from loudsync.errors import LoudSyncError
from loudsync.protocol import SessionId
from loudsync.server.logs import get_logger
from loudsync.server.state_file import SPACE_NEEDED, StateFile
from loudsync.server.state_rows import SessionWrite

log = get_logger("server")

ROOM_RETRY_S: Final = 1.0
"""How long to wait before a full disk is looked at again."""


class SaveFailed(LoudSyncError):
    """The file could not be written; what was to be kept is still to be."""


class SqliteStore:
    """Keeps sessions in a SQLite file (contract, section 8, ``--state``).

    Args:
        path: The file; it is created where there is none.
    """

    outlives_process: Final = True
    is_sure: Final = True

    def __init__(self, path: Path) -> None:
        self._file = StateFile(path)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="loudsync-state")
        self._waiting: dict[SessionId, _Saving] = {}
        self._failed: dict[SessionId, SessionWrite] = {}
        self._writing: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._has_room = True

    @property
    def has_room(self) -> bool:
        """Whether new sessions and seats can be kept: the reserve is whole."""
        return self._has_room

    def has_room_for(self, session_id: SessionId) -> bool:  # noqa: ARG002
        """Tell whether new seats can be kept: every session is in the one file."""
        return self._has_room

    def load(self) -> list[SessionRecord]:
        """Open the file and return every session in it, oldest first.

        Raises:
            StartFailed: The file is not ours, newer, damaged, in use, or can't
                be written. It is left as it is.
        """
        sessions = self._file.load()
        self._note_room()
        return sessions

    def save(self, session: Session) -> "asyncio.Future[None] | None":
        """Keep what changed; the future ends once it is on disk.

        Its error is ``SaveFailed``; the next call for this session tries again.
        """
        changes = session.take_changes()
        saving = self._waiting.get(session.id)
        if saving is None:
            write = self._failed.pop(session.id, None)
            if write is None:
                if changes is None:
                    return None
                write = SessionWrite(session, changes)
            elif changes is not None:
                write.add(changes)
            saving = self._waiting[session.id] = _Saving(write)
        elif changes is not None:
            saving.write.add(changes)
        if self._writing is None:
            # It begins in the loop's next turn: this turn's changes share it.
            self._writing = asyncio.get_running_loop().create_task(self._write())
        return saving.saved

    def forget(self, session_id: SessionId) -> None:
        """Do nothing: it is deleted already."""

    async def close(self) -> None:
        """Finish what is to be written, then let the file go."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
        if self._writing is not None:
            await asyncio.wait([self._writing])
        self._writer.shutdown()
        self._file.close()

    # --- What takes time: in the writer's thread -------------------------------

    async def _write(self) -> None:
        """Commit until nothing waits."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            savings, self._waiting = list(self._waiting.values()), {}
            writes = [saving.write for saving in savings]
            for write in writes:
                # What came later in the turn: the rest of a crowd in one session.
                if (changes := write.session.take_changes()) is not None:
                    write.add(changes)
            faults = await loop.run_in_executor(self._writer, self._file.commit, writes)
            self._note_room()
            for saving, fault in zip(savings, faults, strict=True):
                self._end(saving, fault)
        self._writing = None

    def _end(self, saving: "_Saving", fault: Exception | None) -> None:
        if fault is None:
            saving.saved.set_result(None)
            return
        session_id = saving.write.session.id
        if (newer := self._waiting.get(session_id)) is not None:
            saving.write.add(newer.write.changes)
            newer.write = saving.write
        else:
            self._failed[session_id] = saving.write
        saving.saved.set_exception(SaveFailed(f"{self._file.path}: {fault}"))

    async def _look_for_room(self) -> None:
        loop = asyncio.get_running_loop()
        while self._file.lack is not None:
            await asyncio.sleep(ROOM_RETRY_S)
            await loop.run_in_executor(self._writer, self._file.look_for_room)
        self._looking = None
        self._note_room()

    def _note_room(self) -> None:
        """Say when the disk becomes full, and when there is room again."""
        lack = self._file.lack
        had_room, self._has_room = self._has_room, lack is None
        if self._has_room and not had_room:
            log.warning("state_has_room", path=str(self._file.path))
        if not self._has_room and had_room:
            log.error(
                "state_full",
                path=str(self._file.path),
                error=lack,
                advice=f"new sessions and members are refused; free {SPACE_NEEDED} "
                "or more on this disk",
            )
        if not self._has_room and self._looking is None:
            looking = self._look_for_room()
            self._looking = asyncio.get_running_loop().create_task(looking)


class _Saving:
    """A session's write that waits, and the promise of it."""

    def __init__(self, write: SessionWrite) -> None:
        self.write = write
        self.saved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
