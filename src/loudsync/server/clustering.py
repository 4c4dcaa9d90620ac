"""The port to a cluster: what a server that is one node of many asks of the rest."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from loudsync.server.access import MemberAccess, SessionAccess
from loudsync.server.clock import Clock
from loudsync.server.runner import Runner
from loudsync.server.store import SessionStore

if TYPE_CHECKING:
    from prometheus_client.core import Metric


class ClusterSessions(MemberAccess, SessionAccess, Protocol):
    """The sessions of all nodes, as connections and HTTP reach them."""


class Cluster(Protocol):
    """One node's part in a cluster; ``loudsync.cluster`` has the real one."""

    @property
    def store(self) -> SessionStore:
        """Where all nodes keep the sessions."""

    @property
    def trouble(self) -> str:
        """Why this node can't serve everybody now; empty where it can."""

    def attach(
        self, runner: Runner, clock: Clock, url: Callable[[], str]
    ) -> ClusterSessions:
        """Get the runner for the sessions that this node decides about.

        Args:
            url: Tells where this node itself is reached, once it is.
        """

    async def start(self) -> None:
        """Become one of the nodes.

        Raises:
            StartFailed: The others can't be reached; the text says what to do.
        """

    async def leave(self, reason: str) -> None:
        """Hand sessions and members over to other nodes, gently."""

    async def stop(self) -> None:
        """End; nothing is left afterwards. A second call does nothing."""

    def metrics(self) -> Iterator["Metric"]:
        """Give the cluster's numbers to Prometheus."""
