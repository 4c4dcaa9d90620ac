"""One guest: a device that joins, follows, goes, and comes again.

It keeps a view as a real client does and checks, at every message, what must
hold at every moment; ``book`` holds what it needs to know of the others.
"""

import time
from enum import Enum
from typing import TYPE_CHECKING, Final

import msgspec

from light_socket import LightSocket
from loudsync.core import MemberView
from loudsync.core.host import HOST_ENDED
from loudsync.protocol import (
    CloseCode,
    ConnectionStatus,
    DeviceId,
    DeviceType,
    Error,
    ErrorCode,
    Kicked,
    LeaveReason,
    MemberId,
    MemberJoined,
    MemberLeft,
    MemberList,
    Pong,
    ServerMessage,
    SessionClosed,
    Welcome,
)
from raw_peer import TEXT, frame
from soak.book import Book, SeatNote

if TYPE_CHECKING:
    from soak.crowd import Crowd
    from soak.place import Place

SHORTEST_AWAY_S: Final = 0.02
"""Two joins of a device are never in the same millisecond, so that an
announcement with the same timestamp is the same announcement."""

_HEARTBEAT: Final = frame(TEXT, b'{"type":"heartbeat","timestamp":1}')


class Phase(Enum):
    """Where a guest is."""

    AWAY = "away"
    CONNECTING = "connecting"
    ASKING = "waiting for WELCOME"
    LISTING = "waiting for MEMBER_LIST"
    IN = "in the session"
    ENDING = "waiting for the end of the connection"


class Goodbye(Enum):
    """Why a guest expects its connection to end, and what becomes of the seat."""

    NONE = "it does not"
    KEEP = "the seat is kept"
    LEAVE = "the seat is given up, with 1000"
    BREAK = "the seat is lost, for a broken protocol"
    FLOOD = "the seat is lost, for a flood"
    SILENT = "the seat is lost, for silence"
    OVER = "kicked, or the session is over"
    REFUSED = "the JOIN was refused"


class Guest:
    """A device with a place to go to.

    Attributes:
        is_host: It joins with the session's token.
        seat: The seat it believes to hold, with or without a connection.
        beats: Whether it sends HEARTBEAT and PING.
        ghosts: Half-open connections that the server has yet to drop.
        errors_due: Codes of the ERRORs it asked for.
    """

    def __init__(
        self, number: int, place: "Place", crowd: "Crowd", *, is_host: bool = False
    ) -> None:
        self.number = number
        self.place = place
        self.is_host = is_host
        self.phase = Phase.AWAY
        self.goodbye = Goodbye.NONE
        self.book: Book | None = None
        self.seat: SeatNote | None = None
        self.socket: LightSocket | None = None
        self.beats = True
        self.ghosts: set[LightSocket] = set()
        self.errors_due: list[str] = []
        self.device = DeviceId("")
        self.view = MemberView(place.session_id)
        self._crowd = crowd
        self._tally = crowd.tally
        self._devices = 0
        self._asked_s = 0.0
        self._joined_at_ms = 0
        self._gone: set[MemberId] = set()
        self._announced: dict[MemberId, float] = {}
        self.new_device()

    # --- Coming and going ---------------------------------------------------

    @property
    def is_settled(self) -> bool:
        """Whether it is in, behaves, and waits for nothing."""
        return (
            self.phase is Phase.IN
            and self.beats
            and not self.ghosts
            and self.socket is not None
            and self.socket.is_reading
        )

    def new_device(self) -> None:
        """Be another device from now on."""
        self._devices += 1
        self.device = DeviceId(f"device-{self.number}-{self._devices}")
        self.seat = None

    def come_in(self, delay_s: float) -> None:
        """Join in a while, unless it is under way already by then."""
        self._crowd.agenda.later(max(delay_s, SHORTEST_AWAY_S), self.come)

    def come(self) -> None:
        """Connect and join; nothing where that is under way, or all is over."""
        if self.phase is not Phase.AWAY or self._crowd.is_over:
            return
        party = self.place.party
        if party is None or party.is_closed:
            self.come_in(0.1)
            return
        if self.book is not party.book:
            self.book = party.book
            self.seat = None
            self._gone = set()
            self.view = MemberView(party.book.session_id)
        self.phase = Phase.CONNECTING
        self.goodbye = Goodbye.NONE
        self.beats = True
        self.errors_due = []
        self._crowd.tasks.spawn(self._connect())

    async def _connect(self) -> None:
        try:
            await LightSocket.connect(self.place.port, self)
        except OSError as fault:
            self._tally.events[f"connect failed ({fault.errno})"] += 1
            self.phase = Phase.AWAY
            self.come_in(0.2)

    def go_half_open(self, back_in_s: float) -> None:
        """Go dead without closing, then come back on a new connection."""
        if self.socket is None:
            return
        self.socket.answers_pings = False
        self.socket.stop_reading()
        self.ghosts.add(self.socket)
        self.stay_away(back_in_s)

    def stay_away(self, for_s: float) -> None:
        """Be away at once, and come back in a while."""
        self.socket = None
        self.phase = Phase.AWAY
        self.come_in(for_s)

    def leave(self) -> None:
        """Send LEAVE; of a host it ends the session."""
        self.expect(Goodbye.LEAVE, LeaveReason.LEFT)
        if self.is_host and self.book is not None:
            self.book.may_close_because.add(HOST_ENDED)
        if self.socket is not None:
            self.socket.say(b'{"type":"leave","timestamp":1}')

    def expect(self, goodbye: Goodbye, reason: LeaveReason | None = None) -> None:
        """Note how this connection is about to end, and what others may hear."""
        self.goodbye = goodbye
        if reason is not None and self.seat is not None:
            self.seat.may_leave_as.add(reason)

    def wake(self) -> None:
        """Be silent no more."""
        if self.goodbye is Goodbye.SILENT:
            self.goodbye = Goodbye.NONE
            self.beats = True

    def beat(self) -> None:
        """Send HEARTBEAT and PING; the PONG proves that both arrived."""
        if self.phase is Phase.IN and self.beats and self.socket is not None:
            stamp = b'{"type":"ping","timestamp":%d}' % (time.monotonic_ns() // 1000)
            self.socket.send(_HEARTBEAT + frame(TEXT, stamp))

    # --- What the socket reports --------------------------------------------

    def socket_opened(self, socket: LightSocket) -> None:
        if self._crowd.is_over or self.book is None:
            socket.cut()
            return
        self.socket = socket
        self.phase = Phase.ASKING
        self._asked_s = time.monotonic()
        self._tally.joins_asked += 1
        socket.say(self.join_message())

    def join_message(self) -> bytes:
        """Return this guest's JOIN."""
        party = self.place.party
        kind = DeviceType.HOST if self.is_host else DeviceType.CLIENT
        name = f"{self.book.prefix if self.book else ''}guest {self.number}"
        join = {
            "type": "join",
            "timestamp": 1,
            "sessionId": self.book.session_id if self.book else "",
            "deviceInfo": {"id": self.device, "name": name, "type": kind},
        }
        if self.is_host and party is not None and party.token is not None:
            join["token"] = party.token
        return msgspec.json.encode(join)

    def text_received(self, socket: LightSocket, payload: bytes) -> None:
        self._tally.deliveries += 1
        if socket is self.socket and self.book is not None:
            self._take(self.book.read(payload), self.book)

    def socket_ended(self, socket: LightSocket) -> None:
        if socket.fault:
            self._fault(f"the server sent {socket.fault}")
        if socket in self.ghosts:
            self.ghosts.discard(socket)
        elif socket is self.socket or (
            self.socket is None and self.phase is Phase.CONNECTING
        ):
            self._ended(socket)

    # --- Messages -----------------------------------------------------------

    def _take(self, message: ServerMessage, book: Book) -> None:  # noqa: C901  # one each
        match message:
            case Welcome() if self.phase is Phase.ASKING:
                self._welcome(message, book)
            case MemberList() if self.phase is Phase.LISTING:
                self._first_list(message)
            case Error() if self.phase is Phase.ASKING:
                self._refused(message, book)
            case MemberList() if self.phase is Phase.IN:
                self._listed(message)
            case MemberJoined() if self.phase is Phase.IN:
                self._somebody_joined(message, book)
            case MemberLeft() if self.phase is Phase.IN:
                self._somebody_left(message, book)
            case Error() if self.phase is Phase.IN:
                self._error(message)
            case Pong() if self.phase is Phase.IN:
                self._pong(message)
            case Kicked() if self.phase is Phase.IN:
                self._kicked(message, book)
            case SessionClosed() if self.phase is Phase.IN:
                book.closed(message.reason, self.place.host_id)
                self._tally.events["session closed"] += 1
                self._over()
            case _:
                self._fault(f"got {message} while {self.phase.value}")

    def _welcome(self, message: Welcome, book: Book) -> None:
        if message.session_info.id != book.session_id:
            self._fault(f"welcomed to {message.session_info.id}")
        if (message.client_id == message.session_info.host_id) is not self.is_host:
            self._fault(f"welcomed as {message.client_id}")
        self._tally.welcomes += 1
        before = self.seat
        note = book.seated(message.client_id, self.device, self._asked_s)
        if before is None:
            self._tally.events["joined"] += 1
        elif before is note:
            self._tally.events["takeover" if self.ghosts else "resumed"] += 1
        elif not before.may_be_silent() and not before.may_leave_as:
            self._fault(f"was {before.member_id}, is {note.member_id}: seat lost")
        else:
            self._tally.events["expired, joined anew"] += 1
        self._joined_at_ms = self._joined_at_ms if before is note else 0
        self.seat = note
        self.phase = Phase.LISTING
        for ghost in self.ghosts:
            ghost.go_on_reading()  # to hear that the server has dropped it

    def _first_list(self, message: MemberList) -> None:
        self.phase = Phase.IN
        self._announced = {}
        self._listed(message)
        mine = None if self.seat is None else self.view.members.get(self.seat.member_id)
        if mine is None:
            return
        if self._joined_at_ms and mine.joined_at_ms != self._joined_at_ms:
            self._fault(f"joinedAt {self._joined_at_ms} became {mine.joined_at_ms}")
        if mine.connection_status is not ConnectionStatus.CONNECTED:
            self._fault(f"its own status is {mine.connection_status}")
        self._joined_at_ms = mine.joined_at_ms

    def _listed(self, message: MemberList) -> None:
        self.view.apply(message)
        members = self.view.members
        if not self._gone.isdisjoint(members):
            self._fault(f"a list shows who is gone: {self._gone & members.keys()}")
        if self.seat is None or self.seat.member_id not in members:
            self._fault("is not in its own list")

    def _somebody_joined(self, message: MemberJoined, book: Book) -> None:
        member = message.member
        known = self.view.members.get(member.id)
        if known is None:
            book.check_name(member.name)
        elif known.joined_at_ms != member.joined_at_ms:
            self._fault(f"joinedAt of {member.id} changed")
        if member.id in self._gone:
            self._fault(f"{member.id} joined after its end")
        if self.seat is not None and member.id == self.seat.member_id:
            self._fault("was told of its own join")
        if self._announced.get(member.id) == message.timestamp_ms:
            self._fault(f"was told twice of the same join of {member.id}")
        self._announced[member.id] = message.timestamp_ms
        self.view.apply(message)

    def _somebody_left(self, message: MemberLeft, book: Book) -> None:
        if self.seat is not None and message.member_id == self.seat.member_id:
            self._fault("was told that it left")
        if not self.view.apply(message):
            self._fault(f"{message.member_id} left, who was not there")
        self._gone.add(message.member_id)
        self._announced.pop(message.member_id, None)
        book.left(message.member_id, message.reason)

    def _pong(self, message: Pong) -> None:
        if message.timestamp_ms and self.seat is not None:
            heard_s = message.timestamp_ms / 1e6
            if heard_s > time.monotonic():
                self._fault("got a PONG for a PING that was not sent")
            self.seat.heard_s = max(self.seat.heard_s, heard_s)

    def _error(self, message: Error) -> None:
        if message.code in self.errors_due:
            self.errors_due.remove(message.code)
        else:
            self._fault(f"got an ERROR it did not ask for: {message}")

    def _kicked(self, message: Kicked, book: Book) -> None:
        if self.device in book.kick_asked and self.goodbye is not Goodbye.FLOOD:
            book.kicked(self.device)
            self._tally.events["kicked by the host"] += 1
            self._over()
        elif self.goodbye is Goodbye.FLOOD:
            self._tally.events["kicked for a flood"] += 1
            self.phase = Phase.ENDING
        else:
            self._fault(f"kicked, which nobody asked for: {message.reason!r}")
            self._over()

    def _over(self) -> None:
        self.goodbye = Goodbye.OVER
        self.phase = Phase.ENDING

    def _refused(self, message: Error, book: Book) -> None:
        """Take the ERROR to a JOIN; say goodbye and think again."""
        self._tally.events[f"refused: {message.code}"] += 1
        if message.code == ErrorCode.UNAUTHORIZED and self.device in book.kick_asked:
            self.new_device()
        elif message.code == ErrorCode.SESSION_NOT_FOUND:
            party = self.place.party
            if party is not None and party.book is book and not party.is_closed:
                self._fault("its session was not found")
        elif message.code != ErrorCode.ALREADY_JOINED or self.seat is None:
            self._fault(f"its JOIN was refused: {message}")
        self.goodbye = Goodbye.REFUSED
        self.phase = Phase.ENDING
        if self.socket is not None:
            self.socket.hang_up(CloseCode.NORMAL)

    # --- The end of the connection ------------------------------------------

    def _ended(self, socket: LightSocket) -> None:
        phase, self.phase = self.phase, Phase.AWAY
        self.socket = None
        back_in_s = self._crowd.random.uniform(0.05, 0.5)
        match self.goodbye:
            case Goodbye.NONE:
                self._cut_off(socket, phase)
            case Goodbye.KEEP | Goodbye.REFUSED:
                pass
            case Goodbye.FLOOD if self.is_host:
                pass
            case Goodbye.FLOOD if phase is Phase.ENDING:
                self._seat_is_over()
            case Goodbye.SILENT:
                self._timed_out(socket)
            case Goodbye.LEAVE if socket.close_code == CloseCode.NORMAL:
                self._seat_is_over()
            case Goodbye.OVER:
                self._seat_is_over()
                # A kicked device tries again, and must be refused.
            case _:
                self.seat = None
        self.come_in(back_in_s)

    def _seat_is_over(self) -> None:
        if self.seat is not None and not self.is_host and self.seat.left_s is None:
            self.seat.left_s = time.monotonic()
        self.seat = None

    def _timed_out(self, socket: LightSocket) -> None:
        """Judge the end of a silence."""
        if self.seat is not None and not self.seat.may_be_silent():
            self._fault(f"closed with {socket.close_code} before its time")
        self._tally.events["timed out, silent"] += 1
        self.seat = None

    def _cut_off(self, socket: LightSocket, phase: Phase) -> None:
        """Judge an end that this guest did not bring about."""
        code = socket.close_code
        if phase is Phase.CONNECTING:
            self._tally.events[f"upgrade answered with {socket.status}"] += 1
        elif code is None and self._may_have_missed_goodbye():
            self._tally.events["stalled past the goodbye"] += 1
        elif code is None:
            self._tally.events["cut by the server"] += 1
        elif code == CloseCode.POLICY_VIOLATION and (
            self.seat is None or self.seat.may_be_silent()
        ):
            self._tally.events["timed out"] += 1
        else:
            self._fault(f"closed with {code} while {phase.value}")

    def _may_have_missed_goodbye(self) -> bool:
        """Whether a stalled reader was kicked, or the session was closed."""
        party = self.place.party
        if self.book is None or party is None:
            return False
        is_closed = party.is_closed or party.book is not self.book
        return is_closed or self.device in self.book.kick_asked

    def _fault(self, what: str) -> None:
        name = self.seat.member_id if self.seat is not None else "nobody yet"
        where = self.book.session_id if self.book is not None else "nowhere"
        self._tally.fault(f"{where}: guest {self.number} ({name}) {what}")
