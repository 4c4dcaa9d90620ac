"""The rules of one session: who has a seat, who is told what, when it ends.

Every method is one change. It checks, changes the state and returns the
effects; one that raises has changed nothing. Methods that a connection calls
answer with no effects where the connection has no seat any more: it was
kicked or timed out while its message was on the way. One that has no seat yet,
but waits for it, waits no more once it is said to have ended.
"""

from typing import NoReturn

from loudsync.core.admission import (
    check_allowed,
    check_room,
    check_seat_free,
    own_seat,
)
from loudsync.core.deadlines import Deadlines
from loudsync.core.effects import (
    Abort,
    Attach,
    Broadcast,
    BroadcastList,
    Close,
    ConnectionId,
    Detach,
    Effects,
    End,
    Probe,
    Refuse,
    Send,
)
from loudsync.core.host import (
    HOST_ENDED,
    HOST_KICKED_YOU,
    HOST_LOST,
    HOST_NEVER_CAME,
    token_matches,
)
from loudsync.core.moment import Moment
from loudsync.core.records import (
    ChangeLog,
    SessionChanges,
    SessionRecord,
    seat_record,
)
from loudsync.core.seat import Challenger, Seat, SeatTrigger
from loudsync.core.seating import Seating
from loudsync.core.session_spec import SessionRules, SessionSpec
from loudsync.core.summary import SessionSummary
from loudsync.errors import (
    AlreadyJoined,
    InvalidMessage,
    MemberNotFound,
    Refused,
    SessionNotFound,
    Unauthorized,
)
from loudsync.protocol import (
    CloseCode,
    ConnectionStatus,
    DeviceId,
    DeviceType,
    Join,
    Kicked,
    LeaveReason,
    MemberId,
    MemberInfo,
    MemberJoined,
    MemberLeft,
    MemberList,
    SessionClosed,
    SessionId,
    SessionInfo,
    Welcome,
)


class Session:
    """One session as a state machine; see the module's docstring.

    Attributes:
        spec: What it was created from.
        info: The session as WELCOME shows it.
        created_at_ms: Unix time in milliseconds.
        ended: Nothing happens in it any more.
    """

    def __init__(self, spec: SessionSpec, rules: SessionRules, now: Moment) -> None:
        self.spec = spec
        self.created_at_ms = now.unix_ms
        self.ended = False
        self._created_ns = now.monotonic_ns
        self._rules = rules
        self._next_number = 1
        self._seating = Seating()
        self._kicked_devices: set[DeviceId] = set()
        self._deadlines: Deadlines[MemberId] = Deadlines()
        self._changes = ChangeLog()
        self.info = SessionInfo(id=spec.id, name=spec.name, host_id=spec.host_id)
        self._host = self._seat_host(now)

    # --- What is kept of it -------------------------------------------------

    @classmethod
    def restore(
        cls, record: SessionRecord, rules: SessionRules, now: Moment
    ) -> "Session":
        """Take a session up again: seats without a connection wait for their device.

        Seats that are not reclaimed within the heartbeat timeout from now on
        end with ``timeout``; a host that never came is waited for anew. Seats
        whose connection is recorded are ``connected`` over it.

        Source: contract, sections 5 and 8.
        """
        session = cls(record.spec, rules, now)
        session.created_at_ms = record.created_at_ms
        session._next_number = record.next_number
        session._kicked_devices.update(record.kicked_devices)
        session._restore_seats(record, now)
        session._changes = ChangeLog(is_new=False)
        return session

    def take_changes(self) -> SessionChanges | None:
        """Return what must be kept since the last call; ``None``: nothing."""
        if self.ended:
            return SessionChanges(ended=True)
        return self._changes.take(self._next_number)

    @property
    def revision(self) -> int:
        """Grows with each change of what ``record`` returns."""
        return self._seating.revision

    def record(self) -> SessionRecord:
        """Return all that must be kept, connections included."""
        return SessionRecord(
            spec=self.spec,
            created_at_ms=self.created_at_ms,
            next_number=self._next_number,
            seats=tuple([seat_record(seat, seat.connection) for seat in self._seating]),
            kicked_devices=tuple(self._kicked_devices),
        )

    def drop_changes(self) -> None:
        """Keep nothing of what changed since the last call."""
        self._changes.clear()

    # --- What is so ---------------------------------------------------------

    @property
    def id(self) -> SessionId:
        """What people type to find the session."""
        return self.spec.id

    @property
    def host(self) -> MemberInfo:
        """The host's member entry; ``disconnected`` until the host is there."""
        return self._host.info

    @property
    def member_count(self) -> int:
        """Seats taken, the host's included whether it is there or not."""
        return len(self._seating)

    @property
    def next_due_ns(self) -> int | None:
        """When ``expire`` has something to do next; ``None``: never."""
        return self._deadlines.next_due_ns()

    def members(self) -> tuple[MemberInfo, ...]:
        """Everybody with a seat: the host first, then in order of arrival."""
        return tuple([seat.info for seat in self._seating])

    def connections(self) -> list[ConnectionId]:
        """Return every connection that speaks for a seat."""
        return self._seating.connections()

    def summary(self) -> SessionSummary:
        """Return what a listing shows of it."""
        return SessionSummary(
            spec=self.spec,
            host_name=self._host.name,
            member_count=self.member_count,
            created_at_ms=self.created_at_ms,
        )

    def member_list(self, now: Moment) -> MemberList:
        """Return ``members`` as the message that carries them."""
        return MemberList(timestamp_ms=now.unix_ms, members=self.members())

    def is_host_token(self, token: str) -> bool:
        """Tell in constant time whether this is the host's token."""
        return token_matches(token, self.spec.token_hash)

    def expects(self, request: Join) -> bool:
        """Tell whether the device has a seat, or the host's token to take one."""
        device = request.device_info
        if device.type is DeviceType.HOST:
            return self.is_host_token(request.token)
        return self._seating.of_device(device.id) is not None

    # --- Coming and going ---------------------------------------------------

    def join(
        self,
        request: Join,
        connection: ConnectionId,
        now: Moment,
        *,
        has_room: bool = True,
    ) -> Effects:
        """Seat a device, give it back the seat it has, or challenge for it.

        A connection that repeats its JOIN, because the answer may be lost, is
        told once more what it was told; others hear nothing of it.

        Args:
            has_room: Whether a new seat could be kept; a seat that is there
                already needs no room.

        Returns:
            ``Attach``, ``Send`` of WELCOME, ``Send`` of MEMBER_LIST and
            ``Broadcast`` of MEMBER_JOINED; or ``Probe`` of the device's old
            connection, whose outcome ``answered`` or ``unanswered`` takes.

        Raises:
            Unauthorized: No or a wrong host token, or a kicked device.
            AlreadyJoined: The device has, or waits for, the other kind of seat.
            SessionFull: No seat is free, or there is no room to keep one.
            SessionNotFound: The session has ended.

        Source: protocol v1.0, "1. JOIN"; contract, sections 3 to 5.
        """
        if self.ended:
            raise _over()
        if (held := self._seating.of_connection(connection)) is not None:
            return self._welcome(held, connection, now)
        if self._seating.is_waiting(connection):
            return []
        check_allowed(request, self.spec.token_hash, self._kicked_devices)
        seat = own_seat(request, self._seating, self._host)
        if seat is None:
            check_seat_free(self._seating, self.spec.max_members)
            check_room(self._seating, self.spec.max_members, has_room=has_room)
            seat = self._take_seat(request, now)
        elif seat.connection is not None:
            return self._challenge(seat, request, connection)
        device = request.device_info
        return self._admit(seat, device.id, device.name, connection, now)

    def come_back(
        self,
        request: Join,
        member_id: MemberId,
        connection: ConnectionId,
    ) -> Effects:
        """Let a connection go on with the seat that it has been welcomed to.

        It never ended, but whoever decided about the session before may have
        thought so, or have said what did not reach it. It may go on while the
        seat is its device's still, and no newer connection's.

        Returns:
            ``Attach`` and ``BroadcastList``; nothing where it may not.
        """
        seat = self._seating.of_member(member_id)
        if (
            seat is None
            or seat.device_id != request.device_info.id
            or seat.connection not in {None, connection}
        ):
            return []
        if seat.connection is None:
            self._seating.occupy(seat, connection, seat.device_id, seat.name)
            self._deadlines.discard(member_id)
        return [Attach(connection, member_id), BroadcastList()]

    def answered(self, old: ConnectionId) -> Effects:
        """Refuse whoever wants the seat of a connection that proved alive.

        Source: contract, section 5.
        """
        seat = self._seating.of_connection(old)
        return [] if seat is None else self._refuse_challenger(seat, _already_seated())

    def unanswered(self, old: ConnectionId, now: Moment) -> Effects:
        """Give a dead connection's seat to the one that wants it, if any.

        Source: contract, section 5.
        """
        seat = self._seating.of_connection(old)
        challenger = None if seat is None else self._seating.pop_challenger(seat)
        if seat is None or challenger is None:
            return []
        return [
            Abort(old),
            *self._admit(
                seat, challenger.device_id, challenger.name, challenger.connection, now
            ),
        ]

    def leave(self, connection: ConnectionId, now: Moment) -> Effects:
        """Free the seat of a member that says goodbye.

        Returns:
            ``Close`` with 1000, then ``Broadcast`` of MEMBER_LEFT (``left``);
            the effects of ``close`` where the host leaves. Where the device
            waits on a newer connection, that one is seated instead.

        Source: protocol v1.0, "2. LEAVE"; contract, section 3.
        """
        return self._give_up(
            connection, SeatTrigger.LEAVE, CloseCode.NORMAL, HOST_ENDED, now
        )

    def drop(
        self, connection: ConnectionId, last_heartbeat_ns: int, now: Moment
    ) -> Effects:
        """Keep the seat of a member whose connection was lost.

        The seat waits until the heartbeat timeout, counted from the last
        HEARTBEAT. A connection without the seat, because a newer one has it,
        changes nothing.

        Returns:
            ``Detach``, then ``BroadcastList``: the member is
            ``reconnecting`` in it. Where a challenger waits, it is seated instead.

        Source: contract, section 5.
        """
        seat = self._seat_losing(connection)
        if seat is None:
            return []
        if seat.challenger is not None:
            return self.unanswered(connection, now)
        self._seating.vacate(seat, connection)
        self._deadlines.set(
            seat.member_id, last_heartbeat_ns + self._rules.heartbeat_timeout_ns
        )
        return [Detach(connection), BroadcastList()]

    def fault(self, connection: ConnectionId, now: Moment) -> Effects:
        """Free the seat of a connection that broke the WebSocket protocol.

        Returns:
            ``Close``, then ``Broadcast`` of MEMBER_LEFT (``error``).

        Source: contract, section 2.
        """
        return self._give_up(
            connection, SeatTrigger.FAULT, CloseCode.PROTOCOL_ERROR, HOST_LOST, now
        )

    def silence(self, connection: ConnectionId, now: Moment) -> Effects:
        """Free the seat of a connected member that sent no HEARTBEAT in time.

        Returns:
            ``Close`` with 1008, then ``Broadcast`` of MEMBER_LEFT
            (``timeout``); the effects of ``close`` where it was the host.
            Where a challenger waits, its device lives: it is seated instead.

        Source: protocol v1.0, "Timeout Disconnect Flow".
        """
        return self._give_up(
            connection, SeatTrigger.SILENCE, CloseCode.POLICY_VIOLATION, HOST_LOST, now
        )

    def expire(self, now: Moment) -> Effects:
        """Free every seat that waited for its device long enough.

        Costs time in proportion to the seats that expire. Repeating a call
        changes nothing.

        Args:
            now: Later than or equal to earlier calls' monotonic instants.

        Returns:
            For each freed seat, longest wait first: ``Broadcast`` of
            MEMBER_LEFT (``timeout``) to who remains. Where the host's seat
            expires, or the host never came, the effects of ``close`` instead.

        Source: protocol v1.0, "Timeout Behavior"; contract, sections 4 and 5.
        """
        effects: Effects = []
        # Once more after each round: the last guest's end may be the session's.
        while due := self._deadlines.pop_due(now.monotonic_ns):
            for member_id in due:
                if member_id != self.spec.host_id:
                    seat = self._seating[member_id]
                    effects += self._free(
                        seat, SeatTrigger.SILENCE, LeaveReason.TIMEOUT, now
                    )
                elif self._host.status is ConnectionStatus.RECONNECTING:
                    return effects + self.close(HOST_LOST, now)
                elif self._host_may_still_come(now):
                    self._deadlines.set(member_id, self._last_call_ns)
                else:
                    return effects + self.close(HOST_NEVER_CAME, now)
        return effects

    # --- Requests -----------------------------------------------------------

    def list_members(self, connection: ConnectionId, now: Moment) -> Effects:
        """Send MEMBER_LIST to a member that asked (contract, section 3)."""
        if self._seating.of_connection(connection) is None:
            return []
        return [Send(connection, self.member_list(now))]

    def measured(self, connection: ConnectionId, latency_ms: int) -> None:
        """Note a member's round trip, for the next MEMBER_LIST."""
        if (seat := self._seating.of_connection(connection)) is not None:
            seat.measured(latency_ms)

    def kick_for(
        self, connection: ConnectionId, member_id: MemberId, reason: str, now: Moment
    ) -> Effects:
        """Kick a member because a connection asks for it.

        Raises:
            Unauthorized: The connection is not the host's.
            MemberNotFound, InvalidMessage: As ``kick``.

        Source: contract, section 3.
        """
        if not self._may_ask_as_host(connection, "kick"):
            return []
        return self.kick(member_id, reason, now)

    def close_for(self, connection: ConnectionId, reason: str, now: Moment) -> Effects:
        """Close the session because a connection asks for it.

        Raises:
            Unauthorized: The connection is not the host's.

        Source: contract, section 3.
        """
        if not self._may_ask_as_host(connection, "close the session"):
            return []
        return self.close(reason or HOST_ENDED, now)

    # --- The host's decisions -----------------------------------------------

    def kick(self, member_id: MemberId, reason: str, now: Moment) -> Effects:
        """Remove a member and refuse its device for as long as the session lives.

        Returns:
            ``Send`` of KICKED and ``Close`` with 1000 where the member is
            connected, then ``Broadcast`` of MEMBER_LEFT (``kicked``).

        Raises:
            MemberNotFound: Nobody has this id.
            InvalidMessage: It is the host's id.

        Source: protocol v1.0, "5. KICKED"; contract, section 3.
        """
        seat = self._seating.of_member(member_id)
        if seat is None:
            raise MemberNotFound(member_id)
        if seat is self._host or seat.device_id is None:
            raise InvalidMessage("$.memberId", "The host can't be kicked")
        self._kicked_devices.add(seat.device_id)
        self._changes.kicked(seat.device_id)
        return self._remove(seat, reason or HOST_KICKED_YOU, CloseCode.NORMAL, now)

    def expel(self, connection: ConnectionId, reason: str, now: Moment) -> Effects:
        """Remove a member that broke a limit; its device may come again.

        The host is not removed for it: its connection is closed and its seat
        waits, as after a network loss, so that one flood ends no party.

        Returns:
            ``Send`` of KICKED, ``Close`` with 1008, ``Broadcast``.

        Source: contract, section 7.
        """
        seat = self._seat_losing(connection)
        if seat is None:
            return []
        if seat is self._host:
            kicked = Kicked(timestamp_ms=now.unix_ms, reason=reason)
            return [
                Send(connection, kicked),
                Close(connection, CloseCode.POLICY_VIOLATION, reason),
                # The close stands for the first effect, which detaches too.
                *self.drop(connection, now.monotonic_ns, now)[1:],
            ]
        return self._remove(seat, reason, CloseCode.POLICY_VIOLATION, now)

    def close(self, reason: str, now: Moment) -> Effects:
        """End the session; further calls return no effects.

        Returns:
            ``Broadcast`` of SESSION_CLOSED, the host included, ``Close`` with
            1000 of every connection, ``End``.

        Source: protocol v1.0, "Session Closed Flow".
        """
        if self.ended:
            return []
        self.ended = True
        effects: Effects = [
            Broadcast(SessionClosed(timestamp_ms=now.unix_ms, reason=reason))
        ]
        for seat in self._seating:
            effects += self._refuse_challenger(seat, _over())
        effects += [
            Close(connection, CloseCode.NORMAL)
            for connection in self._seating.connections()
        ]
        effects.append(End())
        self._seating.clear()
        self._deadlines = Deadlines()
        return effects

    # --- Parts of the above -------------------------------------------------

    def _seat_host(self, now: Moment) -> Seat:
        is_here = self.spec.token_hash is None
        seat = Seat(
            self.spec.host_id,
            self.spec.host_name,
            device_id=None,
            is_host=True,
            joined_at_ms=now.unix_ms,
            status=ConnectionStatus.CONNECTED
            if is_here
            else ConnectionStatus.DISCONNECTED,
        )
        self._seating.add(seat)
        self._changes.seated(seat)
        if not is_here:
            due_ns = self._created_ns + self._rules.host_wait_ns
            self._deadlines.set(seat.member_id, due_ns)
        return seat

    def _restore_seats(self, record: SessionRecord, now: Moment) -> None:
        due_ns = now.monotonic_ns + self._rules.heartbeat_timeout_ns
        for kept in record.seats:
            if kept.device_id is None:
                # A host that never came, or is this process: as in a new session.
                self._host.joined_at_ms = kept.joined_at_ms
                continue
            seat = Seat(
                kept.member_id,
                kept.name,
                device_id=kept.device_id,
                is_host=kept.is_host,
                joined_at_ms=kept.joined_at_ms,
                status=ConnectionStatus.RECONNECTING
                if kept.connection is None
                else ConnectionStatus.CONNECTED,
                connection=kept.connection,
            )
            self._seating.add(seat)
            if kept.connection is None:
                self._deadlines.set(seat.member_id, due_ns)
            elif seat.is_host:
                self._deadlines.discard(seat.member_id)
            if seat.is_host:
                self._host = seat

    def _take_seat(self, request: Join, now: Moment) -> Seat:
        member_id = MemberId(f"client-{self._next_number}")
        self._next_number += 1
        seat = Seat(
            member_id,
            request.device_info.name,
            device_id=request.device_info.id,
            is_host=False,
            joined_at_ms=now.unix_ms,
            status=ConnectionStatus.DISCONNECTED,
        )
        self._seating.add(seat)
        self._changes.seated(seat)
        return seat

    def _admit(
        self,
        seat: Seat,
        device_id: DeviceId,
        name: str,
        connection: ConnectionId,
        now: Moment,
    ) -> Effects:
        if (seat.device_id, seat.name) != (device_id, name):
            self._changes.seated(seat)
        self._seating.occupy(seat, connection, device_id, name)
        self._deadlines.discard(seat.member_id)
        joined = MemberJoined(timestamp_ms=now.unix_ms, member=seat.info)
        return [*self._welcome(seat, connection, now), Broadcast(joined, connection)]

    def _welcome(self, seat: Seat, connection: ConnectionId, now: Moment) -> Effects:
        welcome = Welcome(
            timestamp_ms=now.unix_ms, client_id=seat.member_id, session_info=self.info
        )
        return [
            Attach(connection, seat.member_id),
            Send(connection, welcome),
            Send(connection, self.member_list(now)),
        ]

    def _challenge(
        self, seat: Seat, request: Join, connection: ConnectionId
    ) -> Effects:
        effects = self._refuse_challenger(seat, _already_seated())
        device = request.device_info
        challenger = Challenger(connection, device.id, device.name)
        self._seating.set_challenger(seat, challenger)
        if not effects and seat.connection is not None:
            effects.append(Probe(seat.connection))
        return effects

    def _refuse_challenger(self, seat: Seat, refusal: Refused) -> Effects:
        challenger = self._seating.pop_challenger(seat)
        return [] if challenger is None else [Refuse(challenger.connection, refusal)]

    def _seat_losing(self, connection: ConnectionId) -> Seat | None:
        """Find the seat of a connection that ends; one it waits for is not it."""
        self._seating.forget_challenger(connection)
        return self._seating.of_connection(connection)

    def _give_up(
        self,
        connection: ConnectionId,
        trigger: SeatTrigger,
        code: CloseCode,
        if_host: str,
        now: Moment,
    ) -> Effects:
        seat = self._seat_losing(connection)
        if seat is None:
            return []
        if seat.challenger is not None and trigger is not SeatTrigger.FAULT:
            return self.unanswered(connection, now)  # its device lives, over there
        if seat is self._host:
            return self.close(if_host, now)
        return [
            Close(connection, code),
            *self._free(seat, trigger, _LEAVE_REASONS[trigger], now),
        ]

    def _remove(self, seat: Seat, reason: str, code: CloseCode, now: Moment) -> Effects:
        effects = self._refuse_challenger(seat, Unauthorized(reason))
        if seat.connection is not None:
            kicked = Kicked(timestamp_ms=now.unix_ms, reason=reason)
            effects += [Send(seat.connection, kicked), Close(seat.connection, code)]
        return effects + self._free(seat, SeatTrigger.KICK, LeaveReason.KICKED, now)

    def _free(
        self, seat: Seat, trigger: SeatTrigger, reason: LeaveReason, now: Moment
    ) -> Effects:
        effects = self._refuse_challenger(seat, _already_seated())
        self._seating.free(seat, trigger)
        self._changes.freed(seat)
        self._deadlines.discard(seat.member_id)
        if self._host.status is ConnectionStatus.DISCONNECTED:
            self._call_for_host_again(now)
        left = MemberLeft(
            timestamp_ms=now.unix_ms, member_id=seat.member_id, reason=reason
        )
        return [*effects, Broadcast(left)]

    def _may_ask_as_host(self, connection: ConnectionId, what: str) -> bool:
        seat = self._seating.of_connection(connection)
        if seat is None:
            return False
        if seat is not self._host:
            _refuse_to(what)
        return True

    @property
    def _last_call_ns(self) -> int:
        return self._created_ns + self._rules.host_wait_max_ns

    def _host_may_still_come(self, now: Moment) -> bool:
        return len(self._seating) > 1 and now.monotonic_ns < self._last_call_ns

    def _call_for_host_again(self, now: Moment) -> None:
        """An empty session does not wait for its first host past 60 s."""
        if len(self._seating) == 1:
            due_ns = self._created_ns + self._rules.host_wait_ns
            self._deadlines.set(self.spec.host_id, max(due_ns, now.monotonic_ns))


_LEAVE_REASONS = {
    SeatTrigger.LEAVE: LeaveReason.LEFT,
    SeatTrigger.FAULT: LeaveReason.ERROR,
    SeatTrigger.SILENCE: LeaveReason.TIMEOUT,
}


def _already_seated() -> AlreadyJoined:
    return AlreadyJoined("This device has a seat and its connection is alive")


def _over() -> SessionNotFound:
    return SessionNotFound("The session has ended")


def _refuse_to(what: str) -> NoReturn:
    raise Unauthorized(f"Only the host may {what}")
