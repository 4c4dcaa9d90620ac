"""Runs checks side by side, each for a bounded time, and tells them in order."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple

from loudsync.doctor.finding import Finding, note


class Check(NamedTuple):
    """Something to look at.

    Attributes:
        name: The ``check`` of the finding that says that it could not be done.
        what: What it looks at, as part of that sentence.
        find: Does it.
    """

    name: str
    what: str
    find: Callable[[], Awaitable[Iterable[Finding]]]


async def in_order(
    checks: Sequence[Check], timeout_s: float
) -> AsyncGenerator[Finding, None]:
    """Run checks at the same time; yield what they find in the order given.

    One that takes too long, or that the system refuses, is itself a finding.
    At the end, and after a cancellation, nothing of them runs any more.

    Args:
        timeout_s: How long each may take.
    """
    tasks = [asyncio.create_task(_run(check, timeout_s)) for check in checks]
    try:
        for task in tasks:
            for finding in await task:
                yield finding
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _run(check: Check, timeout_s: float) -> Iterable[Finding]:
    try:
        async with asyncio.timeout(timeout_s):
            return await check.find()
    except TimeoutError:
        why = f"it took longer than {timeout_s:g} s"
    except OSError as fault:
        why = fault.strerror or str(fault) or type(fault).__name__
    except Exception as bug:  # noqa: BLE001 - the other findings hold nevertheless
        why = f"it ended with an error, {type(bug).__name__}"
    return [
        note(
            check.name,
            f"{check.what} could not be looked at: {why}.",
            "Run loudsync doctor again; the other findings hold nevertheless.",
        )
    ]
