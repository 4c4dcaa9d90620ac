"""Everything that travels: twelve messages, three requests, what they carry.

One Struct a message, told apart by the ``type`` field. Python names carry
units (``timestamp_ms``); the wire has the specification's names. A field with
a default may be absent and is left out when it holds that default.

To add a message: its Struct here, its place in one of the unions at the end,
its type in ``codes.MessageType``. The codec follows by itself.
"""

import re
from typing import Annotated, Any, NewType

import msgspec
from msgspec import Meta

from loudsync.protocol.codes import (
    MAX_DEVICE_ID_LENGTH,
    MAX_MEMBER_ID_LENGTH,
    MAX_NAME_LENGTH,
    MAX_REASON_LENGTH,
    MAX_SESSION_ID_LENGTH,
    PROTOCOL_VERSION,
    ConnectionStatus,
    DeviceType,
    LeaveReason,
)
from loudsync.protocol.text import TextError, check_shown, clean_name

SessionId = NewType("SessionId", str)
MemberId = NewType("MemberId", str)
DeviceId = NewType("DeviceId", str)

_VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,2}")


class Carried(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True
):
    """What messages carry, and the messages themselves: camelCase, immutable."""


class ClientInfo(Carried, frozen=True, kw_only=True):
    """The device that joins (specification, "1. JOIN").

    Attributes:
        id: Private to the device; never sent to another member.
        name: 1-64 characters, trimmed; shown to everybody.
        type: ``host`` for who runs the session, ``client`` for everybody else.
    """

    id: Annotated[DeviceId, Meta(min_length=1, max_length=MAX_DEVICE_ID_LENGTH)]
    name: str
    type: DeviceType

    def __post_init__(self) -> None:
        trimmed = clean_name("name", self.name, MAX_NAME_LENGTH)
        msgspec.structs.force_setattr(self, "name", trimmed)


class MemberInfo(Carried, frozen=True, kw_only=True):
    """A member as everybody sees it (specification, "2. MEMBER_LIST").

    Attributes:
        joined_at_ms: Unix time in milliseconds; stays over a reconnection.
        latency_ms: Round trip the server measured, absent until it has.
    """

    id: MemberId
    name: str
    is_host: bool
    connection_status: ConnectionStatus
    joined_at_ms: int = msgspec.field(name="joinedAt")
    latency_ms: int | None = msgspec.field(name="latency", default=None)


class SessionInfo(Carried, frozen=True, kw_only=True):
    """The session a member is in (specification, "1. WELCOME")."""

    id: SessionId
    name: str
    host_id: MemberId


class Message(Carried, tag_field="type", frozen=True, kw_only=True):
    """The base of all messages (specification, "Message Structure").

    Attributes:
        timestamp_ms: Milliseconds since the Unix epoch on the sender's clock.
    """

    timestamp_ms: int | float = msgspec.field(name="timestamp")


# --- Client to server -------------------------------------------------------


class Join(Message, tag="join", frozen=True, kw_only=True):
    """Ask for a seat (specification, "1. JOIN"; contract, section 3).

    Attributes:
        version: The protocol version the client speaks.
        token: The host's token, where ``device_info.type`` is ``host``.
    """

    session_id: Annotated[
        SessionId, Meta(min_length=1, max_length=MAX_SESSION_ID_LENGTH)
    ]
    device_info: ClientInfo
    version: str = PROTOCOL_VERSION
    token: str = ""

    def __post_init__(self) -> None:
        if not _VERSION.fullmatch(self.version):
            raise TextError("version", f"Expected a version such as {PROTOCOL_VERSION}")


class Leave(Message, tag="leave", frozen=True, kw_only=True):
    """Give the seat up (specification, "2. LEAVE")."""

    reason: str = ""


class Heartbeat(Message, tag="heartbeat", frozen=True, kw_only=True):
    """Say that the client is alive (specification, "3. HEARTBEAT")."""


class Ping(Message, tag="ping", frozen=True, kw_only=True):
    """Ask for a PONG with the same timestamp (specification, "4. PING")."""


class MemberListRequest(Message, tag="member_list", frozen=True, kw_only=True):
    """Ask for a MEMBER_LIST; every member may (contract, section 3)."""


class ShownReason(Message, frozen=True, kw_only=True):
    """A request whose reason other members are shown."""

    reason: str = ""

    def __post_init__(self) -> None:
        check_shown("reason", self.reason, MAX_REASON_LENGTH)


class KickRequest(ShownReason, tag="kicked", frozen=True, kw_only=True):
    """Remove a member; the host may (contract, section 3)."""

    member_id: Annotated[MemberId, Meta(max_length=MAX_MEMBER_ID_LENGTH)]


class CloseRequest(ShownReason, tag="session_closed", frozen=True, kw_only=True):
    """End the session; the host may (contract, section 3)."""


# --- Server to client -------------------------------------------------------


class Welcome(Message, tag="welcome", frozen=True, kw_only=True):
    """The seat is yours (specification, "1. WELCOME")."""

    client_id: MemberId
    session_info: SessionInfo


class MemberList(Message, tag="member_list", frozen=True, kw_only=True):
    """Who is here, host first, then in order of arrival ("2. MEMBER_LIST")."""

    members: tuple[MemberInfo, ...]


class MemberJoined(Message, tag="member_joined", frozen=True, kw_only=True):
    """Somebody came, or came back with the same id ("3. MEMBER_JOINED")."""

    member: MemberInfo


class MemberLeft(Message, tag="member_left", frozen=True, kw_only=True):
    """Somebody is gone (specification, "4. MEMBER_LEFT")."""

    member_id: MemberId
    reason: LeaveReason | None = None


class Kicked(Message, tag="kicked", frozen=True, kw_only=True):
    """You were removed (specification, "5. KICKED")."""

    reason: str


class SessionClosed(Message, tag="session_closed", frozen=True, kw_only=True):
    """The session is over (specification, "6. SESSION_CLOSED")."""

    reason: str = ""


class Pong(Message, tag="pong", frozen=True, kw_only=True):
    """A PING's timestamp, unchanged (specification, "7. PONG")."""


class Error(Message, tag="error", frozen=True, kw_only=True):
    """Something was refused (specification, "8. ERROR").

    Attributes:
        code: One of ``ErrorCode``, or one that a later 1.x may add.
    """

    code: str
    message: str
    details: dict[str, Any] | None = None


ClientMessage = (
    Join | Leave | Heartbeat | Ping | MemberListRequest | KickRequest | CloseRequest
)
"""What a server receives."""

ServerMessage = (
    Welcome
    | MemberList
    | MemberJoined
    | MemberLeft
    | Kicked
    | SessionClosed
    | Pong
    | Error
)
"""What a client receives."""
