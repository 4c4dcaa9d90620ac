"""The referee's notes on one session: what was asked for, what may follow.

Nothing here depends on the speed of the machine. A time that is compared is
always one that the rules give: a seat is kept at least until the heartbeat
timeout after a HEARTBEAT that the server has certainly had.
"""

import time
from dataclasses import dataclass, field

from loudsync.core.host import HOST_LOST, HOST_NEVER_CAME
from loudsync.protocol import (
    DeviceId,
    LeaveReason,
    MemberId,
    MemberList,
    ServerMessage,
    SessionId,
    decode_server_message,
)
from soak.plan import HEARTBEAT_TIMEOUT_S, SERVER_SETTINGS
from soak.tally import Tally

MARK = "·"
"""Between session and person in every name, so that a stray one is seen."""


@dataclass(slots=True)
class SeatNote:
    """One seat as its guest knows it.

    Attributes:
        heard_s: When the server last heard a HEARTBEAT of it, or later.
        may_leave_as: Reasons that a MEMBER_LEFT may give, besides silence.
        left_s: When its end was first known; ``None``: not yet.
        is_close_watched: False for a real client, whose heartbeats are its own.
    """

    member_id: MemberId
    device_id: DeviceId
    heard_s: float
    is_close_watched: bool = True
    may_leave_as: set[LeaveReason] = field(default_factory=set)
    left_s: float | None = None

    def may_be_silent(self) -> bool:
        """Whether the server may count it as silent by now."""
        kept_until_s = self.heard_s + HEARTBEAT_TIMEOUT_S
        return not self.is_close_watched or time.monotonic() >= kept_until_s


class Book:
    """Everything that is known of one session.

    Attributes:
        may_close_because: Reasons that were asked for.
        kick_asked: Devices that a host wanted removed.
        kicked_s: When a device was kicked for certain.
    """

    def __init__(self, session_id: SessionId, tally: Tally) -> None:
        self.session_id = session_id
        self.tally = tally
        self.opened_s = time.monotonic()
        self.prefix = f"{session_id}{MARK}"
        self.seats: dict[MemberId, SeatNote] = {}
        self.may_close_because: set[str] = set()
        self.kick_asked: set[DeviceId] = set()
        self.kicked_s: dict[DeviceId, float] = {}
        self._last_list: tuple[bytes, MemberList] | None = None

    def fault(self, what: str) -> None:
        """Note something that is against the rules."""
        self.tally.fault(f"{self.session_id}: {what}")

    def seated(self, member_id: MemberId, device: DeviceId, asked_s: float) -> SeatNote:
        """Take a WELCOME, for a JOIN that was sent at ``asked_s``."""
        if self.kicked_s.get(device, asked_s) < asked_s:
            self.fault(f"{member_id} let in again, though its device was kicked")
        note = self.seats.get(member_id)
        if note is None:
            note = self.seats[member_id] = SeatNote(member_id, device, asked_s)
        elif note.device_id != device:
            self.fault(f"{member_id} given to a second device")
        elif note.left_s is not None and note.left_s < asked_s:
            self.fault(f"{member_id} given again after its end")
        note.heard_s = max(note.heard_s, asked_s)
        return note

    def left(self, member_id: MemberId, reason: LeaveReason | None) -> None:
        """Take a MEMBER_LEFT that somebody got."""
        note = self.seats.get(member_id)
        if note is None:
            return  # its WELCOME was lost, or is still on the way
        if note.left_s is None:
            note.left_s = time.monotonic()
        if reason is LeaveReason.TIMEOUT:
            if not note.may_be_silent():
                self.fault(f"{member_id} timed out before its time")
        elif reason not in note.may_leave_as:
            self.fault(f"{member_id} left as {reason}, which nobody asked for")

    def kick_is_asked(self, member_id: MemberId) -> DeviceId | None:
        """Note that a host is about to kick; return the device, where known."""
        note = self.seats.get(member_id)
        if note is None:
            return None
        note.may_leave_as.add(LeaveReason.KICKED)
        self.kick_asked.add(note.device_id)
        return note.device_id

    def kicked(self, device: DeviceId) -> None:
        """Note that a device was kicked for certain."""
        self.kicked_s.setdefault(device, time.monotonic())

    def closed(self, reason: str, host_id: MemberId) -> None:
        """Take a SESSION_CLOSED that somebody got."""
        if reason in self.may_close_because:
            return
        host = self.seats.get(host_id)
        if reason == HOST_LOST and host is not None and host.may_be_silent():
            return
        waited_s = time.monotonic() - self.opened_s
        if (
            reason == HOST_NEVER_CAME
            and host is None
            and waited_s >= SERVER_SETTINGS.host_wait_s
        ):
            return
        self.fault(f"closed with {reason!r}, which nobody asked for")

    def read(self, payload: bytes) -> ServerMessage:
        """Read a message; a MEMBER_LIST once for all who get the same."""
        if self._last_list is not None and self._last_list[0] == payload:
            return self._last_list[1]
        message = decode_server_message(payload)
        if isinstance(message, MemberList):
            self._check_list(message)
            self._last_list = payload, message
        return message

    def _check_list(self, message: MemberList) -> None:
        ids = [member.id for member in message.members]
        if len(set(ids)) != len(ids):
            self.fault(f"a list names somebody twice: {ids}")
        hosts = [at for at, member in enumerate(message.members) if member.is_host]
        if hosts != [0]:
            self.fault(f"a list has hosts at {hosts}")
        for member in message.members:
            self.check_name(member.name)

    def check_name(self, name: str) -> None:
        """Check that somebody is of this session."""
        if not name.startswith(self.prefix):
            self.fault(f"somebody of another session is shown: {name!r}")
