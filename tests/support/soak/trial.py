"""A run of its own for a test."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from soak.plan import Plan
from soak.report import Outcome
from soak.run import soak


def run(make_loop: Callable[[], Any], plan: Plan, **options: Any) -> Outcome:
    """Run with a new seed each time; a failing test shows it."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201  # rerun: python -m soak --seed
    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(soak(replace(plan, seed=seed), print, **options))
