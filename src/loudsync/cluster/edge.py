"""The edge's side: this node's connections, whichever node decides about them.

What is asked of a session that this node owns goes straight to the runner. For
all others it waits in the session's outbox: one batch at a time is under way,
asked again until its owner has answered, so that order is kept and nothing is
lost when owners change. What owners say comes through ``deliveries``.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, assert_never

from loudsync.cluster.bus import Bus
from loudsync.cluster.ending import end_tasks
from loudsync.cluster.identity import Identity, NodeNumber
from loudsync.cluster.numbers import Numbers
from loudsync.cluster.owner import Owner
from loudsync.cluster.store import ClusterStore
from loudsync.cluster.wire import (
    Aborted,
    AliveOp,
    AskOp,
    Attached,
    Closed,
    EdgeAct,
    EdgeOp,
    Ending,
    EndOp,
    ExpelOp,
    JoinOp,
    Latencies,
    Latency,
    Probed,
    Refusal,
    ReturnOp,
    Said,
    Sent,
    SessionPart,
    Welcomed,
    encode,
    owner_subject,
)
from loudsync.core import ConnectionId
from loudsync.core.admission import check_version
from loudsync.errors import (
    Refused,
    SessionNotFound,
    Unauthorized,
    refusal_of,
)
from loudsync.protocol import (
    CloseCode,
    Join,
    Leave,
    MemberId,
    SessionClosed,
    SessionId,
)
from loudsync.protocol import encode as encode_message
from loudsync.server.access import Link, MemberRequest
from loudsync.server.clock import Clock, Timer
from loudsync.server.creation import may_exist
from loudsync.server.frames import text_frame
from loudsync.server.guesses import TOO_MANY_GUESSES
from loudsync.server.logs import get_logger
from loudsync.server.runner import Runner

log = get_logger("cluster")

MAX_WAITING_OPS: Final = 10_000
"""What may wait for one session's owner; who asks for more is to try again later,
and what must not be lost is bounded by the connections there are."""

TRY_AGAIN: Final = "The session can't be reached now; try again in a moment"

_STUCK_S: Final = 1.0
"""How long a session rests whose owner could not even be asked."""

_LATENCIES_S: Final = 0.5
"""How long round trips are gathered: a member has one every 15 s."""

_MAX_LATENCIES: Final = 5_000
"""Of one owner's members in that time; more are not told, the next will do."""

_BATCH_BYTES: Final = 128 * 1024
"""Well below what a NATS server takes, whatever 16 KiB a JOIN may have."""

_NS_PER_MS: Final = 1_000_000

_STALE_CLOSE: Final = "The session is over"


class EdgeLink:
    """A connection of this node with a session; the runner's ``Link`` to it.

    Each JOIN of a connection makes one, with a number of its own: what is still
    on its way about an earlier JOIN finds nobody.

    Attributes:
        session_id: Where it wants a seat, or has one.
        request: Its JOIN, kept: it may have to be asked again.
        member_id: Whom it speaks for, once it does.
        has_left: Its LEAVE is on its way to the owner.
        is_over: It has no seat any more, and waits for none.
    """

    __slots__ = (
        "_edge",
        "_is_welcome",
        "connection",
        "has_left",
        "hold",
        "id",
        "is_over",
        "member_id",
        "only_expected",
        "request",
        "send",
        "session_id",
    )

    def __init__(
        self,
        edge: "Edge",
        link_id: ConnectionId,
        connection: Link,
        request: Join,
        *,
        only_expected: bool,
    ) -> None:
        self._edge = edge
        self.id = link_id
        self.connection = connection
        self.session_id = request.session_id
        self.request = request
        self.only_expected = only_expected
        self.member_id: MemberId | None = None
        self.is_over = False
        self.hold: Timer | None = None
        self.has_left = False
        self._is_welcome = False
        self.send = connection.send

    @property
    def carrier(self) -> "Edge":
        """As on other nodes: only who was welcomed hears what is said to all."""
        return self._edge

    def attach(self, session_id: SessionId, member_id: MemberId) -> None:
        """Let the connection speak for a member; a second time changes nothing."""
        if self.is_over or self.member_id == member_id:
            return
        self.member_id = member_id
        self.release()
        self._edge.attached(self)
        self.connection.attach(session_id, member_id)

    def release(self) -> None:
        """Hold the JOIN no longer: it is answered."""
        if self.hold is not None:
            self.hold.cancel()
            self.hold = None

    def welcome(self, frame: bytes) -> None:
        """Send WELCOME, once."""
        if not self._is_welcome:
            self._is_welcome = True
            self.connection.welcome(frame)

    def close(self, code: CloseCode, reason: str) -> None:
        """Close in the protocol's way."""
        if self._edge.forget(self):
            self.connection.close(code, reason)

    def abort(self) -> None:
        """Drop without a word."""
        if self._edge.forget(self):
            self.connection.abort()

    def probe(self, on_alive: Callable[[], None]) -> None:
        """Ping; call back once, at whatever comes back."""
        if not self.is_over:
            self.connection.probe(on_alive)

    def refuse(self, refusal: Refused) -> None:
        """Answer a request with ERROR."""
        if not self.is_over:
            self.connection.refuse(refusal)

    def refuse_join(self, refusal: Refused) -> None:
        """Answer the JOIN with ERROR."""
        if self._edge.forget(self):
            self.connection.refuse_join(refusal)


class EdgeSession:
    """What of one session is on this node.

    Attributes:
        links: All that have a seat in it or wait for one.
        attached: Those who hear what is said to all.
        owner: Who decides about it, as far as is known here.
        last_owner: Who has done what was asked last.
        epoch: Since which revision; what an earlier owner says is not heard.
        outbox: What its owner has not been asked yet.
        work: Asks it.
    """

    __slots__ = (
        "attached",
        "epoch",
        "id",
        "last_owner",
        "links",
        "outbox",
        "owner",
        "work",
    )

    def __init__(self, session_id: SessionId) -> None:
        self.id = session_id
        self.links: dict[ConnectionId, EdgeLink] = {}
        self.attached: dict[ConnectionId, EdgeLink] = {}
        self.owner: NodeNumber | None = None
        self.last_owner: NodeNumber | None = None
        self.epoch = 0
        self.outbox: deque[EdgeOp] = deque()
        self.work: asyncio.Task[None] | None = None

    def take_batch(self, max_bytes: int) -> list[EdgeOp]:
        """Take what goes to the owner at once, first come first; one op at least."""
        batch: list[EdgeOp] = []
        size = 0
        while self.outbox:
            size += len(encode(self.outbox[0]))
            if batch and size > max_bytes:
                break
            batch.append(self.outbox.popleft())
        return batch

    def is_worth(self, op: EdgeOp) -> bool:
        """Tell whether an op still is to be done: a JOIN is not once it is over."""
        return not isinstance(op, JoinOp | ReturnOp) or op.connection in self.links


class Edge:
    """All connections of this node; ``MemberAccess`` for them.

    Attributes:
        bring: Has an owner do a batch, whoever that is; returns whether there is
            such a session. ``courier`` has it.
    """

    def __init__(
        self,
        bus: Bus,
        me: Identity,
        runner: Runner,
        store: ClusterStore,
        owner: Owner,
        clock: Clock,
        numbers: Numbers,
        join_hold_s: float,
    ) -> None:
        self.bring: Callable[[EdgeSession, list[EdgeOp]], Awaitable[bool]]
        self._bus = bus
        self._me = me
        self._runner = runner
        self._store = store
        self._owner = owner
        self._clock = clock
        self._numbers = numbers
        self._join_hold_s = join_hold_s
        self._sessions: dict[SessionId, EdgeSession] = {}
        self._links: dict[ConnectionId, EdgeLink] = {}
        self._by_connection: dict[ConnectionId, EdgeLink] = {}
        self._member_count = 0
        self._latencies: dict[NodeNumber, list[Latency]] = {}

    # --- What is here -----------------------------------------------------------

    @property
    def member_count(self) -> int:
        """Members whose connection is here."""
        return self._member_count

    @property
    def links(self) -> list[EdgeLink]:
        """Every connection that has a seat or waits for one."""
        return list(self._links.values())

    @property
    def is_idle(self) -> bool:
        """Whether no owner is still to be asked anything."""
        return not any(session.work for session in self._sessions.values())

    def link(self, connection: ConnectionId) -> EdgeLink | None:
        """Return the connection of this node with this number."""
        return self._links.get(connection)

    # --- What connections ask (MemberAccess) --------------------------------------

    def join(self, link: Link, request: Join, *, only_expected: bool = False) -> None:
        """Take a JOIN; hold it for a while where its session can't be reached."""
        session = self._sessions.get(request.session_id)
        if session is None:
            session = self._sessions[request.session_id] = EdgeSession(
                request.session_id
            )
        mine = EdgeLink(
            self,
            self._me.next_connection(),
            link,
            request,
            only_expected=only_expected,
        )
        session.links[mine.id] = self._links[mine.id] = mine
        self._by_connection[link.id] = mine
        if len(session.outbox) >= MAX_WAITING_OPS:
            mine.close(CloseCode.TRY_AGAIN_LATER, TRY_AGAIN)
            return
        if (refusal := self._refusal_of(session, request)) is not None:
            mine.refuse_join(refusal)
            return
        if self._is_direct(session):
            self._runner.join(mine, request, only_expected=only_expected)
        else:
            self._put(session, JoinOp(mine.id, request, only_expected))
        if not mine.is_over and mine.member_id is None:
            mine.hold = self._clock.call_later(
                self._join_hold_s, lambda: self._held_too_long(mine)
            )

    def _refusal_of(self, session: EdgeSession, request: Join) -> Refused | None:
        """Say why nobody need be asked."""
        try:
            check_version(request.version)
        except Refused as refusal:
            return refusal
        if not may_exist(session.id):
            return SessionNotFound(f"No session has the id {session.id!r}")
        return None

    def request(
        self, link: Link, session_id: SessionId, request: MemberRequest
    ) -> None:
        """Take whatever else a member asks."""
        mine = self._by_connection.get(link.id)
        if mine is None or mine.has_left:
            return
        session = self._sessions[session_id]
        if self._is_direct(session):
            self._runner.request(mine, session_id, request)
        elif isinstance(request, Leave):
            # Nobody is shown why, and it is said once: what follows finds no seat.
            self._put(session, EndOp(mine.id, Ending.LEFT))
            mine.has_left = True
        elif len(session.outbox) < MAX_WAITING_OPS:
            self._put(session, AskOp(mine.id, request))
        else:
            self.restart(mine, CloseCode.TRY_AGAIN_LATER, TRY_AGAIN)

    def measured(self, link: Link, session_id: SessionId, latency_ms: int) -> None:
        """Note a round trip; where nobody can hear of it, the next will do."""
        mine = self._by_connection.get(link.id)
        if mine is None:
            return
        session = self._sessions[session_id]
        if self._is_direct(session):
            self._runner.measured(mine, session_id, latency_ms)
        elif session.owner is not None:
            if not self._latencies:
                self._clock.call_later(_LATENCIES_S, self._tell_latencies)
            measured = self._latencies.setdefault(session.owner, [])
            if len(measured) < _MAX_LATENCIES:
                measured.append(Latency(session_id, mine.id, latency_ms))

    def _tell_latencies(self) -> None:
        latencies, self._latencies = self._latencies, {}
        for owner, measured in latencies.items():
            self._bus.publish(owner_subject(owner), encode(Latencies(measured)))

    def left(self, link: Link, session_id: SessionId) -> None:
        """Note that a connection ended with 1000, which counts as leaving."""
        self._ended(link, session_id, Ending.LEFT)

    def faulted(self, link: Link, session_id: SessionId) -> None:
        """Note that a connection ended because it broke the protocol."""
        self._ended(link, session_id, Ending.FAULTED)

    def dropped(
        self, link: Link, session_id: SessionId, last_heartbeat_ns: int
    ) -> None:
        """Note that a connection ended in any other way; its seat waits."""
        age_ns = self._clock.monotonic_ns() - last_heartbeat_ns
        self._ended(link, session_id, Ending.DROPPED, age_ns // _NS_PER_MS)

    def silent(self, link: Link, session_id: SessionId) -> None:
        """Note that a member sent no HEARTBEAT in time; its owner closes it."""
        if (mine := self._by_connection.get(link.id)) is not None:
            self._do(session_id, EndOp(mine.id, Ending.SILENT))

    def expel(self, link: Link, session_id: SessionId, reason: str) -> None:
        """Remove a member that broke a limit."""
        if (mine := self._by_connection.get(link.id)) is not None:
            self._do(session_id, ExpelOp(mine.id, reason))

    def _ended(
        self, link: Link, session_id: SessionId, ending: Ending, age_ms: int = 0
    ) -> None:
        mine = self._by_connection.get(link.id)
        if mine is None:
            return
        self._do(session_id, EndOp(mine.id, ending, age_ms))
        # Forgotten only then: who is directly asked wants to know the link.
        self.forget(mine)

    def restart(self, link: EdgeLink, code: CloseCode, reason: str) -> None:
        """Close a connection so that its device comes back, here or elsewhere."""
        if link.member_id is not None:
            self._do(link.session_id, EndOp(link.id, Ending.DROPPED))
        link.close(code, reason)

    def _held_too_long(self, link: EdgeLink) -> None:
        """Let a client try again that has waited for its seat for long enough.

        Not with an ERROR: of those that v1.0 has, the nearest says that the
        session is full, which a device with a seat must never be told. Should
        the seat be given after all, it waits for its device a while.
        """
        self._do(link.session_id, EndOp(link.id, Ending.DROPPED))
        link.close(CloseCode.TRY_AGAIN_LATER, TRY_AGAIN)

    # --- What is said to all (Carrier) --------------------------------------------

    def broadcast(
        self, session_id: SessionId, frame: bytes, omit: ConnectionId | None
    ) -> None:
        """Send a ready frame to all here who were welcomed, but for one if told so."""
        if (session := self._sessions.get(session_id)) is None:
            return  # the ends of its connections are on their way to the runner
        # A copy: who is too slow to read it is dropped, and forgotten, meanwhile.
        for link in tuple(session.attached.values()):
            if link.id != omit:
                link.send(frame)

    # --- What links tell ------------------------------------------------------------

    def attached(self, link: EdgeLink) -> None:
        """Let a link hear what is said to all."""
        self._sessions[link.session_id].attached[link.id] = link
        self._member_count += 1

    def forget(self, link: EdgeLink) -> bool:
        """Know a link no more; tell whether it was known."""
        if link.is_over:
            return False
        link.is_over = True
        link.release()
        del self._links[link.id]
        if self._by_connection.get(link.connection.id) is link:
            del self._by_connection[link.connection.id]
        session = self._sessions[link.session_id]
        del session.links[link.id]
        if session.attached.pop(link.id, None) is not None:
            self._member_count -= 1
        self._tidy(session)
        return True

    def _tidy(self, session: EdgeSession) -> None:
        if not session.links and not session.outbox and session.work is None:
            del self._sessions[session.id]

    # --- To the owner ---------------------------------------------------------------

    def _is_direct(self, session: EdgeSession) -> bool:
        """Tell whether the runner may be asked at once, without breaking the order."""
        return (
            session.work is None
            and session.id in self._runner.registry
            and self._store.is_sure
        )

    def _do(self, session_id: SessionId, op: EdgeOp) -> None:
        session = self._sessions[session_id]
        if self._is_direct(session):
            self._owner.apply(session_id, op, self._own)
        else:
            self._put(session, op)

    def _own(self, connection: ConnectionId, _session_id: SessionId) -> Link:
        """Return the way to a connection here; it may have ended already."""
        link = self._links.get(connection)
        return link if link is not None else _EndedLink(connection)

    def _put(self, session: EdgeSession, op: EdgeOp) -> None:
        session.outbox.append(op)
        if session.work is None:
            loop = asyncio.get_running_loop()
            session.work = loop.create_task(self._work(session))

    async def _work(self, session: EdgeSession) -> None:
        max_bytes = min(_BATCH_BYTES, self._bus.max_payload_bytes // 2)
        try:
            while session.outbox:
                batch = session.take_batch(max_bytes)
                try:
                    if not await self.bring(session, batch):
                        self._say_it_is_over(session)
                except Exception:
                    log.exception("session_stuck", session=session.id)
                    session.outbox.extendleft(reversed(batch))
                    await asyncio.sleep(_STUCK_S)
        finally:
            session.work = None
            if self._sessions.get(session.id) is session:
                self._tidy(session)

    def apply_here(self, session: EdgeSession, batch: list[EdgeOp]) -> None:
        """Let the runner do a batch: the session is this node's now."""
        for op in batch:
            if session.is_worth(op):
                self._owner.apply(session.id, op, self._own)

    def _say_it_is_over(self, session: EdgeSession) -> None:
        """Tell everybody here that there is no such session, or no more."""
        session.outbox.clear()
        closed = SessionClosed(timestamp_ms=self._clock.unix_ms())
        frame = text_frame(encode_message(closed))
        for link in list(session.links.values()):
            if link.member_id is None and link.only_expected:
                # Who has guessed too much must not learn that this was wrong, too.
                link.refuse_join(Unauthorized(TOO_MANY_GUESSES))
            elif link.member_id is None:
                link.refuse_join(
                    SessionNotFound(f"No session has the id {session.id!r}")
                )
            else:
                link.send(frame)
                link.close(CloseCode.NORMAL, _STALE_CLOSE)

    # --- When owners change -----------------------------------------------------------

    def owner_changed(
        self, session_id: SessionId, owner: NodeNumber, epoch: int
    ) -> None:
        """Learn that a session is another node's, or this one's."""
        session = self._sessions.get(session_id)
        if session is not None and epoch > session.epoch:
            session.epoch, session.owner = epoch, owner
            self._go_on(session)

    def owner_gone(self, owner: NodeNumber) -> None:
        """Find new owners for the sessions of a node that is gone."""
        self.missed(owner)

    def missed(self, owner: NodeNumber) -> None:
        """Ask anew what is so: something that an owner said did not come."""
        for session in list(self._sessions.values()):
            # Where the owner is being looked for, it may be the same again.
            is_its = session.owner in {None, owner}
            if is_its and session.id not in self._runner.registry:
                session.owner = None
                self._go_on(session)

    def lost(self, session_id: SessionId) -> None:
        """Find the new owner of a session that this node has lost."""
        if (session := self._sessions.get(session_id)) is not None:
            session.owner = None
            self._go_on(session)

    def _go_on(self, session: EdgeSession) -> None:
        """Let a session's owner know who is here, as it may never have heard."""
        waiting = {
            op.connection for op in session.outbox if isinstance(op, JoinOp | ReturnOp)
        }
        for link in session.links.values():
            if link.id in waiting:
                continue
            if link.member_id is None:
                op: EdgeOp = JoinOp(link.id, link.request, link.only_expected)
            else:
                op = ReturnOp(link.id, link.member_id, link.request)
            self._put(session, op)

    # --- From owners ------------------------------------------------------------------

    async def stop(self) -> None:
        """Give up what owners are still to be asked."""
        tasks = [s.work for s in self._sessions.values() if s.work is not None]
        await end_tasks(tasks)
        for link in self._links.values():
            link.release()

    def do_part(self, part: SessionPart, owner: NodeNumber) -> None:
        """Do what an owner says about one session, unless it is an earlier owner."""
        session = self._sessions.get(part.session_id)
        if session is None:
            return
        if part.epoch < session.epoch:
            self._numbers.stale += 1
            return
        if part.epoch > session.epoch:
            was_known = session.epoch > 0
            session.epoch = part.epoch
            session.owner = owner
            if was_known:
                self._go_on(session)
        self._numbers.events += len(part.acts)
        for act in part.acts:
            self._do_act(session, act)

    def _do_act(self, session: EdgeSession, act: EdgeAct) -> None:  # noqa: C901
        if isinstance(act, Said):
            self.broadcast(session.id, act.frame, act.omit)
            return
        link = session.links.get(act.connection)
        if link is None:
            return
        match act:
            case Attached(member_id=member_id):
                link.attach(session.id, member_id)
            case Welcomed(frame=frame):
                link.welcome(frame)
            case Sent(frame=frame):
                link.send(frame)
            case Closed(code=code, reason=reason):
                link.close(CloseCode(code), reason)
            case Aborted():
                link.abort()
            case Probed(connection=connection):
                link.probe(lambda: self._do(session.id, AliveOp(connection)))
            case Refusal():
                refusal = refusal_of(act.code, act.message, act.details)
                if act.is_join:
                    link.refuse_join(refusal)
                else:
                    link.refuse(refusal)
            case _:
                assert_never(act)


class _EndedLink:
    """A connection that has ended before its owner was asked about it."""

    __slots__ = ("id",)

    carrier: Final = None

    def __init__(self, connection: ConnectionId) -> None:
        self.id = connection

    def attach(self, session_id: SessionId, member_id: MemberId) -> None:
        """Do nothing."""

    def send(self, frame: bytes) -> None:
        """Do nothing."""

    def welcome(self, frame: bytes) -> None:
        """Do nothing."""

    def close(self, code: CloseCode, reason: str) -> None:
        """Do nothing."""

    def abort(self) -> None:
        """Do nothing."""

    def probe(self, on_alive: Callable[[], None]) -> None:
        """Do nothing: nobody will answer."""

    def refuse(self, refusal: Refused) -> None:
        """Do nothing."""

    def refuse_join(self, refusal: Refused) -> None:
        """Do nothing."""
