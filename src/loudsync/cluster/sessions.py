"""All sessions of a cluster behind the two ports that a server has for its own."""

from loudsync.cluster.catalogue import Catalogue
from loudsync.cluster.edge import Edge
from loudsync.cluster.lease import Lease
from loudsync.core import NS_PER_S
from loudsync.server.clock import Clock
from loudsync.server.runner import Runner


class Sessions:
    """``MemberAccess`` and ``SessionAccess``, wherever a session is decided about.

    Args:
        grace_s: For how long nobody expires after this node was unsure: who lost
            the connection because of it, needs the time to come back.
    """

    def __init__(
        self,
        edge: Edge,
        catalogue: Catalogue,
        runner: Runner,
        lease: Lease,
        clock: Clock,
        grace_s: float,
    ) -> None:
        self._runner = runner
        self._lease = lease
        self._clock = clock
        self._grace_ns = int(grace_s * NS_PER_S)

        self.join = edge.join
        self.request = edge.request
        self.measured = edge.measured
        self.left = edge.left
        self.faulted = edge.faulted
        self.dropped = edge.dropped
        self.silent = edge.silent
        self.expel = edge.expel

        self.create = catalogue.create
        self.find = catalogue.find
        self.listed = catalogue.listed
        self.kick = catalogue.kick
        self.close = catalogue.close

    def expire(self) -> None:
        """Free the seats that waited long enough, of the sessions owned here."""
        if not self._lease.is_sure:
            return
        unsure_ns = self._lease.was_unsure_ns
        now_ns = self._clock.monotonic_ns()
        if unsure_ns is None or now_ns - unsure_ns >= self._grace_ns:
            self._runner.expire()
