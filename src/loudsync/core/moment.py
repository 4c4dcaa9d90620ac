"""Time as the rules see it: an argument, never a call."""

from typing import NamedTuple

NS_PER_S = 1_000_000_000


class Moment(NamedTuple):
    """One instant on two clocks.

    Attributes:
        unix_ms: Milliseconds since the Unix epoch; for people, may jump.
        monotonic_ns: Nanoseconds that only grow; every deadline counts in it.
    """

    unix_ms: int
    monotonic_ns: int
