"""Measure LoudSync beside other servers; see bench/README.md."""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench import machine, picture, report
from bench.build import build, install_peers
from bench.errors import BenchError
from bench.results import Results, read
from bench.run import rounds
from bench.servers import OURS, SERVERS, versions
from bench.targets import judge, target_rows
from bench.workloads import WORKLOADS

QUIET: Final = 0.5
"""Load average above which something else is running here."""


def main() -> int:
    """Measure and report; return 1 where a run of LoudSync failed."""
    options = _options()
    try:
        if options.from_json:
            results = read(options.from_json.read_bytes())
        else:
            results = _measure(options)
        print(report.table(results), report.notes(results), sep="\n\n")
        print("", report.text(target_rows(judge(results))), sep="\n")
        _write(results, options)
    except BenchError as fault:
        print(fault, file=sys.stderr)
        return 1
    for line in report.failures(results):
        print(line, file=sys.stderr)
    return 1 if results.failures(OURS) else 0


def _measure(options: argparse.Namespace) -> Results:
    cores = machine.cores()
    machine.allow_many_files()
    if (load_average := os.getloadavg()[0]) > QUIET:
        _say(
            f"the machine is busy (load average {load_average:.1f}): "
            "expect lower figures by the clock, and a wider spread"
        )
    build()
    if {"bun", "node-ws", "socket.io"} & set(options.servers):
        install_peers()
    servers = [SERVERS[key] for key in SERVERS if key in options.servers]
    workloads = [WORKLOADS[name] for name in WORKLOADS if name in options.workloads]
    if options.quick:
        workloads = [workload.made_quick() for workload in workloads]
    found = versions([server.key for server in servers])
    runs = rounds(options.rounds, workloads, servers, cores, _say)
    return Results(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        rounds=options.rounds,
        quick=options.quick,
        machine=machine.describe(),
        versions=found,
        runs=runs,
    )


def _write(results: Results, options: argparse.Namespace) -> None:
    if options.json:
        options.json.write_bytes(report.as_json(results))
    if options.picture:
        options.picture.write_text(picture.draw(results), encoding="utf-8")
    for path in options.write:
        try:
            page = report.rewrite(
                path.read_text(encoding="utf-8"), report.document(results)
            )
        except BenchError as fault:
            raise BenchError(f"{path}: {fault}") from fault
        path.write_text(page, encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--rounds",
        type=int,
        default=3,
        metavar="N",
        help="default: 3; medians are shown",
    )
    parser.add_argument(
        "--workloads",
        nargs="+",
        choices=WORKLOADS,
        default=list(WORKLOADS),
        metavar="NAME",
        help=f"some of {', '.join(WORKLOADS)}",
    )
    parser.add_argument(
        "--servers",
        nargs="+",
        choices=SERVERS,
        default=list(SERVERS),
        metavar="NAME",
        help=f"some of {', '.join(SERVERS)}",
    )
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: shows that everything works"
    )
    parser.add_argument(
        "--from",
        dest="from_json",
        type=Path,
        metavar="PATH",
        help="measure nothing; report what --json wrote",
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all runs")
    parser.add_argument("--picture", type=Path, metavar="PATH", help="write an SVG")
    parser.add_argument(
        "--write",
        nargs="+",
        type=Path,
        default=[],
        metavar="PATH",
        help="put the tables between the markers of these Markdown files",
    )
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be 1 or more")
    return options


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
