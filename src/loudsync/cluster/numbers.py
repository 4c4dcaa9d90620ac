"""What has happened in a cluster, as one node has counted it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from prometheus_client.core import Metric

BUCKETS_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5)


class Histogram:
    """Times in seconds, counted by size; adding one costs next to nothing."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count a time."""
        at = 0
        for limit in BUCKETS_S:
            if seconds <= limit:
                break
            at += 1
        self.counts[at] += 1
        self.sum_s += seconds

    def cumulated(self) -> list[tuple[str, float]]:
        """Return how many were at most each limit, as Prometheus wants it."""
        total = 0
        rows: list[tuple[str, float]] = []
        for limit, count in zip((*BUCKETS_S, "+Inf"), self.counts, strict=True):
            total += count
            rows.append((str(limit), total))
        return rows


class Numbers:
    """Counters of one node.

    Attributes:
        claims: Sessions taken over, by why.
        lost: Sessions that another node took over from this one.
        gaps: Times that deliveries of an owner had not come.
        stale: What earlier owners said too late, and nobody listened to.
        events: What owners elsewhere had this node do to its connections.
        requests: How long owners took to answer a batch.
        lags: How long what this node says takes to an edge and back.
    """

    def __init__(self) -> None:
        self.claims: dict[str, int] = {}
        self.lost = 0
        self.gaps = 0
        self.stale = 0
        self.events = 0
        self.requests = Histogram()
        self.lags = Histogram()

    def claimed(self, reason: str) -> None:
        """Count a session that was taken over."""
        self.claims[reason] = self.claims.get(reason, 0) + 1


def cluster_metrics(
    numbers: Numbers,
    *,
    is_connected: bool,
    is_sure: bool,
    nodes: int,
    sessions: int,
    members: int,
) -> Iterator["Metric"]:
    """Give a node's numbers to Prometheus."""
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    for name, text, value in (
        ("connected", "Whether NATS can be reached: 1 or 0", int(is_connected)),
        ("sure", "Whether this node is sure of what it owns: 1 or 0", int(is_sure)),
        ("nodes", "Nodes that are there, this one included", nodes),
        ("sessions_owned", "Sessions that this node decides about", sessions),
        ("members_attached", "Members whose connection is at this node", members),
    ):
        yield GaugeMetricFamily(f"loudsync_cluster_{name}", text, value=value)
    for name, text, value in (
        ("sessions_lost", "Sessions that other nodes took over", numbers.lost),
        ("gaps", "Times that deliveries of an owner were missed", numbers.gaps),
        ("stale", "Words of earlier owners that came too late", numbers.stale),
        ("events", "Acts that owners elsewhere had done here", numbers.events),
    ):
        yield CounterMetricFamily(f"loudsync_cluster_{name}", text, value=value)
    claims = CounterMetricFamily(
        "loudsync_cluster_sessions_claimed",
        "Sessions that this node took over",
        labels=["reason"],
    )
    for reason, count in sorted(numbers.claims.items()):
        claims.add_metric([reason], count)
    yield claims
    for name, text, histogram in (
        ("request_seconds", "From asking an owner to its answer", numbers.requests),
        ("event_lag_seconds", "From an owner to an edge and back", numbers.lags),
    ):
        family = HistogramMetricFamily(f"loudsync_cluster_{name}", text)
        family.add_metric([], histogram.cumulated(), histogram.sum_s)
        yield family
