"""Does what the rules want done: the one place where effects become real.

A change's effects leave only after the store has it ("saved, then said").
Order is kept per session: while a save is under way, further changes wait and
share the next one. Whether a connection is a socket in this process is its
link's affair.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import assert_never

from loudsync.core import (
    HOST_ENDED,
    NS_PER_S,
    Abort,
    Attach,
    Broadcast,
    BroadcastList,
    Close,
    ConnectionId,
    Detach,
    Effect,
    Effects,
    End,
    Probe,
    Refuse,
    Registry,
    Send,
    Session,
    SessionRecord,
    SessionSpec,
    SessionSummary,
)
from loudsync.errors import (
    Refused,
    SessionExists,
    SessionNotFound,
    Unauthorized,
)
from loudsync.protocol import (
    CloseCode,
    CloseRequest,
    Join,
    KickRequest,
    Leave,
    LeaveReason,
    MemberId,
    MemberJoined,
    MemberLeft,
    MemberList,
    MemberListRequest,
    SessionClosed,
    SessionId,
    Welcome,
    encode,
)
from loudsync.server.access import Link, MemberRequest
from loudsync.server.audience import Audience
from loudsync.server.clock import Clock, Timer
from loudsync.server.frames import text_frame
from loudsync.server.guesses import TOO_MANY_GUESSES
from loudsync.server.logs import get_logger
from loudsync.server.settings import ServerSettings
from loudsync.server.stats import ServerStats
from loudsync.server.store import SessionLost, SessionStore

log = get_logger("server")

LIST_COST_S = 1.5e-6
"""What a MEMBER_LIST costs to broadcast, per member of it and member it goes to:
about 150 bytes at 100 MB/s. Lists about statuses keep that distance in time, so
that a crowd losing its network together doesn't take the server's too."""

MAX_LIST_PACE_S = 5.0
"""The longest that a status may wait for a list, in the largest sessions."""

SAVE_RETRY_S = 1.0
"""How long to wait before a failed save is tried again."""

Announcement = MemberList | MemberJoined | MemberLeft | SessionClosed
Observer = Callable[[Announcement], None]


class _Room:
    """A session with who is attached to it here, and what is still to be done."""

    __slots__ = (
        "audience",
        "busy",
        "effects",
        "flying",
        "list_timer",
        "next_list_ns",
        "observers",
        "session",
        "waits_for_next_save",
        "waits_for_save",
    )

    def __init__(self, session: Session) -> None:
        self.session = session
        self.audience = Audience()
        self.effects: Effects = []
        self.busy = False
        self.flying: Effects = []
        self.waits_for_save: list[asyncio.Future[None]] = []
        self.waits_for_next_save: list[asyncio.Future[None]] = []
        self.observers: list[Observer] = []
        self.list_timer: Timer | None = None
        self.next_list_ns = 0


class Runner:
    """Takes what connections and programs ask for to the rules, and acts on it.

    It is ``MemberAccess`` and ``SessionAccess`` for the sessions of this
    process. Methods that a connection calls answer it with ERROR where the
    rules refuse; methods that a program calls raise.

    Attributes:
        registry: All sessions.
        stats: What has happened so far.
        on_change: Called after any session has changed, and that is saved.
        on_lost: Called with a session's id once another process decides about
            it; whoever waits for an answer here gets none.
    """

    def __init__(
        self,
        registry: Registry,
        store: SessionStore,
        clock: Clock,
        settings: ServerSettings,
        stats: ServerStats,
    ) -> None:
        self.registry = registry
        self.stats = stats
        self._store = store
        self._clock = clock
        self._settings = settings
        self._rooms: dict[SessionId, _Room] = {}
        self._links: dict[ConnectionId, Link] = {}
        self._probes: dict[ConnectionId, Timer] = {}
        self.on_change: Callable[[], None] | None = None
        self.on_lost: Callable[[SessionId], None] | None = None

    # --- For programs -------------------------------------------------------

    async def create(self, spec: SessionSpec) -> Session:
        """Open a session; return once it is saved.

        Raises:
            SessionExists, TooManySessions, StorageFull: As ``Registry.create``.
        """
        session = self.registry.create(
            spec, self._clock.now(), has_room=self._store.has_room
        )
        room = self._rooms[session.id] = _Room(session)
        self.stats.sessions_opened += 1
        log.info("session_opened", session=session.id, title=spec.name)
        self._work_off(room)
        try:
            await self._saved(room)
        except SessionLost:
            raise SessionExists(session.id) from None
        return session

    def restore(self, records: Iterable[SessionRecord]) -> None:
        """Take up sessions that were kept; their seats wait for their devices."""
        now = self._clock.now()
        for record in records:
            session = self.registry.restore(record, now)
            self._rooms[session.id] = _Room(session)
            log.info("session_restored", session=session.id, seats=len(record.seats))

    def adopt(
        self, record: SessionRecord, link_to: Callable[[ConnectionId], Link | None]
    ) -> Session:
        """Go on with a session that another process decided about before.

        Everybody gets a MEMBER_LIST: what the other has saved it may not have
        said. The seats of connections that are no more wait for their device.

        Args:
            link_to: Returns the way to a connection, ``None`` where it has ended.
        """
        now = self._clock.now()
        session = self.registry.restore(record, now)
        room = self._rooms[session.id] = _Room(session)
        effects: Effects = []
        for connection in session.connections():
            link = link_to(connection)
            if link is None:
                effects += session.drop(connection, now.monotonic_ns, now)
            else:
                self._links[connection] = link
                self.stats.members += room.audience.add(link)
        self._commit(session, [*effects, BroadcastList()])
        return session

    def abandon(self, session_id: SessionId) -> SessionRecord | None:
        """Decide no more about a session: another process does, or will.

        Nothing of what is not saved yet is said; who waits for it hears
        ``SessionLost``. Connections stay as they are.

        Returns:
            The session as it was; ``None`` where it is not here.
        """
        room = self._rooms.pop(session_id, None)
        if room is None:
            return None
        record = room.session.record()
        room.session.ended = True
        self.registry.forget(room.session)
        if room.list_timer is not None:
            room.list_timer.cancel()
        for link in room.audience:
            self._links.pop(link.id, None)
            self.stats.members -= 1
        for effect in room.flying + room.effects:
            if isinstance(effect, Attach | Send | Refuse):
                self._links.pop(effect.connection, None)
        room.effects = []
        for waiting in room.waits_for_save + room.waits_for_next_save:
            if not waiting.done():
                waiting.set_exception(SessionLost(session_id))
        if self.on_lost is not None:
            self.on_lost(session_id)
        return record

    async def saved(self, session_id: SessionId) -> None:
        """Wait until all that was asked of a session is saved and said.

        Raises:
            SessionLost: Another process decides about it, and about that.
        """
        if (room := self._rooms.get(session_id)) is not None:
            await self._saved(room)

    def saving(self, session_id: SessionId) -> "asyncio.Future[None] | None":
        """Return what ends when all asked so far is saved and said, as ``saved``.

        Returns:
            ``None`` where it is already.
        """
        room = self._rooms.get(session_id)
        return None if room is None else self._saving(room)

    def refresh(self, session_id: SessionId) -> None:
        """Save a session again, and tell its members who is here."""
        if (room := self._rooms.get(session_id)) is not None:
            self._commit(room.session, [BroadcastList()])

    async def find(self, session_id: SessionId) -> SessionSummary:
        """Return what can be seen of a session.

        Raises:
            SessionNotFound: There is none, or it has ended.
        """
        return self.registry.find(session_id).summary()

    async def listed(self) -> list[SessionSummary]:
        """Return the sessions that want to be found, oldest first."""
        return [session.summary() for session in self.registry.listed()]

    async def kick(
        self, session_id: SessionId, member_id: MemberId, reason: str
    ) -> None:
        """Kick a member; return once it is saved and said.

        Raises:
            SessionNotFound: There is no such session.
            MemberNotFound, InvalidMessage: As ``Session.kick``.
        """
        session = self.registry.find(session_id)
        room = self._rooms[session_id]
        self._commit(session, session.kick(member_id, reason, self._clock.now()))
        await self._saved(room)

    async def close(self, session_id: SessionId, reason: str) -> None:
        """Close a session; return once it is saved and said.

        Raises:
            SessionNotFound: There is no such session.
        """
        session = self.registry.find(session_id)
        room = self._rooms[session_id]
        effects = session.close(reason or HOST_ENDED, self._clock.now())
        self._commit(session, effects)
        await self._saved(room)

    async def close_all(self, reason: str) -> None:
        """Close every session; return once that is saved and said."""
        rooms = list(self._rooms.values())
        for room in rooms:
            effects = room.session.close(reason, self._clock.now())
            self._commit(room.session, effects)
        for room in rooms:
            await self._saved(room)

    def disconnect_all(self, code: CloseCode, reason: str) -> None:
        """Close every connection; the sessions stay as they are kept."""
        for link in list(self._links.values()):
            link.close(code, reason)

    def expire(self) -> None:
        """Free the seats that waited long enough."""
        for session, effects in self.registry.expire(self._clock.now()):
            self._commit(session, effects)

    def observe(self, session_id: SessionId, observer: Observer) -> Callable[[], None]:
        """Show a program what a session's members are told.

        Returns:
            A function that ends it.

        Raises:
            SessionNotFound: There is no such session.
        """
        room = self._rooms.get(session_id)
        if room is None:
            raise SessionNotFound(f"No session has the id {session_id!r}")
        room.observers.append(observer)
        return lambda: room.observers.remove(observer)

    # --- For connections ----------------------------------------------------

    def join(self, link: Link, request: Join, *, only_expected: bool = False) -> None:
        """Take a JOIN; the answer comes through the link, maybe later.

        Args:
            only_expected: Refuse a device that has no seat and no host token.
        """
        if only_expected and not self._expects(request):
            link.refuse_join(Unauthorized(TOO_MANY_GUESSES))
            return
        try:
            session, effects = self.registry.join(
                request,
                link.id,
                self._clock.now(),
                has_room=self._store.has_room_for(request.session_id),
            )
        except Refused as refusal:
            link.refuse_join(refusal)
            return
        self._links[link.id] = link
        self._commit(session, effects)

    def come_back(self, link: Link, request: Join, member_id: MemberId) -> bool:
        """Let a connection go on with its seat that has heard its WELCOME.

        Everybody gets a MEMBER_LIST: it may have missed something, and others may
        have been told that it is ``reconnecting``.

        Returns:
            Whether it may: the seat is its device's, and no newer connection's.
        """
        session = self._session(request.session_id)
        if session is None or session.ended:
            return False
        effects = session.come_back(request, member_id, link.id)
        if effects:
            self._links[link.id] = link
            self._commit(session, effects)
        return bool(effects)

    def request(
        self, link: Link, session_id: SessionId, request: MemberRequest
    ) -> None:
        """Take whatever else a member may ask of its session."""
        session = self._session(session_id)
        if session is None:
            return
        now = self._clock.now()
        try:
            match request:
                case Leave():
                    effects = session.leave(link.id, now)
                case MemberListRequest():
                    effects = session.list_members(link.id, now)
                case KickRequest(member_id=member_id, reason=reason):
                    effects = session.kick_for(link.id, member_id, reason, now)
                case CloseRequest(reason=reason):
                    effects = session.close_for(link.id, reason, now)
        except Refused as refusal:
            link.refuse(refusal)
            return
        self._commit(session, effects)

    def measured(self, link: Link, session_id: SessionId, latency_ms: int) -> None:
        """Note a member's round trip, for the next MEMBER_LIST."""
        if (session := self._session(session_id)) is not None:
            session.measured(link.id, latency_ms)

    def left(self, link: Link, session_id: SessionId) -> None:
        """Note that a connection ended with 1000, which counts as leaving."""
        if (session := self._session(session_id)) is not None:
            self._ended(link, session, session.leave(link.id, self._clock.now()))

    def faulted(self, link: Link, session_id: SessionId) -> None:
        """Note that a connection ended because it broke the protocol."""
        if (session := self._session(session_id)) is not None:
            self._ended(link, session, session.fault(link.id, self._clock.now()))

    def dropped(
        self, link: Link, session_id: SessionId, last_heartbeat_ns: int
    ) -> None:
        """Note that a connection ended in any other way; its seat waits."""
        if (session := self._session(session_id)) is not None:
            now = self._clock.now()
            self._ended(link, session, session.drop(link.id, last_heartbeat_ns, now))

    def silent(self, link: Link, session_id: SessionId) -> None:
        """Note that a member sent no HEARTBEAT in time."""
        if (session := self._session(session_id)) is not None:
            self._commit(session, session.silence(link.id, self._clock.now()))

    def expel(self, link: Link, session_id: SessionId, reason: str) -> None:
        """Remove a member that broke a limit."""
        if (session := self._session(session_id)) is not None:
            effects = session.expel(link.id, reason, self._clock.now())
            self._commit(session, effects)

    def _session(self, session_id: SessionId) -> Session | None:
        room = self._rooms.get(session_id)
        return None if room is None else room.session

    def _expects(self, request: Join) -> bool:
        """Tell whether a JOIN names a session that its device belongs to."""
        try:
            return self.registry.find(request.session_id).expects(request)
        except SessionNotFound:
            return False

    # --- Saved, then said ---------------------------------------------------

    def _ended(self, link: Link, session: Session, effects: Effects) -> None:
        self._commit(session, effects)
        room = self._rooms.get(session.id)
        if room is None or link.id not in room.audience:
            self._links.pop(link.id, None)

    def _commit(self, session: Session, effects: Effects) -> None:
        room = self._rooms.get(session.id)
        if room is None or room.session is not session or not effects:
            return
        if not session.ended:
            self.registry.reschedule(session)
        room.effects += effects
        if not room.busy:
            self._work_off(room)

    def _work_off(self, room: _Room) -> None:
        """Save and perform until nothing waits; performing may add to it."""
        room.busy = True
        while True:
            effects, room.effects = room.effects, []
            room.waits_for_save += room.waits_for_next_save
            room.waits_for_next_save = []
            saving = self._store.save(room.session)
            if saving is not None:
                self._go_on_when_saved(saving, room, effects)
                return
            self._perform_all(room, effects)
            if not room.effects:
                break
        self._now_idle(room)

    def _perform_all(self, room: _Room, effects: Effects) -> None:
        for effect in effects:
            self._perform(room, effect)
        waiting, room.waits_for_save = room.waits_for_save, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _go_on_when_saved(
        self, saving: "asyncio.Future[None]", room: _Room, effects: Effects
    ) -> None:
        def go_on(done: "asyncio.Future[None]") -> None:
            error = None if done.cancelled() else done.exception()
            if done.cancelled() or self._rooms.get(room.session.id) is not room:
                return  # the session was abandoned meanwhile
            if isinstance(error, SessionLost):
                self.abandon(room.session.id)
                return
            room.flying = []
            if error is not None:
                log.error("save_failed", session=room.session.id, error=str(error))
                self._clock.call_later(SAVE_RETRY_S, save_again)
                return
            self._perform_all(room, effects)
            if room.effects:
                self._work_off(room)
            else:
                self._now_idle(room)

        def save_again() -> None:
            if self._rooms.get(room.session.id) is not room:
                return
            # The newer changes that have come meanwhile are saved with it.
            room.effects = effects + room.effects
            self._work_off(room)

        room.flying = effects
        saving.add_done_callback(go_on)

    async def _saved(self, room: _Room) -> None:
        if (saving := self._saving(room)) is not None:
            await saving

    def _saving(self, room: _Room) -> "asyncio.Future[None] | None":
        """Return what ends with the save that has what was asked so far."""
        if not room.busy:
            return None
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # What came during a save is in the next one, and not in any later.
        is_next = bool(room.effects)
        (room.waits_for_next_save if is_next else room.waits_for_save).append(waiting)
        return waiting

    # --- Performing ---------------------------------------------------------

    def _perform(self, room: _Room, effect: Effect) -> None:  # noqa: C901  # one each
        match effect:
            case Send(connection=connection, message=message):
                if (link := self._links.get(connection)) is not None:
                    is_welcome = isinstance(message, Welcome)
                    send = link.welcome if is_welcome else link.send
                    send(text_frame(encode(message)))
                    self.stats.frames_out += 1
            case Broadcast(message=message, omit=omit):
                self._broadcast(room, message, omit)
            case Attach(connection=connection, member_id=member_id):
                if (link := self._links.get(connection)) is not None:
                    if room.audience.add(link):
                        self.stats.members += 1
                        self.stats.joins += 1
                    link.attach(room.session.id, member_id)
            case BroadcastList():
                self._pace_list(room)
            case Detach(connection=connection):
                self._detach(room, connection)
            case Close(connection=connection, code=code, reason=reason):
                if (link := self._detach(room, connection)) is not None:
                    link.close(code, reason)
            case Abort(connection=connection):
                self.stats.takeovers += 1
                if (link := self._detach(room, connection)) is not None:
                    link.abort()
            case Probe(connection=connection):
                self._probe(room.session, connection)
            case Refuse(connection=connection, refusal=refusal):
                if (link := self._links.pop(connection, None)) is not None:
                    link.refuse_join(refusal)
            case End():
                self._end(room)
            case _:
                assert_never(effect)

    def _broadcast(
        self, room: _Room, message: Announcement, omit: ConnectionId | None
    ) -> None:
        frame = text_frame(encode(message))
        room.audience.send(room.session.id, frame, omit)
        self.stats.frames_out += len(room.audience) - (omit in room.audience)
        self._count(message)
        for observer in tuple(room.observers):
            observer(message)

    def _count(self, message: Announcement) -> None:
        if isinstance(message, MemberLeft):
            self.stats.leaves[message.reason or LeaveReason.LEFT] += 1

    def _detach(self, room: _Room, connection: ConnectionId) -> Link | None:
        if room.audience.discard(connection) is not None:
            self.stats.members -= 1
        return self._links.pop(connection, None)

    def _pace_list(self, room: _Room) -> None:
        """Broadcast the list soon: at the end of this turn, or when it is due."""
        if room.list_timer is not None:
            return
        wait_ns = room.next_list_ns - self._clock.monotonic_ns()

        def send_list() -> None:
            room.list_timer = None
            if room.session.ended:
                return
            if room.busy or not self._store.is_sure:
                # What the list would show is not saved yet: after it is.
                self._commit(room.session, [BroadcastList()])
                return
            size = room.session.member_count
            pace_s = min(size * len(room.audience) * LIST_COST_S, MAX_LIST_PACE_S)
            now = self._clock.now()
            room.next_list_ns = now.monotonic_ns + int(pace_s * NS_PER_S)
            # Whoever is dropped for not reading it changes the room: afterwards.
            room.busy = True
            self._broadcast(room, room.session.member_list(now), None)
            if room.effects:
                self._work_off(room)
            else:
                self._now_idle(room)

        room.list_timer = self._clock.call_later(max(0, wait_ns) / NS_PER_S, send_list)

    def _probe(self, session: Session, connection: ConnectionId) -> None:
        def alive() -> None:
            if (timer := self._probes.pop(connection, None)) is not None:
                timer.cancel()
                self._commit(session, session.answered(connection))

        def dead() -> None:
            self._probes.pop(connection, None)
            if not session.ended:
                now = self._clock.now()
                self._commit(session, session.unanswered(connection, now))

        if (earlier := self._probes.pop(connection, None)) is not None:
            earlier.cancel()
        wait_s = self._settings.takeover_wait_s
        self._probes[connection] = self._clock.call_later(wait_s, dead)
        if (link := self._links.get(connection)) is not None:
            link.probe(alive)

    def _end(self, room: _Room) -> None:
        if room.list_timer is not None:
            room.list_timer.cancel()
        session = room.session
        del self._rooms[session.id]
        self.registry.forget(session)
        self._store.forget(session.id)
        self.stats.sessions_closed += 1
        log.info("session_closed", session=session.id)

    def _now_idle(self, room: _Room) -> None:
        room.busy = False
        if self.on_change is not None:
            self.on_change()
