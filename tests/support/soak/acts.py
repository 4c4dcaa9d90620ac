"""What guests and hosts do, and how often of a thousand times."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from loudsync.core.host import HOST_ENDED, HOST_LOST
from loudsync.protocol import CloseCode, ErrorCode, LeaveReason
from raw_peer import TEXT, frame
from soak.guest import Goodbye, Guest
from soak.plan import HEARTBEAT_TIMEOUT_S, SERVER_SETTINGS
from soak.rival import Rival

if TYPE_CHECKING:
    from soak.crowd import Crowd

_LIST_REQUEST: Final = frame(TEXT, b'{"type":"member_list","timestamp":1}')
_OTHER_PING: Final = frame(TEXT, b'{"type":"ping","timestamp":0}')

_FLOOD: Final = _OTHER_PING * (2 * SERVER_SETTINGS.max_message_burst)
"""Twice what is allowed at once."""

_STALL_LISTS: Final = 40
"""Lists that a stalled reader asks for once a second, below the rate limit."""

_STALL_ROUNDS: Final = 6
"""The system takes about 4 MB for a peer that does not read; in a large
session this many rounds are more."""

_BROKEN_FRAMES: Final = (
    frame(TEXT, b"{}", masked=False),
    bytes((0x81 | 0x40,)) + frame(TEXT, b"{}")[1:],  # a reserved bit
    frame(TEXT, b"\xff\xfe"),
    frame(TEXT, b"x" * (SERVER_SETTINGS.max_message_bytes + 1)),
)


class Act(NamedTuple):
    """Something a guest can do while it is in."""

    name: str
    weight: int
    do: "Callable[[Guest, Crowd], None]"


def _drop(guest: Guest, crowd: "Crowd") -> None:
    guest.expect(Goodbye.KEEP)
    if guest.socket is not None:
        end = guest.socket.reset if crowd.random.random() < 0.5 else guest.socket.cut
        end()


def _drop_for_long(guest: Guest, crowd: "Crowd") -> None:
    """Come back when the seat is gone, or nearly so."""
    guest.expect(Goodbye.KEEP)
    socket = guest.socket
    guest.stay_away(HEARTBEAT_TIMEOUT_S + crowd.random.uniform(-1.5, 1.5))
    if socket is not None:
        socket.reset()


def _half_open(guest: Guest, crowd: "Crowd") -> None:
    guest.go_half_open(crowd.random.uniform(0.05, 1.5))


def _reload(guest: Guest, crowd: "Crowd") -> None:
    guest.expect(Goodbye.KEEP)
    if guest.socket is not None:
        guest.socket.hang_up(CloseCode.GOING_AWAY)


def _leave(guest: Guest, crowd: "Crowd") -> None:
    guest.leave()


def _close_normally(guest: Guest, crowd: "Crowd") -> None:
    guest.expect(Goodbye.LEAVE, LeaveReason.LEFT)
    if guest.is_host and guest.book is not None:
        guest.book.may_close_because.add(HOST_ENDED)
    if guest.socket is not None:
        guest.socket.hang_up(CloseCode.NORMAL)


def _break_protocol(guest: Guest, crowd: "Crowd") -> None:
    guest.expect(Goodbye.BREAK, LeaveReason.ERROR)
    if guest.is_host and guest.book is not None:
        guest.book.may_close_because.add(HOST_LOST)
    _send(guest, crowd.random.choice(_BROKEN_FRAMES))


def _flood(guest: Guest, crowd: "Crowd") -> None:
    guest.expect(Goodbye.FLOOD, LeaveReason.KICKED)
    _send(guest, _FLOOD)


def _stall(guest: Guest, crowd: "Crowd") -> None:
    """Read no more, for a while; in a large session, until the server has enough."""
    socket = guest.socket
    if socket is None:
        return
    socket.stop_reading()
    rounds = _STALL_ROUNDS if guest.place.size >= 100 else 1

    def ask() -> None:
        if not crowd.is_calm:
            socket.send(_LIST_REQUEST * _STALL_LISTS)

    for after_s in range(rounds):
        crowd.agenda.later(after_s, ask)
    crowd.agenda.later(rounds, socket.go_on_reading)


def _fall_silent(guest: Guest, crowd: "Crowd") -> None:
    guest.expect(Goodbye.SILENT)
    guest.beats = False


def _rival(guest: Guest, crowd: "Crowd") -> None:
    crowd.tasks.spawn(Rival(guest, crowd).try_to_get_in())


def _ask_for_list(guest: Guest, crowd: "Crowd") -> None:
    _send(guest, _LIST_REQUEST)


def _talk_nonsense(guest: Guest, crowd: "Crowd") -> None:
    guest.errors_due.append(ErrorCode.INVALID_MESSAGE)
    _send(guest, frame(TEXT, b'{"type":"nonsense","timestamp":1}'))


def _ask_for_too_much(guest: Guest, crowd: "Crowd") -> None:
    if guest.is_host:
        return
    guest.errors_due.append(ErrorCode.UNAUTHORIZED)
    _send(guest, _kick_frame(guest.place.host_id))


def _kick_frame(member_id: str) -> bytes:
    text = f'{{"type":"kicked","timestamp":1,"memberId":"{member_id}"}}'
    return frame(TEXT, text.encode())


def _send(guest: Guest, frames: bytes) -> None:
    if guest.socket is not None:
        guest.socket.send(frames)


ACTS: Final = (
    Act("drop", 210, _drop),
    Act("reload", 150, _reload),
    Act("leave", 120, _leave),
    Act("ask for the list", 110, _ask_for_list),
    Act("half-open", 90, _half_open),
    Act("close 1000", 50, _close_normally),
    Act("stall", 50, _stall),
    Act("rival", 45, _rival),
    Act("drop for long", 40, _drop_for_long),
    Act("nonsense", 35, _talk_nonsense),
    Act("ask for too much", 30, _ask_for_too_much),
    Act("fall silent", 25, _fall_silent),
    Act("flood", 25, _flood),
    Act("break the protocol", 20, _break_protocol),
)


def host_kicks(host: Guest, victim: Guest) -> None:
    """Let a remote host kick by a message."""
    if host.book is None or victim.seat is None or host.socket is None:
        return
    host.book.kick_is_asked(victim.seat.member_id)
    host.errors_due.append(ErrorCode.INVALID_MESSAGE)  # where the victim has left
    host.socket.send(_kick_frame(victim.seat.member_id))


def host_closes(host: Guest) -> None:
    """Let a remote host close the session by a message."""
    if host.book is None or host.socket is None:
        return
    host.book.may_close_because.add("enough")
    host.socket.say(b'{"type":"session_closed","timestamp":1,"reason":"enough"}')
