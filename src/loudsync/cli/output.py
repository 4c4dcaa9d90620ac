"""Three ways to show a party: a live screen, lines, and JSON."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, nullcontext, redirect_stderr, suppress
from types import TracebackType
from typing import Final, Protocol, Self

import msgspec
from rich.console import Console
from rich.live import Live

from loudsync.cli.held import HeldLines
from loudsync.cli.printer import CLOSE_TIMEOUT_S, Printer
from loudsync.cli.screen import draw
from loudsync.cli.views import View
from loudsync.cli.words import clock_time, describe, is_unsafe, shown
from loudsync.core.events import Event, SessionEnded

REFRESH_S: Final = 1.0
"""How often the screen follows latencies when nothing happens."""

MIN_REFRESH_S: Final = 0.1
"""A crowd that joins doesn't have the screen drawn for each of them."""


class ListeningSession(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The hosted session, as the first JSON line tells it."""

    id: str
    name: str
    max_members: int


class Listening(Event, tag="listening", frozen=True, kw_only=True, rename="camel"):
    """The server listens: what ``--json`` prints first.

    Attributes:
        url: Its HTTP address as guests reach it.
        session: The hosted one; a server for many has none.
        join_url: The link to it.
    """

    url: str
    session: ListeningSession | None = None
    join_url: str = ""


class Output(Protocol):
    """Shows what happens, at the pace of who reads it; a context manager.

    Every method raises ``OutputFailed`` where it can't be shown.

    Attributes:
        shows_latency: Whether fresh numbers are worth asking for.
    """

    shows_latency: bool

    async def say(self, *lines: str) -> None:
        """Tell people something that is no event."""

    async def tell(self, event: Event) -> None:
        """Show one event."""

    async def follow(self, events: AsyncIterator[Event], view: View) -> None:
        """Show events until they end, and what they changed in the view."""

    def hold_errors(self) -> AbstractContextManager[object]:
        """Keep what is written to standard error from tearing the screen."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def choose_output(*, as_json: bool) -> Output:
    """Return what suits who reads standard output."""
    if as_json:
        return JsonOutput()
    console = Console()
    # Asked twice: variables such as FORCE_COLOR let rich see terminals in pipes.
    is_terminal = sys.stdout.isatty() and console.is_terminal
    # An old Windows console or an editor's shell can't be drawn on.
    if is_terminal and not console.is_dumb_terminal and not console.legacy_windows:
        return LiveOutput(console)
    return LineOutput()


class _PrintedOutput:
    """One line an event, each written before the next is taken."""

    shows_latency = False

    def __init__(self) -> None:
        self._printer = Printer()

    async def say(self, *lines: str) -> None:
        """Tell people something that is no event."""
        await self._print("".join(f"{shown(line)}\n" for line in lines))

    async def tell(self, event: Event) -> None:
        """Show one event."""
        if text := self._format(event):
            await self._print(text)

    async def follow(self, events: AsyncIterator[Event], view: View) -> None:
        """Show events until they end."""
        async for event in events:
            view.apply(event)
            await self.tell(event)

    def hold_errors(self) -> AbstractContextManager[object]:
        """Let errors through: lines don't tear."""
        return nullcontext()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._printer.close()

    def _format(self, event: Event) -> str:
        raise NotImplementedError

    async def _print(self, text: str) -> None:
        await self._printer.do(lambda: _write(text))


class LineOutput(_PrintedOutput):
    """A sentence an event, for files, pipes and simple terminals."""

    def _format(self, event: Event) -> str:
        text = describe(event)
        return f"{_now()}  {text}\n" if text else ""


class JsonOutput(_PrintedOutput):
    """A JSON object an event, for programs; UTF-8 wherever it runs."""

    shows_latency = True

    def __init__(self) -> None:
        super().__init__()
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8")

    async def say(self, *lines: str) -> None:
        """Say nothing: programs read events only."""

    def _format(self, event: Event) -> str:
        text = msgspec.json.encode(event).decode()
        if not text.isprintable():
            # Only strings hold such characters, so an escape says the same.
            text = "".join(map(_json_escaped, text))
        return f"{text}\n"


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
        await self._printer.do(lambda: _write(text))

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
            _write(self._last_words)

        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._printer.do(leave)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _now() -> str:
    return clock_time(time.time() * 1000, seconds=True)


def _json_escaped(character: str) -> str:
    if not is_unsafe(character):
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(
        f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2)
    )
