"""`loudsync serve --workers` as processes: who is there, and who holds what.

Only for Linux: what it tells is read from /proc.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from child_processes import wait_until
from cli_process import Process, loudsync

LOCAL: Final = ("--host", "127.0.0.1", "--json", "--node-name", "w")

_ESTABLISHED: Final = "01"


class Crew:
    """A supervisor, and what it has started.

    Attributes:
        supervisor: Its process; its standard error is everybody's.
        port: What the workers share.
        url: Where they are.
    """

    def __init__(self, supervisor: Process, count: int) -> None:
        self.supervisor = supervisor
        event = supervisor.event("listening")
        assert event["workers"] == count
        self.url = str(event["url"])
        self.port = urlsplit(self.url).port or 0

    @property
    def all(self) -> dict[int, tuple[str, ...]]:
        """The running processes under the supervisor, and their arguments."""
        return children_of(self.supervisor.popen.pid)

    @property
    def workers(self) -> dict[str, int]:
        """The running workers' process ids, by name."""
        return {
            words[-1]: pid for pid, words in self.all.items() if "--node-name" in words
        }

    @property
    def nats_server(self) -> int:
        (found,) = [pid for pid, it in self.all.items() if "nats-server" in it[0]]
        return found

    @property
    def connections(self) -> dict[str, int]:
        """How many connections each worker holds, by name."""
        sockets = _accepted_at(self.port)
        return {
            name: len(sockets & _sockets_of(pid)) for name, pid in self.workers.items()
        }

    def listened(self, name: str) -> int:
        """How often a worker has said that it listens."""
        lines = self.supervisor.errors.splitlines()
        return sum(" listening " in line and f"node={name} " in line for line in lines)

    def kill_worker(self, name: str) -> None:
        """Kill one, and wait until its successor listens."""
        before = self.listened(name)
        os.kill(self.workers[name], signal.SIGKILL)
        wait_until(lambda: self.listened(name) > before, f"{name} listens again")


@contextmanager
def workers(count: int, *arguments: str, **variables: str) -> Iterator[Crew]:
    """Run workers on loopback; nothing is left of them at the end of the block."""
    local = (*LOCAL, *(() if "--port" in arguments else ("--port", "0")))
    with loudsync(
        "serve", *local, "--workers", str(count), *arguments, **variables
    ) as supervisor:
        crew = Crew(supervisor, count)
        started = set(crew.all)
        try:
            yield crew
        finally:
            started |= set(crew.all)
            supervisor.popen.kill()
            for pid in started:
                if is_running(pid):
                    os.kill(pid, signal.SIGKILL)


def children_of(parent: int) -> dict[int, tuple[str, ...]]:
    """The running children of a process, and their arguments."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            facts = (entry / "stat").read_text().rpartition(")")[2].split()
            words = (entry / "cmdline").read_text().rstrip("\0").split("\0")
        except OSError:  # it has ended meanwhile
            continue
        if int(facts[1]) == parent and facts[0] != "Z":
            found[int(entry.name)] = tuple(words)
    return found


def is_running(pid: int) -> bool:
    """Whether a process has not ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][1] != "Z"
    except OSError:
        return False


def _accepted_at(port: int) -> set[str]:
    """The sockets of connections to a port on this machine, as /proc names them."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return {
        f"socket:[{row[9]}]"
        for row in rows[1:]
        if row[1].endswith(f":{port:04X}") and row[3] == _ESTABLISHED
    }


def _sockets_of(pid: int) -> set[str]:
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(str(descriptor.readlink()))
        except OSError:  # closed meanwhile
            continue
    return found
