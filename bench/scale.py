"""What one member costs as the members of one process become more.

``python -m bench.scale [PAGE …]`` prints a table, and writes it into Markdown
pages between ``<!-- scale -->`` and ``<!-- /scale -->``.
"""

import sys
from pathlib import Path
from typing import Final

from bench import machine, report
from bench.build import build
from bench.errors import BenchError, RunFailed
from bench.run import load
from bench.servers import OURS, SERVERS, running
from bench.workloads import PARTY

SIZES: Final = (1000, 5000, 10_000, 18_000)
"""Members; a process that may have 20,000 files has room for no more."""

SEATS: Final = PARTY + 1  # the host's
SECONDS: Final = 15


def main() -> int:
    """Measure every size once; return 1 where a run fails."""
    try:
        cores = machine.cores()
        machine.allow_many_files()
        build()
        rows = [
            ["members", "CPU µs per JOIN", "CPU µs per member and second", "KB each"]
        ]
        rows += [_row(size, cores) for size in SIZES]
        print(report.text(rows))
        for page in map(Path, sys.argv[1:]):
            parts = {"scale": report.markdown(rows)}
            text = report.rewrite(page.read_text(encoding="utf-8"), parts)
            page.write_text(text, encoding="utf-8")
    except (BenchError, RunFailed) as fault:
        print(fault, file=sys.stderr)
        return 1
    return 0


def _row(size: int, cores: machine.Cores) -> list[str]:
    costs = [
        _measured(size, cores, "storm", "cpu_us", []),
        _measured(size, cores, "steady", "cpu_us", [str(SECONDS)]),
        _measured(size, cores, "memory", "per_member_kb", []),
    ]
    return [f"{size:,}", *map(report.three_digits, costs)]


def _measured(
    size: int, cores: machine.Cores, name: str, figure: str, more: list[str]
) -> float:
    with running(SERVERS[OURS], size // PARTY, SEATS, cores.server) as server:
        arguments = ["plain", str(size), *more]
        return load(name, server, arguments, cores.load)[figure]


if __name__ == "__main__":
    raise SystemExit(main())
