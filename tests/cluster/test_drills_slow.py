"""Nodes hang, and are restarted one by one, while people join: short drills."""

import pytest

from drills.drill import DRILLS, run_on
from drills.scene import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "name", ["owner frozen, back as a zombie", "all nodes restarted, one by one"]
)
async def test_nobody_is_lost(name: str, stage: Stage) -> None:
    outcome = await run_on(stage, DRILLS[name])
    print(outcome)  # noqa: T201  # for who looks with -s
    assert outcome.failovers_s
