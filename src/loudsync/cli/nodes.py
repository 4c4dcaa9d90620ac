"""What ``nodes`` does: ask every server on a NATS how it is."""

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from loudsync.cli.clustering import NatsOptions, check_nats, cluster_settings
from loudsync.cli.output import printed_output, write
from loudsync.cli.printer import Printer
from loudsync.cli.runtime import first_of
from loudsync.cli.words import shown
from loudsync.core.events import Event
from loudsync.server.logs import configure_logs

if TYPE_CHECKING:
    from loudsync.cluster import NodeReport

_NOBODY: Final = "No server is on this NATS. Start one with: loudsync serve --nats URL"

_CONNECT_TIMEOUT_S: Final = 3.0
"""Somebody waits for it; a server that starts has more patience."""

_WIDE: Final = 200
"""Where no terminal has a width, nothing is cut off."""


class Node(Event, tag="node", frozen=True, kw_only=True, rename="camel"):
    """One server, as ``--json`` prints it.

    Attributes:
        state: ``ready``, ``draining`` or ``no answer``.
        lease_age_s: How long ago it last said that it lives; ``None``: never.
    """

    id: str
    name: str
    url: str
    version: str
    state: str
    sessions: int
    members: int
    lease_age_s: float | None


async def show_nodes(nats: NatsOptions, stop: asyncio.Event, *, as_json: bool) -> int:
    """Show each server on a NATS, once.

    Raises:
        StartFailed: NATS can't be reached.
        OutputFailed: It can't be shown.
    """
    check_nats(nats)
    # What goes wrong is told as an error.
    configure_logs("console", logging.CRITICAL + 1)
    settings = msgspec.structs.replace(
        cluster_settings(nats), connect_timeout_s=_CONNECT_TIMEOUT_S
    )
    from loudsync.cluster import list_nodes

    asking = asyncio.create_task(list_nodes(settings))
    await first_of(asking, stop)
    if not asking.done():
        asking.cancel()
        await asyncio.wait({asking})
        return 0
    reports = sorted(asking.result(), key=lambda report: (report.name, report.id))
    if as_json:
        async with printed_output(as_json=True) as output:
            for report in reports:
                await output.tell(_node(report))
    else:
        await _print_table(reports)
    return 0


def state_of(report: "NodeReport") -> str:
    """Return how a server is, in words."""
    if not report.is_reachable:
        return "no answer"
    return "draining" if report.is_draining else "ready"


def _node(report: "NodeReport") -> Node:
    return Node(
        id=report.id,
        name=report.name,
        url=report.url,
        version=report.version,
        state=state_of(report),
        sessions=report.sessions,
        members=report.members,
        lease_age_s=report.lease_age_s,
    )


async def _print_table(reports: "list[NodeReport]") -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    with console.capture() as drawn:
        console.print(_table(reports) if reports else Text(_NOBODY))
    # Outside of a terminal, columns are filled up with spaces for nobody.
    text = "".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines())
    printer = Printer()
    try:
        await printer.do(lambda: write(text))
    finally:
        await printer.close()


def _table(reports: "list[NodeReport]") -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("Node", overflow="ellipsis", style="bold")
    table.add_column("Address", overflow="ellipsis")
    table.add_column("Sessions", justify="right", no_wrap=True)
    table.add_column("Members", justify="right", no_wrap=True)
    table.add_column("Lease", justify="right", no_wrap=True)
    table.add_column("State", no_wrap=True)
    for report in reports:
        state, age_s = state_of(report), report.lease_age_s
        # What a silent one has is not known.
        count = str if report.is_reachable else _unknown
        table.add_row(
            Text(shown(report.name)),
            Text(shown(report.url)),
            Text(count(report.sessions)),
            Text(count(report.members)),
            Text("none" if age_s is None else f"{age_s:.1f} s"),
            Text(state, style="green" if state == "ready" else "yellow"),
        )
    return table


def _unknown(_count: int) -> str:
    return "?"
