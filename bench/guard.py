"""The guard: LoudSync's CPU time per operation against a yardstick's, in seconds.

``python -m bench.guard`` compares ratios with those recorded in guard.json and
returns 1 where one has become worse by more than a third; ``--record`` records.

How it stays quiet on a busy machine, and not on a slower LoudSync:

- CPU time, not wall-clock time: waiting for a core costs none.
- Ratios, not times: LoudSync and a yardstick run in turn, so that a slow machine
  is slow for both.
- The ratio of the least times: a neighbour on the machine (cold caches, a shared
  core) can only add CPU time, never take any away, so the least of several runs
  is the nearest to the truth. More runs can only bring it nearer, so they are
  made only while the ratio looks bad: noise goes away, a regression stays.
- Two yardsticks: the C limit is nearly all kernel, aiohttp nearly all Python.
  A machine whose kernel is quicker beside its user code raises one ratio and
  lowers the other; a slower LoudSync raises both. Only both together are a
  regression, and the second is asked only where the first looks bad.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import machine
from bench.build import build
from bench.errors import BenchError, RunFailed
from bench.run import load
from bench.servers import OURS, SERVERS, running
from bench.workloads import PARTY

RECORD: Final = Path(__file__).with_name("guard.json")

WORSE: Final = 4 / 3
"""A ratio that has grown by more than this is a regression."""

MOST_TURNS: Final = 5
"""Turns after which a ratio that still looks bad is bad."""

YARDSTICKS: Final = ("limit", "aiohttp")

Recorded = dict[str, dict[str, float]]
"""Ratios by check and yardstick."""


@dataclass(frozen=True)
class Check:
    """A short run of the load whose ``cpu_us`` is looked at.

    Attributes:
        turns: How often at least; once where one run lasts long enough.
    """

    name: str
    load: str
    arguments: tuple[str, ...]
    sessions: int
    turns: int


# The last argument of ping is seconds.
CHECKS: Final = (
    Check("storm", "storm", ("1500",), sessions=150, turns=3),
    Check("ping-1", "ping", ("200", "1", "1"), sessions=20, turns=1),
    Check("ping-16", "ping", ("200", "16", "1"), sessions=20, turns=1),
)
SEATS: Final = PARTY + 1  # the host's


def settle(
    cost: Callable[[str], float], yardstick: str, turns: int, bound: float
) -> float:
    """Return LoudSync's least cost by the yardstick's, measured in turn.

    Args:
        cost: Measures one server, once.
        turns: How many at least; up to ``MOST_TURNS`` while the ratio is over
            the bound.
    """
    ours = theirs = float("inf")
    for turn in range(1, MOST_TURNS + 1):
        ours = min(ours, cost(OURS))
        theirs = min(theirs, cost(yardstick))
        if turn >= turns and ours / theirs <= bound:
            break
    return ours / theirs


def check_up(
    cost: Callable[[str], float], turns: int, recorded: dict[str, float]
) -> dict[str, float]:
    """Ask the yardsticks in turn until one finds nothing wrong.

    Returns:
        The ratio to each that was asked.
    """
    ratios = {}
    for yardstick in YARDSTICKS:
        bound = recorded[yardstick] * WORSE
        ratios[yardstick] = settle(cost, yardstick, turns, bound)
        if ratios[yardstick] <= bound:
            break
    return ratios


def is_worse(ratios: dict[str, float], recorded: dict[str, float]) -> bool:
    """Tell whether every yardstick finds LoudSync worse than it was."""
    return all(
        yardstick in ratios and ratios[yardstick] > recorded[yardstick] * WORSE
        for yardstick in YARDSTICKS
    )


def _cost_of(check: Check, cores: machine.Cores) -> Callable[[str], float]:
    def cost(key: str) -> float:
        server = SERVERS[key]
        with running(server, check.sessions, SEATS, cores.server) as process:
            arguments = [server.dialect, *check.arguments]
            return load(check.load, process, arguments, cores.load)["cpu_us"]

    return cost


def _record(cores: machine.Cores) -> None:
    recorded: Recorded = {}
    for check in CHECKS:
        cost = _cost_of(check, cores)
        least = dict.fromkeys((OURS, *YARDSTICKS), float("inf"))
        for _ in range(MOST_TURNS):
            least = {key: min(known, cost(key)) for key, known in least.items()}
        recorded[check.name] = {
            yardstick: round(least[OURS] / least[yardstick], 4)
            for yardstick in YARDSTICKS
        }
        print(check.name, recorded[check.name])
    RECORD.write_text(json.dumps(recorded, indent=2) + "\n", encoding="utf-8")


def _guard(cores: machine.Cores) -> bool:
    all_recorded: Recorded = json.loads(RECORD.read_text(encoding="utf-8"))
    good = True
    for check in CHECKS:
        recorded = all_recorded[check.name]
        ratios = check_up(_cost_of(check, cores), check.turns, recorded)
        shown = ", ".join(
            f"{ratio:.2f} times {SERVERS[key].name} (recorded: {recorded[key]:.2f})"
            for key, ratio in ratios.items()
        )
        if is_worse(ratios, recorded):
            good = False
            print(f"{check.name}: worse by more than a third: CPU time is {shown}")
        else:
            print(f"{check.name}: good: CPU time is {shown}")
    return good


def main() -> int:
    """Guard, or record; return 1 on a regression, or where nothing can be told."""
    parser = argparse.ArgumentParser(prog="python -m bench.guard")
    parser.add_argument(
        "--record", action="store_true", help="take today's ratios as the right ones"
    )
    options = parser.parse_args()
    try:
        cores = machine.cores()
        machine.allow_many_files()
        build()
        if options.record:
            _record(cores)
            return 0
        return 0 if _guard(cores) else 1
    except (BenchError, RunFailed) as fault:
        print(fault, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
