"""A run from the beginning to the end: warm up, bustle, compare, go, count."""

import asyncio
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from loudsync.server import MemoryStore, SessionStore, SqliteStore
from loudsync.server.file_limit import FileLimit
from soak import census
from soak.crowd import Crowd
from soak.plan import Plan
from soak.report import PROGRESS_EVERY_S, Meter, Outcome, Say
from soak.tally import Tally
from soak.venue import Venue, open_venue, rows_in

_WARM_UP_S: Final = 3.0
"""The same crowd comes for a moment first: what libraries keep for so many
connections, freed objects for the next ones, is there before the count."""

_SPARE_DESCRIPTORS: Final = 300
"""For real clients' networks, listeners, files, and connections that overlap."""

_BLOCKS_ALLOWED: Final = 1000
_BLOCKS_PER_JOIN_ALLOWED: Final = 0.25
"""Small objects that may be kept. The first is for what libraries keep for the
next time, which grows to a size and stays there; with the second, a leak of one
object per join is always seen once there were 1,334 joins."""

STATE_FILE: Final = "state"


class NotEnoughDescriptors(Exception):
    """The system lets this process have too few; the text says what to do."""


def _in_memory(_folder: Path) -> SessionStore:
    return MemoryStore()


def _in_a_file(folder: Path) -> SessionStore:
    return SqliteStore(folder / STATE_FILE)


async def soak(
    plan: Plan,
    say: Say,
    stores: Sequence[Callable[[Path], SessionStore]] = (_in_memory, _in_a_file),
    settle_s: float = 30.0,
) -> Outcome:
    """Run a crowd against a server for each store: in memory, and with a file.

    Args:
        say: Gets a line of progress now and then.
        stores: Make the stores, in a folder that is removed afterwards.
        settle_s: How long all may take to be as before, once everybody has gone.

    Raises:
        NotEnoughDescriptors: Before anything is started.
    """
    _check_descriptors(plan)
    tally = Tally()
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: tally.fault(f"the loop: {context}")
    )
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="loudsync-soak-") as name, _quiet():
        folder = Path(name)
        async with AsyncExitStack() as servers:
            venues = [
                await servers.enter_async_context(open_venue(make(folder)))
                for make in stores
            ]
            await _run_on(venues, plan, tally, say, outcome, settle_s)
        outcome.wrong += _left_after_stop(venues, folder / STATE_FILE)
    outcome.wrong += tally.faults
    if tally.fault_count > len(tally.faults):
        outcome.wrong.append(f"{tally.fault_count} faults in all")
    return outcome


async def _run_on(
    venues: Sequence[Venue],
    plan: Plan,
    tally: Tally,
    say: Say,
    outcome: Outcome,
    settle_s: float,
) -> None:
    warm_up = replace(
        plan,
        act_interval_s=plan.act_interval_s / 2,
        ramp_s=2.0,
    )
    outcome.wrong += await _one_crowd(Crowd(warm_up, venues, Tally()), [_WARM_UP_S])
    before = await _settled_census(venues, {}, settle_s)
    blocks_before = census.memory_blocks()
    say("warmed up and counted what there is; now the crowd comes")

    meter = Meter(venues, tally)
    outcome.wrong += await _one_crowd(
        Crowd(plan, venues, tally), [plan.seconds / 2] * 2, meter, say
    )
    after = await _settled_census(venues, before, settle_s)
    outcome.wrong += census.differences(before, after)
    outcome.wrong += _off_balance(meter.counted(), tally)
    outcome.blocks_kept = census.memory_blocks() - blocks_before
    joins = meter.counted()["joins"]
    outcome.blocks_allowed = _BLOCKS_ALLOWED + int(joins * _BLOCKS_PER_JOIN_ALLOWED)
    if outcome.blocks_kept > outcome.blocks_allowed:
        outcome.wrong.append(
            f"memory: {outcome.blocks_kept} small objects more than before,"
            f" {outcome.blocks_allowed} are allowed"
        )
    kept, allowed = outcome.blocks_kept, outcome.blocks_allowed
    outcome.lines = [
        *meter.summary(),
        f"counted {len(before)} kinds of things before and after",
        f"small objects more than before: {kept} ({allowed} are allowed)",
    ]


async def _one_crowd(
    crowd: Crowd,
    bustles_s: Sequence[float],
    meter: Meter | None = None,
    say: Say = lambda _line: None,
) -> list[str]:
    """Let a crowd come, bustle with pauses, and go; return what is wrong."""
    wrong: list[str] = []
    await crowd.arrive()
    for seconds in bustles_s:
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            await crowd.bustle(min(PROGRESS_EVERY_S, left_s))
            if meter is not None:
                say(meter.progress(crowd))
        wrong += await crowd.calm_down()
        compared, differing = crowd.tally.views_compared, crowd.tally.views_differing
        say(f"calm: {compared:,} views compared by now, {differing} differ")
    wrong += await crowd.go()
    if meter is not None:
        say(meter.progress(crowd))
    return wrong


async def _settled_census(
    venues: Sequence[Venue], like: census.Census, settle_s: float
) -> census.Census:
    """Count once everything had the time to end; as soon as it is like before."""
    until_s = time.monotonic() + settle_s
    taken = census.take(venues)
    while time.monotonic() < until_s:
        await asyncio.sleep(0.5)
        last, taken = taken, census.take(venues)
        if not census.differences(like or last, taken):
            break
    return taken


def _off_balance(counted: dict[str, int], tally: Tally) -> list[str]:
    """Hold the servers' numbers against each other and against the guests'."""
    wrong: list[str] = []
    if counted["sessions opened"] != counted["sessions closed"]:
        wrong.append("sessions opened and closed differ in number")
    if counted["joins"] < tally.welcomes:
        wrong.append(f"{counted['joins']} joins, but {tally.welcomes} WELCOMEs")
    if counted["takeovers"] < tally.events["takeover"]:
        wrong.append("more takeovers seen than counted")
    explained = counted["overflows"] + tally.events["rival got the seat"]
    if tally.events["cut by the server"] > explained:
        wrong.append(
            f"{tally.events['cut by the server']} connections were cut,"
            f" {explained} of them for a reason"
        )
    return wrong


def _left_after_stop(venues: Sequence[Venue], file: Path) -> list[str]:
    """Tell what stopped servers have left."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    wrong = [f"tasks left: {task}" for task in others]
    wrong += [
        f"{venue.name}: timers left after the stop: {venue.clock.timers_due}"
        for venue in venues
        if venue.clock.timers_due
    ]
    if file.exists() and (rows := rows_in(file)):
        wrong.append(f"{rows} rows are left in the state file")
    return wrong


@contextmanager
def _quiet() -> Iterator[None]:
    """Log no floods by the hundred."""
    logger = logging.getLogger("loudsync")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _check_descriptors(plan: Plan) -> None:
    needed = 2 * plan.members + _SPARE_DESCRIPTORS
    allowed = FileLimit().limit
    if 0 < allowed < needed:
        raise NotEnoughDescriptors(
            f"{plan.members} members need {needed} file descriptors, the system"
            f" allows {allowed}: raise the hard limit (ulimit -Hn) or take fewer"
            f" with --members"
        )
