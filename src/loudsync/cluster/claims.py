"""Who owns a session, and how it changes hands.

A node claims a session by writing its own name under the session's key, at the
revision at which it has read that the owner is gone: of several that try, one
succeeds. Lists of who is there only say when it is worth trying.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final, TypeVar

from loudsync.cluster.buckets import Bucket, Entry, WrongRevision
from loudsync.cluster.bus import Unreachable
from loudsync.cluster.edge import Edge
from loudsync.cluster.ending import end_tasks
from loudsync.cluster.identity import NOBODY, Identity, NodeNumber, node_of, number_of
from loudsync.cluster.kept import Kept, Unreadable, decode_kept
from loudsync.cluster.numbers import Numbers
from loudsync.cluster.owner import Owner
from loudsync.cluster.peers import Peers
from loudsync.cluster.store import ClusterStore
from loudsync.core import ConnectionId
from loudsync.core.host import HOST_LOST
from loudsync.protocol import SessionId
from loudsync.server.access import Link
from loudsync.server.logs import get_logger
from loudsync.server.runner import Runner

log = get_logger("cluster")

_ItemT = TypeVar("_ItemT")

_STEP_S: Final = 0.15
"""How much longer each next node waits before it claims what a better one should."""

_SWEEP_S: Final = 60.0
"""How often one node looks for sessions that everybody has overlooked."""

_AT_ONCE: Final = 32
"""Claims under way at once: each is a read and a write."""


class Claims:
    """Finds owners, and makes this node one where there is none."""

    def __init__(
        self,
        bucket: Bucket,
        me: Identity,
        runner: Runner,
        store: ClusterStore,
        peers: Peers,
        owner: Owner,
        edge: Edge,
        numbers: Numbers,
    ) -> None:
        self.may_claim = True
        self._bucket = bucket
        self._me = me
        self._runner = runner
        self._store = store
        self._peers = peers
        self._owner = owner
        self._edge = edge
        self._numbers = numbers
        self._wanted: set[SessionId] = set()
        self._claiming: dict[SessionId, asyncio.Future[None]] = {}
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Claim nothing more."""
        self.may_claim = False
        await end_tasks(self._tasks)

    # --- Finding ----------------------------------------------------------------

    async def owner_of(
        self, session_id: SessionId, known: NodeNumber | None
    ) -> NodeNumber | None:
        """Return who decides about a session, by claiming it if need be.

        Args:
            known: Who did when it was asked last.

        Returns:
            The owner; ``None`` where there is no such session.

        Raises:
            Unreachable: It can't be found out now; ask again soon.
            Unreadable: Nobody can decide about it.
        """
        if session_id in self._runner.registry:
            return self._me.number
        if known is not None and known != self._me.number and known in self._peers:
            return known
        entry = await self._bucket.read(session_id)
        if entry is None and self._peers.is_patient:
            # NATS may have lost its disk; an owner would be writing it again.
            raise Unreachable("it is too early to tell")
        if entry is None or entry.value is None:
            return None
        kept = _read(entry)
        if kept.owner not in {NOBODY, self._me.id}:
            number = number_of(kept.owner)
            if self._peers.seems_there(number) or await self._peers.is_there(number):
                return number
        await self._claim(entry, kept, "asked")
        if session_id in self._runner.registry:
            return self._me.number
        raise Unreachable(f"the session {session_id} has no owner yet")

    # --- Claiming ---------------------------------------------------------------

    def is_claiming(self, session_id: SessionId) -> bool:
        """Tell whether a session is about to be this node's."""
        return session_id in self._claiming

    def claim_soon(self, session_ids: Iterable[SessionId], reason: str) -> None:
        """Claim these sessions, if they are anybody's to claim."""

        async def claim(session_id: SessionId) -> None:
            self._wanted.discard(session_id)
            entry = await self._bucket.read(session_id)
            if entry is not None and entry.value is not None:
                await self._claim_if_orphan(entry, reason)

        wanted = [it for it in session_ids if it not in self._wanted]
        self._wanted.update(wanted)
        if wanted:
            self._soon(lambda: self._all(claim, wanted))

    def owner_gone(self) -> None:
        """Claim this node's part of the sessions of one that is gone."""
        self._soon(lambda: self.claim_orphans("owner_gone"))

    async def claim_orphans(self, reason: str) -> None:
        """Claim what no living node owns; others get what is rather theirs.

        Raises:
            Unreachable: NATS went away in between.
        """
        orphans: list[tuple[int, Entry]] = []
        living: dict[str, bool] = {self._me.id: True, NOBODY: False}
        async for entry in self._bucket.scan():
            session_id = SessionId(entry.key)
            try:
                owner = _read(entry).owner
            except Unreadable:
                continue  # the others can be read
            if owner not in living:
                living[owner] = await self._peers.is_there(number_of(owner))
            if not living[owner] or self._is_left_over(session_id, owner):
                orphans.append((self._rank(session_id), entry))
        if orphans:
            log.info("orphans_found", sessions=len(orphans), reason=reason)
        orphans.sort(key=lambda orphan: orphan[0])
        rank = 0

        async def claim(orphan: tuple[int, Entry]) -> None:
            await self._claim_if_orphan(orphan[1], reason)

        while orphans:
            now = [orphan for orphan in orphans if orphan[0] == rank]
            orphans = [orphan for orphan in orphans if orphan[0] > rank]
            await self._all(claim, now)
            if orphans:
                await asyncio.sleep(_STEP_S)
                rank += 1

    async def keep_sweeping(self) -> None:
        """Look for what was overlooked, one node for all, until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            self._owner.drop_strays()
            others = self._peers.settled
            if not others or self._me.number < others[0]:
                self._soon(lambda: self.claim_orphans("overlooked"))

    def _is_left_over(self, session_id: SessionId, owner: str) -> bool:
        """Tell whether a session is kept as this node's that it knows nothing of."""
        return (
            owner == self._me.id
            and session_id not in self._runner.registry
            and session_id not in self._claiming
        )

    def _rank(self, session_id: SessionId) -> int:
        """Return how many living nodes should rather have a session (rendezvous)."""
        mine = _weight(session_id, self._me.number)
        return sum(_weight(session_id, peer) > mine for peer in self._peers.settled)

    def preferred(self, session_id: SessionId) -> NodeNumber | None:
        """Return which other node should have a session; ``None``: there is none."""
        others = self._peers.settled
        return max(others, key=lambda peer: _weight(session_id, peer), default=None)

    async def _claim_if_orphan(self, entry: Entry, reason: str) -> None:
        kept = _read(entry)
        if kept.owner not in {NOBODY, self._me.id} and await self._peers.is_there(
            number_of(kept.owner)
        ):
            return
        await self._claim(entry, kept, reason)

    async def _claim(self, entry: Entry, kept: Kept, reason: str) -> None:
        """Try to make a session this node's; return once that is decided."""
        session_id = SessionId(entry.key)
        if not self.may_claim or session_id in self._runner.registry:
            return
        if (claiming := self._claiming.get(session_id)) is not None:
            await asyncio.wait({claiming})
            return
        done = asyncio.get_running_loop().create_future()
        self._claiming[session_id] = done
        try:
            edges = {node_of(s.connection) for s in kept.record.seats if s.connection}
            for edge in edges:
                await self._look_for(edge)
            if not self._store.is_sure:
                raise Unreachable("this node is not sure of itself")
            if session_id in self._runner.registry:
                return  # somebody opens one of this id, and will find that it is taken
            epoch = await self._store.claim(session_id, kept, entry.revision)
            self._take_over(kept, epoch, reason)
        except WrongRevision:
            log.debug("claim_lost", session=session_id)
        finally:
            del self._claiming[session_id]
            done.set_result(None)

    def _take_over(self, kept: Kept, epoch: int, reason: str) -> None:
        record = kept.record
        session_id = record.spec.id

        def link_to(connection: ConnectionId) -> Link | None:
            node = node_of(connection)
            if node == self._me.number:
                return self._edge.link(connection)
            # It may have gone since it was looked for, too.
            if node not in self._peers:
                return None
            return self._owner.link(connection, session_id)

        self._runner.adopt(record, link_to)
        self._numbers.claimed(reason)
        log.info(
            "session_claimed",
            session=session_id,
            reason=reason,
            from_node=kept.owner,
            epoch=epoch,
            seats=len(record.seats),
        )
        self._edge.owner_changed(session_id, self._me.number, epoch)
        if record.spec.token_hash is None:
            # Its host was the program that had it, which is gone.
            self._soon(lambda: self._runner.close(session_id, HOST_LOST))

    # --- Parts of the above -------------------------------------------------------

    async def _look_for(self, edge: NodeNumber) -> None:
        """Let ``peers`` know an edge if it is there; its end may be noticed later."""
        if not self._peers.seems_there(edge):
            await self._peers.is_there(edge)

    async def _all(
        self, claim: Callable[[_ItemT], Awaitable[None]], items: list[_ItemT]
    ) -> None:
        async def one(item: _ItemT) -> None:
            async with self._at_once:
                try:
                    await claim(item)
                except (Unreachable, Unreadable) as fault:
                    log.debug("claim_failed", error=str(fault))

        await asyncio.gather(*map(one, items))

    def _soon(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def quietly() -> None:
            try:
                await work()
            except Unreachable as fault:
                log.warning("claims_failed", error=str(fault))

        task = asyncio.get_running_loop().create_task(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _weight(session_id: SessionId, node: NodeNumber) -> bytes:
    return hashlib.blake2b(f"{session_id} {node}".encode(), digest_size=8).digest()


def _read(entry: Entry) -> Kept:
    try:
        return decode_kept(entry.value or b"")
    except Unreadable as fault:
        log.error("session_unreadable", session=entry.key, error=str(fault))
        raise
