"""Nodes live but don't reach NATS, or too late: short drills."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from drills.drill import DRILLS, run, run_on
from drills.scene import Plan, Stage, set_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One set of processes for all drills on the owner: they leave it whole."""
    async with set_stage(Plan(proxied=0), tmp_path_factory.mktemp("stage")) as stage:
        yield stage
    assert stage.crashes() == []


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
