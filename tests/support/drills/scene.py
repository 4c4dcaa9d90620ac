"""Where a drill takes place: NATS, nodes, parties, who comes, and what was struck."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    suppress,
)
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from cluster_nodes import Node, Nodes, Party
from drills.crowd import Crowd
from loudsync.testing import FaultProxy
from loudsync.testing.fault_proxy import Way
from nats_servers import NatsServer, NatsServers

SEATS: Final = 300

_NUMBERS_PATIENCE_S: Final = 10.0


@dataclass(frozen=True)
class Plan:
    """The size of a drill.

    Attributes:
        nats: How many nats-servers; 1 or 3.
        nodes: How many nodes.
        parties: Sessions that node n0 owns; each other node owns one,
            but for the last, which is an edge and nothing else.
        guests: Who is in each of n0's sessions before anything happens.
        newcomers: How many more come while it happens, over all sessions.
        every_s: The pause between two of them.
        proxied: The number of the node whose way to NATS can be broken; ``None``:
            all have their own.
        options: More options of ``loudsync serve``.
    """

    nats: int = 1
    nodes: int = 3
    parties: int = 3
    guests: int = 8
    newcomers: int = 40
    every_s: float = 0.05
    proxied: int | None = None
    options: tuple[str, ...] = ()

    @property
    def processes(self) -> tuple[object, ...]:
        """What must be running for it."""
        return self.nats, self.nodes, self.proxied, self.options


@dataclass
class Outcome:
    """What a drill showed.

    Attributes:
        failovers_s: From each strike, for each session that it hit, to the first
            WELCOME for a JOIN that was sent after it.
        strikes: What was done to whom, counted.
        joins: WELCOMEs in all.
        events: What else happened, counted.
    """

    failovers_s: list[float] = field(default_factory=list)
    strikes: Counter[str] = field(default_factory=Counter)
    joins: int = 0
    events: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Scene:
    """What a drill acts on.

    Attributes:
        owned: The sessions by the name of the node that they were created on.
        proxy: Between NATS and the node that the plan names, if any.
        outcome: What was done so far; ``conclude`` completes it.
    """

    def __init__(
        self,
        plan: Plan,
        nats: NatsServers,
        nodes: Nodes,
        proxy: FaultProxy,
        seed: int | None = None,
    ) -> None:
        self.plan = plan
        self.nats = nats
        self.nodes = nodes
        self.proxy = proxy
        self.crowd = Crowd(list(nodes), seed=seed)
        self.owned: dict[str, list[str]] = {node.name: [] for node in nodes}
        self.outcome = Outcome()
        self._struck_s: list[tuple[float, list[str]]] = []
        self._parties: list[Party] = []

    async def open(self) -> None:
        """Create the sessions and let the first guests in."""
        for at, node in enumerate(self.nodes):
            is_last = at == len(self.nodes) - 1
            for _ in range(self.plan.parties if at == 0 else int(not is_last)):
                party: Party = await node.create(name="Drill", maxMembers=SEATS)
                self._parties.append(party)
                self.owned[node.name].append(party.id)
                ledger = self.crowd.expect(party, SEATS)
                for number in range(self.plan.guests if at == 0 else 3):
                    # Half of them wait for a frozen node, for as long as it takes.
                    self.crowd.add(ledger, is_attentive=number % 2 == 0)
        await self.crowd.all_in()

    # --- What befalls it ----------------------------------------------------

    def kill(self, *victims: Node | NatsServer) -> None:
        """Kill them together (SIGKILL)."""
        self._note("killed", *victims)
        for victim in victims:
            victim.signal_kill()
        for victim in victims:
            victim.kill()

    def freeze(self, victim: Node | NatsServer) -> None:
        self._note("frozen", victim)
        victim.freeze()

    def cut_off(self, node: Node, way: Way = Way.BOTH, *, late: bool = False) -> None:
        """Break a node's way to NATS, until the proxy heals.

        Args:
            late: Hold back what it says; else it is lost.
        """
        self._note("cut off", node)
        if late:
            self.proxy.stall(way)
        else:
            self.proxy.drop(way)

    async def restart(self, node: Node) -> None:
        """End a node by SIGTERM and start it again; it must end with 0."""
        self._note("restarted", node)
        node.ask_to_end()
        code = await asyncio.to_thread(node.wait)
        if code != 0:
            self.outcome.faults.append(f"{node.name} ended with {code} at SIGTERM")
        await asyncio.to_thread(node.start)
        await self.ready([node])

    async def ready(self, nodes: Iterable[Node]) -> None:
        """Wait until nodes answer that they are ready."""
        for node in nodes:
            await self._until_readiness(node, ready=True)

    async def not_ready(self, nodes: Iterable[Node]) -> None:
        """Wait until nodes answer that nobody should be sent to them."""
        for node in nodes:
            await self._until_readiness(node, ready=False)

    async def served_again(self, node: Node) -> None:
        """Wait until every session that was created on a node welcomes somebody."""
        sessions, since_s = self.owned[node.name], self._struck_s[-1][0]

        def told() -> str:
            number = len(sessions) - len(self.crowd.failovers_s(sessions, since_s))
            return f"{number} sessions of {node.name} welcome nobody"

        await self.crowd.until(
            lambda: len(self.crowd.failovers_s(sessions, since_s)) == len(sessions),
            told,
        )

    async def newcomers_are(self, part: float) -> None:
        """Wait until this part of the newcomers has come, in or not."""
        number = part * self.plan.newcomers
        await self.crowd.until(
            lambda: self.crowd.newcomers >= number, "the newcomers don't come"
        )

    # --- The end ------------------------------------------------------------

    async def close(self) -> None:
        """Close the sessions: another scene may be played on the same processes."""
        await self.crowd.stop()
        node = self.nodes.running[0]
        for party in self._parties:
            path = f"/sessions/{party.id}"
            answer = await node.request("DELETE", path, token=party.token)
            assert answer.status == 204, answer

    async def check_numbers(self) -> None:
        """Check that each session has one owner, and each member one edge."""
        inside = sum(it.is_in for it in self.crowd.devices)
        expected = {
            "sessions_owned": len(self.crowd.ledgers),
            "members_attached": inside,
        }
        found: dict[str, list[float]] = {}
        with suppress(TimeoutError):
            async with asyncio.timeout(_NUMBERS_PATIENCE_S):
                while {name: sum(it) for name, it in found.items()} != expected:
                    for name in expected:
                        found[name] = [
                            await it.metric(name) for it in self.nodes.running
                        ]
                return
        self.outcome.faults.append(f"nodes count {found}, and there are {expected}")

    def conclude(self) -> Outcome:
        """Sum up; the nodes have ended, so that all is in their logs."""
        outcome = self.outcome
        for since_s, sessions in self._struck_s:
            outcome.failovers_s += self.crowd.failovers_s(sessions, since_s)
        outcome.joins = len(self.crowd.came)
        outcome.events = self.crowd.events
        outcome.faults += self.crowd.faults() + self.nodes.crashes()
        return outcome

    def _note(self, what: str, *victims: Node | NatsServer) -> None:
        now_s = time.monotonic()
        for victim in victims:
            is_node = isinstance(victim, Node)
            self.outcome.strikes[f"{'node' if is_node else 'NATS'} {what}"] += 1
        hit = [it for victim in victims for it in self.owned.get(victim.name, ())]
        # Where no owner was hit, all should go on, and that is what is measured.
        self._struck_s.append((now_s, hit or list(self.crowd.ledgers)))

    async def _until_readiness(self, node: Node, *, ready: bool) -> None:
        async with asyncio.timeout(30):
            while await node.is_ready() is not ready:  # noqa: ASYNC110  # it has no event
                await asyncio.sleep(0.02)


class Stage:
    """The processes of a scene; several may be played on it, one after another.

    Attributes:
        plan: What it was set for.
    """

    def __init__(
        self, plan: Plan, nats: NatsServers, nodes: Nodes, proxy: FaultProxy
    ) -> None:
        self.plan = plan
        self._nats = nats
        self._nodes = nodes
        self._proxy = proxy

    @asynccontextmanager
    async def scene(self, plan: Plan, seed: int | None = None) -> AsyncIterator[Scene]:
        """Open a scene; its sessions and its crowd are gone at the end of the block.

        Args:
            plan: Its processes are those that the stage was set for.
        """
        assert plan.processes == self.plan.processes
        await self._mend()
        it = Scene(plan, self._nats, self._nodes, self._proxy, seed)
        try:
            await it.open()
            yield it
        finally:
            self._proxy.heal()
            await it.close()

    def crashes(self) -> list[str]:
        """Return the tracebacks of all nodes; all of them once they have ended."""
        return self._nodes.crashes()

    async def _mend(self) -> None:
        """Start again what the last scene has left dead."""
        self._proxy.heal()
        for server in self._nats.servers:
            if not server.is_running:
                await asyncio.to_thread(server.start)
        for node in self._nodes:
            if not node.is_running:
                await asyncio.to_thread(node.start)


@asynccontextmanager
async def set_stage(plan: Plan, folder: Path) -> AsyncIterator[Stage]:
    """Start processes; all of them are gone at the end of the block."""
    async with AsyncExitStack() as stack:
        nats = await _entered(stack, NatsServers(folder, plan.nats))
        proxy = await stack.enter_async_context(FaultProxy(nats.servers[0].port))
        urls = [nats.urls] * plan.nodes
        if plan.proxied is not None:
            urls[plan.proxied] = f"nats://127.0.0.1:{proxy.port}"
        nodes = await _entered(stack, Nodes(urls, *plan.options))
        yield Stage(plan, nats, nodes, proxy)


Resource = TypeVar("Resource", bound=AbstractContextManager[object])


async def _entered(stack: AsyncExitStack, resource: Resource) -> Resource:
    """Start processes while the loop goes on; the stack ends them."""
    await asyncio.to_thread(resource.__enter__)
    stack.push(resource)
    return resource
