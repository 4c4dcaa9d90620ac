"""A short soak, part of ``make test``; ``make soak`` runs a long one."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from loudsync._systems import new_event_loop
from loudsync.core import Session
from loudsync.server import MemoryStore
from soak.plan import Plan
from soak.report import Outcome
from soak.run import soak

PLAN = Plan(seed=0, members=2000, seconds=8.0, ramp_s=3.0)


def run(make_loop: Callable[[], Any], plan: Plan, **options: Any) -> Outcome:
    """Run with a new seed each time; a failing test shows it."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201  # rerun: python -m soak --seed
    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(soak(replace(plan, seed=seed), print, **options))


def test_a_crowd_leaves_nothing_behind_and_all_see_the_same() -> None:
    outcome = run(new_event_loop, PLAN)
    print(*outcome.lines, sep="\n")  # noqa: T201
    assert outcome.wrong == []


class HoardingStore(MemoryStore):
    """Keeps what it should let go: sessions that ended, a byte for each change."""

    def __init__(self) -> None:
        self.ended: list[Session] = []
        self.changes: list[bytearray] = []

    def save(self, session: Session) -> None:
        super().save(session)
        self.changes.append(bytearray(1))
        if session.ended:
            self.ended.append(session)


def test_what_is_kept_for_too_long_is_found_out() -> None:
    def make_store(_folder: Path) -> MemoryStore:
        return HoardingStore()

    plan = Plan(
        seed=0,
        members=300,
        seconds=5.0,
        act_interval_s=1.0,
        ramp_s=1.0,
        real_clients=2,
    )
    outcome = run(asyncio.new_event_loop, plan, stores=[make_store], settle_s=5.0)
    found = "\n".join(outcome.wrong)
    assert "objects: loudsync.core.session.Session" in found
    assert outcome.blocks_kept > outcome.blocks_allowed
    # On the other loop, and nothing else is wrong there.
    others = [w for w in outcome.wrong if not w.startswith(("objects:", "memory:"))]
    assert others == []
