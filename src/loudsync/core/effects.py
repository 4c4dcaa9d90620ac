"""What the rules want done; the runner does it, in order.

A *connection* here is a number: the rules never hold a socket, and the socket
may hang on another machine. A session's *audience* is the connections that
were attached to it and not yet detached or closed.
"""

from typing import NewType

import msgspec

from loudsync.errors import Refused
from loudsync.protocol import (
    CloseCode,
    MemberId,
    MemberJoined,
    MemberLeft,
    ServerMessage,
    SessionClosed,
)

ConnectionId = NewType("ConnectionId", int)


class _Effect(msgspec.Struct, frozen=True):
    pass


class Attach(_Effect, frozen=True):
    """Put a connection into the audience: it speaks for this member now."""

    connection: ConnectionId
    member_id: MemberId


class Send(_Effect, frozen=True):
    """Send a message to one connection."""

    connection: ConnectionId
    message: ServerMessage


class Broadcast(_Effect, frozen=True):
    """Send a message to the audience, but for one connection if told so."""

    message: MemberJoined | MemberLeft | SessionClosed
    omit: ConnectionId | None = None


class BroadcastList(_Effect, frozen=True):
    """Send MEMBER_LIST to the audience, as the list is by then.

    Many in a row may become one: in a large session a list is the costliest
    thing there is, and only the newest of them says anything.
    """


class Detach(_Effect, frozen=True):
    """Take a connection that has ended out of the audience."""

    connection: ConnectionId


class Close(_Effect, frozen=True):
    """Take a connection out of the audience and close it with this code."""

    connection: ConnectionId
    code: CloseCode
    reason: str = ""


class Abort(_Effect, frozen=True):
    """Take a dead connection out of the audience and drop it without a word."""

    connection: ConnectionId


class Probe(_Effect, frozen=True):
    """Find out whether a connection lives: ping it, report what comes back."""

    connection: ConnectionId


class Refuse(_Effect, frozen=True):
    """Tell a connection that its JOIN, which had to wait, is refused."""

    connection: ConnectionId
    refusal: Refused


class End(_Effect, frozen=True):
    """Forget the session: it is over and its id is free."""


Effect = (
    Attach
    | Send
    | Broadcast
    | BroadcastList
    | Detach
    | Close
    | Abort
    | Probe
    | Refuse
    | End
)
Effects = list[Effect]
