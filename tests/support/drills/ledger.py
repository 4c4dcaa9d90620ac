"""What the devices of one session asked for and were told: the auditor's notes.

Nothing here depends on the speed of the machine, nor on which node said what: the
rules are those of one server.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from loudsync.core import MemberView
from loudsync.protocol import (
    ConnectionStatus,
    Error,
    ErrorCode,
    LeaveReason,
    MemberId,
    MemberInfo,
    MemberJoined,
    MemberLeft,
    MemberList,
    SessionId,
)
from same_views import seen

_MAX_FAULTS: Final = 50
"""More of them tell nothing new."""

_ENDS_A_CLIENT: Final = {
    ErrorCode.SESSION_NOT_FOUND,
    ErrorCode.UNAUTHORIZED,
    ErrorCode.VERSION_MISMATCH,
    ErrorCode.INVALID_MESSAGE,
}
"""After these a v1.0 client gives up: no device of a drill may get one."""


@dataclass(slots=True)
class DeviceNote:
    """One device.

    Attributes:
        member_id: What the last WELCOME told it; ``None`` before the first.
        joined_at_ms: What the list behind that WELCOME told.
        acknowledged: How many WELCOMEs it got.
        joins_sent: JOINs, answered or not.
        joins_settled: JOINs that were answered: nothing more follows from them.
        may_be_gone: It asked to leave, or the host to kick it.
    """

    name: str
    member_id: MemberId | None = None
    joined_at_ms: int | None = None
    acknowledged: int = 0
    joins_sent: int = 0
    joins_settled: int = 0
    may_be_gone: bool = False


@dataclass(slots=True)
class Hearing:
    """What one connection of a device was told, from its WELCOME on.

    Attributes:
        settled_before: How many JOINs of each device, by its name, were answered
            when this connection asked for its seat.
        last_stamp: When each member was last announced, on the server's clock.
        unprovoked: How often each member was announced that was here already.
        history: What it was told of each member, with the server's timestamps.
    """

    device: str
    view: MemberView
    settled_before: Mapping[str, int]
    lists: int = 0
    last_stamp: dict[MemberId, float] = field(default_factory=dict)
    unprovoked: Counter[MemberId] = field(default_factory=Counter)
    history: dict[MemberId, list[str]] = field(default_factory=dict)

    def note(self, member_id: MemberId, what: str) -> None:
        told = self.history.setdefault(member_id, [])
        if not told or told[-1].split("@")[0] != what.split("@")[0]:
            told.append(what)
        else:
            told[-1] = what  # lists by the dozen that say the same


class Ledger:
    """The notes on one session.

    Attributes:
        devices: By device id.
        faults: What was against the rules, in words.
        allowed_codes: ERRORs that the drill brings about, and devices that hold
            no seat may get.
    """

    def __init__(self, session_id: str, max_members: int, host_id: MemberId) -> None:
        self.session_id = SessionId(session_id)
        self.max_members = max_members
        self.host_id = host_id
        self.devices: dict[str, DeviceNote] = {}
        self.faults: list[str] = []
        self.allowed_codes: set[str] = {ErrorCode.ALREADY_JOINED}
        self.refusals: Counter[str] = Counter()
        self._by_name: dict[str, DeviceNote] = {}
        self._device_of: dict[MemberId, str] = {}

    def fault(self, what: str) -> None:
        if len(self.faults) < _MAX_FAULTS:
            self.faults.append(f"{self.session_id}: {what}")

    # --- What a device does and is told -------------------------------------

    def asked(self, device: str, name: str) -> Hearing:
        """Note that a device sends JOIN; names are unique in a session."""
        note = self.devices.setdefault(device, DeviceNote(name))
        self._by_name[name] = note
        note.joins_sent += 1
        settled = {name: it.joins_settled for name, it in self._by_name.items()}
        return Hearing(device, MemberView(self.session_id), settled)

    def refused(self, device: str, error: Error) -> None:
        """Note the ERROR that answers a JOIN."""
        note = self.devices[device]
        note.joins_settled += 1
        self.refusals[error.code] += 1
        held = note.acknowledged and not note.may_be_gone
        reason = (error.details or {}).get("reason", "")
        if reason:
            self.refusals[
                f"{reason}, {'to a member' if held else 'to a newcomer'}"
            ] += 1
        if held and error.code == ErrorCode.SESSION_FULL and not reason:
            self.fault(f"{device} has a seat and was told {error.code}")
        elif error.code in self.allowed_codes or note.may_be_gone:
            pass
        elif error.code == ErrorCode.SESSION_FULL and reason:
            pass  # no seat is missing, but something for a while: try again
        elif error.code in _ENDS_A_CLIENT or error.code == ErrorCode.SESSION_FULL:
            self.fault(f"{device} was refused: {error.code}, {error.message!r}")

    def welcomed(self, device: str, member_id: MemberId) -> None:
        """Note a WELCOME: from here on the seat is this device's."""
        note = self.devices[device]
        note.joins_settled += 1
        if note.member_id not in (None, member_id) and not note.may_be_gone:
            self.fault(f"{device} was {note.member_id} and became {member_id}")
        holder = self._device_of.setdefault(member_id, device)
        if holder != device:
            self.fault(f"{member_id} was given to {holder} and to {device}")
        if note.member_id != member_id:
            note.joined_at_ms = None
        note.member_id = member_id
        note.acknowledged += 1

    def may_go(self, device: str) -> None:
        """Note that a device is about to leave, or to be kicked."""
        self.devices[device].may_be_gone = True

    def told(
        self, hearing: Hearing, message: MemberList | MemberJoined | MemberLeft
    ) -> None:
        """Note what a connection was told of others, or of its own device."""
        stamp = f"@{message.timestamp_ms}"
        match message:
            case MemberList():
                hearing.lists += 1
                self._check_list(hearing, message)
                for member in message.members:
                    status = member.connection_status.value
                    hearing.note(member.id, f"listed as {status}{stamp}")
            case MemberJoined():
                self._check_joined(hearing, message)
                hearing.note(message.member.id, f"joined{stamp}")
            case MemberLeft():
                self._check_left(hearing, message)
                hearing.note(message.member_id, f"left{stamp}")
        hearing.view.apply(message)
        if len(hearing.view.members) > self.max_members:
            self.fault(
                f"{hearing.device} sees {len(hearing.view.members)} members,"
                f" {self.max_members} are allowed"
            )

    # --- What must hold at the end ------------------------------------------

    def check_end(
        self,
        lists: Mapping[str, tuple[MemberInfo, ...]],
        hearings: Iterable[Hearing],
    ) -> None:
        """Compare what the nodes say with each other and with what was promised.

        Args:
            lists: A MEMBER_LIST through each node, by its name.
            hearings: The connections that are open.
        """
        truth = next(iter(lists.values()))
        for node, members in lists.items():
            if seen(members) != seen(truth):
                self.fault(f"{node} has another list: {_difference(members, truth)}")
        for hearing in hearings:
            view = tuple(hearing.view.members.values())
            if seen(view) != seen(truth):
                difference = _difference(view, truth)
                self.fault(f"{hearing.device} sees another list: {difference}")
        self._check_promises({member.id: member for member in truth})

    def _check_promises(self, there: Mapping[MemberId, MemberInfo]) -> None:
        expected = {self.host_id}
        for device, note in self.devices.items():
            if note.member_id is None or note.may_be_gone:
                continue
            expected.add(note.member_id)
            member = there.get(note.member_id)
            if member is None:
                self.fault(
                    f"LOST: {device} was welcomed {note.acknowledged} times as"
                    f" {note.member_id} and is not in the list"
                )
            elif note.joined_at_ms not in (None, member.joined_at_ms):
                self.fault(
                    f"{device} joined at {note.joined_at_ms}, then the list says"
                    f" {member.joined_at_ms}"
                )
            elif member.name != note.name:
                self.fault(f"{note.member_id} is {member.name!r}, not {note.name!r}")
        gone = {it.member_id for it in self.devices.values() if it.may_be_gone}
        for member_id in there.keys() - expected - gone:
            self.fault(f"{there[member_id]} is in the list, and no device is it")

    # --- Parts of the above -------------------------------------------------

    def _check_list(self, hearing: Hearing, message: MemberList) -> None:
        ids = [member.id for member in message.members]
        if len(set(ids)) != len(ids):
            self.fault(f"{hearing.device} got a list with somebody twice: {ids}")
        if [member.id for member in message.members if member.is_host] != ids[:1]:
            self.fault(f"{hearing.device} got a list without the host first: {ids}")
        note = self.devices[hearing.device]
        own = next((it for it in message.members if it.id == note.member_id), None)
        if own is None:
            if not note.may_be_gone:
                self.fault(f"{hearing.device} got a list without itself")
        elif hearing.lists == 1:
            if own.connection_status is not ConnectionStatus.CONNECTED:
                self.fault(f"{hearing.device} was welcomed as {own.connection_status}")
            if note.joined_at_ms not in (None, own.joined_at_ms):
                self.fault(
                    f"{hearing.device} joined at {note.joined_at_ms}, then at"
                    f" {own.joined_at_ms}"
                )
            note.joined_at_ms = own.joined_at_ms

    def _check_joined(self, hearing: Hearing, message: MemberJoined) -> None:
        member = message.member
        if hearing.lists == 0:
            self.fault(f"{hearing.device} heard of {member.id} before its first list")
        if member.id == self.devices[hearing.device].member_id:
            self.fault(f"{hearing.device} heard of its own coming")
        if hearing.last_stamp.get(member.id) == message.timestamp_ms:
            self.fault(f"{hearing.device} heard twice of one coming of {member.id}")
        hearing.last_stamp[member.id] = message.timestamp_ms
        known = hearing.view.members.get(member.id)
        if known is None or known.connection_status is not ConnectionStatus.CONNECTED:
            return
        # Here already: then its device must have asked once more since.
        hearing.unprovoked[member.id] += 1
        note = self._by_name.get(member.name)
        if note is None or member.is_host:
            return
        reasons = note.joins_sent - hearing.settled_before.get(member.name, 0)
        if hearing.unprovoked[member.id] > reasons:
            self.fault(
                f"{hearing.device} heard {hearing.unprovoked[member.id]} times that"
                f" {member.id} came who was there, and it asked {reasons} times;"
                f" at {message.timestamp_ms}, after {hearing.history.get(member.id)}"
            )

    def _check_left(self, hearing: Hearing, message: MemberLeft) -> None:
        device = self._device_of.get(message.member_id)
        if device is None:
            return  # its WELCOME was lost, or is still on the way
        note = self.devices[device]
        if note.member_id == message.member_id and not note.may_be_gone:
            reason = message.reason or LeaveReason.LEFT
            self.fault(
                f"LOST: {hearing.device} heard that {device} ({message.member_id})"
                f" left: {reason.value}"
            )


def _difference(view: Iterable[MemberInfo], truth: Iterable[MemberInfo]) -> str:
    here, there = seen(view), seen(truth)
    more = [it for it in here if it not in there]
    less = [it for it in there if it not in here]
    return f"{more} instead of {less}" if more or less else "in another order"
