"""Nodes hang, and are restarted one by one, while people join: short drills."""

from pathlib import Path

import pytest

from drills.drill import DRILLS, run


@pytest.mark.parametrize(
    "name", ["owner frozen, back as a zombie", "all nodes restarted, one by one"]
)
async def test_nobody_is_lost(name: str, tmp_path: Path) -> None:
    outcome = await run(DRILLS[name], tmp_path)
    print(outcome)  # noqa: T201  # for who looks with -s
    assert outcome.failovers_s
