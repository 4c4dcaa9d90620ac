"""Who comes to a cluster during a drill, and how fast they got in."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from cluster_nodes import Node, Party
from drills.device import Device
from drills.ledger import Ledger

PATIENCE_S = 45.0
"""How long all may take to be in: a bound, reached where something is broken."""


class Came(NamedTuple):
    """One WELCOME; instants are monotonic seconds."""

    session_id: str
    node: str
    asked_s: float
    welcomed_s: float


class Crowd:
    """The devices of all sessions of a drill.

    Args:
        nodes: Where they may go; who is down is found out by trying.
        beat_s: How often they send HEARTBEAT and PING.

    Attributes:
        ledgers: By session id.
        came: Every WELCOME.
        events: What else happened, counted.
        newcomers: How many have come by ``keep_coming``.
        is_over: Nothing that happens now belongs to the drill.
    """

    def __init__(
        self, nodes: Sequence[Node], *, beat_s: float = 0.5, seed: int | None = None
    ) -> None:
        self.beat_s = beat_s
        self.ledgers: dict[str, Ledger] = {}
        self.devices: list[Device] = []
        self.came: list[Came] = []
        self.events: Counter[str] = Counter()
        self.newcomers = 0
        self.is_over = False
        self._nodes = nodes
        self._random = random.Random(seed)
        self._lives: set[asyncio.Task[None]] = set()
        self._number = 0

    # --- Who comes ----------------------------------------------------------

    def expect(self, party: Party, max_members: int = 100) -> Ledger:
        """Open the notes on a session that was created."""
        ledger = Ledger(party.id, max_members, party.host_id)
        self.ledgers[party.id] = ledger
        return ledger

    def add(
        self,
        ledger: Ledger,
        *,
        through: Node | None = None,
        is_attentive: bool = True,
        kind: str = "guest",
    ) -> Device:
        """Let a new device come, and come back, until the crowd is stopped."""
        self._number += 1
        device = Device(
            self,
            ledger,
            f"{kind}-{self._number}",
            through=through,
            is_attentive=is_attentive,
        )
        self.devices.append(device)
        life = asyncio.create_task(device.live())
        self._lives.add(life)
        return device

    async def keep_coming(self, count: int, every_s: float) -> None:
        """Let new devices come, to one session after another, with a pause each."""
        ledgers = list(self.ledgers.values())
        for number in range(count):
            self.add(ledgers[number % len(ledgers)])
            self.newcomers += 1
            await asyncio.sleep(every_s)

    # --- Waiting ------------------------------------------------------------

    async def until(
        self, condition: Callable[[], bool], what: str | Callable[[], str]
    ) -> None:
        """Wait until something is so.

        Raises:
            AssertionError: It has not become so; it tells ``what``, and faults that
                were found meanwhile.
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition():  # noqa: ASYNC110  # many things, no one event
                    await asyncio.sleep(0.005)
        except TimeoutError:
            told = what if isinstance(what, str) else what()
            raise AssertionError("\n".join([told, *self.faults()])) from None

    async def all_in(self, devices: Iterable[Device] | None = None) -> None:
        """Wait until everybody who wants to is in."""
        chosen = list(self.devices if devices is None else devices)

        def missing() -> list[Device]:
            return [it for it in chosen if it.is_wanted and not it.is_in]

        def told() -> str:
            names = [f"{it.id} ({it.last_trouble})" for it in missing()]
            return f"{len(names)} devices didn't get in: {', '.join(names[:10])}"

        await self.until(lambda: not missing(), told)

    async def answered(self, devices: Iterable[Device]) -> None:
        """Wait until the PINGs of all these devices are answered."""
        before = {it: it.pongs for it in devices}
        await self.until(
            lambda: all(it.pongs > pongs for it, pongs in before.items()),
            lambda: (
                f"no PONG for {[it.id for it, n in before.items() if it.pongs <= n]}"
            ),
        )

    async def stop(self) -> None:
        """Cut every connection."""
        self.is_over = True
        for life in self._lives:
            life.cancel()
        ends = await asyncio.gather(*self._lives, return_exceptions=True)
        # Cancelled they all are, and that is none.
        broken = [it for it in ends if isinstance(it, Exception)]
        if broken:
            raise broken[0]

    # --- What was found -----------------------------------------------------

    def faults(self) -> list[str]:
        return [fault for ledger in self.ledgers.values() for fault in ledger.faults]

    def at(self, node: Node) -> list[Device]:
        """Return who is in through a node."""
        return [it for it in self.devices if it.is_in and it.node is node]

    def failovers_s(self, session_ids: Iterable[str], since_s: float) -> list[float]:
        """Return how long each session took to welcome somebody who asked since."""
        first: dict[str, float] = {}
        for came in self.came:
            if came.asked_s >= since_s:
                first.setdefault(came.session_id, came.welcomed_s - since_s)
        return [first[it] for it in session_ids if it in first]

    # --- What devices ask of it ---------------------------------------------

    def pick(self, last: Node | None) -> Node:
        """Choose a node, another one than last time."""
        others = [node for node in self._nodes if node is not last]
        return self._random.choice(others or list(self._nodes))

    def delay_s(self) -> float:
        """How long to wait before the next try."""
        return self._random.uniform(0.05, 0.15)

    def attempt_s(self) -> float:
        """How long one attempt may take: some have less patience than others."""
        return self._random.uniform(2, 10)

    def welcomed(self, device: Device, asked_s: float) -> None:
        node = device.node.name if device.node is not None else ""
        now_s = time.monotonic()
        self.came.append(Came(device.ledger.session_id, node, asked_s, now_s))
