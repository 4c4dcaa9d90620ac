"""What ``doctor`` does: examine, and show each finding as it comes."""

import asyncio
import ipaddress
import json
import logging
import sys
import textwrap
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final, Protocol

import msgspec
from rich.console import Console
from rich.text import Text

from loudsync.address import parse_address
from loudsync.cli.output import write
from loudsync.cli.printer import Printer
from loudsync.cli.problems import FAILED
from loudsync.cli.runtime import first_of
from loudsync.cli.words import shown
from loudsync.doctor import Finding, Level, examine_machine, examine_server
from loudsync.errors import InvalidSetting

_MARKS: Final = {Level.OK: "ok", Level.NOTE: "note", Level.PROBLEM: "wrong"}
_COLOURS: Final = {
    Level.OK: "green",
    Level.NOTE: "yellow",
    Level.PROBLEM: "bold red",
}

_INDENT: Final = 7
"""The width of the longest mark and two spaces."""

_MIN_WIDTH: Final = 40
"""Narrower columns are harder to read than lines that the terminal breaks."""

_MAX_WIDTH: Final = 100
"""Longer lines are hard to follow."""

_MAX_PORT: Final = 65_535

_QUIET: Final = ("zeroconf", "aiohttp", "asyncio")
"""What fails while it is examined is told as a finding."""


async def doctor(
    url: str | None,
    *,
    host: str,
    port: int,
    interface: tuple[str, ...],
    as_json: bool,
    stop: asyncio.Event,
) -> int:
    """Show why guests can't join; return 1 where something is wrong, else 0.

    Asked to stop, it ends at once, with what it has found so far.

    Args:
        url: The link to examine; ``None``: this machine, as a place to host.
        host: Where a party on this machine listens, or would.
        port: Its port.
        interface: Addresses of the interfaces to try mDNS at; none: all.

    Raises:
        InvalidSetting: The link, the port or an interface is none.
        OutputFailed: It can't be shown.
    """
    findings = _examination(url, host, port, interface)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    output: _Output = _Json() if as_json else _Lines(_subject(url, port))
    printer = Printer()
    tally = _Tally()
    try:
        looking = asyncio.create_task(_show(findings, output, printer, tally))
        await first_of(looking, stop)
        if not looking.done():
            looking.cancel()
            await asyncio.wait({looking})
        if not looking.cancelled():
            looking.result()
        last_words = output.end(tally.problems, is_over=not looking.cancelled())
    except BaseException:
        await printer.close()
        raise
    await printer.close(lambda: write(last_words))
    return FAILED if tally.problems else 0


def _examination(
    url: str | None, host: str, port: int, interfaces: Sequence[str]
) -> AsyncGenerator[Finding, None]:
    if url is not None:
        return examine_server(parse_address(url))
    if not 1 <= port <= _MAX_PORT:
        raise InvalidSetting("port", f"must be from 1 to {_MAX_PORT}")
    for interface in interfaces:
        try:
            ipaddress.ip_address(interface.partition("%")[0])
        except ValueError:
            raise InvalidSetting(
                "interface", "must be the address of an interface, as 192.168.1.5"
            ) from None
    return examine_machine(host, port, interfaces=interfaces)


def _subject(url: str | None, port: int) -> str:
    if url is not None:
        return f"Looking whether guests can come by {url} (Ctrl-C stops it)"
    return (
        f"Looking whether guests can join a party on this machine, port {port} "
        "(Ctrl-C stops it)"
    )


class _Tally:
    """How much is wrong."""

    problems = 0


async def _show(
    findings: AsyncGenerator[Finding, None],
    output: "_Output",
    printer: Printer,
    tally: _Tally,
) -> None:
    async with aclosing(findings):
        begin = output.begin()
        await printer.do(lambda: write(begin))
        async for finding in findings:
            tally.problems += finding.level is Level.PROBLEM
            text = output.format(finding)
            await printer.do(lambda text=text: write(text))  # type: ignore[misc]


class _Output(Protocol):
    """How findings are written."""

    def begin(self) -> str:
        """Return what comes first."""

    def format(self, finding: Finding) -> str:
        """Return what one finding is written as."""

    def end(self, problems: int, *, is_over: bool) -> str:
        """Return the last words.

        Args:
            problems: How many things are wrong.
            is_over: Whether everything was looked at.
        """


class _Json:
    """One JSON object a line; ASCII, so that it can be written anywhere."""

    def begin(self) -> str:
        """Programs need no introduction."""
        return ""

    def format(self, finding: Finding) -> str:
        """Return the finding's fields, all of them."""
        return f"{json.dumps(msgspec.to_builtins(finding))}\n"

    def end(self, problems: int, *, is_over: bool) -> str:  # noqa: ARG002
        """Programs count for themselves, and have the exit code."""
        return ""


class _Lines:
    """A line a finding, and what to do below it."""

    def __init__(self, subject: str) -> None:
        console = Console(highlight=False, soft_wrap=True)
        # Variables such as FORCE_COLOR let rich see terminals in pipes.
        is_terminal = sys.stdout.isatty() and console.is_terminal
        self._console = console if is_terminal else None
        self._width = (
            min(max(console.width - 1, _MIN_WIDTH), _MAX_WIDTH) if is_terminal else None
        )
        self._subject = subject
        self._arrow = "→" if _can_write("→") else "->"

    def begin(self) -> str:
        """Say what is looked at: the first finding takes a moment."""
        return self._draw("", "", self._subject, "")

    def format(self, finding: Finding) -> str:
        """Return a finding with its mark, and its advice below."""
        mark = f"{_MARKS[finding.level]:<{_INDENT}}"
        text = self._draw(mark, _COLOURS[finding.level], finding.text, " " * _INDENT)
        if not finding.advice:
            return text
        arrow = f"{' ' * _INDENT}{self._arrow} "
        return text + self._draw(arrow, "", finding.advice, " " * len(arrow))

    def end(self, problems: int, *, is_over: bool) -> str:
        """Sum up."""
        if problems:
            many = f"{problems} things are" if problems > 1 else "One thing is"
            words, colour = f"{many} wrong; see above.", "bold red"
        elif is_over:
            words, colour = "Nothing is wrong here.", "green"
        else:
            words, colour = "Nothing wrong was found so far.", ""
        if not is_over:
            words = f"Stopped. {words}"
        return self._colour(Text(words, style=colour))

    def _draw(self, mark: str, colour: str, text: str, indent: str) -> str:
        text = shown(text)
        lines = [text]
        if self._width is not None:
            lines = textwrap.wrap(
                text,
                self._width - len(mark),
                # Links and commands stay whole.
                break_long_words=False,
                break_on_hyphens=False,
            )
        whole = Text.assemble((mark, colour), f"\n{indent}".join(lines))
        return self._colour(whole)

    def _colour(self, text: Text) -> str:
        if self._console is None:
            return f"{text.plain}\n"
        with self._console.capture() as capture:
            self._console.print(text)
        return capture.get()


def _can_write(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True
