"""One of three NATS servers fails while people join: short drills."""

from pathlib import Path

import pytest

from drills.drill import DRILLS, run


@pytest.mark.parametrize(
    "name", ["one of three NATS servers killed", "the leading NATS server killed"]
)
async def test_nobody_is_lost(name: str, tmp_path: Path) -> None:
    outcome = await run(DRILLS[name], tmp_path)
    print(outcome)  # noqa: T201  # for who looks with -s
    assert outcome.failovers_s
