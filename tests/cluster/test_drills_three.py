"""One of three NATS servers fails while people join: short drills."""

import pytest

from drills.drill import DRILLS, run_on
from drills.scene import Plan, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan(nats=3)


@pytest.mark.parametrize(
    "name", ["one of three NATS servers killed", "the leading NATS server killed"]
)
async def test_nobody_is_lost(name: str, stage: Stage) -> None:
    outcome = await run_on(stage, DRILLS[name])
    print(outcome)  # noqa: T201  # for who looks with -s
    assert outcome.failovers_s
