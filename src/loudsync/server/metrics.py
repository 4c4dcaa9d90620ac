"""What an operator's Prometheus reads: the server's numbers under our names."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from loudsync.core import Registry
from loudsync.server.stats import ServerStats


class Metrics(Collector):
    """Reads the numbers when they are asked for, so that counting stays cheap.

    Source: contract, section 6; names begin with ``loudsync_``.
    """

    def __init__(
        self,
        stats: ServerStats,
        registry: Registry,
        connections: Callable[[], int],
        has_room: Callable[[], bool] = lambda: True,
        of_cluster: Callable[[], Iterator[Metric]] | None = None,
    ) -> None:
        self._stats = stats
        self._registry = registry
        self._connections = connections
        self._has_room = has_room
        self._of_cluster = of_cluster
        self._prometheus = CollectorRegistry(auto_describe=False)
        self._prometheus.register(self)

    def as_text(self) -> bytes:
        """Write every number in Prometheus' text format."""
        return generate_latest(self._prometheus)

    def collect(self) -> Iterator[Metric]:
        """Give every number to the Prometheus library."""
        stats = self._stats
        for name, text, value in (
            ("connections", "TCP connections open now", self._connections()),
            ("members", "Members connected now", stats.members),
            ("sessions", "Sessions open now", len(self._registry)),
            (
                "state_has_room",
                "Whether new sessions and seats can be saved: 1, or 0 on a full disk",
                int(self._has_room()),
            ),
        ):
            yield GaugeMetricFamily(f"loudsync_{name}", text, value=value)
        for name, text, value in (
            ("joins", "JOINs that gave a seat", stats.joins),
            ("takeovers", "Seats given from a dead connection", stats.takeovers),
            ("messages_received", "Messages received", stats.messages_in),
            ("messages_sent", "Messages sent, per receiver", stats.frames_out),
            ("floods", "Connections closed for sending too much", stats.floods),
            ("overflows", "Connections dropped for not reading", stats.overflows),
            ("sessions_opened", "Sessions opened", stats.sessions_opened),
            ("sessions_closed", "Sessions closed", stats.sessions_closed),
        ):
            yield CounterMetricFamily(f"loudsync_{name}", text, value=value)
        refusals = CounterMetricFamily(
            "loudsync_refusals", "Messages refused with ERROR", labels=["code"]
        )
        for code, count in sorted(stats.refusals.items()):
            refusals.add_metric([code], count)
        yield refusals
        leaves = CounterMetricFamily(
            "loudsync_leaves", "Members gone", labels=["reason"]
        )
        for reason, count in stats.leaves.items():
            leaves.add_metric([reason.value], count)
        yield leaves
        if self._of_cluster is not None:
            yield from self._of_cluster()
