"""Who else is there: heard of each second, asked when in doubt.

What is found here is a hint and no more: whether a session changes hands is
decided by a write that only one node can make.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Final

from loudsync.cluster.buckets import Bucket
from loudsync.cluster.bus import Bus, NoResponder, Unreachable
from loudsync.cluster.ending import end_tasks
from loudsync.cluster.identity import Identity, NodeNumber, number_of
from loudsync.cluster.wire import (
    ALIVE_SUBJECT,
    GONE_SUBJECT,
    HELLO_SUBJECT,
    HOW_ARE_YOU,
    Alive,
    Gone,
    NodeStatus,
    decode_alive,
    decode_gone,
    decode_status,
    encode,
    ping_subject,
)
from loudsync.core import NS_PER_S
from loudsync.server.logs import get_logger

log = get_logger("cluster")

ALIVE_INTERVAL_S: Final = 1.0
PING_INTERVAL_S: Final = 0.2

_PINGED_AT_ONCE: Final = 2
"""Each node looks after the next few in a ring, so that the pings of all grow with
the nodes and not with their square."""

_MISSES: Final = {True: 2, False: 6}
"""Pings in a row that nobody listens for, before a node is gone: on a single NATS
server, and in a cluster, where one that has lost its server needs a moment to
come back by another."""

_PATIENCE_NS: Final = 2 * NS_PER_S
"""After NATS was away the others come back one by one: nobody is gone until then."""

_LATELY_NS: Final = int(2.5 * NS_PER_S)
"""Who has not said that it is alive twice is asked."""

_PING_TIMEOUT_S: Final = 0.5
_SETTLE_S: Final = 0.3
"""How long a new node listens before it takes those it hasn't heard for gone."""


class Peer:
    """Another node, as far as it is known here.

    Attributes:
        heard_ns: When it was last heard of; monotonic.
        missed: Pings in a row that nobody listened for.
    """

    __slots__ = ("heard_ns", "missed", "status")

    def __init__(self, status: NodeStatus, now_ns: int) -> None:
        self.status = status
        self.heard_ns = now_ns
        self.missed = 0


class Peers:
    """The other nodes.

    Args:
        say: Returns what this node says of itself.
        on_alive: Called with each message of another node.
        on_gone: Called once for each node that is gone.
    """

    def __init__(
        self,
        bus: Bus,
        leases: Bucket,
        me: Identity,
        say: Callable[[], Alive],
        on_alive: Callable[[NodeNumber, Alive], None],
        on_gone: Callable[[NodeNumber], None],
    ) -> None:
        self._bus = bus
        self._leases = leases
        self._me = me
        self._say = say
        self._on_alive = on_alive
        self._on_gone = on_gone
        self._peers: dict[NodeNumber, Peer] = {}
        self._gone: set[NodeNumber] = set()
        self._checking: set[NodeNumber] = set()
        self._patient_until_ns = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._peers)

    def __contains__(self, node: NodeNumber) -> bool:
        return node in self._peers

    @property
    def numbers(self) -> list[NodeNumber]:
        """Every other node that is there."""
        return list(self._peers)

    @property
    def settled(self) -> list[NodeNumber]:
        """The nodes that are there to stay, in order of their numbers."""
        return sorted(
            number
            for number, peer in self._peers.items()
            if not peer.status.is_draining and not peer.missed
        )

    # --- Their life ---------------------------------------------------------

    async def start(self) -> None:
        """Listen to the others, and make oneself known to them."""
        await self._bus.subscribe(ALIVE_SUBJECT, self._heard)
        await self._bus.subscribe(HELLO_SUBJECT, lambda _, __: self.say_alive())
        await self._bus.subscribe(GONE_SUBJECT, self._heard_gone)
        self._bus.publish(HELLO_SUBJECT, b"")
        await asyncio.sleep(_SETTLE_S)

    async def keep_saying(self) -> None:
        """Tell the others each second that this node is alive, until cancelled."""
        while True:
            self.say_alive()
            await asyncio.sleep(ALIVE_INTERVAL_S)

    async def keep_looking(self) -> None:
        """Look after the others, until cancelled."""
        while True:
            await asyncio.sleep(PING_INTERVAL_S)
            if self._bus.is_connected and not self.is_patient:
                await asyncio.gather(*map(self._ping, self._next_in_ring()))
                self._look_for_frozen()

    async def stop(self) -> None:
        """End the checks that are under way."""
        await end_tasks(self._tasks)

    def say_alive(self) -> None:
        """Tell the others how this node is."""
        self._bus.publish(ALIVE_SUBJECT, encode(self._say()))

    def say_goodbye(self) -> None:
        """Tell the others that this node is gone."""
        self._bus.publish(GONE_SUBJECT, encode(Gone(self._me.number, by_itself=True)))

    def forgive(self) -> None:
        """Take everybody as heard of right now: it was us who could not hear."""
        now_ns = time.monotonic_ns()
        self._patient_until_ns = now_ns + _PATIENCE_NS
        self._gone.clear()
        for peer in self._peers.values():
            peer.heard_ns = now_ns
            peer.missed = 0

    @property
    def is_patient(self) -> bool:
        """Whether NATS was away a moment ago, and the others may not be back yet."""
        return time.monotonic_ns() < self._patient_until_ns

    @property
    def _misses(self) -> int:
        return _MISSES[self._leases.replicas == 1]

    # --- Whether one is there -------------------------------------------------

    def seems_there(self, node: NodeNumber) -> bool:
        """Tell whether a node was heard of lately, without asking it."""
        if node == self._me.number:
            return True
        peer = self._peers.get(node)
        if peer is None or peer.missed:
            return False
        return time.monotonic_ns() - peer.heard_ns < _LATELY_NS

    async def is_there(self, node: NodeNumber) -> bool:
        """Find out whether a node is there that was not heard of, or in doubt.

        One whose process has ended has nobody listening, time after time. One
        that listens and doesn't answer may be frozen: it is there until its
        lease has run out.

        Raises:
            Unreachable: It can't be found out now.
        """
        if node == self._me.number:
            return True
        if node in self._gone:
            return False
        for attempt in range(self._misses):
            if attempt:
                await asyncio.sleep(PING_INTERVAL_S)
            try:
                answer = await self._bus.request(
                    ping_subject(node), HOW_ARE_YOU, _PING_TIMEOUT_S
                )
            except NoResponder:
                if self.is_patient and node in self._peers:
                    raise Unreachable("it is too early to tell") from None
                continue
            except Unreachable:
                if not self._bus.is_connected:
                    raise
                if await self._has_lease(node):
                    return True
                break
            self._note(node, decode_status(answer))
            return True
        self._lose(node)
        return False

    def check(self, node: NodeNumber) -> None:
        """Find out soon whether a node is there."""
        if node in self._checking or node == self._me.number:
            return
        self._checking.add(node)

        async def check() -> None:
            with contextlib.suppress(Unreachable):
                await self.is_there(node)

        task = asyncio.get_running_loop().create_task(check())
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._checking.discard(node)

        task.add_done_callback(done)

    def _next_in_ring(self) -> list[NodeNumber]:
        numbers = sorted(self._peers)
        after = [n for n in numbers if n > self._me.number]
        before = [n for n in numbers if n < self._me.number]
        return (after + before)[:_PINGED_AT_ONCE]

    async def _ping(self, node: NodeNumber) -> None:
        try:
            await self._bus.request(ping_subject(node), b"", _PING_TIMEOUT_S)
        except NoResponder:
            peer = self._peers.get(node)
            if peer is None:
                return
            peer.missed += 1
            if peer.missed >= self._misses:
                self._bus.publish(GONE_SUBJECT, encode(Gone(node, by_itself=False)))
                self._lose(node)
        except Unreachable:
            pass  # busy, or frozen: its lease will tell
        else:
            if (peer := self._peers.get(node)) is not None:
                peer.missed = 0

    def _look_for_frozen(self) -> None:
        since_ns = time.monotonic_ns() - self._leases.ttl_s * NS_PER_S
        for node, peer in self._peers.items():
            if peer.heard_ns < since_ns:
                self.check(node)

    async def _has_lease(self, node: NodeNumber) -> bool:
        peer = self._peers.get(node)
        if peer is not None:
            entry = await self._leases.read(peer.status.id)
            return entry is not None and bool(entry.value)
        async for entry in self._leases.scan():
            if entry.value and number_of(entry.key) == node:
                return True
        return False

    # --- What is heard --------------------------------------------------------

    def _heard(self, payload: bytes, _answer: object) -> None:
        alive = decode_alive(payload)
        node = number_of(alive.status.id)
        if node != self._me.number:  # NATS brings us our own words, too
            self._note(node, alive.status)
            self._on_alive(node, alive)

    def _note(self, node: NodeNumber, status: NodeStatus) -> None:
        now_ns = time.monotonic_ns()
        peer = self._peers.get(node)
        self._gone.discard(node)
        if peer is None:
            self._peers[node] = Peer(status, now_ns)
            log.info("node_found", peer=status.id)
        else:
            peer.status, peer.heard_ns = status, now_ns

    def _heard_gone(self, payload: bytes, _answer: object) -> None:
        gone = decode_gone(payload)
        if gone.by_itself:
            self._lose(gone.number, "left")
        else:
            self.check(gone.number)

    def _lose(self, node: NodeNumber, how: str = "vanished") -> None:
        peer = self._peers.pop(node, None)
        self._gone.add(node)
        if peer is not None:
            level = logging.INFO if how == "left" else logging.WARNING
            log.log(level, "node_gone", peer=peer.status.id, how=how)
            self._on_gone(node)
