"""The store on a full disk; `test_full_disk.py` runs these on a small one.

``SMALL_DISK`` names the disk's folder.
"""

import asyncio
import os
from pathlib import Path

import pytest

from core_builders import at, connection
from loudsync.core import Session
from loudsync.server import SqliteStore
from loudsync.server.sqlite_store import SaveFailed
from raw_peer import until
from small_disk import fill, make_room
from state_store import check_integrity, new_session, opened, saved, seat, sizes


@pytest.fixture
def path() -> Path:
    return Path(os.environ["SMALL_DISK"]) / "party.state"


@pytest.fixture(autouse=True)
def _empty_disk(path: Path) -> None:
    for file in path.parent.iterdir():
        file.unlink()


async def test_the_reserve_is_there_from_the_start_and_stays(path: Path) -> None:
    async with opened(path) as (store, _):
        before = sizes(path)
        assert min(before) > 1 << 20
        session = new_session()
        for number in range(300):
            seat(session, [number])
            await saved(store, session)
        assert sizes(path) == before
        assert store.has_room


async def test_what_found_the_disk_full_is_saved_and_nothing_is_taken_after_it(
    path: Path,
) -> None:
    async with opened(path) as (store, _):
        session = new_session()
        await saved(store, session)
        fill(path.parent)
        seat(session, [1])
        await saved(store, session)
        await until(lambda: not store.has_room)  # the save has found it out
        make_room(path.parent)
        await until(lambda: store.has_room)
    async with opened(path) as (_, (record,)):
        assert [s.member_id for s in record.seats] == ["host-1", "client-1"]


async def test_with_the_whole_reserve_used_up_seats_can_still_be_freed(
    path: Path,
) -> None:
    """More than the rules would let in: what was under way when it filled up."""
    async with opened(path) as (store, _):
        first, second = new_session("one"), new_session("two")
        seat(second, [1, 2])
        await saved(store, first, second)
        fill(path.parent)
        before = sizes(path)
        count = 0
        while await was_saved(store, first):
            count += 50
            seat(first, range(count - 50, count))
        assert count > 1000, "the reserve holds that many at least"
        second.leave(connection(1), at(1))
        await saved(store, second)
        for number in range(100):
            first.leave(connection(number), at(1))
        await saved(store, first)
        assert sizes(path) == before
    async with opened(path) as (_, records):
        one, two = records
        assert len(one.seats) == 1 + count - 100
        assert len(two.seats) == 1 + 1
    make_room(path.parent)
    check_integrity(path)


async def test_a_change_longer_than_the_log_is_saved_in_parts(path: Path) -> None:
    """All that expires after a restart on a full disk expires in one turn."""
    sessions = [new_session(f"s{number}") for number in range(20)]
    async with opened(path) as (store, _):
        for session in sessions:
            seat(session, range(400))
            await saved(store, session)
        assert path.stat().st_size > 2 << 20
        big, *others = sessions
        fill(path.parent)
        before = sizes(path)
        for number in range(0, 400, 2):
            big.leave(connection(number), at(1))
        for session in others:
            session.close("over", at(1))
        await saved(store, *sessions)
        assert sizes(path) == before
    async with opened(path) as (_, (record,)):
        assert len(record.seats) == 1 + 200
    make_room(path.parent)
    check_integrity(path)


async def test_a_storm_when_the_disk_is_full_holds_nobody_elses_change_back(
    path: Path,
) -> None:
    async with opened(path) as (store, _):
        crowd, party = new_session("crowd"), new_session("party")
        seat(party, [1, 2])
        await saved(store, crowd, party)
        fill(path.parent)
        seat(crowd, range(9_000))
        party.leave(connection(1), at(1))
        storm = asyncio.ensure_future(was_saved(store, crowd))
        assert await was_saved(store, party)
        assert not await storm
        crowd.close("over", at(1))
        await saved(store, crowd)
    async with opened(path) as (_, (record,)):
        assert record.spec.id == "party"
        assert len(record.seats) == 2


async def was_saved(store: SqliteStore, session: Session) -> bool:
    try:
        await saved(store, session)
    except SaveFailed:
        return False
    return True
