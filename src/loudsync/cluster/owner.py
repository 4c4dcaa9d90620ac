"""The owner's side: takes what edges ask to the runner.

A batch is answered once all it asked for is saved and said. One that comes a
second time, because its answer was lost, is not carried out again.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from loudsync.cluster.bus import Bus
from loudsync.cluster.channels import EdgeChannel, RemoteLink
from loudsync.cluster.ending import end_tasks
from loudsync.cluster.identity import Identity, NodeNumber, node_of
from loudsync.cluster.store import ClusterStore
from loudsync.cluster.wire import (
    LIST_PAGE,
    NO_MEMBER,
    AliveOp,
    Answer,
    AskOp,
    Batch,
    ClaimAsked,
    CloseAsked,
    EdgeOp,
    Ending,
    EndOp,
    ExpelOp,
    JoinOp,
    KickAsked,
    Latencies,
    ListAsked,
    Outcome,
    ReturnOp,
    decode_request,
    encode,
    owner_subject,
)
from loudsync.core import ConnectionId
from loudsync.errors import MemberNotFound, Refused, SessionNotFound
from loudsync.protocol import CloseCode, SessionId
from loudsync.server.access import Link
from loudsync.server.clock import Clock
from loudsync.server.runner import Runner
from loudsync.server.store import SessionLost

_NS_PER_MS = 1_000_000

_DONE = encode(Answer(Outcome.DONE))
_NOT_MINE = encode(Answer(Outcome.NOT_MINE))
_BUSY = encode(Answer(Outcome.BUSY))

Answering = Callable[[bytes], None]


class Owner:
    """Answers edges for the sessions that this node owns.

    Args:
        claim: Makes sessions this node's that another hands over, or takes for
            this node's already.
        is_known: Tells whether a node is there, as far as is known here.
    """

    def __init__(
        self,
        bus: Bus,
        me: Identity,
        runner: Runner,
        store: ClusterStore,
        clock: Clock,
        claim: Callable[[list[SessionId]], None],
        is_known: Callable[[NodeNumber], bool],
    ) -> None:
        self._bus = bus
        self._me = me
        self._runner = runner
        self._store = store
        self._clock = clock
        self._claim = claim
        self._is_known = is_known
        self._channels: dict[NodeNumber, EdgeChannel] = {}
        self._probes: dict[ConnectionId, Callable[[], None]] = {}
        self._given_up: dict[NodeNumber, int] = {}
        self._taken: dict[SessionId, dict[NodeNumber, int]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to answer."""
        await self._bus.subscribe(owner_subject(self._me.number), self._asked)

    async def stop(self) -> None:
        """Answer nobody any more."""
        await end_tasks(self._tasks)

    # --- Edges ------------------------------------------------------------------

    def link(self, connection: ConnectionId, session_id: SessionId) -> RemoteLink:
        """Return the way to a connection on another node."""
        edge = node_of(connection)
        channel = self._channels.get(edge)
        if channel is None:
            channel = self._channels[edge] = EdgeChannel(
                self._bus, self._me.number, edge, self._store.epoch_of
            )
        return RemoteLink(connection, session_id, channel, self._probes)

    def given_up(self) -> dict[NodeNumber, int]:
        """Return how often each edge was taken for gone."""
        return dict(self._given_up)

    def sent(self) -> dict[NodeNumber, int]:
        """Return how many deliveries each edge was sent."""
        return {edge: channel.sent for edge, channel in self._channels.items()}

    def edge_gone(self, edge: NodeNumber) -> None:
        """Let the seats wait whose connections hung on a node that is gone.

        Should it not be gone at all, it learns of it and its members go on.
        """
        self._given_up[edge] = self._given_up.get(edge, 0) + 1
        for taken in self._taken.values():
            taken.pop(edge, None)
        self._drop(lambda node: node == edge)

    def drop_strays(self) -> None:
        """Let the seats wait whose connections hang on nodes that nobody knows."""
        me = self._me.number
        self._drop(lambda node: node != me and not self._is_known(node))

    def _drop(self, is_meant: Callable[[NodeNumber], bool]) -> None:
        now_ns = self._clock.monotonic_ns()
        for session in self._runner.registry:
            for connection in session.connections():
                if is_meant(node_of(connection)):
                    link = self.link(connection, session.id)
                    self._runner.dropped(link, session.id, now_ns)

    def forget(self, session_id: SessionId) -> None:
        """Forget what was asked of a session that is over, or another node's.

        What was not saved may be asked again, should it be this node's again.
        """
        self._taken.pop(session_id, None)

    # --- Requests -----------------------------------------------------------------

    def _asked(self, payload: bytes, answer: Answering) -> None:
        request = decode_request(payload)
        match request:
            case ClaimAsked(session_ids=session_ids):
                self._claim(session_ids)
                answer(_DONE)
            case _ if not self._store.is_sure:
                answer(_BUSY)
            case Batch():
                self._take(request, answer)
            case Latencies(measured=measured):
                for it in measured:
                    link = self.link(it.connection, it.session_id)
                    self._runner.measured(link, it.session_id, it.latency_ms)
            case KickAsked(session_id=session_id, member_id=member_id, reason=reason):
                work = self._runner.kick(session_id, member_id, reason)
                self._soon(self._answered(session_id, work, answer))
            case CloseAsked(session_id=session_id, reason=reason):
                work = self._runner.close(session_id, reason)
                self._soon(self._answered(session_id, work, answer))
            case ListAsked(after=after):
                listed = [s for s in self._runner.registry.listed() if s.id > after]
                listed.sort(key=lambda session: session.id)
                page = [session.summary() for session in listed[:LIST_PAGE]]
                answer(encode(Answer(Outcome.DONE, page)))

    def _take(self, batch: Batch, answer: Answering) -> None:
        session_id = batch.session_id
        if session_id not in self._runner.registry:
            self._not_mine(session_id, answer)
            return
        if not self._is_known(batch.edge):
            # Its members would be lost with it, unnoticed: it says soon who it is.
            answer(_BUSY)
            return
        taken = self._taken.setdefault(session_id, {})
        if taken.get(batch.edge, 0) < batch.number:
            taken[batch.edge] = batch.number
            for op in batch.ops:
                self.apply(session_id, op, self.link)
        saving = self._runner.saving(session_id)
        if saving is None:
            answer(_DONE)
            return

        def done(saving: "asyncio.Future[None]") -> None:
            if not saving.cancelled():
                answer(_DONE if saving.exception() is None else _NOT_MINE)

        saving.add_done_callback(done)

    def _not_mine(self, session_id: SessionId, answer: Answering) -> None:
        """Say that a session is another node's, and look whether that is so.

        A claim that was written, but never acknowledged, has made it this node's.
        """
        self._claim([session_id])
        answer(_NOT_MINE)

    async def _answered(
        self, session_id: SessionId, work: Coroutine[Any, Any, None], answer: Answering
    ) -> None:
        try:
            await work
        except (SessionLost, SessionNotFound):
            self._not_mine(session_id, answer)
        except Refused as refusal:
            is_nobody = isinstance(refusal, MemberNotFound)
            refused = Answer(
                Outcome.REFUSED,
                code=NO_MEMBER if is_nobody else refusal.code,
                message=refusal.message,
                details=refusal.details,
            )
            answer(encode(refused))
        else:
            answer(_DONE)

    def apply(
        self,
        session_id: SessionId,
        op: EdgeOp,
        link_of: Callable[[ConnectionId, SessionId], Link],
    ) -> None:
        """Do what an edge asks, be it this node itself or another."""
        if isinstance(op, AliveOp):
            if (on_alive := self._probes.pop(op.connection, None)) is not None:
                on_alive()
            return
        runner, link = self._runner, link_of(op.connection, session_id)
        match op:
            case JoinOp():
                runner.join(link, op.request, only_expected=op.only_expected)
            case ReturnOp():
                if not runner.come_back(link, op.request, op.member_id):
                    link.close(CloseCode.SERVICE_RESTART, "Join again")
            case AskOp():
                runner.request(link, session_id, op.request)
            case EndOp():
                self._end(session_id, op, link)
            case ExpelOp():
                runner.expel(link, session_id, op.reason)

    def _end(self, session_id: SessionId, op: EndOp, link: Link) -> None:
        runner = self._runner
        self._probes.pop(op.connection, None)
        match op.ending:
            case Ending.LEFT:
                runner.left(link, session_id)
            case Ending.FAULTED:
                runner.faulted(link, session_id)
            case Ending.SILENT:
                runner.silent(link, session_id)
            case Ending.DROPPED:
                now_ns = self._clock.monotonic_ns()
                heard_ns = now_ns - op.heartbeat_age_ms * _NS_PER_MS
                runner.dropped(link, session_id, heard_ns)

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
