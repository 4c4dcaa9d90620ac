"""The machine: which cores are used, what it is called."""

import os
import platform
import resource
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.errors import BenchError


@dataclass(frozen=True)
class Cores:
    """One core for the server under test, one for the load."""

    server: int
    load: int


@dataclass(frozen=True)
class Machine:
    """What figures depend on."""

    cpu: str
    cores: int
    kernel: str
    python: str


def cores() -> Cores:
    """Choose two cores: the last for the server, since the system itself uses the first.

    Raises:
        BenchError: There is only one, or the system can't pin processes.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise BenchError("the benchmark needs Linux, to give each server its core")
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise BenchError(
            "the benchmark needs two cores, one for the server and one for the load; "
            "this machine gives it one"
        )
    return Cores(server=usable[-1], load=usable[0])


def pin(core: int) -> Callable[[], None]:
    """Give what a child process calls to stay on this core."""
    return partial(os.sched_setaffinity, 0, {core})


def allow_many_files() -> None:
    """Raise the limit on open files, for this process and its children."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def describe() -> Machine:
    """Describe this machine."""
    return Machine(
        cpu=_cpu_model(),
        cores=os.cpu_count() or 1,
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
    )


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def resident_kb(pid: int) -> float:
    """Return the resident memory of a process, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1])
    raise BenchError(f"process {pid} has no memory: it is gone")
