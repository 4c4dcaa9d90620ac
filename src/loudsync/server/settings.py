"""Every number a server goes by, with the contract's defaults."""

import math
from typing import Final

import msgspec

from loudsync.core import MAX_SESSIONS, NS_PER_S, SessionRules
from loudsync.errors import InvalidSetting
from loudsync.protocol import HEARTBEAT_TIMEOUT_S

DEFAULT_PORT: Final = 8080

EVERY_INTERFACE: Final = "0.0.0.0"  # noqa: S104  # guests come over the network

MAX_MEMBERS: Final = 10_000
"""Seats of one session at most (contract, section 7)."""

DEFAULT_MAX_MEMBERS: Final = 10
"""Seats of a session that asks for no number (contract, section 6)."""


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a server (contract, sections 2, 4, 5 and 7).

    Attributes:
        heartbeat_timeout_s: Silence after which a member is gone.
        heartbeat_check_s: How often silence is looked for.
        latency_interval_s: How often a member's round trip is measured; it
            rides on a HEARTBEAT, so the real interval is a little longer.
        join_timeout_s: How long a connection may take to join.
        takeover_wait_s: How long an old connection has to prove that it lives.
        host_wait_s: How long an empty session waits for its first host.
        host_wait_max_s: How long any session waits for its first host.
        max_refused_joins: Refusals after which a connection is closed.
        max_message_bytes: Size of one message.
        max_message_rate: Messages a second per connection; 0: no limit.
        max_message_burst: Messages at once per connection.
        invalid_message_cost: How many messages an invalid one counts as.
        max_head_bytes: Size of a request head.
        head_timeout_s: How long a request head, or a body, may take to come.
        max_outgoing_bytes: Data that may wait for one connection.
        max_sessions: Sessions at once.
        max_connections: Connections at once; 0: what the file limit allows.
        max_connections_per_address: Connections at once from one address (an
            IPv6 one counts as its /64 network); 0: no limit.
        max_guesses_per_address: Wrong session ids a minute from one address;
            then only who has a seat may join from there. 0: no limit.
        http_timeout_s: How long an HTTP request and its answer may take in all.
        shutdown_grace_s: How long connections may take to close at the end.
        public_url: Where guests reach the server, for the links it gives out;
            empty: what each request came to.
        allowed_origins: Whose pages may use the server, such as
            ``https://app.example.org``; its own may always. Empty: all.
        trusted_proxies: Addresses or networks of proxies whose
            ``X-Forwarded-For`` tells whom limits per address are for.
        api_key: What ``POST /sessions`` asks for as a bearer token; empty:
            anybody may open sessions.
    """

    heartbeat_timeout_s: float = HEARTBEAT_TIMEOUT_S
    heartbeat_check_s: float = 5.0
    latency_interval_s: float = 15.0
    join_timeout_s: float = 15.0
    takeover_wait_s: float = 2.0
    host_wait_s: float = 60.0
    host_wait_max_s: float = 600.0
    max_refused_joins: int = 10
    max_message_bytes: int = 16 * 1024
    max_message_rate: float = 50.0
    max_message_burst: int = 100
    invalid_message_cost: int = 5
    max_head_bytes: int = 16 * 1024
    head_timeout_s: float = 5.0
    max_outgoing_bytes: int = 256 * 1024
    max_sessions: int = MAX_SESSIONS
    max_connections: int = 0
    max_connections_per_address: int = 0
    max_guesses_per_address: int = 100
    http_timeout_s: float = 30.0
    shutdown_grace_s: float = 2.0
    public_url: str = ""
    allowed_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    api_key: str = ""

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidSetting(name, "must be more than 0")
        for name in _NOT_NEGATIVE:
            if not 0 <= getattr(self, name) < math.inf:
                raise InvalidSetting(name, "must be 0 or more")
        if self.heartbeat_check_s > self.heartbeat_timeout_s:
            raise InvalidSetting(
                "heartbeat_check_s", "must not be more than heartbeat_timeout_s"
            )

    @property
    def rules(self) -> SessionRules:
        """What of this the rules of a session need."""
        return SessionRules(
            heartbeat_timeout_ns=int(self.heartbeat_timeout_s * NS_PER_S),
            host_wait_ns=int(self.host_wait_s * NS_PER_S),
            host_wait_max_ns=int(self.host_wait_max_s * NS_PER_S),
        )


_POSITIVE = (
    "heartbeat_timeout_s",
    "heartbeat_check_s",
    "latency_interval_s",
    "join_timeout_s",
    "takeover_wait_s",
    "host_wait_s",
    "host_wait_max_s",
    "max_refused_joins",
    "max_message_bytes",
    "max_message_burst",
    "invalid_message_cost",
    "max_head_bytes",
    "head_timeout_s",
    "max_outgoing_bytes",
    "max_sessions",
    "http_timeout_s",
)

_NOT_NEGATIVE = (
    "max_message_rate",
    "max_connections",
    "max_connections_per_address",
    "max_guesses_per_address",
    "shutdown_grace_s",
)
