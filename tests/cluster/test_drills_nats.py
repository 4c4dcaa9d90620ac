"""NATS fails while people join: short drills; ``make drills`` runs them many times."""

from pathlib import Path

import pytest

from drills.drill import DRILLS, run


@pytest.mark.parametrize("name", ["NATS restarted", "NATS away for 5 s"])
async def test_nobody_is_lost(name: str, tmp_path: Path) -> None:
    outcome = await run(DRILLS[name], tmp_path)
    print(outcome)  # noqa: T201  # for who looks with -s
    assert outcome.joins
