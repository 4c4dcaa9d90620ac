"""Nodes live but don't reach NATS, or too late: short drills."""

from pathlib import Path

import pytest

from drills.drill import DRILLS, run, run_on
from drills.scene import Plan, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan(proxied=0)


@pytest.mark.parametrize(
    "name",
    ["owner cut off from NATS", "owner not heard by NATS", "owner heard late by NATS"],
)
async def test_nobody_is_lost(name: str, stage: Stage) -> None:
    outcome = await run_on(stage, DRILLS[name])
    print(outcome)  # noqa: T201  # for who looks with -s
    assert outcome.failovers_s


@pytest.mark.parametrize("name", ["edge cut off from NATS"])
async def test_nobody_is_lost_on_nodes_of_its_own(name: str, tmp_path: Path) -> None:
    outcome = await run(DRILLS[name], tmp_path)
    print(outcome)  # noqa: T201  # for who looks with -s
    assert outcome.failovers_s
