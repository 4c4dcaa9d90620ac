"""The soak as a program; ``make soak`` runs it."""

import argparse
import asyncio
import random
import sys

from soak.plan import Plan
from soak.report import Outcome
from soak.run import NotEnoughDescriptors, soak


def main() -> int:
    """Run, tell, return 0 where nothing is wrong, 1 where something is."""
    options = _options()
    seed = random.randrange(2**32) if options.seed is None else options.seed
    plan = Plan(
        seed=seed,
        members=options.members,
        seconds=options.minutes * 60,
        act_interval_s=options.act_interval,
    )
    _say(f"seed {seed}, {options.members} members, {options.minutes:g} min")
    try:
        with asyncio.Runner(loop_factory=_loop_factory(options.loop)) as runner:
            outcome = runner.run(soak(plan, _say))
    except NotEnoughDescriptors as fault:
        sys.stderr.write(f"{fault}\n")
        return 2
    _tell(outcome, seed)
    return 1 if outcome.wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--members", type=int, default=2000)
    parser.add_argument("--seed", type=int, help="drawn and told where not given")
    parser.add_argument("--act-interval", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    return parser.parse_args()


def _loop_factory(name: str) -> "type[asyncio.AbstractEventLoop] | None":
    if name == "asyncio" or sys.platform == "win32":
        return None
    import uvloop

    return uvloop.Loop


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _tell(outcome: Outcome, seed: int) -> None:
    for line in outcome.lines:
        _say(line)
    for line in outcome.wrong:
        _say(f"WRONG  {line}")
    verdict = f"{len(outcome.wrong)} DIFFERENCES" if outcome.wrong else "no difference"
    _say(f"{verdict}; the seed was {seed}")


if __name__ == "__main__":
    sys.exit(main())
