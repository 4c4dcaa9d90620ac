"""How much one connection may send: a token bucket."""

from loudsync.core import NS_PER_S


class RateLimit:
    """``rate`` messages a second, ``burst`` at once; a rate of 0 allows all.

    Source: contract, section 7.
    """

    __slots__ = ("_burst", "_filled_ns", "_rate_per_ns", "_tokens")

    def __init__(self, rate: float, burst: int, now_ns: int) -> None:
        self._rate_per_ns = rate / NS_PER_S
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled_ns = now_ns

    def take(self, now_ns: int, cost: int = 1) -> bool:
        """Pay for a message; tell whether there was enough to pay with."""
        rate = self._rate_per_ns
        if rate == 0:
            return True
        tokens = self._tokens + (now_ns - self._filled_ns) * rate
        if tokens > self._burst:  # min() costs more than all the rest
            tokens = self._burst
        tokens -= cost
        self._filled_ns = now_ns
        self._tokens = tokens
        return tokens >= 0

    def has(self, cost: int, now_ns: int) -> bool:
        """Tell whether there is enough to pay that much."""
        self.take(now_ns, 0)
        return self._rate_per_ns == 0 or self._tokens >= cost
