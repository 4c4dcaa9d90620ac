"""The reserve of a state file: on a small disk, and under a file-size limit."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core_builders import at, connection
from small_disk import small_disk
from state_store import check_integrity, new_session, opened, saved, seat, sizes

CASES = Path(__file__).with_name("full_disk_cases.py")

CASES_TIMEOUT_S = 180


def test_every_case_on_a_full_disk(tmp_path: Path) -> None:
    """They need the disk in their own process: SQLite works on real paths."""
    with small_disk(tmp_path) as disk:
        run = subprocess.run(
            [*disk.enter, sys.executable, "-m", "pytest", "-q", str(CASES)],
            env={**os.environ, "SMALL_DISK": str(disk.path)},
            cwd=CASES.parents[2],
            capture_output=True,
            encoding="utf-8",
            timeout=CASES_TIMEOUT_S,
            check=False,
        )
    assert run.returncode == 0, run.stdout + run.stderr


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    import resource  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on a file's size there")
async def test_a_file_size_limit_is_a_full_disk_too(tmp_path: Path) -> None:
    """As with a quota: the disk itself has room, and SQLite sees an I/O error."""
    path = tmp_path / "party.state"
    async with opened(path) as (store, _):
        session = new_session()
        await saved(store, session)
        with no_file_longer_than(max(sizes(path))):
            number = 0
            while store.has_room:
                seat(session, range(number, number + 50))
                await saved(store, session)
                number += 50
            for leaving in range(number):
                session.leave(connection(leaving), at(1))
            await saved(store, session)
    check_integrity(path)
    async with opened(path) as (_, (record,)):
        assert [s.member_id for s in record.seats] == ["host-1"]
