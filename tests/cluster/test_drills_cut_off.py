"""Nodes live but don't reach NATS, or too late: short drills."""

from pathlib import Path

import pytest

from drills.drill import DRILLS, run


@pytest.mark.parametrize(
    "name",
    [
        "owner cut off from NATS",
        "owner not heard by NATS",
        "owner heard late by NATS",
        "edge cut off from NATS",
    ],
)
async def test_nobody_is_lost(name: str, tmp_path: Path) -> None:
    outcome = await run(DRILLS[name], tmp_path)
    print(outcome)  # noqa: T201  # for who looks with -s
    assert outcome.failovers_s
