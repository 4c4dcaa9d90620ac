"""Nodes fail while people join: short drills; ``make drills`` runs them many times."""

from pathlib import Path

import pytest

from drills.drill import DRILLS, run, run_on
from drills.scene import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("name", ["owner killed", "edge killed", "two claim at once"])
async def test_nobody_is_lost(name: str, stage: Stage) -> None:
    outcome = await run_on(stage, DRILLS[name])
    print(outcome)  # noqa: T201  # for who looks with -s
    assert outcome.failovers_s


@pytest.mark.parametrize("name", ["owner and edge killed"])
async def test_nobody_is_lost_on_nodes_of_its_own(name: str, tmp_path: Path) -> None:
    outcome = await run(DRILLS[name], tmp_path)
    print(outcome)  # noqa: T201  # for who looks with -s
    assert outcome.failovers_s
