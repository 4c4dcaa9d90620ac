"""What a session is created from, and the numbers it goes by."""

import msgspec

from loudsync.core.moment import NS_PER_S
from loudsync.protocol import HEARTBEAT_TIMEOUT_S, MemberId, SessionId


class SessionRules(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers a session goes by; the defaults are the contract's.

    Attributes:
        heartbeat_timeout_ns: Silence after which a seat is freed.
        host_wait_ns: How long an empty session waits for its first host.
        host_wait_max_ns: How long any session waits for its first host.
    """

    heartbeat_timeout_ns: int = int(HEARTBEAT_TIMEOUT_S * NS_PER_S)
    host_wait_ns: int = 60 * NS_PER_S
    host_wait_max_ns: int = 600 * NS_PER_S


class SessionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a session is created from.

    Attributes:
        token_hash: ``hash_token`` of the host's token; ``None`` when the host
            is the server's own process, which needs no socket.
    """

    id: SessionId
    name: str
    host_name: str
    max_members: int
    listed: bool = False
    host_id: MemberId = MemberId("host-1")
    token_hash: bytes | None = None
