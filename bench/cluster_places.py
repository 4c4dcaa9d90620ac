"""Where the cluster is measured: servers alone, and nodes on NATS, all processes."""

import http.client
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.errors import RunFailed
from cli_process import listening_at, loudsync
from cluster_nodes import Nodes
from nats_servers import nats_servers
from worker_crew import workers

# The load asks far faster than a phone does: limits stay in force, but higher.
OPTIONS: Final = (
    *("--max-message-rate", "1000000", "--max-sessions", "20000"),
    *("--log-level", "error"),
)

NATS: Final = "nats"

_LOCAL: Final = ("--host", "127.0.0.1", "--port", "0", "--json")
_REQUEST_TIMEOUT_S: Final = 10
_CPU_CLOCK: Final = 2  # of a process, all its threads: CPUCLOCK_SCHED of Linux


@dataclass(frozen=True)
class Place:
    """Servers that run.

    Attributes:
        owner: The port of the node that sessions are opened on.
        edge: The port of another node, where there is one; else the same.
        processes: All process ids by what they are; ``nats`` is the nats-server.
    """

    owner: int
    edge: int
    processes: Mapping[str, int]

    def cpu_s(self) -> dict[str, float]:
        """Return what each process has used of the CPU so far, the kernel included."""
        return {name: cpu_s(pid) for name, pid in self.processes.items()}


def cpu_s(pid: int) -> float:
    """Return a process's CPU time with all its threads, in seconds.

    Raises:
        RunFailed: It is gone.
    """
    try:
        # As clock_getcpuclockid(3) makes it; Python has only the one for threads.
        return time.clock_gettime((~pid << 3) | _CPU_CLOCK)
    except OSError as fault:
        raise RunFailed(f"process {pid} is gone") from fault


@contextmanager
def alone(*, keeps_state: bool = False) -> Iterator[Place]:
    """Run one server without NATS.

    Args:
        keeps_state: With ``--state FILE``.
    """
    with ExitStack() as stack:
        state: tuple[str, ...] = ()
        if keeps_state:
            state = ("--state", str(stack.enter_context(_folder()) / "state.db"))
        server = stack.enter_context(loudsync("serve", *_LOCAL, *OPTIONS, *state))
        _, port = listening_at(server)
        yield Place(port, port, {"owner": server.popen.pid})


@contextmanager
def on_nats(nodes: int) -> Iterator[Place]:
    """Run nodes with a port each, on a NATS; the last one is the edge."""
    with node_processes(nodes) as (running, nats):
        names = ["owner", "edge", *(f"node {n}" for n in range(2, nodes))]
        pids = {name: it.pid for name, it in zip(names, running, strict=False)}
        yield Place(running[0].port, running[-1].port, {**pids, NATS: nats})


@contextmanager
def node_processes(count: int) -> Iterator[tuple[Nodes, int]]:
    """Run nodes on a NATS; give them, and the nats-server's process id."""
    with ExitStack() as stack:
        folder = stack.enter_context(_folder())
        nats = stack.enter_context(nats_servers(folder))
        running = Nodes([nats.urls] * count, *OPTIONS)
        running.__enter__()
        # Not its own exit, which prints what nodes logged.
        stack.callback(running.end)
        yield running, nats.servers[0].pid


@contextmanager
def with_workers(count: int) -> Iterator[Place]:
    """Run ``serve --workers``, which brings its own nats-server."""
    with workers(count, *OPTIONS) as crew:
        pids = {**crew.workers, NATS: crew.nats_server}
        yield Place(
            crew.port, crew.port, {**pids, "supervisor": crew.supervisor.popen.pid}
        )


@contextmanager
def sessions_at(
    port: int, count: int, seats: int, prefix: str = "p"
) -> Iterator[list[str]]:
    """Open sessions p0, p1, … of so many seats each; they are closed at the end.

    Each is asked for on a connection of its own: of workers that share a port,
    each gets a part of them.

    Raises:
        RunFailed: The server doesn't open or close one.
    """
    tokens: dict[str, str] = {}
    for number in range(count):
        session_id = f"{prefix}{number}"
        body = json.dumps({"name": "Party", "id": session_id, "maxMembers": seats})
        answer = _asked(port, "POST", "/sessions", body, expected=201)
        tokens[session_id] = json.loads(answer)["hostToken"]
    yield list(tokens)
    for session_id, token in tokens.items():
        _asked(port, "DELETE", f"/sessions/{session_id}", token=token, expected=204)


def _asked(
    port: int, method: str, path: str, body: str = "", token: str = "", *, expected: int
) -> bytes:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=_REQUEST_TIMEOUT_S)
    try:
        client.request(method, path, body or None, headers)
        answer = client.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as fault:
        raise RunFailed(f"{method} {path}: {fault!r}") from fault
    finally:
        client.close()
    if answer.status != expected:
        raise RunFailed(f"{method} {path}: {answer.status} {content.decode()}")
    return content


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="loudsync-bench-") as name:
        yield Path(name)
