"""A random walk through a session's life, held against a simple model."""

from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from core_builders import (
    HOST_ID,
    START_MS,
    START_NS,
    TOKEN,
    a_host_join,
    a_join,
    a_spec,
)
from loudsync.core import (
    NS_PER_S,
    ConnectionId,
    Effects,
    Moment,
    Registry,
    Session,
    SessionRules,
    SessionSpec,
)
from loudsync.core.records import SeatRecord, SessionChanges, SessionRecord
from loudsync.errors import InvalidMessage, MemberNotFound, Refused, Unauthorized
from loudsync.protocol import DeviceId, Join, MemberId
from session_model import Model, Network, Outcome, State, seen

RULES = SessionRules()
DEVICES = [f"private-{number}" for number in range(4)]
PICKS = st.integers(min_value=0, max_value=50)
SECONDS = st.sampled_from([0, 1, 5, 14, 15, 16, 44, 45, 60, 300, 600])


class Store:
    """What outlives the process: changes, applied in their order."""

    def __init__(self, spec: SessionSpec) -> None:
        self.is_empty = False
        self.seats: dict[MemberId, SeatRecord] = {}
        self._spec = spec
        self._next_number = 1
        self._kicked_devices: list[DeviceId] = []

    def keep(self, changes: SessionChanges | None) -> None:
        if changes is None:
            return
        self.is_empty = changes.ended
        if changes.ended:
            self.seats.clear()
        self._next_number = changes.next_number
        self._kicked_devices += changes.kicked_devices
        for seat in changes.seats:
            self.seats[seat.member_id] = seat
        for member_id in changes.freed:
            self.seats.pop(member_id, None)

    def record(self) -> SessionRecord:
        return SessionRecord(
            spec=self._spec,
            created_at_ms=START_MS,
            next_number=self._next_number,
            seats=tuple(self.seats.values()),
            kicked_devices=tuple(self._kicked_devices),
        )


class SessionMachine(RuleBasedStateMachine):
    """Devices come and go, take seats over, get kicked, time out."""

    def __init__(self) -> None:
        super().__init__()
        self.registry = Registry(RULES, max_sessions=1)
        self.network = Network(private=[*DEVICES, "private-", TOKEN])
        self.now = Moment(START_MS, START_NS)
        self.used_ids: set[MemberId] = set()
        self.latencies: dict[MemberId, int] = {}
        self.former: list[Session] = []
        self.ends = 0

    @initialize(
        remote_host=st.booleans(),
        max_members=st.integers(1, 5),
        guests=st.integers(0, 3),
        has_host=st.booleans(),
    )
    def begin(
        self, remote_host: bool, max_members: int, guests: int, has_host: bool
    ) -> None:
        self.open(remote_host, max_members)
        for device in DEVICES[:guests]:
            self.join(a_join(device), again=False)
        if has_host:
            self.join(a_host_join("private-laptop"), again=False)

    def open(self, remote_host: bool, max_members: int) -> None:
        spec = a_spec(max_members=max_members, remote_host=remote_host)
        self.session = self.registry.create(spec, self.now)
        self.store = Store(spec)
        self.model = Model(max_members, remote_host, RULES, self.now)
        self.used_ids.clear()
        self.latencies.clear()

    # --- How a change is made ---------------------------------------------------

    def perform(self, effects: Effects) -> None:
        """Do what the runner does, at once."""
        self.store.keep(self.session.take_changes())
        assert self.session.ended or self.session.take_changes() is None
        for effect in effects:
            self.network.perform(effect, self.session, self.now)
        if not self.session.ended:
            self.registry.reschedule(self.session)
        elif self.session not in self.former:
            self.registry.forget(self.session)
            self.former.append(self.session)
            self.ends += 1

    def is_refused(self, call: Callable[[], Effects]) -> Refused | None:
        """Make a call; where it is refused, nothing may have changed."""
        before = (self.session.members(), self.session.next_due_ns)
        try:
            effects = call()
        except Refused as refusal:
            assert (self.session.members(), self.session.next_due_ns) == before
            return refusal
        self.perform(effects)
        return None

    def any_connection(self, pick: int) -> ConnectionId:
        """One of all there ever were, ended ones too."""
        everyone = list(self.network.phones) or [self.network.connect()]
        return everyone[pick % len(everyone)]

    def recent_connection(self, pick: int) -> ConnectionId:
        """One that means something to the session, where there is one."""
        busy = self.network.numbers(State.ATTACHED, State.WAITING)
        # Takeovers are rare and full of corners: look there more often.
        busy += 2 * self.model.challenged()
        return busy[pick % len(busy)] if busy else self.any_connection(pick)

    def ends_without_a_word(self, connection: ConnectionId) -> None:
        """Where a waiting connection ends, no effect says so: it knows itself."""
        phone = self.network.phones[connection]
        if phone.state in (State.WAITING, State.OPEN):
            phone.state = State.GONE

    # --- Coming -----------------------------------------------------------------

    def join(self, request: Join, *, again: bool) -> None:
        idle = self.network.numbers(State.OPEN)
        connection = idle[0] if again and idle else self.network.connect()
        phone = self.network.phones[connection]
        phone.state = State.WAITING
        next_id = MemberId(f"client-{len(self.used_ids) + 1}")
        expected = self.model.join(request, connection, self.now, next_id)

        def make() -> Effects:
            return self.registry.join(request, connection, self.now)[1]

        refusal = self.is_refused(make)
        if isinstance(expected, Outcome):
            assert refusal is None
            is_seated = expected is Outcome.SEATED
            assert phone.state is (State.ATTACHED if is_seated else State.WAITING)
        else:
            assert type(refusal) is expected
            phone.state = State.OPEN
        if phone.member_id == next_id:
            self.used_ids.add(next_id)

    @rule(
        device=st.sampled_from(DEVICES), name=st.sampled_from("AB"), again=st.booleans()
    )
    def a_guest_joins(self, device: str, name: str, again: bool) -> None:
        self.join(a_join(device, name=name), again=again)

    @rule(pick=PICKS)
    def a_guest_comes_back(self, pick: int) -> None:
        devices = [s.device for s in self.model.seats.values() if s.device]
        self.join(a_join(devices[pick % len(devices)] if devices else "x"), again=False)

    @rule(
        device=st.sampled_from([*DEVICES, "private-laptop", "private-tablet"]),
        token=st.sampled_from([TOKEN, TOKEN, TOKEN, "wrong"]),
        again=st.booleans(),
    )
    def a_host_joins(self, device: str, token: str, again: bool) -> None:
        self.join(a_host_join(device, token=token), again=again)

    @rule(pick=PICKS)
    def a_probe_is_answered(self, pick: int) -> None:
        connection = self.recent_connection(pick)
        self.model.answered(connection)
        self.perform(self.session.answered(connection))

    @rule(pick=PICKS)
    def a_probe_is_not_answered(self, pick: int) -> None:
        connection = self.recent_connection(pick)
        self.model.unanswered(connection)
        self.perform(self.session.unanswered(connection, self.now))

    # --- Going ------------------------------------------------------------------

    @rule(pick=PICKS)
    def a_connection_leaves(self, pick: int) -> None:
        connection = self.recent_connection(pick)
        self.model.goes(connection)
        self.perform(self.session.leave(connection, self.now))
        self.ends_without_a_word(connection)

    @rule(pick=PICKS)
    def a_connection_breaks_the_protocol(self, pick: int) -> None:
        connection = self.recent_connection(pick)
        self.model.loses_its_seat(connection)
        self.perform(self.session.fault(connection, self.now))
        self.ends_without_a_word(connection)

    @rule(pick=PICKS)
    def a_connection_is_silent(self, pick: int) -> None:
        connection = self.recent_connection(pick)
        self.model.goes(connection)
        self.perform(self.session.silence(connection, self.now))
        self.ends_without_a_word(connection)

    @rule(pick=PICKS, silent_s=st.integers(0, 16))
    def a_connection_is_lost(self, pick: int, silent_s: int) -> None:
        connection = self.recent_connection(pick)
        heartbeat_ns = self.now.monotonic_ns - silent_s * NS_PER_S
        self.model.is_lost(connection, heartbeat_ns)
        self.perform(self.session.drop(connection, heartbeat_ns, self.now))
        self.ends_without_a_word(connection)

    @rule(pick=PICKS)
    def a_connection_is_expelled(self, pick: int) -> None:
        connection = self.recent_connection(pick)
        self.model.is_expelled(connection, self.now)
        self.perform(self.session.expel(connection, "Too many messages", self.now))
        self.ends_without_a_word(connection)

    @precondition(lambda self: self.network.numbers(State.GONE))
    @rule(pick=PICKS)
    def an_old_connection_ends_late(self, pick: int) -> None:
        gone = self.network.numbers(State.GONE)
        late, now = gone[pick % len(gone)], self.now
        before = (self.session.members(), self.session.next_due_ns)
        assert self.session.drop(late, now.monotonic_ns, now) == []
        assert self.session.leave(late, now) == []
        assert self.session.fault(late, now) == []
        assert self.session.silence(late, now) == []
        assert self.session.expel(late, "", now) == []
        assert self.session.answered(late) == []
        assert self.session.unanswered(late, now) == []
        assert self.session.list_members(late, now) == []
        assert self.session.close_for(late, "", now) == []
        assert self.session.kick_for(late, HOST_ID, "", now) == []
        self.session.measured(late, 99)
        assert (self.session.members(), self.session.next_due_ns) == before

    # --- Asking -----------------------------------------------------------------

    @rule(pick=PICKS)
    def a_connection_asks_for_the_list(self, pick: int) -> None:
        self.perform(self.session.list_members(self.recent_connection(pick), self.now))

    @rule(pick=PICKS, latency_ms=st.integers(0, 500))
    def a_latency_is_measured(self, pick: int, latency_ms: int) -> None:
        connection = self.recent_connection(pick)
        self.session.measured(connection, latency_ms)
        if (member_id := self.model.seat_of(connection)) is not None:
            self.latencies[member_id] = latency_ms

    def a_target(self, pick: int) -> MemberId:
        """Somebody who is here, or was, or never will be."""
        targets = [*self.model.seats, *sorted(self.used_ids), MemberId("nobody")]
        return targets[pick % len(targets)]

    def kick_is_refused(self, target: MemberId) -> type[Refused] | None:
        if target not in self.model.seats:
            return MemberNotFound
        if target == HOST_ID:
            return InvalidMessage
        self.model.kick(target)
        return None

    @rule(pick=PICKS)
    def a_member_is_kicked(self, pick: int) -> None:
        target = self.a_target(pick)
        expected = self.kick_is_refused(target)
        refusal = self.is_refused(lambda: self.session.kick(target, "", self.now))
        assert (type(refusal) if refusal else None) is expected

    @rule(pick=PICKS, who=PICKS)
    def a_member_asks_for_a_kick(self, pick: int, who: int) -> None:
        target, connection = self.a_target(pick), self.recent_connection(who)
        expected: type[Refused] | None = None
        if self.model.is_host(connection):
            expected = self.kick_is_refused(target)
        elif self.model.seat_of(connection) is not None:
            expected = Unauthorized
        refusal = self.is_refused(
            lambda: self.session.kick_for(connection, target, "Bye", self.now)
        )
        assert (type(refusal) if refusal else None) is expected

    @rule(pick=PICKS)
    def a_member_asks_for_the_end(self, pick: int) -> None:
        connection = self.recent_connection(pick)
        is_guest = self.model.seat_of(connection) not in (None, HOST_ID)
        if self.model.is_host(connection):
            self.model.close()
        refusal = self.is_refused(
            lambda: self.session.close_for(connection, "", self.now)
        )
        assert (type(refusal) if refusal else None) is (
            Unauthorized if is_guest else None
        )

    # --- Time and the end -------------------------------------------------------

    @rule(seconds=SECONDS, is_short=st.booleans())
    def time_goes_by(self, seconds: int, is_short: bool) -> None:
        """Let it pass, or all but its last nanosecond; then see who is due."""
        passed_ns = max(0, seconds * NS_PER_S - is_short)
        self.now = Moment(
            self.now.unix_ms + seconds * 1_000, self.now.monotonic_ns + passed_ns
        )
        self.model.expire(self.now)
        for session, effects in self.registry.expire(self.now):
            assert session is self.session
            self.perform(effects)
        assert self.registry.expire(self.now) == []
        assert self.session.expire(self.now) == []

    @precondition(lambda self: len(self.used_ids) > 2)
    @rule()
    def the_program_closes_the_session(self) -> None:
        self.model.close()
        self.perform(self.session.close("over", self.now))

    @precondition(lambda self: not self.session.ended)
    @rule()
    def the_server_restarts(self) -> None:
        """All that is left is what was kept."""
        self.store.keep(self.session.take_changes())
        self.network.cut()
        self.latencies.clear()
        self.registry = Registry(RULES, max_sessions=1)
        self.session = self.registry.restore(self.store.record(), self.now)
        self.model.restart(self.now)

    @precondition(lambda self: self.session.ended)
    @rule(remote_host=st.booleans(), max_members=st.integers(2, 5))
    def another_session_opens(self, remote_host: bool, max_members: int) -> None:
        self.open(remote_host, max_members)

    # --- What holds after each step ---------------------------------------------

    @invariant()
    def the_seats_are_the_models(self) -> None:
        members = self.session.members()
        assert [seen(info) for info in members] == self.model.members()
        assert self.session.ended is self.model.ended
        assert self.session.member_count == len(members) <= self.model.max_members

    @invariant()
    def every_attached_connection_sees_who_is_here(self) -> None:
        members = [seen(info) for info in self.session.members()]
        for phone in self.network.audience():
            assert phone.view is not None
            assert [seen(info) for info in phone.view.values()] == members

    @invariant()
    def each_seat_has_the_connection_the_model_gave_it(self) -> None:
        attached = {
            phone.member_id: connection
            for connection, phone in self.network.phones.items()
            if phone.state is State.ATTACHED
        }
        assert len(attached) == len(self.network.audience())
        assert attached == {
            member_id: seat.connection
            for member_id, seat in self.model.seats.items()
            if seat.connection is not None
        }

    @invariant()
    def who_waits_is_who_the_model_lets_wait(self) -> None:
        waiting = [seat.waiting for seat in self.model.seats.values() if seat.waiting]
        assert set(self.network.numbers(State.WAITING)) == {
            newcomer.connection for newcomer in waiting
        }

    @invariant()
    def no_member_id_is_used_twice(self) -> None:
        ids = {info.id for info in self.session.members()} - {HOST_ID}
        assert ids <= self.used_ids

    @invariant()
    def what_is_kept_is_what_is_so(self) -> None:
        self.store.keep(self.session.take_changes())
        assert self.store.is_empty is self.session.ended
        kept = [
            (seat.member_id, seat.name, seat.is_host, seat.joined_at_ms, seat.device_id)
            for seat in self.store.seats.values()
        ]
        assert kept == [
            (member_id, seat.name, member_id == HOST_ID, seat.joined_at_ms, seat.device)
            for member_id, seat in self.model.seats.items()
        ]

    @invariant()
    def latencies_are_what_was_measured_last(self) -> None:
        for info in self.session.members():
            assert info.latency_ms == self.latencies.get(info.id)

    @invariant()
    def who_waits_for_its_device_is_due_in_time(self) -> None:
        due = [s.due_ns for s in self.model.seats.values() if s.due_ns is not None]
        next_due_ns = self.session.next_due_ns
        if due:
            assert next_due_ns is not None
            assert next_due_ns <= min(due)

    @invariant()
    def nothing_happens_after_an_end(self) -> None:
        assert self.network.ends == self.ends == len(self.former)
        for session in self.former:
            assert session.members() == ()
            assert session.next_due_ns is None
            assert session.close("again", self.now) == []
            assert session.expire(self.now) == []


SessionMachine.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestSessionMachine = SessionMachine.TestCase
