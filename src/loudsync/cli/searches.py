"""What ``discover`` does: look for parties and show them."""

import asyncio
import logging
import sys
import time
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from loudsync.cli.output import Output, printed_output, write
from loudsync.cli.printer import Printer
from loudsync.cli.runtime import first_of
from loudsync.cli.words import clock_time, describe_duration, shown
from loudsync.discovery import (
    Discovery,
    Party,
    PartyFound,
    PartyLost,
    PartyUpdated,
    SourceFailed,
)
from loudsync.discovery.party import AnyDiscoveryEvent
from loudsync.protocol import PROTOCOL_VERSION
from loudsync.server.logs import configure_logs

REFRESH_S: Final = 0.5
"""How often the table is drawn; ages go on while nothing happens."""

PATIENCE_S: Final = 5.0
"""After which a search that found nothing says what may be wrong."""

_NOTHING: Final = (
    "No party so far. It must be on this network, and its host must not have it "
    "unlisted; `loudsync doctor` looks for what else is wrong."
)


async def show_parties(
    search: Discovery, stop: asyncio.Event, *, as_json: bool, plain: bool
) -> int:
    """Show what a search finds until it ends or the stop is asked for."""
    configure_logs("console", logging.WARNING)
    console = Console()
    is_live = not (as_json or plain) and sys.stdout.isatty()
    if is_live and not (console.is_dumb_terminal or console.legacy_windows):
        showing = _show_table(search, console)
    else:
        showing = _show_lines(search, as_json=as_json)
    task = asyncio.create_task(showing)
    await first_of(task, stop)
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()
    return 0


# --- Lines and JSON ----------------------------------------------------------------


async def _show_lines(search: Discovery, *, as_json: bool) -> None:
    async with search, printed_output(as_json=as_json) as output:
        await output.say("Looking for parties on this network (Ctrl-C ends it)")
        lines = PartyLines()
        async for event in search:
            if as_json:
                await output.tell(event)
            elif (text := lines.describe(event)) is not None:
                await output.say(
                    f"{clock_time(time.time() * 1000, seconds=True)}  {text}"
                )
        await _say_if_nothing(search, output)


async def _say_if_nothing(search: Discovery, output: Output) -> None:
    if not search.parties:
        await output.say(_NOTHING)


class PartyLines:
    """Puts what a search tells into sentences; a new round trip is none."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[object, ...]] = {}

    def describe(self, event: AnyDiscoveryEvent) -> str | None:
        """Return a sentence; ``None`` where there is nothing new for people."""
        match event:
            case SourceFailed(source=source, reason=reason):
                return f"Can't look for parties by {shown(source)}: {shown(reason)}"
            case PartyLost(party=party):
                self._told.pop(party.key, None)
                return f"{shown(party.name)} ({shown(party.id)}) is gone"
            case PartyFound(party=party) | PartyUpdated(party=party):
                return self._describe_party(party)

    def _describe_party(self, party: Party) -> str | None:
        # Where a party was just found, its answer is a moment away.
        if party.is_reachable is None:
            return None
        facts = (party.name, party.member_count, party.is_reachable, party.problem)
        if self._told.get(party.key) == facts:
            return None
        self._told[party.key] = facts
        return (
            f"{shown(party.name)} by {shown(party.host_name)}: {seats(party)} here, "
            f"{answer(party)}; loudsync join {shown(party.id)}, "
            f"or {shown(party.join_url)}"
        )


# --- The table ---------------------------------------------------------------------


async def _show_table(search: Discovery, console: Console) -> None:
    printer = Printer()
    live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
    began_s = time.monotonic()
    failures: dict[str, str] = {}

    async def paint() -> None:
        is_late = time.monotonic() - began_s > PATIENCE_S
        table = draw_parties(search.parties, failures, is_late=is_late)
        await printer.do(lambda: live.update(table, refresh=True))

    async def follow() -> None:
        async for event in search:
            if isinstance(event, SourceFailed):
                failures[event.source] = event.reason
            elif "mdns" in failures and "mdns" in event.party.sources:
                del failures["mdns"]

    try:
        async with search:
            await printer.do(live.start)
            following = asyncio.create_task(follow())
            try:
                while not following.done():
                    await paint()
                    await asyncio.wait({following}, timeout=REFRESH_S)
                await following
                await paint()
            finally:
                following.cancel()
    finally:
        await printer.close(live.stop, lambda: write(""))


def draw_parties(
    parties: tuple[Party, ...], failures: dict[str, str], *, is_late: bool
) -> RenderableType:
    """Draw the parties as they are now."""
    lines: list[RenderableType] = []
    if parties:
        lines.append(_table(parties))
        lines.append(Text())
        code = shown(next((p.id for p in parties if p.is_reachable), parties[0].id))
        lines.append(
            Text.assemble(
                ("Go to one with ", "dim"),
                (f"loudsync join {code}", "bold"),
                ("; Ctrl-C ends this list", "dim"),
            )
        )
    else:
        lines.append(Text("Looking for parties on this network… (Ctrl-C ends it)"))
        if is_late:
            lines.append(Text(_NOTHING, style="dim"))
    for source, reason in failures.items():
        lines.append(
            Text(f"Can't look by {shown(source)}: {shown(reason)}", style="yellow")
        )
    return Group(*lines)


def _table(parties: tuple[Party, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("Party", ratio=None, overflow="ellipsis")
    table.add_column("Host", overflow="ellipsis")
    table.add_column("Code", no_wrap=True, style="bold")
    table.add_column("Here", no_wrap=True)
    table.add_column("Open for", no_wrap=True)
    table.add_column("Answer")
    for party in parties:
        table.add_row(
            Text(shown(party.name)),
            Text(shown(party.host_name)),
            Text(shown(party.id)),
            Text(seats(party)),
            Text("" if party.age_s is None else describe_duration(party.age_s)),
            Text(answer(party), style="green" if party.is_reachable else "yellow"),
        )
    return table


def seats(party: Party) -> str:
    """Return how many seats are taken."""
    if not party.max_members:
        return str(party.member_count)
    return f"{party.member_count} of {party.max_members}"


def answer(party: Party) -> str:
    """Return what came of asking a party's server, in words."""
    version = party.version or PROTOCOL_VERSION
    if version.partition(".")[0] != PROTOCOL_VERSION.partition(".")[0]:
        return f"speaks protocol {shown(version)}; update loudsync on the older side"
    if party.is_reachable is None:
        return "asking…"
    if party.is_reachable and party.round_trip_ms is not None:
        return f"in {party.round_trip_ms:.1f} ms"
    silence = ""
    if party.silent_s is not None:
        silence = f" for {describe_duration(party.silent_s)}"
    return f"none{silence}: {shown(party.problem)}"
