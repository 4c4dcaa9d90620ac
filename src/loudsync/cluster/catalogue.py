"""The sessions of all nodes, as HTTP asks for them at any of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from loudsync.cluster.buckets import Bucket
from loudsync.cluster.bus import Bus, NoResponder, Unreachable
from loudsync.cluster.claims import Claims
from loudsync.cluster.identity import Identity, NodeNumber
from loudsync.cluster.kept import Unreadable, decode_kept
from loudsync.cluster.lease import Lease
from loudsync.cluster.peers import Peers
from loudsync.cluster.store import ClusterStore
from loudsync.cluster.wire import (
    LIST_PAGE,
    NO_MEMBER,
    Answer,
    CloseAsked,
    KickAsked,
    ListAsked,
    Outcome,
    OwnerRequest,
    decode_answer,
    encode,
    owner_subject,
)
from loudsync.core import SessionRecord, SessionSpec, SessionSummary
from loudsync.errors import (
    MemberNotFound,
    SessionExists,
    SessionNotFound,
    Unavailable,
    refusal_of,
)
from loudsync.protocol import MemberId, SessionId
from loudsync.server.creation import may_exist
from loudsync.server.runner import Runner
from loudsync.server.store import SessionLost

_LIST_TIMEOUT_S: Final = 0.25
"""A list without a slow node is better than none."""

_RETRY_S: Final = 0.05


class Catalogue:
    """``SessionAccess`` for every session there is."""

    def __init__(
        self,
        bus: Bus,
        bucket: Bucket,
        me: Identity,
        runner: Runner,
        store: ClusterStore,
        lease: Lease,
        peers: Peers,
        claims: Claims,
        patience_s: float,
    ) -> None:
        self._bus = bus
        self._bucket = bucket
        self._me = me
        self._runner = runner
        self._store = store
        self._lease = lease
        self._peers = peers
        self._claims = claims
        self._patience_s = patience_s

    async def create(self, spec: SessionSpec) -> None:
        """Open a session; it is this node's.

        Raises:
            SessionExists, TooManySessions, StorageFull: As ``Registry.create``.
            Unavailable: NATS is away.
        """
        if not self._lease.is_sure:
            raise _unavailable()
        if self._claims.is_claiming(spec.id):
            raise SessionExists(spec.id)
        try:
            async with asyncio.timeout(self._patience_s):
                await self._runner.create(spec)
        except TimeoutError:
            # Whoever asked has no token, so nobody could ever use it.
            self._runner.abandon(spec.id)
            self._store.discard(spec.id)
            raise _unavailable() from None

    async def find(self, session_id: SessionId) -> SessionSummary:
        """Return what can be seen of a session, wherever it is.

        Raises:
            SessionNotFound: There is none, or it has ended.
            Unavailable: NATS is away.
        """
        if session_id in self._runner.registry and self._lease.is_sure:
            return await self._runner.find(session_id)
        try:
            entry = (
                await self._bucket.read(session_id) if may_exist(session_id) else None
            )
        except Unreachable:
            raise _unavailable() from None
        if entry is None or entry.value is None:
            raise SessionNotFound(f"No session has the id {session_id!r}")
        try:
            return summary_of(decode_kept(entry.value).record)
        except Unreadable:
            raise _unavailable() from None

    async def listed(self) -> list[SessionSummary]:
        """Return the sessions that want to be found, oldest first."""
        parts = await asyncio.gather(*map(self._listed_at, self._peers.numbers))
        found = [await self._runner.listed(), *parts]
        by_id = {summary.id: summary for part in found for summary in part}
        return sorted(by_id.values(), key=lambda summary: summary.created_at_ms)

    async def kick(
        self, session_id: SessionId, member_id: MemberId, reason: str
    ) -> None:
        """Kick a member; return once it is saved and said.

        Raises:
            SessionNotFound: There is no such session.
            MemberNotFound, InvalidMessage: As ``Session.kick``.
            Unavailable: Its owner can't be reached.
        """

        async def kick_here() -> None:
            await self._runner.kick(session_id, member_id, reason)

        asked = KickAsked(session_id, member_id, reason)
        answer = await self._do(session_id, asked, kick_here)
        if answer is not None and answer.outcome is Outcome.REFUSED:
            if answer.code == NO_MEMBER:
                raise MemberNotFound(member_id)
            raise refusal_of(answer.code, answer.message, answer.details)

    async def close(self, session_id: SessionId, reason: str) -> None:
        """Close a session; return once it is saved and said.

        Raises:
            SessionNotFound: There is no such session.
            Unavailable: Its owner can't be reached.
        """

        async def close_here() -> None:
            await self._runner.close(session_id, reason)

        await self._do(session_id, CloseAsked(session_id, reason), close_here)

    # --- Parts of the above -----------------------------------------------------

    async def _do(
        self,
        session_id: SessionId,
        asked: OwnerRequest,
        here: Callable[[], Awaitable[None]],
    ) -> Answer | None:
        """Have the owner do something; return its answer, if that isn't this node."""
        if not may_exist(session_id):
            raise SessionNotFound(f"No session has the id {session_id!r}")
        try:
            async with asyncio.timeout(self._patience_s):
                while True:
                    answer, is_done = await self._try(session_id, asked, here)
                    if is_done:
                        return answer
                    await asyncio.sleep(_RETRY_S)
        except TimeoutError:
            raise _unavailable() from None

    async def _try(
        self,
        session_id: SessionId,
        asked: OwnerRequest,
        here: Callable[[], Awaitable[None]],
    ) -> tuple[Answer | None, bool]:
        await self._lease.until_sure()
        try:
            owner = await self._claims.owner_of(session_id, None)
            if owner is None:
                raise SessionNotFound(f"No session has the id {session_id!r}")
            if owner == self._me.number:
                await here()
                return None, True
            answer = await self._ask(owner, asked, self._patience_s)
        except (Unreachable, Unreadable, NoResponder, SessionLost):
            return None, False
        return answer, answer.outcome in {Outcome.DONE, Outcome.REFUSED}

    async def _ask(
        self, owner: NodeNumber, asked: OwnerRequest, timeout_s: float
    ) -> Answer:
        payload = await self._bus.request(
            owner_subject(owner), encode(asked), timeout_s
        )
        return decode_answer(payload)

    async def _listed_at(self, node: NodeNumber) -> list[SessionSummary]:
        found: list[SessionSummary] = []
        page = found
        while not found or len(page) == LIST_PAGE:
            asked = ListAsked(found[-1].id if found else "")
            try:
                page = (await self._ask(node, asked, _LIST_TIMEOUT_S)).listed
            except (Unreachable, NoResponder):
                break
            if not page:
                break
            found += page
        return found


def summary_of(record: SessionRecord) -> SessionSummary:
    """Return what a listing shows of a session that is kept."""
    hosts = [seat.name for seat in record.seats if seat.is_host]
    return SessionSummary(
        spec=record.spec,
        host_name=hosts[0] if hosts else record.spec.host_name,
        member_count=len(record.seats),
        created_at_ms=record.created_at_ms,
    )


def _unavailable() -> Unavailable:
    return Unavailable("The sessions can't be reached now; try again in a moment")
