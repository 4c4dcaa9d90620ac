"""The specification's closed lists: types, codes, states, reasons, numbers."""

from enum import IntEnum, StrEnum
from typing import Final

PROTOCOL_VERSION: Final = "1.0"
"""The version this package speaks; any 1.x is understood (contract, section 3)."""

HEARTBEAT_INTERVAL_S: Final = 5.0
"""A client sends HEARTBEAT and PING this often ("Timeout Behavior")."""

HEARTBEAT_TIMEOUT_S: Final = 15.0
"""Silence after which a member is gone: three heartbeats ("Timeout Behavior")."""

RECONNECT_ATTEMPTS: Final = 3
"""How often a client tries to come back ("Timeout Behavior")."""

RECONNECT_DELAY_S: Final = 2.0
"""How long a client waits before each attempt ("Timeout Behavior")."""

CONNECTION_TIMEOUT_S: Final = 10.0
"""How long one attempt to connect and join may take (contract, section 5)."""

MAX_SESSION_ID_LENGTH: Final = 64
MAX_DEVICE_ID_LENGTH: Final = 128
MAX_NAME_LENGTH: Final = 64
"""Characters, after trimming (contract, section 3)."""

MAX_MEMBER_ID_LENGTH: Final = 128
"""Ours are shorter; a host's own may be as long as a device's."""

MAX_REASON_LENGTH: Final = 256
"""Characters of a reason that other members are shown: a sentence or two."""


class MessageType(StrEnum):
    """The twelve message types (specification, "Message Types")."""

    JOIN = "join"
    WELCOME = "welcome"
    LEAVE = "leave"
    MEMBER_LIST = "member_list"
    MEMBER_JOINED = "member_joined"
    MEMBER_LEFT = "member_left"
    KICKED = "kicked"
    SESSION_CLOSED = "session_closed"
    HEARTBEAT = "heartbeat"
    PING = "ping"
    PONG = "pong"
    ERROR = "error"


class ErrorCode(StrEnum):
    """What an ERROR may say (specification, "8. ERROR")."""

    SESSION_NOT_FOUND = "session_not_found"
    SESSION_FULL = "session_full"
    ALREADY_JOINED = "already_joined"
    INVALID_MESSAGE = "invalid_message"
    UNAUTHORIZED = "unauthorized"
    VERSION_MISMATCH = "version_mismatch"


class ConnectionState(StrEnum):
    """A client's own state (specification, "Connection States")."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    FAILED = "failed"


class ConnectionStatus(StrEnum):
    """What others see of a member's connection (``MemberInfo``)."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    RECONNECTING = "reconnecting"


class DeviceType(StrEnum):
    """What a device joins as (``ClientInfo.type``)."""

    HOST = "host"
    CLIENT = "client"


class LeaveReason(StrEnum):
    """Why a member left (specification, "4. MEMBER_LEFT")."""

    LEFT = "left"
    KICKED = "kicked"
    TIMEOUT = "timeout"
    ERROR = "error"


class CloseCode(IntEnum):
    """The WebSocket close codes LoudSync sends or reads (RFC 6455, 7.4.1)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    NO_STATUS = 1005
    ABNORMAL = 1006
    INVALID_TEXT = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
