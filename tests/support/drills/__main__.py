"""The drills as a program; ``make drills`` runs it."""

import argparse
import asyncio
import io
import random
import signal
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

from drills.drill import DRILLS, run
from drills.report import Tally, spread, table
from drills.scene import Outcome


def main() -> int:
    """Run every drill so many times; return 1 where one of them lost anything."""
    options = _options()
    for ending in (signal.SIGINT, signal.SIGTERM):  # nohup and & ignore the first
        signal.signal(ending, signal.default_int_handler)
    tallies = {name: Tally() for name in DRILLS if options.only in name}
    if not tallies:
        _say(f"no drill is called {options.only!r}; there are: {', '.join(DRILLS)}")
        return 2
    seed = random.randrange(2**32) if options.seed is None else options.seed
    _say(f"seed {seed}, {options.rounds} rounds of {len(tallies)} drills")
    for number in range(options.rounds):
        for name, tally in tallies.items():
            tally.add(_one(name, number, seed + number, options))
    for line in table(tallies):
        _say(line)
    failed = sum(tally.failed for tally in tallies.values())
    _say(f"{failed} rounds FAILED" if failed else "nobody was lost")
    return 1 if failed else 0


def _one(
    name: str, number: int, seed: int, options: argparse.Namespace
) -> Outcome | None:
    """Run one round; keep what the nodes logged where it fails."""
    logs = io.StringIO()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="loudsync-drill-") as folder:
        try:
            with redirect_stdout(logs):
                outcome = asyncio.run(
                    run(
                        DRILLS[name],
                        Path(folder),
                        seed=seed,
                        times=options.times,
                        options=tuple(options.node_options.split()),
                    )
                )
        except Exception as fault:  # noqa: BLE001  # whatever it is, the next one runs
            kept = Path(tempfile.mkdtemp(prefix="loudsync-drill-failed-"))
            (kept / "nodes.log").write_text(logs.getvalue(), encoding="utf-8")
            (kept / "fault.txt").write_text(str(fault) or repr(fault), encoding="utf-8")
            for log in Path(folder).glob("*.log"):
                (kept / log.name).write_bytes(log.read_bytes())
            _say(f"FAILED {number + 1} {name} (seed {seed}, logs in {kept}): {fault!r}")
            return None
    took_s = time.monotonic() - began_s
    low, middle, _, high = spread(outcome.failovers_s)
    _say(
        f"{number + 1} {name}: {outcome.joins} joins, again after"
        f" {low}/{middle}/{high} s, {took_s:.0f} s in all"
    )
    return outcome


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m drills", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", default="", help="drills with this in their name")
    parser.add_argument("--seed", type=int, help="drawn and told where not given")
    parser.add_argument(
        "--times", type=int, default=2, help="how many times the tests' newcomers come"
    )
    parser.add_argument(
        "--node-options", default="", help="as '--log-level debug --log-format json'"
    )
    return parser.parse_args()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
