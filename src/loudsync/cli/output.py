"""Ways to show a party: lines and JSON here, a screen in ``screens``."""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Protocol, Self

import msgspec

from loudsync._systems import can_show_screens
from loudsync.cli.printer import Printer
from loudsync.cli.runtime import screen_thread
from loudsync.cli.views import View
from loudsync.cli.words import clock_time, describe, is_unsafe, shown
from loudsync.core.events import Event


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
        workers: How many processes share the port.
    """

    url: str
    session: ListeningSession | None = None
    join_url: str = ""
    workers: int = 1


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


def wants_screen(*, as_json: bool, plain: bool) -> bool:
    """Whether the party is shown on a screen; it then runs beside one.

    A screen reads standard input and is written to standard error.
    """
    streams = (sys.stdin, sys.stdout, sys.stderr)
    if as_json or plain or not all(s is not None and s.isatty() for s in streams):
        return False
    if not (sys.stderr.encoding or "").lower().startswith("utf"):
        return False
    return can_show_screens()


def choose_output(*, as_json: bool) -> Output:
    """Return what suits who reads standard output, and where this runs."""
    if not as_json and (thread := screen_thread.get()) is not None:
        # Only a screen needs Textual, which takes its time to load.
        from loudsync.cli.screens.output import ScreenOutput

        return ScreenOutput(thread)
    return printed_output(as_json=as_json)


def printed_output(*, as_json: bool) -> Output:
    """Return what prints lines, whatever reads them."""
    return JsonOutput() if as_json else LineOutput()


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
        await self._printer.do(lambda: write(text))


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


def write(text: str) -> None:
    """Write to standard output at once; it may block."""
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
