"""The event loops and the signals that end a command.

A screen belongs into the main thread and may be held up by its terminal; the
party goes on in a thread and on a loop of its own.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from types import FrameType
from typing import Any, Final

from loudsync._systems import (
    ENDING_SIGNALS,
    HANGUP,
    new_event_loop,
    terminal_settings,
)
from loudsync.cli.printer import CLOSE_TIMEOUT_S
from loudsync.cli.problems import FAILED, explain

Command = Callable[[asyncio.Event], Coroutine[Any, Any, int]]
"""A command's work; it gets the event that asks it to end."""


def run(command: Command) -> int:
    """Run a command until it ends; return its exit code.

    The first SIGINT or SIGTERM (Ctrl-Break on Windows, the end of the terminal
    elsewhere) sets the event that the command got; a second one ends the
    process at once.
    """
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        stop = asyncio.Event()
        with _ended_by_signals(runner.get_loop(), stop):
            return runner.run(command(stop))


class ScreenThread:
    """The main thread, as the party beside it sees it.

    Attributes:
        loop: Where a screen can be run.
        is_stuck: The screen didn't end in time, so nobody need wait for it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.is_stuck = False


screen_thread: Final[ContextVar[ScreenThread | None]] = ContextVar(
    "screen_thread", default=None
)
"""Set where a command runs beside a screen."""


def run_beside_screen(command: Command) -> int:
    """Run a command in a thread, so that the main one is free for a screen.

    Signals are as with ``run``. The main thread may hang in a terminal that
    nobody reads: when the command is over, it gets a second to end, then the
    process ends without it, with the terminal's settings of before.
    """
    give_back = terminal_settings(sys.stdin)
    outcome: Future[int] = Future()
    is_free = threading.Event()
    party_loop, stop = new_event_loop(), asyncio.Event()

    def run_party(screen: ScreenThread) -> None:
        with asyncio.Runner(loop_factory=lambda: party_loop) as runner:
            try:
                code = runner.run(command(stop))
            except BaseException as fault:  # noqa: BLE001 - raised in the main thread
                outcome.set_exception(fault)
            else:
                outcome.set_result(code)
        if screen.is_stuck or not is_free.wait(CLOSE_TIMEOUT_S):
            give_back()
            os._exit(_exit_code(outcome))

    with _ended_by_signals(party_loop, stop):
        try:
            with asyncio.Runner() as runner:
                screen = ScreenThread(runner.get_loop())
                context = copy_context()
                context.run(screen_thread.set, screen)
                party = threading.Thread(
                    target=context.run,
                    args=(run_party, screen),
                    name="loudsync party",
                )
                party.start()
                runner.run(_wait_for(outcome))
        finally:
            is_free.set()
        party.join()
        return outcome.result()


def in_main_thread(work: Callable[[], object]) -> None:
    """Do what only the main thread may, such as to handle signals; soon."""
    screen = screen_thread.get()
    if screen is None:
        work()
    else:
        screen.loop.call_soon_threadsafe(work)


async def _wait_for(outcome: "Future[int]") -> None:
    loop, is_over = asyncio.get_running_loop(), asyncio.Event()
    outcome.add_done_callback(lambda _: loop.call_soon_threadsafe(is_over.set))
    await is_over.wait()


def _exit_code(outcome: "Future[int]") -> int:
    fault = outcome.exception()
    if fault is None:
        return outcome.result()
    problem = explain(fault) if isinstance(fault, Exception) else None
    return FAILED if problem is None else problem.exit_code


async def first_of(task: "asyncio.Task[Any]", stop: asyncio.Event) -> None:
    """Wait until a command's task is done or it is asked to stop."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()


@contextmanager
def _ended_by_signals(
    loop: asyncio.AbstractEventLoop, stop: asyncio.Event
) -> Iterator[None]:
    # Not loop.add_signal_handler: Windows has none. A plain handler runs in the
    # main thread, and every loop here wakes up for it.
    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        for number in ENDING_SIGNALS:
            # The system's own handling: it works even where Python is stuck.
            signal.signal(number, signal.SIG_DFL)
        if HANGUP is not None:
            # A terminal that ends says so more than once.
            signal.signal(HANGUP, signal.SIG_IGN)
        loop.call_soon_threadsafe(stop.set)

    handled = list(ENDING_SIGNALS)
    # `nohup` asks to outlive the terminal.
    if HANGUP is not None and signal.getsignal(HANGUP) is not signal.SIG_IGN:
        handled.append(HANGUP)
    before = {number: signal.signal(number, ask_to_stop) for number in handled}
    try:
        yield
    finally:
        if not stop.is_set():
            for number, handler in before.items():
                signal.signal(number, handler)
