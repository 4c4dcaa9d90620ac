"""The servers, and how one is started on its core, and ended."""

import http.client
import importlib.metadata
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Literal
from urllib.parse import urlsplit

from bench.build import HERE, LIMIT, NODE_MODULES, bun, node
from bench.errors import RunFailed
from bench.machine import pin, resident_kb

Dialect = Literal["plain", "socket.io"]

START_TIMEOUT_S: Final = 30
END_TIMEOUT_S: Final = 15
REQUEST_TIMEOUT_S: Final = 10
SHOWN_STDERR: Final = 2000  # characters of it, of a server that failed


@dataclass(frozen=True)
class Server:
    """A server that can be measured.

    Attributes:
        key: What ``--servers`` and the JSON call it.
        name: What people read.
        command: Makes the command from the sessions and the seats of each.
        version: Says what is measured, with its version.
        dialect: How messages travel.
    """

    key: str
    name: str
    command: Callable[[int, int], list[str]]
    version: Callable[[], str]
    dialect: Dialect = "plain"


@dataclass(frozen=True)
class Running:
    """A server that listens, with its sessions open.

    Attributes:
        spawned_s: When its process was asked for, on ``time.perf_counter``.
        empty_kb: Its resident memory when it said that it listens.
    """

    port: int
    pid: int
    spawned_s: float
    empty_kb: float


def _loudsync(sessions: int, members: int) -> list[str]:
    """Start it as its users do; its sessions are opened over HTTP.

    The load asks far faster than a phone does: the rate limit stays in force,
    but higher.
    """
    del sessions, members
    command = Path(sys.executable).with_name("loudsync")
    listen = ["--host", "127.0.0.1", "--port", "0"]
    limits = ["--max-message-rate", "1000000", "--max-sessions", "20000"]
    output = ["--json", "--log-level", "error"]
    return [str(command), "serve", *listen, *limits, *output]


def _peer(
    runtime: Callable[[], str] | None, file: str
) -> Callable[[int, int], list[str]]:
    def command(sessions: int, members: int) -> list[str]:
        runs = [] if runtime is None else [runtime()]
        return [*runs, str(HERE / file), str(sessions), str(members)]

    return command


def _python() -> str:
    return sys.executable


def _version_of(binary: str) -> str:
    answer = subprocess.run(
        [binary, "--version"], capture_output=True, text=True, check=True
    )
    return answer.stdout.strip().removeprefix("v")


def _of_node(package: str) -> Callable[[], str]:
    def version() -> str:
        text = (NODE_MODULES / package / "package.json").read_text(encoding="utf-8")
        return f"{package} {json.loads(text)['version']}, Node.js {_version_of(node())}"

    return version


def _of_python(*packages: str) -> Callable[[], str]:
    def version() -> str:
        return ", ".join(
            f"{package} {importlib.metadata.version(package)}" for package in packages
        )

    return version


SERVERS: Final = {
    server.key: server
    for server in (
        Server(
            "loudsync",
            "LoudSync",
            _loudsync,
            _of_python("loudsync", "uvloop"),
        ),
        Server(
            "limit", "C limit", _peer(None, str(LIMIT)), lambda: "bare epoll, cc -O2"
        ),
        Server(
            "bun",
            "Bun",
            _peer(bun, "peers/bun.mjs"),
            lambda: f"Bun {_version_of(bun())}",
        ),
        Server("node-ws", "Node ws", _peer(node, "peers/node_ws.mjs"), _of_node("ws")),
        Server(
            "socket.io",
            "Socket.IO",
            _peer(node, "peers/socket_io.mjs"),
            _of_node("socket.io"),
            dialect="socket.io",
        ),
        Server(
            "aiohttp",
            "aiohttp",
            _peer(_python, "peers/aiohttp_server.py"),
            _of_python("aiohttp", "uvloop"),
        ),
        Server(
            "websockets",
            "websockets",
            _peer(_python, "peers/websockets_server.py"),
            _of_python("websockets", "uvloop"),
        ),
    )
}
"""By key, in the order of the tables."""

OURS: Final = "loudsync"


@contextmanager
def running(
    server: Server, sessions: int, members: int, core: int
) -> Iterator[Running]:
    """Run a server on a core, with sessions p0, p1, … of so many seats each.

    Raises:
        RunFailed: It did not start, or the body's run failed; what the server
            wrote to standard error is in the text.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LOUDSYNC_")}
    with tempfile.TemporaryFile() as stderr:
        spawned_s = time.perf_counter()
        process = subprocess.Popen(
            server.command(sessions, members),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=kept,
            # Nothing but this thread runs here, so the child may run Python.
            preexec_fn=pin(core),
        )
        try:
            port = _port(process)
            started = Running(port, process.pid, spawned_s, resident_kb(process.pid))
            if server.key == OURS:
                _open_sessions(port, sessions, members)
            yield started
        except RunFailed as fault:
            raise RunFailed(f"{fault}{_end_of(stderr)}") from fault
        finally:
            _end(process)


def _port(process: subprocess.Popen[bytes]) -> int:
    """Wait for the line in which the server says where it listens."""
    output = process.stdout
    assert output is not None
    ready, _, _ = select.select([output], [], [], START_TIMEOUT_S)
    line = output.readline().decode() if ready else ""
    if line.startswith("port "):
        return int(line.removeprefix("port "))
    if line.startswith("{"):
        return urlsplit(json.loads(line)["url"]).port or 0
    raise RunFailed("the server did not start")


def _open_sessions(port: int, sessions: int, members: int) -> None:
    http_client = http.client.HTTPConnection(
        "127.0.0.1", port, timeout=REQUEST_TIMEOUT_S
    )
    try:
        for number in range(sessions):
            session = {"name": "Party", "id": f"p{number}", "maxMembers": members}
            http_client.request("POST", "/sessions", json.dumps(session))
            answer = http_client.getresponse()
            text = answer.read().decode()
            if answer.status != 201:
                raise RunFailed(f"POST /sessions: {answer.status} {text}")
    except (OSError, http.client.HTTPException) as fault:
        raise RunFailed(f"POST /sessions: {fault!r}") from fault
    finally:
        http_client.close()


def _end_of(stderr: IO[bytes]) -> str:
    stderr.seek(0)
    text = stderr.read().decode(errors="replace").strip()
    return f"\n{text[-SHOWN_STDERR:]}" if text else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def versions(keys: list[str]) -> dict[str, str]:
    """Say what is measured, by the servers' keys."""
    return {key: SERVERS[key].version() for key in keys}
