"""What people read: text made safe to show, and events as sentences.

Names and reasons come from other people through a server that may lie, so
nothing is shown that a terminal would obey.
"""

import unicodedata
from datetime import datetime
from typing import Final

from loudsync.core.events import (
    Connected,
    ErrorReported,
    Event,
    EventsLost,
    Joined,
    Left,
    Reconnecting,
    RemovedByHost,
    Returned,
    SessionEnded,
    StateChanged,
)
from loudsync.protocol import ConnectionState, LeaveReason

MAX_SHOWN: Final = 512
"""Longer than any name or reason of an honest server, with its advice."""

_UNSAFE_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Controls, half characters, and the two line breaks that are no controls."""

_REORDERING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They make text look like another text (Unicode TR 36, section 3.5)."""

_YEAR_S: Final = 366 * 86_400
"""More is no party but a clock that is wrong."""

_LEAVE_WORDS: Final = {
    None: "left",
    LeaveReason.LEFT: "left",
    LeaveReason.KICKED: "was removed",
    LeaveReason.TIMEOUT: "timed out",
    LeaveReason.ERROR: "was dropped after an error",
}


def shown(text: str) -> str:
    r"""Return a text as it can be shown: ``\x1b`` for what a terminal obeys."""
    if len(text) > MAX_SHOWN:
        text = text[: MAX_SHOWN - 1] + "…"
    return text if text.isprintable() else "".join(map(_escaped, text))


def one_line(text: str) -> str:
    """Return a text of ours, with what others put in it, as one safe line."""
    return shown(" ".join(text.split()))


def is_unsafe(character: str) -> bool:
    """Whether a terminal may do something else than show this character."""
    return (
        unicodedata.category(character) in _UNSAFE_CATEGORIES
        or character in _REORDERING
    )


def clock_time(unix_ms: float, *, seconds: bool = False) -> str:
    """Return the local time of an instant; ``?`` where it is none."""
    try:
        moment = datetime.fromtimestamp(unix_ms / 1000).astimezone()
    except (ValueError, OverflowError, OSError):
        return "?"
    return moment.strftime("%H:%M:%S" if seconds else "%H:%M")


def describe_duration(seconds: float) -> str:
    """Return how long something lasts, as people say it: ``12 min``."""
    if not 0 <= seconds < _YEAR_S:
        return "?"
    for unit_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit_s:
            return f"{int(seconds // unit_s)} {unit}"
    return f"{int(seconds)} s"


def describe(event: Event) -> str | None:
    """Put an event into a sentence; ``None`` where it is only a number."""
    match event:
        case Joined(member=member):
            return f"{shown(member.name)} joined"
        case Returned(member=member):
            return f"{shown(member.name)} is back"
        case Reconnecting(member=member):
            return f"{shown(member.name)} lost the connection; the seat is kept"
        case Left(member=member, reason=reason):
            return f"{shown(member.name)} {_LEAVE_WORDS[reason]}"
        case SessionEnded(reason=reason):
            return _with_reason("The party is over", reason)
        case EventsLost(count=count):
            return f"{count} events are missing here: too much happened at once"
        case _:
            return _describe_own(event)


def _describe_own(event: Event) -> str | None:
    match event:
        case Connected(resumed=True):
            return "You are back, on the seat you had"
        case Connected(session=session, members=members):
            return f"You are in {shown(session.name)}; members: {len(members)}"
        case RemovedByHost(reason=reason):
            return _with_reason("You were removed", reason)
        case StateChanged():
            return _describe_state(event)
        case ErrorReported(message=message):
            return f"The server refused a request: {shown(message)}"
        case _:
            return None


def _describe_state(event: StateChanged) -> str | None:
    match event.state:
        case ConnectionState.RECONNECTING:
            attempts = f"attempt {event.attempt} of {event.max_attempts}"
            reason = shown(event.reason)
            return f"No connection: {reason}; reconnecting, {attempts}"
        case ConnectionState.FAILED:
            return _with_reason("Reconnecting failed", event.reason)
        case _:
            return None


def _with_reason(text: str, reason: str) -> str:
    return f"{text}: {shown(reason)}" if reason else text


def _escaped(character: str) -> str:
    if not is_unsafe(character):
        return character
    return character.encode("unicode_escape").decode("ascii")
