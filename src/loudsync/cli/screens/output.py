"""A party on a screen: the app runs in the main thread, the party beside it."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, redirect_stderr
from types import TracebackType
from typing import Any, Final, Self

from loudsync._systems import is_terminal_gone
from loudsync.cli.held import HeldLines
from loudsync.cli.output import write
from loudsync.cli.printer import CLOSE_TIMEOUT_S, Printer
from loudsync.cli.problems import OutputFailed
from loudsync.cli.runtime import ScreenThread
from loudsync.cli.screens.apps import GuestApp, HostApp, PartyApp
from loudsync.cli.screens.bridge import Bridge
from loudsync.cli.views import GuestView, HostView, View
from loudsync.cli.words import describe, shown
from loudsync.core.events import Event, RemovedByHost, SessionEnded

REFRESH_S: Final = 1.0
"""How often the screen follows latencies when nothing happens."""

MIN_REFRESH_S: Final = 0.1
"""A crowd that joins doesn't have the screen drawn for each of them."""

log = logging.getLogger("loudsync.cli")


class ScreenOutput:
    """A screen that follows the party, then a line about its end.

    Nothing here waits for the screen, and so for its terminal, but its end:
    and for that a second at most.

    Args:
        thread: Where the screen is run.
    """

    shows_latency = True

    def __init__(self, thread: ScreenThread) -> None:
        self._thread = thread
        self._printer = Printer()
        self._held = HeldLines(sys.stderr)
        self._changed = asyncio.Event()
        self._last_words = ""
        self._prints_events = False

    async def say(self, *lines: str) -> None:
        """Tell people something that is no event."""
        if not self._thread.is_stuck:
            text = "".join(f"{shown(line)}\n" for line in lines)
            await self._printer.do(lambda: write(text))

    async def tell(self, event: Event) -> None:
        """Show one event."""
        if (text := describe(event)) is not None:
            await self.say(text)

    async def follow(self, events: AsyncIterator[Event], view: View) -> None:
        """Show the party until its events end."""
        reader = asyncio.create_task(self._read(events, view))
        app = self._make_app(view)
        app.mailbox.put(view.snapshot())
        running = asyncio.run_coroutine_threadsafe(app.run_async(), self._thread.loop)
        screen: asyncio.Future[None] = asyncio.wrap_future(running)
        try:
            while not (reader.done() or screen.done()):
                self._changed.clear()
                app.leave_snapshot(view.snapshot())
                await asyncio.wait({reader}, timeout=MIN_REFRESH_S)
                await self._wait_for_change(reader, screen)
                if is_terminal_gone(sys.stdin):
                    raise OutputFailed("The terminal is gone", is_closed=True)
            if screen.done() and not reader.done():
                # A bug in the screen is no reason to send everybody home.
                log.error("The screen ended by itself", exc_info=screen.exception())
                self._held.release()
                self._prints_events = True
            await reader
        finally:
            reader.cancel()
            await asyncio.wait({reader})
            await self._leave_screen(app, screen)

    def hold_errors(self) -> AbstractContextManager[object]:
        """Keep errors for the end: they would go to the same screen."""
        return redirect_stderr(self._held)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._thread.is_stuck:
            await self._printer.close()
        else:
            await self._printer.close(self._held.release)

    def _make_app(self, view: View) -> PartyApp:
        bridge = Bridge(asyncio.get_running_loop())
        if isinstance(view, HostView):
            return HostApp(view, bridge, self._held)
        if isinstance(view, GuestView):
            return GuestApp(view, bridge, self._held)
        raise TypeError(view)

    async def _read(self, events: AsyncIterator[Event], view: View) -> None:
        self._last_words = ""
        async for event in events:
            view.apply(event)
            self._changed.set()
            if self._prints_events:
                await self.tell(event)
            elif isinstance(event, SessionEnded):
                self._last_words = describe(event) or ""
            if isinstance(event, SessionEnded | RemovedByHost):
                return
        self._last_words = "You left the party."

    async def _wait_for_change(
        self, reader: "asyncio.Task[None]", screen: "asyncio.Future[None]"
    ) -> None:
        change = asyncio.create_task(self._changed.wait())
        awaited: set[asyncio.Future[Any]] = {reader, screen, change}
        try:
            await asyncio.wait(
                awaited,
                timeout=REFRESH_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            change.cancel()

    async def _leave_screen(
        self, app: PartyApp, screen: "asyncio.Future[None]"
    ) -> None:
        """Give the terminal back, before anything else that takes its time."""
        self._thread.is_stuck = True
        self._thread.loop.call_soon_threadsafe(app.finish)
        await asyncio.wait({screen}, timeout=CLOSE_TIMEOUT_S)
        if screen.done():
            self._thread.is_stuck = False
            if self._last_words:
                await self.say(self._last_words)
