"""A party on a live screen, where standard output is a terminal that can."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, nullcontext, redirect_stderr, suppress
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live

from loudsync.cli.held import HeldLines
from loudsync.cli.output import write
from loudsync.cli.printer import CLOSE_TIMEOUT_S, Printer
from loudsync.cli.screen import draw
from loudsync.cli.views import View
from loudsync.cli.words import describe, shown
from loudsync.core.events import Event, SessionEnded

REFRESH_S: Final = 1.0
"""How often the screen follows latencies when nothing happens."""

MIN_REFRESH_S: Final = 0.1
"""A crowd that joins doesn't have the screen drawn for each of them."""


def live_output() -> "LiveOutput | None":
    """Return a screen on standard output; ``None`` where it can't be drawn on.

    An old Windows console can't, nor can an editor's shell.
    """
    console = Console()
    if console.is_terminal and not (console.is_dumb_terminal or console.legacy_windows):
        return LiveOutput(console)
    return None


class LiveOutput:
    """A screen that follows the party, then a line about its end.

    It takes the whole screen, so that a change of the terminal's size leaves
    nothing behind and the next drawing repairs whatever else was written.
    """

    shows_latency = True

    def __init__(self, console: Console) -> None:
        self._printer = Printer()
        self._console = console
        self._changed = asyncio.Event()
        self._last_words = ""
        self._held = HeldLines(sys.stderr)

    async def say(self, *lines: str) -> None:
        """Tell people something that is no event."""
        text = "".join(f"{shown(line)}\n" for line in lines)
        await self._printer.do(lambda: write(text))

    async def tell(self, event: Event) -> None:
        """Show one event."""
        if (text := describe(event)) is not None:
            await self.say(text)

    async def follow(self, events: AsyncIterator[Event], view: View) -> None:
        """Show the party until its events end."""
        reader = asyncio.create_task(self._read(events, view))
        live = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        try:
            await self._printer.do(live.start)
            while not reader.done():
                self._changed.clear()
                await self._printer.do(self._painting(live, view))
                await asyncio.wait({reader}, timeout=MIN_REFRESH_S)
                await self._wait_for_change(reader)
            await reader
        finally:
            reader.cancel()
            await asyncio.wait({reader})
            await self._leave_screen(live)

    def hold_errors(self) -> AbstractContextManager[object]:
        """Keep errors for the end where they would go to the same screen."""
        return redirect_stderr(self._held) if sys.stderr.isatty() else nullcontext()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._printer.close(self._held.release)

    async def _read(self, events: AsyncIterator[Event], view: View) -> None:
        async for event in events:
            view.apply(event)
            self._changed.set()
            if isinstance(event, SessionEnded):
                self._last_words = f"{describe(event)}\n"

    async def _wait_for_change(self, reader: "asyncio.Task[None]") -> None:
        change = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait(
                {reader, change},
                timeout=REFRESH_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            change.cancel()

    def _painting(self, live: Live, view: View) -> Callable[[], None]:
        # The snapshot is taken here, on the loop; only the drawing is not.
        party = view.snapshot()
        return lambda: live.update(draw(party, self._console.size.height), refresh=True)

    async def _leave_screen(self, live: Live) -> None:
        """Give the terminal back, before anything else that takes its time."""

        def leave() -> None:
            live.stop()
            write(self._last_words)

        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._printer.do(leave)
