"""Waiting with a limit, and ending tasks for certain."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from loudsync.client.clock import Clock


@asynccontextmanager
async def time_limit(clock: Clock, seconds: float) -> AsyncIterator[None]:
    """Bound the block's duration on the given clock.

    Raises:
        TimeoutError: The time is up; the block was cancelled where it waited.
    """
    # asyncio's own timeout keeps the count of cancellations right; only the
    # instant comes from the clock.
    async with asyncio.timeout(None) as limit:
        timer = asyncio.create_task(_expire(clock, seconds, limit))
        try:
            yield
        finally:
            timer.cancel()
            await wait_for_all([timer])


async def _expire(clock: Clock, seconds: float, limit: asyncio.Timeout) -> None:
    await clock.sleep(seconds)
    limit.reschedule(asyncio.get_running_loop().time())


async def wait_for_all(tasks: Collection[asyncio.Future[Any]]) -> None:
    """Wait until every task is done, whatever its result.

    A cancellation is passed on only after that, so that nothing keeps running
    behind the caller: give it only tasks that no peer can hold up.
    """
    cancellation: asyncio.CancelledError | None = None
    while pending := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError as request:
            cancellation = request
    if cancellation is not None:
        raise cancellation
