"""Joins and heartbeats on any number of processes: figures over all of them.

The load is the C one of the other workloads, which measures one server's process.
Here all of them are measured from outside: their CPU clocks are read all the time,
and looked up at the instants between which the load says that it measured.
"""

import json
import select
import socket
import subprocess
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

import msgspec

from bench.build import LOAD
from bench.cluster_places import NATS, Place
from bench.errors import RunFailed
from bench.results import Figures
from bench.workloads import PARTY
from raw_peer import TEXT, frame

SEATS: Final = PARTY + 1  # the host's

_SAMPLE_S: Final = 0.01
_LOAD_TIMEOUT_S: Final = 150
_SOCKET_TIMEOUT_S: Final = 10

_NICENESS: Final = 10
"""The load waits awake: it must not take a core from who has something to do. Not
more, or what it has to do itself would wait for long."""

_UPGRADE: Final = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

Sample = tuple[float, dict[str, float]]
"""An instant, monotonic, and the CPU seconds of each process at it."""


def storm(place: Place, port: int, members: int) -> Figures:
    """Let so many join at a port, 256 at a time, into sessions of ten.

    Returns:
        ``per_s``, ``load_busy``, ``cpu_us`` for each join over all processes, and
        of that each process's part as ``cpu_us NAME``.
    """
    found, used_s = _measured(place, "storm", port, [str(members)])
    return _kept(found) | _each(used_s, found["operations"])


def steady(place: Place, port: int, members: int, seconds: int) -> Figures:
    """Let so many members send HEARTBEAT and PING every 5 s.

    Returns:
        ``cores``: CPU seconds a second; ``cpu_us`` for each member and second;
        ``p50_us`` and ``p99_us`` of a PONG.
    """
    found, used_s = _measured(place, "steady", port, [str(members), str(seconds)])
    cores = sum(used_s.values()) / found["wall_s"]
    return _kept(found) | _each(used_s, found["operations"]) | {"cores": cores}


def idle(place: Place, seconds: float) -> Figures:
    """Return what it takes to do nothing, in CPU seconds a second."""
    before = place.cpu_s()
    started_s = time.monotonic()
    time.sleep(seconds)
    took_s = time.monotonic() - started_s
    after = place.cpu_s()
    return {"idle_cores": sum(after[name] - before[name] for name in before) / took_s}


def one_by_one(port: int, session_ids: Sequence[str], count: int) -> list[float]:
    """Let members join one after the other; ten in each session.

    Returns:
        Seconds from JOIN, on a connection that is open, to WELCOME.

    Raises:
        RunFailed: One gets no WELCOME.
    """
    took_s = []
    with ExitStack() as stack:
        for number in range(count):
            request = {
                "type": "join",
                "timestamp": 1_706_889_600_000,
                "sessionId": session_ids[number // PARTY],
                "deviceInfo": {
                    "id": f"single-{number}",
                    "name": f"Member {number}",
                    "type": "client",
                },
            }
            connection = stack.enter_context(_upgraded(port))
            asked = frame(TEXT, msgspec.json.encode(request))
            asked_s = time.perf_counter()
            connection.sendall(asked)
            _await(connection, b'"welcome"')
            took_s.append(time.perf_counter() - asked_s)
    return took_s


@contextmanager
def _upgraded(port: int) -> Iterator[socket.socket]:
    try:
        connection = socket.create_connection(("127.0.0.1", port), _SOCKET_TIMEOUT_S)
    except OSError as fault:
        raise RunFailed(f"a member can't connect: {fault!r}") from fault
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(_UPGRADE)
        _await(connection, b"\r\n\r\n")
        yield connection


def _await(connection: socket.socket, part: bytes) -> None:
    heard = b""
    while part not in heard:
        try:
            more = connection.recv(65_536)
        except OSError as fault:
            raise RunFailed(f"a member waits in vain: {fault!r}") from fault
        if not more or b'"error"' in more:
            raise RunFailed(f"a member can't join: {heard + more!r}")
        heard += more


def _measured(
    place: Place, name: str, port: int, arguments: list[str]
) -> tuple[Figures, dict[str, float]]:
    """Run the load; return its figures, and what each process used meanwhile."""
    pid = next(iter(place.processes.values()))
    # Not by preexec_fn: threads of ours read what the servers print.
    gently = ["nice", "-n", str(_NICENESS)]
    command = [*gently, str(LOAD), name, str(port), str(pid), "plain", *arguments]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            samples = _sampled(place, process)
            output, errors = process.communicate(timeout=_SOCKET_TIMEOUT_S)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        told = errors.decode().strip()
        raise RunFailed(told or f"the load: exit {process.returncode}")
    found: Figures = json.loads(output)
    ended_s = samples[-1][0]
    return found, used_between(samples, ended_s - found["wall_s"], ended_s)


def _sampled(place: Place, process: "subprocess.Popen[bytes]") -> list[Sample]:
    """Read all CPU clocks until the load prints what it found.

    It prints before it ends its connections, whose ends are no part of it.
    """
    output = process.stdout
    assert output is not None
    samples = [(time.monotonic(), place.cpu_s())]
    deadline_s = samples[0][0] + _LOAD_TIMEOUT_S
    while samples[-1][0] < deadline_s:
        is_over = bool(select.select([output], [], [], _SAMPLE_S)[0])
        samples.append((time.monotonic(), place.cpu_s()))
        if is_over:
            return samples
    raise RunFailed("the load did not end")


def used_between(
    samples: Sequence[Sample], start_s: float, end_s: float
) -> dict[str, float]:
    """Return the CPU seconds of each process between two instants.

    In between two samples a process is taken to have been busy evenly; before the
    first and after the last one nothing is known, and nothing counted.
    """
    return {
        name: _at(samples, name, end_s) - _at(samples, name, start_s)
        for name in samples[0][1]
    }


def _at(samples: Sequence[Sample], name: str, instant_s: float) -> float:
    after = bisect_left(samples, instant_s, key=lambda sample: sample[0])
    if after == 0:
        return samples[0][1][name]
    if after == len(samples):
        return samples[-1][1][name]
    (from_s, before), (to_s, later) = samples[after - 1], samples[after]
    part = (instant_s - from_s) / (to_s - from_s)
    return before[name] + part * (later[name] - before[name])


def _each(used_s: Mapping[str, float], operations: float) -> Figures:
    """Return the CPU microseconds of one operation: all, NATS's, each node's."""
    each = {f"cpu_us {name}": s * 1e6 / operations for name, s in used_s.items()}
    each.setdefault(f"cpu_us {NATS}", 0.0)
    return {"cpu_us": sum(each.values()), **each}


def _kept(found: Figures) -> Figures:
    wanted = ("per_s", "load_busy", "p50_us", "p99_us")
    return {key: found[key] for key in wanted}
