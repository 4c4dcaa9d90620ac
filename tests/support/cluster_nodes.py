"""Several `loudsync serve --nats` that are one service, as processes.

Starting, ending and waiting happen in the calling thread: a test with a loop to keep
going calls them with ``asyncio.to_thread``. What is asked over HTTP is asynchronous.
"""

import queue
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple, Self

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from child_processes import Signals
from cli_process import Process, listening_at
from loudsync.protocol import MemberId
from raw_http import Answer, exchange
from raw_peer import RawPeer, until
from same_views import seen
from seated_peer import SeatedPeer
from stage import join

LOCAL: Final = ("--host", "127.0.0.1", "--port", "0", "--json")


_START_PATIENCE: Final = 4
"""How often to wait for a process's patience: a dozen of them may start together
beside other tests."""

_LEFT_TO_COLLECT: Final = re.compile(r"<function StreamWriter.__del__ at \w+>$")


class Party(NamedTuple):
    """A session as POST /sessions answers for it."""

    id: str
    host_id: MemberId
    token: str


class Node(Signals):
    """One server process of the service; started again, it is a new one.

    Attributes:
        port: Where it listens; another one after each start.
        logs: What its earlier lives have written to standard error.
    """

    def __init__(self, name: str, arguments: Sequence[str]) -> None:
        self.name = name
        self.port = 0
        self.logs: list[str] = []
        self._arguments = ("serve", *LOCAL, *arguments)
        self._peers: list[RawPeer] = []

    # --- Its life -----------------------------------------------------------

    def launch(self) -> None:
        """Start it, or start it again; ``wait_until_listening`` tells when it is."""
        self._process = Process(self._arguments, {})
        self._popen = self._process.popen

    def wait_until_listening(self) -> None:
        for _ in range(_START_PATIENCE):
            with suppress(queue.Empty):
                _, self.port = listening_at(self._process)
                return
        raise TimeoutError(f"{self.name} doesn't listen: {self.log}")

    def start(self) -> None:
        self.launch()
        self.wait_until_listening()

    def kill(self) -> None:
        """End it at once (SIGKILL), frozen or not."""
        self._process.kill()
        self._keep_log()

    def ask_to_end(self) -> None:
        """Send SIGTERM; ``wait`` tells the exit code."""
        self._process.send(signal.SIGTERM)

    def wait(self) -> int:
        code = self._process.wait()
        self._keep_log()
        return code

    @property
    def log(self) -> str:
        """What it has written to standard error, in all its lives."""
        return "".join([*self.logs, self._process.errors if self.is_running else ""])

    def _keep_log(self) -> None:
        self.logs.append(self._process.errors)

    # --- What it says over HTTP ---------------------------------------------

    async def request(
        self, method: str, path: str, body: object = None, token: str = ""
    ) -> Answer:
        """Ask once, on a connection of its own."""
        content = b"" if body is None else msgspec.json.encode(body)
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Length: {len(content)}\r\n"
        )
        if token:
            head += f"Authorization: Bearer {token}\r\n"
        return await exchange(self.port, f"{head}\r\n".encode() + content)

    async def create(self, **fields: Any) -> Party:
        """Open a session; this node is its owner."""
        body = {"name": "Party", "maxMembers": 100, **fields}
        answer = await self.request("POST", "/sessions", body)
        assert answer.status == 201, answer
        made = answer.json()
        return Party(made["id"], MemberId(made["hostId"]), made["hostToken"])

    async def metrics(self) -> Mapping[str, float]:
        """Read its numbers by name; those with labels by name and label values."""
        answer = await self.request("GET", "/metrics")
        assert answer.status == 200, answer
        return {
            " ".join([sample.name, *sample.labels.values()]): sample.value
            for family in text_string_to_metric_families(answer.body.decode())
            for sample in family.samples
        }

    async def metric(self, name: str) -> float:
        """Read one of its numbers; without the ``loudsync_cluster_`` before it."""
        return (await self.metrics())[f"loudsync_cluster_{name}"]

    async def is_ready(self) -> bool:
        """Whether a load balancer would send people here."""
        status = (await self.request("GET", "/readyz")).status
        assert status in {200, 503}, status
        return status == 200

    # --- Who comes through it -----------------------------------------------

    async def connect(self) -> RawPeer:
        """Open a connection that ``let_go`` ends."""
        peer = await RawPeer.connect(self.port)
        self._peers.append(peer)
        return peer

    async def seat(
        self, party: Party | str, device: str, name: str = "Ann", **more: Any
    ) -> SeatedPeer:
        """Let a device join through it; a ``token`` makes it the host."""
        seated = await SeatedPeer.join(self.port, _id_of(party), device, name, **more)
        self._peers.append(seated.raw)
        return seated

    async def seat_host(self, party: Party, device: str = "hosts-device") -> SeatedPeer:
        return await self.seat(party, device, "Host", token=party.token)

    async def refusal(
        self, party: Party | str, device: str, **more: Any
    ) -> dict[str, Any]:
        """Let a device ask for a seat it doesn't get; return the ERROR."""
        peer = await self.connect()
        await peer.say(join(device, session_id=_id_of(party), **more))
        answer = await peer.receive()
        await peer.gone()
        assert answer["type"] == "error", answer
        return answer

    async def let_go(self) -> None:
        """End the connections of the test that is over."""
        for peer in self._peers:
            await peer.gone()
        self._peers.clear()


def _id_of(party: Party | str) -> str:
    return party if isinstance(party, str) else party.id


class Nodes:
    """Node processes n0, n1… on one NATS.

    Args:
        nats_urls: What each of them takes as ``--nats``.
        arguments: What else all of them take.
    """

    def __init__(self, nats_urls: Sequence[str], *arguments: str) -> None:
        self._nodes = [
            Node(
                f"n{number}", ("--nats", urls, "--node-name", f"n{number}", *arguments)
            )
            for number, urls in enumerate(nats_urls)
        ]

    def __getitem__(self, at: int) -> Node:
        return self._nodes[at]

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def __enter__(self) -> Self:
        try:
            for node in self._nodes:
                node.launch()
            for node in self._nodes:
                node.wait_until_listening()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.end()
        for node in self._nodes:
            # pytest shows it where a test fails.
            print(f"--- {node.name}\n{node.log}")  # noqa: T201

    def end(self) -> None:
        """Kill who is left."""
        for node in self._nodes:
            if hasattr(node, "_process") and node.is_running:
                node.kill()

    @property
    def running(self) -> list[Node]:
        return [node for node in self._nodes if node.is_running]

    def crashes(self) -> list[str]:
        """Return the tracebacks that nodes have logged, but for a library's."""
        found = []
        for node in self._nodes:
            before, *rest = node.log.split("Traceback")
            for told in rest:
                # nats-py forgets a connection whose start took too long.
                if not _LEFT_TO_COLLECT.search(before.rstrip()):
                    found.append(f"{node.name}: {told[:4000]}")
                before = told
        return found

    async def owners(self) -> list[Node]:
        """Return the running nodes that own any session."""
        return [node for node in self.running if await node.metric("sessions_owned")]


@contextmanager
def cluster(nats_urls: str, count: int, *arguments: str) -> Iterator[Nodes]:
    """Run nodes; they are gone at the end of the block, come what may."""
    with Nodes([nats_urls] * count, *arguments) as nodes:
        yield nodes


async def heard(peer: SeatedPeer, kind: str, **fields: Any) -> dict[str, Any]:
    """Wait until a peer has heard a message of a kind, with these fields."""

    def found() -> list[dict[str, Any]]:
        _ = peer.members  # takes in what has come
        return [it for it in peer.heard if {**it, "type": kind, **fields} == it]

    await until(lambda: bool(found()))
    return found()[-1]


async def see_each_other(*peers: SeatedPeer) -> None:
    """Wait until all these peers have the same members, themselves among them."""
    ids = {peer.id for peer in peers}

    def is_so() -> bool:
        views = [seen(peer.members.values()) for peer in peers]
        return ids <= {it.id for it in views[0]} and views.count(views[0]) == len(views)

    await until(is_so)
