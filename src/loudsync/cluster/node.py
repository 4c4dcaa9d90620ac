"""One node of a cluster: its parts, its start, its leave, its end."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Final

from loudsync._version import __version__
from loudsync.cluster.buckets import NODES, SESSIONS, Bucket
from loudsync.cluster.bus import Bus, NoResponder, Unreachable
from loudsync.cluster.catalogue import Catalogue
from loudsync.cluster.claims import Claims
from loudsync.cluster.courier import Courier
from loudsync.cluster.deliveries import Deliveries
from loudsync.cluster.edge import Edge
from loudsync.cluster.ending import end_tasks
from loudsync.cluster.identity import NOBODY, Identity, NodeNumber
from loudsync.cluster.lease import TTLS_S, Lease
from loudsync.cluster.numbers import Numbers, cluster_metrics
from loudsync.cluster.owner import Owner
from loudsync.cluster.peers import Peers
from loudsync.cluster.sessions import Sessions
from loudsync.cluster.settings import ClusterSettings
from loudsync.cluster.store import ClusterStore
from loudsync.cluster.wire import (
    HOW_ARE_YOU,
    Alive,
    ClaimAsked,
    NodeStatus,
    encode,
    owner_subject,
    ping_subject,
)
from loudsync.core import NS_PER_S, Session
from loudsync.errors import LoudSyncError, SessionNotFound, StartFailed
from loudsync.protocol import CloseCode, SessionId
from loudsync.server.clock import Clock
from loudsync.server.logs import get_logger
from loudsync.server.runner import Runner
from loudsync.server.store import SessionLost

if TYPE_CHECKING:
    from prometheus_client.core import Metric

log = get_logger("cluster")

_CLOSE_STEP_S: Final = 0.05
"""A leaving node closes a few of its connections each time."""

_STUMBLE_S: Final = 1.0

_AT_ONCE: Final = 32
"""Sessions that are looked after, or handed over, at once."""

_LAST_WORDS_S: Final = 2.0
"""How long a leaving node waits until owners have heard of its connections' ends."""


class ClusterNode:
    """This process as a node; the ``cluster`` of a ``SessionServer``.

    ::

        node = ClusterNode(ClusterSettings(servers=("nats://10.0.0.5:4222",)))
        async with SessionServer(cluster=node) as server:
            ...

    A node runs once: a second start takes a new one.

    Attributes:
        id: What it is called in keys, logs and ``loudsync nodes``.
        store: Where all nodes keep the sessions.
    """

    def __init__(self, settings: ClusterSettings | None = None) -> None:
        self._settings = settings or ClusterSettings()
        self._me = Identity(self._settings.node_name)
        self.id = self._me.id
        self.store = ClusterStore(self._me)
        self._numbers = Numbers()
        self._is_draining = False
        self._wishes: dict[NodeNumber, list[SessionId]] = {}
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._tasks: list[asyncio.Task[None]] = []
        self._parts: _Parts

    def attach(self, runner: Runner, clock: Clock, url: Callable[[], str]) -> Sessions:
        """Get the runner for the sessions that this node decides about.

        Raises:
            LoudSyncError: This node runs, or has run; make another.
        """
        if hasattr(self, "_parts"):
            raise LoudSyncError("A node runs once; make another ClusterNode")
        self._parts = _Parts(self, runner, clock, url)
        return self._parts.sessions

    # --- Its life ---------------------------------------------------------------

    async def start(self) -> None:
        """Become one of the nodes.

        Raises:
            StartFailed: NATS can't be reached or used; the text says what to do.
        """
        parts, patience_s = self._parts, self._settings.connect_timeout_s
        await parts.bus.connect()
        await parts.leases.prepare(patience_s)
        await parts.bucket.prepare(patience_s)
        try:
            await parts.lease.start(patience_s)
        except Unreachable as fault:
            raise StartFailed(f"NATS doesn't keep the node's lease: {fault}") from None
        await parts.bus.subscribe(ping_subject(self._me.number), self._pinged)
        await parts.owner.start()
        await parts.deliveries.start()
        await parts.peers.start()
        for work in (
            parts.lease.keep,
            parts.peers.keep_saying,
            parts.peers.keep_looking,
            parts.claims.keep_sweeping,
            self._claim_orphans,
        ):
            task = asyncio.create_task(_kept_up(work), name="loudsync cluster")
            self._tasks.append(task)
        log.info(
            "node_started",
            id=self.id,
            peers=len(parts.peers),
            replicas=parts.bucket.replicas,
            lease_s=parts.leases.ttl_s,
        )

    async def leave(self, reason: str) -> None:
        """Hand the sessions over and close the connections, a few at a time.

        Members resume on other nodes; without any, the sessions wait in NATS.
        """
        parts = self._parts
        self._is_draining = True
        parts.claims.may_claim = False
        if not parts.bus.is_connected:
            # Nobody can be told; the others will see that this node is gone.
            await self._close_connections(reason, 0)
            return
        parts.peers.say_alive()
        await asyncio.gather(*map(self._hand_over, parts.runner.registry))
        for to, session_ids in self._wishes.items():
            with contextlib.suppress(Unreachable, NoResponder):
                await parts.bus.request(
                    owner_subject(to),
                    encode(ClaimAsked(session_ids)),
                    self._settings.request_timeout_s,
                )
        has_heirs = bool(parts.peers.settled)
        await self._close_connections(reason, self._settings.drain_s * has_heirs)
        if not has_heirs:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                while not parts.edge.is_idle:  # noqa: ASYNC110  # nothing tells
                    await asyncio.sleep(_CLOSE_STEP_S)

    async def stop(self) -> None:
        """End; nothing is left afterwards. A second call does nothing."""
        parts = self._parts
        tasks, self._tasks = self._tasks, []
        await end_tasks(tasks)
        if tasks:
            with contextlib.suppress(Unreachable):
                await parts.lease.release()
            parts.peers.say_goodbye()
        await parts.edge.stop()
        await parts.owner.stop()
        await parts.claims.stop()
        await parts.peers.stop()
        await parts.bus.close()

    async def _claim_orphans(self) -> None:
        with contextlib.suppress(Unreachable):
            await self._parts.claims.claim_orphans("started")

    async def _hand_over(self, session: Session) -> None:
        parts = self._parts
        async with self._at_once:
            with contextlib.suppress(SessionLost, SessionNotFound, TimeoutError):
                async with asyncio.timeout(self._settings.request_timeout_s):
                    if session.spec.token_hash is None:
                        # Its host is this program, which ends.
                        await parts.runner.close(session.id, "")
                    # What is being written would overtake its release, or not.
                    await parts.runner.saved(session.id)
            is_over = session.ended
            record = parts.runner.abandon(session.id)
            if record is None:
                return
            try:
                if is_over:
                    await parts.store.end(session.id)
                    return
                if not await parts.store.release(session.id, record, NOBODY):
                    return
            except Unreachable:
                return  # it is found as one of a node that is gone
        to = parts.claims.preferred(session.id)
        if to is not None:
            self._wishes.setdefault(to, []).append(session.id)
        log.info("session_released", session=session.id, to=to and f"{to:08x}")

    async def _close_connections(self, reason: str, over_s: float) -> None:
        edge = self._parts.edge
        links = edge.links
        steps = max(1, int(over_s / _CLOSE_STEP_S))
        size = -(-len(links) // steps)
        while links:
            now, links = links[:size], links[size:]
            for link in now:
                if not link.is_over:
                    edge.restart(link, CloseCode.SERVICE_RESTART, reason)
            if links:
                await asyncio.sleep(_CLOSE_STEP_S)

    # --- What it tells ------------------------------------------------------------

    @property
    def trouble(self) -> str:
        """Why this node can't serve everybody now; empty where it can."""
        if self._is_draining:
            return "This node leaves the cluster"
        if not self._parts.bus.is_connected:
            return "NATS can't be reached"
        if not self._parts.lease.is_sure:
            return "This node doesn't know yet which sessions are its own"
        return ""

    def metrics(self) -> Iterator["Metric"]:
        """Give the cluster's numbers to Prometheus."""
        parts = self._parts
        return cluster_metrics(
            self._numbers,
            is_connected=parts.bus.is_connected,
            is_sure=parts.lease.is_sure,
            nodes=len(parts.peers) + 1,
            sessions=len(parts.runner.registry),
            members=parts.edge.member_count,
        )

    def status(self) -> NodeStatus:
        """Return how it is."""
        parts = self._parts
        return NodeStatus(
            id=self.id,
            name=self._me.name,
            url=parts.url(),
            version=__version__,
            is_draining=self._is_draining,
            sessions=len(parts.runner.registry),
            members=parts.edge.member_count,
            lease_age_s=parts.lease.age_s,
        )

    def _pinged(self, payload: bytes, answer: Callable[[bytes], None]) -> None:
        answer(encode(self.status()) if payload == HOW_ARE_YOU else b"")

    def alive(self) -> Alive:
        """Return what it tells the others each second."""
        parts = self._parts
        peers, owner = parts.peers, parts.owner
        sent = {edge: number for edge, number in owner.sent().items() if edge in peers}
        given_up = {edge: n for edge, n in owner.given_up().items() if edge in peers}
        return Alive(self.status(), sent, parts.deliveries.seen(), given_up)

    # --- What happens to it ---------------------------------------------------------

    def cut_off(self) -> None:
        """NATS is away: others may take this node for gone long before its lease ends."""
        self._parts.lease.doubt()

    def connected(self) -> None:
        """NATS is back: look what is still so, and let nobody expire for a while."""
        parts = self._parts
        parts.peers.forgive()
        parts.lease.doubt()

    async def verify(self) -> None:
        """Give up the sessions that other nodes have taken over.

        Raises:
            Unreachable: NATS went away in between.
        """
        parts = self._parts
        try:
            # It may have been lost with the disk of the NATS server.
            await parts.bucket.prepare()
        except StartFailed as fault:
            raise Unreachable(str(fault)) from None

        async def is_mine(session: Session) -> bool:
            async with self._at_once:
                if await parts.store.verify(session.id):
                    if parts.store.is_unwritten(session.id):
                        parts.runner.refresh(session.id)
                    return True
            parts.runner.abandon(session.id)
            parts.store.forget(session.id)
            return False

        looked = map(is_mine, parts.runner.registry)
        found = await asyncio.gather(*looked, return_exceptions=True)
        for outcome in found:
            if isinstance(outcome, BaseException):
                raise outcome
        if not all(found):
            log.warning("sessions_lost", sessions=found.count(False))

    def session_lost(self, session_id: SessionId) -> None:
        """Another node decides about a session now: ask that one."""
        parts = self._parts
        self._numbers.lost += not self._is_draining
        parts.owner.forget(session_id)
        parts.edge.lost(session_id)

    def heard(self, node: NodeNumber, alive: Alive) -> None:
        """Another node says how it is, and what it has sent and seen."""
        parts = self._parts
        me = self._me.number
        parts.deliveries.owner_says(
            node, alive.sent.get(me, 0), alive.given_up.get(me, 0)
        )
        seen = alive.seen.get(me)
        if seen is not None and seen.stamp_ns:
            lag_ns = time.monotonic_ns() - seen.stamp_ns - seen.held_ns
            self._numbers.lags.add(max(0, lag_ns) / NS_PER_S)

    def peer_gone(self, node: NodeNumber) -> None:
        """Another node is gone: its connections, and what it owned."""
        parts = self._parts
        parts.owner.edge_gone(node)
        parts.deliveries.owner_gone(node)
        parts.edge.owner_gone(node)
        parts.claims.owner_gone()


async def _kept_up(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do what a node can't live without, whatever it stumbles over."""
    while True:
        try:
            return await work()
        except Exception:
            log.exception("cluster_failed")
            await asyncio.sleep(_STUMBLE_S)


class _Parts:
    """What a node is made of, wired together."""

    def __init__(
        self, node: ClusterNode, runner: Runner, clock: Clock, url: Callable[[], str]
    ) -> None:
        settings, me, numbers = node._settings, node._me, node._numbers  # noqa: SLF001
        store = node.store
        self.runner, self.url, self.store = runner, url, store
        self.bus = Bus(settings, me.id, node.connected, node.cut_off)
        self.leases = Bucket(NODES, self.bus, replicas=settings.replicas, ttls_s=TTLS_S)
        self.bucket = Bucket(SESSIONS, self.bus, replicas=settings.replicas)
        self.lease = Lease(
            self.leases, me.id, lambda: encode(node.status()), node.verify
        )
        store.connect(self.bus, self.bucket, self.lease)
        self.owner = Owner(
            self.bus,
            me,
            runner,
            store,
            clock,
            lambda session_ids: self.claims.claim_soon(session_ids, "handed_over"),
            lambda node_number: node_number in self.peers,
        )
        self.edge = Edge(
            self.bus,
            me,
            runner,
            store,
            self.owner,
            clock,
            numbers,
            settings.join_hold_s,
        )
        self.deliveries = Deliveries(self.bus, me, self.edge, numbers)
        self.peers = Peers(
            self.bus, self.leases, me, node.alive, node.heard, node.peer_gone
        )
        self.claims = Claims(
            self.bucket, me, runner, store, self.peers, self.owner, self.edge, numbers
        )
        courier = Courier(
            self.bus,
            me,
            runner,
            self.lease,
            self.peers,
            self.claims,
            self.edge,
            numbers,
            settings.request_timeout_s,
        )
        self.edge.bring = courier.bring
        catalogue = Catalogue(
            self.bus,
            self.bucket,
            me,
            runner,
            store,
            self.lease,
            self.peers,
            self.claims,
            settings.join_hold_s,
        )
        self.sessions = Sessions(
            self.edge, catalogue, runner, self.lease, clock, settings.grace_s
        )
        runner.on_lost = node.session_lost
        store.on_forget = self.owner.forget
