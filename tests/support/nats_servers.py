"""Real nats-servers on loopback that can be killed, frozen and started again.

Everything here waits in the calling thread, for a start some 50 ms: a test with a
loop to keep going calls it with ``asyncio.to_thread``.
"""

import signal
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from child_processes import PATIENCE_S, Signals, free_ports, wait_until
from loudsync.cluster.nats_server import find_nats_server

SESSIONS_STREAM: Final = "KV_loudsync_sessions"
"""The stream under the bucket of sessions."""


class NatsServer(Signals):
    """One nats-server with JetStream on disk; its ports and its folder stay.

    Args:
        folder: For its store and its log.
        routes: Where all servers of its cluster find each other, itself
            included; none for a server alone.
        route_port: Which of them is its own.
    """

    def __init__(
        self,
        folder: Path,
        name: str = "nats",
        *,
        routes: Sequence[int] = (),
        route_port: int = 0,
    ) -> None:
        self.name = name
        self.port, self._monitor_port = free_ports(2)
        self._log = folder / f"{name}.log"
        self._command = [
            str(find_nats_server()),
            *("--server_name", name, "-a", "127.0.0.1", "-p", str(self.port)),
            *("-m", str(self._monitor_port), "-l", str(self._log)),
            *("-js", "-sd", str(folder / name)),
        ]
        if routes:
            self._command += [
                *("--cluster_name", "loudsync-tests"),
                *("--cluster", f"nats://127.0.0.1:{route_port}"),
                *("--routes", ",".join(f"nats://127.0.0.1:{it}" for it in routes)),
                # What clients are told of comes from the test alone.
                "--no_advertise=true",
            ]

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has written, over all of its starts."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def launch(self) -> None:
        """Start it, or start it again; it takes nobody yet."""
        self._popen = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )

    def start(self) -> None:
        """Start it, or start it again; return when it takes clients."""
        self.launch()
        self.wait_until_healthy()

    def wait_until_healthy(self) -> None:
        wait_until(self._is_healthy, f"{self.name} takes clients; it says: {self.log}")

    def kill(self) -> None:
        """End it at once (SIGKILL), frozen or not."""
        self._popen.kill()
        self._popen.wait()

    def terminate(self) -> None:
        """Ask it to end (SIGTERM); return when it has."""
        self._popen.send_signal(signal.SIGTERM)
        self._popen.wait(PATIENCE_S)

    def ask(self, path: str) -> Any:
        """Ask its monitoring port.

        Raises:
            OSError: It doesn't answer, or not with 200.
        """
        url = f"http://127.0.0.1:{self._monitor_port}{path}"
        with urllib.request.urlopen(url, timeout=2) as answer:
            return msgspec.json.decode(answer.read())

    def _is_healthy(self) -> bool:
        assert self.is_running, f"{self.name} ended by itself: {self.log}"
        try:
            return bool(self.ask("/healthz")["status"] == "ok")
        except OSError:
            return False


class NatsServers:
    """One nats-server, or a cluster of them.

    Attributes:
        servers: All of them, whether they run or not.
    """

    def __init__(self, folder: Path, count: int = 1) -> None:
        routes = free_ports(count) if count > 1 else []
        self.servers = [
            NatsServer(
                folder,
                f"nats{number}",
                routes=routes,
                route_port=routes[number] if routes else 0,
            )
            for number in range(count)
        ]

    def __enter__(self) -> Self:
        try:
            for server in self.servers:
                server.launch()
            for server in self.servers:
                server.wait_until_healthy()
            if len(self.servers) > 1:
                wait_until(lambda: bool(self._meta_leader()), "NATS has a leader")
        except BaseException:
            self.kill_all()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.kill_all()

    @property
    def urls(self) -> str:
        """What ``--nats`` takes."""
        return ",".join(server.url for server in self.servers)

    def kill_all(self) -> None:
        for server in self.servers:
            if hasattr(server, "_popen"):
                server.kill()

    def stream_leader(self, stream: str = SESSIONS_STREAM) -> NatsServer:
        """Return who leads a stream now; waits for an election that is under way."""
        found: list[str] = []

        def is_known() -> bool:
            found[:] = [name for name in [self._leader_of(stream)] if name]
            return bool(found)

        wait_until(is_known, f"{stream} has a leader")
        (leader,) = [server for server in self.servers if server.name == found[0]]
        return leader

    def _leader_of(self, stream: str) -> str:
        for server in self._running():
            try:
                told = server.ask("/jsz?accounts=true&streams=true")
            except OSError:
                continue
            for account in told.get("account_details", ()):
                for detail in account.get("stream_detail", ()):
                    if detail["name"] == stream:
                        cluster = detail.get("cluster", {})
                        leader = str(cluster.get("leader", ""))
                        # A follower may name one that is gone, until it has noticed.
                        if leader in {it.name for it in self._running()}:
                            return leader
        return ""

    def _meta_leader(self) -> str:
        leaders = set()
        for server in self._running():
            try:
                cluster = server.ask("/jsz").get("meta_cluster", {})
            except OSError:
                return ""
            leaders.add(str(cluster.get("leader", "")))
        return leaders.pop() if len(leaders) == 1 else ""

    def _running(self) -> list[NatsServer]:
        return [server for server in self.servers if server.is_running]


@contextmanager
def nats_servers(folder: Path, count: int = 1) -> Iterator[NatsServers]:
    """Run nats-servers; they are gone at the end of the block, come what may."""
    with NatsServers(folder, count) as servers:
        yield servers
