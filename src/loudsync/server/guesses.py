"""Guessing of session ids: each address may be wrong so often.

Short ids are easy to type and so to guess. A connection ends after its tenth
refused JOIN; this bounds how many connections help. What is limited is being
wrong: whoever has a seat gets it back, and nobody's party is disturbed because
somebody at the same address guesses.
"""

from collections import OrderedDict
from typing import Final

from loudsync.core import NS_PER_S
from loudsync.server.logs import get_logger
from loudsync.server.rate_limit import RateLimit

log = get_logger("server")

TOO_MANY_GUESSES: Final = (
    "Too many wrong session ids came from this address; try again in a minute"
)

_PER_S: Final = 1 / 60

_LOG_INTERVAL_NS: Final = 10 * NS_PER_S
"""Guessing is told once in this time, however many take part in it."""

_MAX_ADDRESSES: Final = 10_000
"""Addresses that are remembered; the one that was wrong longest ago makes room."""


class Guesses:
    """Counts wrong session ids by address.

    Args:
        per_minute: Wrong ids that an address may give at once, and get back in
            each minute; 0: no limit.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._limits: OrderedDict[str, RateLimit] = OrderedDict()
        self._said_ns: int | None = None

    def are_used_up(self, address: str, now_ns: int) -> bool:
        """Tell whether this address has been wrong too often."""
        limit = self._limits.get(address)
        return limit is not None and not limit.has(1, now_ns)

    def wrong(self, address: str, now_ns: int) -> None:
        """Note a wrong session id from this address."""
        if not self._per_minute:
            return
        limit = self._limits.pop(address, None)
        if limit is None:
            rate = self._per_minute * _PER_S
            limit = RateLimit(rate, self._per_minute, now_ns)
        self._limits[address] = limit
        if len(self._limits) > _MAX_ADDRESSES:
            self._limits.popitem(last=False)
        limit.take(now_ns)
        if not limit.has(1, now_ns) and self._may_log(now_ns):
            self._said_ns = now_ns
            log.warning("guessing", address=address, per_minute=self._per_minute)

    def _may_log(self, now_ns: int) -> bool:
        return self._said_ns is None or now_ns - self._said_ns > _LOG_INTERVAL_NS
