"""Sessions kept by NATS: every change is written by compare-and-set, then said.

Whose name is under a session's key owns it. A write that finds another revision
than it expected has lost the session, unless the name there is still its own: then
it was a write of its own whose answer was lost.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

from loudsync.cluster.buckets import Bucket, Entry, WrongRevision
from loudsync.cluster.bus import Bus, Unreachable
from loudsync.cluster.ending import end_tasks
from loudsync.cluster.identity import Identity
from loudsync.cluster.kept import Kept, Unreadable, decode_kept, encode_kept
from loudsync.cluster.lease import Lease
from loudsync.core import Session, SessionRecord
from loudsync.errors import StorageFull
from loudsync.protocol import SessionId
from loudsync.server.logs import get_logger
from loudsync.server.store import SessionLost

log = get_logger("cluster")

_RETRY_S: Final = 0.1

_MOST_OF_A_MESSAGE: Final = 0.9
"""How much of what NATS takes a session may fill before it gets no more seats."""


class _Held:
    """A session that this node owns.

    Attributes:
        epoch: Since when it is this node's, as edges know it.
        is_owned: It was written as this node's: it is not just being created.
        revision: Its key's latest revision that is known here.
        written: What of the session is under it: the session's own revision.
        bytes: How large it was when it was written last.
    """

    __slots__ = ("bytes", "epoch", "is_owned", "revision", "written")

    def __init__(self, epoch: int, revision: int = 0) -> None:
        self.epoch = epoch
        self.revision = revision
        self.is_owned = revision > 0
        self.written = -1
        self.bytes = 0


class ClusterStore:
    """Keeps this node's sessions in NATS; ``SessionStore`` of its runner.

    Attributes:
        on_forget: Called with each session that is over.
    """

    outlives_process: Final = True
    has_room: Final = True

    def __init__(self, me: Identity) -> None:
        self._me = me
        self.on_forget: Callable[[SessionId], None] = lambda _: None
        self._held: dict[SessionId, _Held] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._bus: Bus
        self._bucket: Bucket
        self._lease: Lease

    def connect(self, bus: Bus, bucket: Bucket, lease: Lease) -> None:
        """Learn where sessions are kept, before the first is."""
        self._bus, self._bucket, self._lease = bus, bucket, lease

    # --- SessionStore ---------------------------------------------------------

    @property
    def is_sure(self) -> bool:
        """Whether nobody can have taken this node's sessions over unseen."""
        return self._lease.is_sure

    def has_room_for(self, session_id: SessionId) -> bool:
        """Tell whether a session with one more seat can still be written."""
        held = self._held.get(session_id)
        limit = self._bus.max_payload_bytes * _MOST_OF_A_MESSAGE
        return held is None or held.bytes < limit

    def load(self) -> list[SessionRecord]:
        """Return nothing: sessions are claimed one by one."""
        return []

    def save(self, session: Session) -> "asyncio.Future[None] | None":
        """Write what changed; where this node is unsure, wait until it is sure."""
        session.drop_changes()
        held = self._held.get(session.id)
        if held is None:
            held = self._held[session.id] = _Held(_now_ms())
        is_written = not session.ended and held.written == session.revision
        if is_written and self.is_sure:
            return None
        loop = asyncio.get_running_loop()
        saving: asyncio.Future[None] = loop.create_future()
        task = loop.create_task(self._save(session, held, saving))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return saving

    def forget(self, session_id: SessionId) -> None:
        """Know nothing more of a session that is over, or another node's."""
        self._held.pop(session_id, None)
        self.on_forget(session_id)

    async def close(self) -> None:
        """Give up what isn't written yet."""
        await end_tasks(self._tasks)

    # --- For the rest of the cluster's code -----------------------------------

    def epoch_of(self, session_id: SessionId) -> int:
        """Return since when a session is this node's; 0: it isn't."""
        held = self._held.get(session_id)
        return 0 if held is None else held.epoch

    async def claim(self, session_id: SessionId, kept: Kept, last: int) -> int:
        """Make a session this node's, if its revision is still ``last``.

        Returns:
            The new epoch.

        Raises:
            WrongRevision: Another node was faster, or its owner lives.
            Unreachable: Nobody knows; look at it again.
        """
        epoch = max(kept.epoch + 1, _now_ms())
        value = encode_kept(Kept(self._me.id, kept.record, epoch))
        revision = await self._bucket.write(session_id, value, last)
        self._held[session_id] = _Held(epoch, revision)
        return epoch

    async def release(
        self, session_id: SessionId, record: SessionRecord, owner: str
    ) -> bool:
        """Say whose a session is that was this node's; tell whether it could be.

        Raises:
            Unreachable: Nobody knows; it stays with who has it.
        """
        held = self._held.pop(session_id, None)
        if held is None:
            return False
        value = encode_kept(Kept(owner, record, held.epoch))
        while True:
            try:
                await self._bucket.write(session_id, value, held.revision)
            except WrongRevision:
                # A write that was under way may have been faster.
                entry = await self._bucket.read(session_id)
                if entry is None or _owner_in(entry) != self._me.id:
                    return False
                held.revision = entry.revision
            else:
                return True

    async def end(self, session_id: SessionId) -> None:
        """Delete a session that is over, should it still be this node's.

        Raises:
            Unreachable: Nobody knows.
        """
        held = self._held.pop(session_id, None)
        if held is not None:
            with contextlib.suppress(WrongRevision):
                await self._bucket.end(session_id, held.revision)

    def discard(self, session_id: SessionId) -> None:
        """Give a new session up that may be written by now, or not."""
        self._held.pop(session_id, None)
        task = asyncio.get_running_loop().create_task(self._discard(session_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def verify(self, session_id: SessionId) -> bool:
        """Look whether a session is still this node's, and at which revision.

        One that NATS has lost with its disk is this node's: it knows it best.

        Raises:
            Unreachable: It can't be found out now.
        """
        held = self._held.get(session_id)
        if held is None or not held.is_owned:
            return True  # it is being created: its first write will tell
        return await self._look(session_id, held, None)

    def is_unwritten(self, session_id: SessionId) -> bool:
        """Tell whether NATS has lost a session, so that it must be written again."""
        held = self._held.get(session_id)
        return held is not None and held.written < 0

    # --- Parts of the above -----------------------------------------------------

    async def _discard(self, session_id: SessionId) -> None:
        await self._lease.until_sure()
        if session_id in self._held:
            return  # there is another by now
        # Where this doesn't succeed it is found as one that nobody looks after.
        with contextlib.suppress(Unreachable, WrongRevision):
            entry = await self._bucket.read(session_id)
            if entry is not None and _owner_in(entry) == self._me.id:
                await self._bucket.end(session_id, entry.revision)

    async def _save(
        self, session: Session, held: _Held, saving: "asyncio.Future[None]"
    ) -> None:
        try:
            while True:
                await self._lease.until_sure()
                if self._held.get(session.id) is not held:
                    # Released, or lost: it is not this node's to write, or to end.
                    saving.set_exception(SessionLost(session.id))
                    return
                try:
                    await self._write(session, held)
                except Unreachable as fault:
                    log.debug("write_unsure", session=session.id, error=str(fault))
                    await asyncio.sleep(_RETRY_S)
                except WrongRevision:
                    if not await self._is_still_mine(session, held):
                        if self._held.get(session.id) is held:
                            del self._held[session.id]
                        saving.set_exception(SessionLost(session.id))
                        return
                else:
                    saving.set_result(None)
                    return
        except asyncio.CancelledError:
            saving.cancel()
            raise
        except Exception as fault:
            log.exception("save_failed", session=session.id)
            saving.set_exception(fault)

    async def _write(self, session: Session, held: _Held) -> None:
        if session.ended:
            if held.revision:
                await self._bucket.end(session.id, held.revision)
            return
        if held.written == session.revision:
            return
        written = session.revision
        value = encode_kept(Kept(self._me.id, session.record(), held.epoch))
        if len(value) > self._bus.max_payload_bytes:
            log.error(
                "session_too_large",
                session=session.id,
                bytes=len(value),
                advice="raise max_payload of the NATS servers",
            )
            raise StorageFull
        held.revision = await self._bucket.write(session.id, value, held.revision)
        held.is_owned = True
        held.written = written
        held.bytes = len(value)

    async def _is_still_mine(self, session: Session, held: _Held) -> bool:
        while True:
            try:
                return await self._look(session.id, held, session)
            except Unreachable:
                await asyncio.sleep(_RETRY_S)
                await self._lease.until_sure()

    async def _look(
        self, session_id: SessionId, held: _Held, session: Session | None
    ) -> bool:
        """Learn a session's revision; tell whether it is this node's to write."""
        entry = await self._bucket.read(session_id)
        if entry is None or entry.value is None:
            if session is not None and session.ended:
                held.revision = 0  # it is ended already
                return True
            if entry is not None and held.is_owned:
                return False  # another node has ended it
            # A new session where one has ended, or all that NATS had is lost.
            held.revision = 0 if entry is None else entry.revision
            held.written = -1
            return True
        kept = _kept_in(entry)
        if kept is None or kept.owner != self._me.id:
            return False
        # One that is just being created may find an older one of this node, whose
        # claim it never heard of: their tokens differ.
        is_another = session is not None and kept.record.spec != session.spec
        if is_another and not held.is_owned:
            return False
        held.revision = entry.revision
        return True


def _owner_in(entry: Entry) -> str | None:
    kept = _kept_in(entry)
    return None if kept is None else kept.owner


def _kept_in(entry: Entry) -> Kept | None:
    """Read what is kept; who wrote what can't be read, has it."""
    try:
        return None if entry.value is None else decode_kept(entry.value)
    except Unreadable as fault:
        log.error("session_unreadable", session=entry.key, error=str(fault))
        return None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
