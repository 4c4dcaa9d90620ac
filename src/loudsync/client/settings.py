"""What a program may set about its client."""

import math
from typing import Final

import msgspec

from loudsync.errors import InvalidSetting
from loudsync.protocol import (
    CONNECTION_TIMEOUT_S,
    HEARTBEAT_INTERVAL_S,
    HEARTBEAT_TIMEOUT_S,
    RECONNECT_ATTEMPTS,
    RECONNECT_DELAY_S,
)

MAX_QUEUED_EVENTS: Final = 1_000
"""Events that wait for a slow reader before the oldest are dropped."""

MIN_QUEUED_EVENTS: Final = 2
"""One place for what happened, one for the count of what was lost."""

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""A member list of 10,000 takes about 2 MB; the rest is headroom."""

RECONNECT_SPREAD: Final = 0.25
"""A crowd that lost its server comes back over half a second, not in an instant."""

MIN_MESSAGE_BYTES: Final = 1_024
"""Below this not even a WELCOME with a long name fits."""


class ClientSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers a client works with; the defaults are the specification's.

    Attributes:
        heartbeat_interval_s: HEARTBEAT and PING go out this often.
        heartbeat_timeout_s: Silence of the server that counts as a loss.
        connection_timeout_s: How long one attempt to connect and join may take.
        reconnect_attempts: Attempts in a row after a loss; 0 for none.
        reconnect_delay_s: The least wait before each of them.
        reconnect_spread: Up to this share of it is added at random, so that a
            crowd that lost its server together does not come back as one; from
            0, for none, to 1.
        max_queued_events: Events kept for a slow reader.
        max_message_bytes: The largest message taken from the server.

    Raises:
        InvalidSetting: A value is out of its range.

    Source: protocol v1.0, "Timeout Behavior"; contract, section 5.
    """

    heartbeat_interval_s: float = HEARTBEAT_INTERVAL_S
    heartbeat_timeout_s: float = HEARTBEAT_TIMEOUT_S
    connection_timeout_s: float = CONNECTION_TIMEOUT_S
    reconnect_attempts: int = RECONNECT_ATTEMPTS
    reconnect_delay_s: float = RECONNECT_DELAY_S
    reconnect_spread: float = RECONNECT_SPREAD
    max_queued_events: int = MAX_QUEUED_EVENTS
    max_message_bytes: int = MAX_MESSAGE_BYTES

    def __post_init__(self) -> None:
        for name in (
            "heartbeat_interval_s",
            "heartbeat_timeout_s",
            "connection_timeout_s",
        ):
            seconds = getattr(self, name)
            if not (math.isfinite(seconds) and seconds > 0):
                raise InvalidSetting(name, "must be a number of seconds above 0")
        if self.heartbeat_timeout_s <= self.heartbeat_interval_s:
            raise InvalidSetting(
                "heartbeat_timeout_s", "must be longer than heartbeat_interval_s"
            )
        if not (math.isfinite(self.reconnect_delay_s) and self.reconnect_delay_s >= 0):
            raise InvalidSetting(
                "reconnect_delay_s", "must be a number of seconds, 0 or more"
            )
        if not 0 <= self.reconnect_spread <= 1:
            raise InvalidSetting("reconnect_spread", "must be from 0 to 1")
        _at_least("reconnect_attempts", self.reconnect_attempts, 0)
        _at_least("max_queued_events", self.max_queued_events, MIN_QUEUED_EVENTS)
        _at_least("max_message_bytes", self.max_message_bytes, MIN_MESSAGE_BYTES)


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise InvalidSetting(name, f"must be {least} or more")
