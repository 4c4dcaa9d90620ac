"""What happened, for programs that embed LoudSync: typed, one Struct each.

Messages say what travels; events say what it means: ``member_joined`` for a
known id is a ``Returned``, a ``member_list`` may hold a ``Reconnecting``.
"""

import msgspec

from loudsync.protocol import (
    ConnectionState,
    LeaveReason,
    MemberId,
    MemberInfo,
    SessionId,
    SessionInfo,
)


class Event(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="event",
    rename="camel",
    omit_defaults=True,
):
    """The base of all events.

    Written as JSON, ``event`` names the kind and fields are in camelCase, like
    the messages they come from.
    """


# --- What happens in a session: server and client tell these -------------------


class SessionEvent(Event, frozen=True, kw_only=True):
    """Something that happened in one session."""

    session_id: SessionId


class Joined(SessionEvent, tag="joined", frozen=True, kw_only=True):
    """Somebody new is here."""

    member: MemberInfo


class Returned(SessionEvent, tag="returned", frozen=True, kw_only=True):
    """A member is back on its seat: same id, same ``joined_at_ms``."""

    member: MemberInfo


class Reconnecting(SessionEvent, tag="reconnecting", frozen=True, kw_only=True):
    """A member's connection was lost; its seat waits for it."""

    member: MemberInfo


class Updated(SessionEvent, tag="updated", frozen=True, kw_only=True):
    """A member's name, status or latency changed in another way."""

    member: MemberInfo


class Left(SessionEvent, tag="left", frozen=True, kw_only=True):
    """A member gave its seat up or lost it."""

    member: MemberInfo
    reason: LeaveReason | None = None


class SessionEnded(SessionEvent, tag="session_ended", frozen=True, kw_only=True):
    """The session is over."""

    reason: str = ""


class EventsLost(Event, tag="events_lost", frozen=True, kw_only=True):
    """The reader was too slow: this many of the oldest events were dropped.

    The member map it reads beside the events is right all the same.
    """

    count: int


# --- What happens to a client itself ------------------------------------------


class Connected(SessionEvent, tag="connected", frozen=True, kw_only=True):
    """WELCOME and MEMBER_LIST are here: the client has its seat.

    Attributes:
        resumed: The seat is the one from before the connection was lost.
    """

    client_id: MemberId
    session: SessionInfo
    members: tuple[MemberInfo, ...]
    resumed: bool = False


class StateChanged(Event, tag="state_changed", frozen=True, kw_only=True):
    """The client's own connection state changed.

    Attributes:
        attempt: Which reconnection attempt follows, from 1; 0 outside them.
        max_attempts: How many there will be at most; 0 outside them.
        reason: Why, in words, where there is something to say.
    """

    state: ConnectionState
    attempt: int = 0
    max_attempts: int = 0
    reason: str = ""


class RemovedByHost(SessionEvent, tag="kicked", frozen=True, kw_only=True):
    """KICKED: this client lost its seat and may not come back."""

    reason: str


class LatencyMeasured(Event, tag="latency", frozen=True, kw_only=True):
    """A PONG came back: this client's own round trip in milliseconds."""

    latency_ms: float


class ErrorReported(Event, tag="error", frozen=True, kw_only=True):
    """The server refused something this client sent after it had joined."""

    code: str
    message: str


ClientEvent = (
    Connected
    | StateChanged
    | Joined
    | Returned
    | Reconnecting
    | Updated
    | Left
    | SessionEnded
    | RemovedByHost
    | LatencyMeasured
    | ErrorReported
    | EventsLost
)
ServerEvent = (
    Joined | Returned | Reconnecting | Updated | Left | SessionEnded | EventsLost
)
MemberEvent = Joined | Returned | Reconnecting | Updated | Left
