"""The rounds: each runs every workload on every server, in turn."""

import json
import subprocess
from collections.abc import Callable, Sequence
from typing import Final

from bench.build import LOAD
from bench.errors import RunFailed
from bench.machine import Cores, pin
from bench.results import Figures, Run
from bench.servers import Running, Server, running
from bench.startup import startup
from bench.workloads import Workload

LOAD_TIMEOUT_S: Final = 300
"""Beyond the load's own deadline: only a load that hangs gets here."""


def rounds(
    count: int,
    workloads: Sequence[Workload],
    servers: Sequence[Server],
    cores: Cores,
    say: Callable[[str], None],
) -> list[Run]:
    """Measure; a workload's servers run one right after the other.

    What the machine does besides then comes over all of them. The order of the
    servers moves on with each round, so that none has the same predecessor, or
    the first place, each time.
    """
    runs = []
    for number in range(count):
        first = number % len(servers)
        for workload in workloads:
            for server in (*servers[first:], *servers[:first]):
                run = measure(number + 1, workload, server, cores)
                shown = run.failure or _summary(run.figures)
                say(
                    f"{number + 1}/{count} {workload.name:<14} {server.name:<10} {shown}"
                )
                runs.append(run)
    return runs


def measure(number: int, workload: Workload, server: Server, cores: Cores) -> Run:
    """Make one run, in a server of its own."""
    try:
        with running(
            server, workload.sessions, workload.seats, cores.server
        ) as process:
            if workload.load is None:
                figures = startup(process, server.dialect)
            else:
                arguments = [server.dialect, *workload.arguments]
                figures = load(workload.load, process, arguments, cores.load)
    except RunFailed as fault:
        return Run(number, workload.name, server.key, {}, str(fault))
    return Run(number, workload.name, server.key, figures)


def load(name: str, server: Running, arguments: list[str], core: int) -> Figures:
    """Let the load run one workload on a core; return its figures.

    Raises:
        RunFailed: The load says what the server did wrong.
    """
    try:
        done = subprocess.run(
            [LOAD, name, str(server.port), str(server.pid), *arguments],
            capture_output=True,
            text=True,
            timeout=LOAD_TIMEOUT_S,
            check=False,
            preexec_fn=pin(core),
        )
    except subprocess.TimeoutExpired as fault:
        raise RunFailed("the load did not end") from fault
    if done.returncode != 0:
        raise RunFailed(done.stderr.strip() or f"the load: exit {done.returncode}")
    figures: Figures = json.loads(done.stdout)
    return figures


def _summary(figures: Figures) -> str:
    parts = {
        "per_s": "{:,.0f}/s",
        "cpu_us": "CPU {:.2f} µs",
        "p99_us": "p99 {:,.0f} µs",
        "per_member_kb": "{:.2f} KB",
        "welcome_s": "{:.3f} s",
        "server_busy": "server {:.0%} busy",
        "load_busy": "load {:.0%} busy",
    }
    return ", ".join(
        text.format(figures[key]) for key, text in parts.items() if key in figures
    )
