"""One of three NATS servers fails while people join: short drills."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from drills.drill import DRILLS, run_on
from drills.scene import Plan, Stage, set_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One set of processes: the drills leave it whole."""
    async with set_stage(Plan(nats=3), tmp_path_factory.mktemp("stage")) as stage:
        yield stage
    assert stage.crashes() == []


@pytest.mark.parametrize(
    "name", ["one of three NATS servers killed", "the leading NATS server killed"]
)
async def test_nobody_is_lost(name: str, stage: Stage) -> None:
    outcome = await run_on(stage, DRILLS[name])
    print(outcome)  # noqa: T201  # for who looks with -s
    assert outcome.failovers_s
