"""Writing without holding up the party.

A terminal stops reading when somebody presses Ctrl-S or selects text, a pipe
when its reader is busy. Whoever writes then waits; so a thread does it.
"""

import asyncio
import errno
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Final, NamedTuple

from loudsync.cli.problems import OutputFailed

CLOSE_TIMEOUT_S: Final = 1.0
"""How long a stalled reader can hold up the end."""

_THREAD_NAME: Final = "loudsync output"

_READER_GONE: Final = frozenset({errno.EPIPE, errno.EINVAL, errno.EIO})
"""A closed pipe, the same on Windows, and a terminal that is no more."""


class _Job(NamedTuple):
    work: Callable[[], None]
    done: "asyncio.Future[None]"


class Printer:
    """Does blocking writes one after another, on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._last: asyncio.Future[None] | None = None
        self._thread = threading.Thread(
            target=self._work, name=_THREAD_NAME, daemon=True
        )
        self._thread.start()

    async def do(self, work: Callable[[], None]) -> None:
        """Wait until this is written; cancelled, it may be written later.

        Raises:
            OutputFailed: It can't be written.
        """
        job = _Job(work, self._loop.create_future())
        self._last = job.done
        self._jobs.put(job)
        await job.done

    async def close(self, *last: Callable[[], None]) -> None:
        """Write what comes last and end; a stalled reader is not waited for.

        Raises:
            OutputFailed: It can't be written.
        """
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    for work in last:
                        await self.do(work)
        finally:
            self._jobs.put(None)
            if self._last is None or self._last.done():
                self._thread.join(CLOSE_TIMEOUT_S)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            failure: Exception | None = None
            try:
                job.work()
            except OSError as fault:
                failure = _to_failure(fault)
            except SystemExit:
                # rich ends the program, so it thinks, when its pipe breaks.
                failure = OutputFailed("closed", is_closed=True)
            except Exception as bug:  # noqa: BLE001 - raised where it is awaited
                failure = bug
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(_resolve, job.done, failure)


def _to_failure(fault: OSError) -> OutputFailed:
    is_closed = fault.errno in _READER_GONE
    if is_closed:
        give_up_stdout()
    return OutputFailed(fault.strerror or str(fault), is_closed=is_closed)


def _resolve(done: "asyncio.Future[None]", failure: Exception | None) -> None:
    if done.cancelled():
        return
    if failure is None:
        done.set_result(None)
    else:
        done.set_exception(failure)


def is_stuck() -> bool:
    """Whether a write still waits for a reader."""
    return any(thread.name == _THREAD_NAME for thread in threading.enumerate())


def give_up_stdout() -> None:
    """Send what is left in standard output nowhere: its reader has left."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
