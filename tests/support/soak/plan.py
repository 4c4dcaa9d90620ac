"""The numbers of a run."""

from dataclasses import dataclass
from typing import Final

from loudsync import ClientSettings, ServerSettings

HEARTBEAT_INTERVAL_S: Final = 1.0
HEARTBEAT_TIMEOUT_S: Final = 4.0
"""Short, so that silence ends within a short run; four heartbeats long, so that
a busy machine rarely ends it. Where it does, the rules were kept: the guest
comes again, and is counted as ``expired``."""

SERVER_SETTINGS: Final = ServerSettings(
    heartbeat_timeout_s=HEARTBEAT_TIMEOUT_S,
    heartbeat_check_s=0.5,
    latency_interval_s=5.0,
    takeover_wait_s=0.5,
    head_timeout_s=20.0,
    max_guesses_per_address=0,  # everybody comes from one address here
)

CLIENT_SETTINGS: Final = ClientSettings(
    heartbeat_interval_s=HEARTBEAT_INTERVAL_S,
    heartbeat_timeout_s=HEARTBEAT_TIMEOUT_S,
    connection_timeout_s=20.0,
    reconnect_attempts=1000,
    reconnect_delay_s=0.1,
)

PATIENCE_S: Final = 120.0
"""How long a calm crowd may take to agree: a bound, not an expectation."""

SMALL_SIZES: Final = (8, 10, 12, 15, 18, 20)
LARGE_SIZES: Final = (100, 150, 200)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run is like.

    Attributes:
        seed: What the acts are drawn from.
        members: Guests, real Python clients among them.
        seconds: How long they come and go, the pauses not counted.
        act_interval_s: How long a member waits for its next act, on average.
        ramp_s: The time over which the crowd first arrives.
        large_share: The part of the members that is in large sessions.
        real_clients: How many are real Python clients.
    """

    seed: int
    members: int = 2000
    seconds: float = 600.0
    act_interval_s: float = 20.0
    ramp_s: float = 5.0
    large_share: float = 0.4
    real_clients: int = 20

    def sizes(self) -> list[int]:
        """Return how many guests each session has; the last ones fill up."""
        sizes: list[int] = []
        small = self.members - int(self.members * self.large_share)
        for kinds, wanted in ((SMALL_SIZES, small), (LARGE_SIZES, self.members)):
            at = 0
            while (missing := wanted - sum(sizes)) > 0:
                sizes.append(min(missing, kinds[at % len(kinds)]))
                at += 1
        return sizes
