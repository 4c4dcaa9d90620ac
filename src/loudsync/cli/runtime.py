"""The event loop and the signals that end a command."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from loudsync.server.event_loop import new_event_loop

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
    hangup = getattr(signal, "SIGHUP", None)
    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            # The system's own handling: it works even where Python is stuck.
            signal.signal(number, signal.SIG_DFL)
        if hangup is not None:
            # A terminal that ends says so more than once.
            signal.signal(hangup, signal.SIG_IGN)
        loop.call_soon_threadsafe(stop.set)

    handled = list(numbers)
    # `nohup` asks to outlive the terminal.
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        handled.append(hangup)
    before = {number: signal.signal(number, ask_to_stop) for number in handled}
    try:
        yield
    finally:
        if not stop.is_set():
            for number, handler in before.items():
                signal.signal(number, handler)
