"""What the random walk through a session is held against.

``Model`` says who must have a seat, from the contract and nothing else.
``Network`` carries effects out on pretended connections and minds what may
reach whom.
"""

from dataclasses import dataclass, field
from enum import Enum

from core_builders import HOST_ID, TOKEN
from loudsync.core import (
    Abort,
    Attach,
    Broadcast,
    BroadcastList,
    Close,
    ConnectionId,
    Detach,
    Effect,
    End,
    Moment,
    Probe,
    Refuse,
    Send,
    Session,
    SessionRules,
)
from loudsync.errors import (
    AlreadyJoined,
    Refused,
    SessionFull,
    SessionNotFound,
    Unauthorized,
)
from loudsync.protocol import (
    ConnectionStatus,
    DeviceType,
    Join,
    MemberId,
    MemberInfo,
    MemberJoined,
    MemberLeft,
    MemberList,
    ServerMessage,
    Welcome,
    encode,
)

Seen = tuple[str, str, bool, str, int]


def seen(info: MemberInfo) -> Seen:
    """What every onlooker must agree about; latency may be older."""
    return (info.id, info.name, info.is_host, info.connection_status, info.joined_at_ms)


# --- The model ------------------------------------------------------------------


@dataclass
class Waiting:
    """A connection that wants a seat whose connection may be dead."""

    connection: ConnectionId
    device: str
    name: str


@dataclass
class ModelSeat:
    name: str
    joined_at_ms: int
    device: str | None = None
    connection: ConnectionId | None = None
    waiting: Waiting | None = None
    status: ConnectionStatus = ConnectionStatus.CONNECTED
    due_ns: int | None = None


class Outcome(Enum):
    SEATED = "seated"
    WAITS = "waits"


@dataclass
class Model:
    """Who must have which seat."""

    max_members: int
    remote_host: bool
    rules: SessionRules
    created: Moment
    seats: dict[MemberId, ModelSeat] = field(default_factory=dict)
    kicked: set[str] = field(default_factory=set)
    ended: bool = False
    host_awaited_ns: int = 0

    def __post_init__(self) -> None:
        self.host_awaited_ns = self.created.monotonic_ns
        host = ModelSeat("Hanna", self.created.unix_ms)
        if self.remote_host:
            host.status = ConnectionStatus.DISCONNECTED
        self.seats[HOST_ID] = host

    def members(self) -> list[Seen]:
        return [
            (member_id, s.name, member_id == HOST_ID, s.status, s.joined_at_ms)
            for member_id, s in self.seats.items()
        ]

    def challenged(self) -> list[ConnectionId]:
        """Connections whose seats somebody waits for."""
        return [
            s.connection
            for s in self.seats.values()
            if s.waiting is not None and s.connection is not None
        ]

    def seat_of(self, connection: ConnectionId) -> MemberId | None:
        return next(
            (m for m, s in self.seats.items() if s.connection == connection), None
        )

    def is_host(self, connection: ConnectionId) -> bool:
        return self.seat_of(connection) == HOST_ID

    def join(
        self, request: Join, connection: ConnectionId, now: Moment, next_id: MemberId
    ) -> Outcome | type[Refused]:
        """Say what a JOIN comes to; a new seat gets ``next_id``."""
        device, name = request.device_info.id, request.device_info.name
        hosting = request.device_info.type is DeviceType.HOST
        host = self.seats.get(HOST_ID)
        if host is None:
            return SessionNotFound
        if hosting and not (self.remote_host and request.token == TOKEN):
            return Unauthorized
        if device in self.kicked:
            return Unauthorized
        own = next((m for m, s in self.seats.items() if s.device == device), None)
        if hosting and own not in (None, HOST_ID):
            return AlreadyJoined
        wants_host = host.waiting is not None and host.waiting.device == device
        if not hosting and (own == HOST_ID or wants_host):
            return AlreadyJoined
        target = HOST_ID if hosting else own
        if target is None:
            if len(self.seats) >= self.max_members:
                return SessionFull
            self.seats[next_id] = ModelSeat(name, now.unix_ms)
            target = next_id
        seat = self.seats[target]
        if seat.connection is not None:
            seat.waiting = Waiting(connection, device, name)
            return Outcome.WAITS
        self._seat(seat, Waiting(connection, device, name))
        return Outcome.SEATED

    def answered(self, connection: ConnectionId) -> None:
        if (member_id := self.seat_of(connection)) is not None:
            self.seats[member_id].waiting = None

    def unanswered(self, connection: ConnectionId) -> None:
        if (member_id := self.seat_of(connection)) is not None:
            self._take_over(self.seats[member_id])

    def loses_its_seat(self, connection: ConnectionId) -> None:
        """Its seat is free."""
        if self._waits_no_more(connection):
            return
        if (member_id := self.seat_of(connection)) is not None:
            self.free(member_id)

    def goes(self, connection: ConnectionId) -> None:
        """It left or fell silent: its seat is free.

        Or it goes to the newer connection that waits for it.
        """
        if self._waits_no_more(connection):
            return
        member_id = self.seat_of(connection)
        if member_id is not None and not self._take_over(self.seats[member_id]):
            self.free(member_id)

    def is_lost(self, connection: ConnectionId, heartbeat_ns: int) -> None:
        """Its seat waits, or goes to the newer connection that waits for it."""
        if self._waits_no_more(connection):
            return
        member_id = self.seat_of(connection)
        if member_id is None or self._take_over(self.seats[member_id]):
            return
        seat = self.seats[member_id]
        seat.connection = None
        seat.status = ConnectionStatus.RECONNECTING
        seat.due_ns = heartbeat_ns + self.rules.heartbeat_timeout_ns

    def is_expelled(self, connection: ConnectionId, now: Moment) -> None:
        if self.is_host(connection):
            self.is_lost(connection, now.monotonic_ns)
        else:
            self.loses_its_seat(connection)

    def kick(self, member_id: MemberId) -> None:
        device = self.seats[member_id].device
        assert device is not None
        self.kicked.add(device)
        self.free(member_id)

    def free(self, member_id: MemberId) -> None:
        if member_id == HOST_ID:
            self.close()
        else:
            del self.seats[member_id]

    def close(self) -> None:
        self.ended = True
        self.seats.clear()

    def restart(self, now: Moment) -> None:
        """Every seat waits for its device; a host that never came, anew."""
        for member_id, seat in self.seats.items():
            seat.connection = seat.waiting = None
            if member_id != HOST_ID or seat.device is not None:
                seat.status = ConnectionStatus.RECONNECTING
                seat.due_ns = now.monotonic_ns + self.rules.heartbeat_timeout_ns
        self.host_awaited_ns = now.monotonic_ns

    def expire(self, now: Moment) -> None:
        now_ns = now.monotonic_ns
        due = [m for m, s in self.seats.items() if s.due_ns and s.due_ns <= now_ns]
        for member_id in due:
            if member_id in self.seats:
                self.free(member_id)
        host = self.seats.get(HOST_ID)
        if host is None or host.status is not ConnectionStatus.DISCONNECTED:
            return
        waited_ns = now_ns - self.host_awaited_ns
        is_empty = len(self.seats) == 1
        if waited_ns >= self.rules.host_wait_max_ns or (
            is_empty and waited_ns >= self.rules.host_wait_ns
        ):
            self.close()

    def _seat(self, seat: ModelSeat, newcomer: Waiting) -> None:
        seat.connection = newcomer.connection
        seat.device, seat.name = newcomer.device, newcomer.name
        seat.status = ConnectionStatus.CONNECTED
        seat.waiting = seat.due_ns = None

    def _take_over(self, seat: ModelSeat) -> bool:
        if seat.waiting is None:
            return False
        self._seat(seat, seat.waiting)
        return True

    def _waits_no_more(self, connection: ConnectionId) -> bool:
        for seat in self.seats.values():
            if seat.waiting is not None and seat.waiting.connection == connection:
                seat.waiting = None
                return True
        return False


# --- The network ----------------------------------------------------------------


class State(Enum):
    OPEN = "it has not joined"
    WAITING = "its JOIN has no answer yet"
    ATTACHED = "it is in the audience"
    GONE = "it has ended"


@dataclass
class Phone:
    """One pretended connection, and what its user sees."""

    state: State = State.OPEN
    member_id: MemberId | None = None
    is_welcome: bool = False
    view: dict[MemberId, MemberInfo] | None = None

    def hear(self, message: ServerMessage) -> None:
        assert self.state is State.ATTACHED, f"{message} to a phone: {self.state}"
        match message:
            case Welcome(client_id=client_id):
                assert not self.is_welcome
                assert client_id == self.member_id
                self.is_welcome = True
                return
            case MemberList(members=members):
                self.view = {info.id: info for info in members}
                assert len(self.view) == len(members)
            case MemberJoined(member=info):
                assert self.view is not None
                assert info.id != self.member_id
                self.view[info.id] = info
            case MemberLeft(member_id=member_id):
                assert self.view is not None
                assert member_id != self.member_id
                del self.view[member_id]
        assert self.is_welcome, f"{message} came before WELCOME"


class Network:
    """Every connection there ever was, and how effects reach them."""

    def __init__(self, private: list[str]) -> None:
        self.phones: dict[ConnectionId, Phone] = {}
        self.ends = 0
        self._private = [text.encode() for text in private]

    def connect(self) -> ConnectionId:
        connection = ConnectionId(len(self.phones) + 1)
        self.phones[connection] = Phone()
        return connection

    def numbers(self, *states: State) -> list[ConnectionId]:
        return [c for c, phone in self.phones.items() if phone.state in states]

    def cut(self) -> None:
        """End every connection at once, as a restart does."""
        for phone in self.phones.values():
            phone.state = State.GONE

    def audience(self) -> list[Phone]:
        return [self.phones[c] for c in self.numbers(State.ATTACHED)]

    def perform(self, effect: Effect, session: Session, now: Moment) -> None:  # noqa: C901  # one each
        match effect:
            case Attach(connection=connection, member_id=member_id):
                phone = self.phones[connection]
                assert phone.state is State.WAITING
                assert all(p.member_id != member_id for p in self.audience())
                phone.state, phone.member_id = State.ATTACHED, member_id
            case Send(connection=connection, message=message):
                self._tell(self.phones[connection], message)
            case Broadcast(message=message, omit=omit):
                assert omit is None or self.phones[omit].state is State.ATTACHED
                for connection in self.numbers(State.ATTACHED):
                    if connection != omit:
                        self._tell(self.phones[connection], message)
            case BroadcastList():
                for phone in self.audience():
                    self._tell(phone, session.member_list(now))
            case Detach() | Close() | Abort():
                phone = self.phones[effect.connection]
                assert phone.state is State.ATTACHED
                phone.state = State.GONE
            case Probe(connection=connection):
                assert self.phones[connection].state is State.ATTACHED
            case Refuse(connection=connection):
                phone = self.phones[connection]
                assert phone.state is State.WAITING
                phone.state = State.OPEN
            case End():
                assert self.numbers(State.ATTACHED, State.WAITING) == []
                self.ends += 1

    def _tell(self, phone: Phone, message: ServerMessage) -> None:
        text = encode(message)
        assert not any(private in text for private in self._private)
        phone.hear(message)
