"""What ``join`` does: run a client and show what happens."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

from loudsync.cli.output import Output, choose_output
from loudsync.cli.problems import Removed
from loudsync.cli.runtime import first_of
from loudsync.cli.views import GuestView
from loudsync.client import Address, Client
from loudsync.core.events import Event, RemovedByHost
from loudsync.errors import NotConnected
from loudsync.server.links import join_link
from loudsync.server.logs import configure_logs

LATENCY_INTERVAL_S: Final = 10.0
"""How often a guest asks for everybody's latency."""

LATENCY_COST_S: Final = 0.1
"""What each member adds to that: a crowd that asked every 10 s would be sent
the list of the crowd, times the crowd."""


async def join_party(
    client: Client, address: Address, stop: asyncio.Event, *, as_json: bool
) -> int:
    """Be a guest until the party is over, the seat is lost, or the stop."""
    async with choose_output(as_json=as_json) as output:
        with output.hold_errors():
            configure_logs("console", logging.WARNING)
            visiting = asyncio.create_task(_visit(client, address, output))
            await first_of(visiting, stop)
            if not visiting.done():
                visiting.cancel()
                await asyncio.wait({visiting})
                if visiting.cancelled():
                    await output.say("You left the party.")
                    return 0
            await visiting
    return 0


async def _visit(client: Client, address: Address, output: Output) -> None:
    await output.say(f"Connecting to {address.url} (Ctrl-C leaves)")
    async with client:
        guest_events = _GuestEvents(client)
        asking = asyncio.create_task(_ask_for_latency(client, output))
        try:
            await output.follow(guest_events, GuestView(client, _link(client, address)))
        finally:
            asking.cancel()
    if guest_events.removed is not None:
        raise Removed(guest_events.removed.reason)


class _GuestEvents(AsyncIterator[Event]):
    """A client's events; remembers whether the host ended them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.removed: RemovedByHost | None = None

    async def __anext__(self) -> Event:
        event = await anext(self._client)
        if isinstance(event, RemovedByHost):
            self.removed = event
        return event


async def _ask_for_latency(client: Client, output: Output) -> None:
    while output.shows_latency:
        members = len(client.members)
        await asyncio.sleep(max(LATENCY_INTERVAL_S, members * LATENCY_COST_S))
        try:
            await client.request_members()
        except NotConnected:
            continue


def _link(client: Client, address: Address) -> str:
    parts = urlsplit(address.url)
    scheme = "https" if parts.scheme == "wss" else "http"
    return join_link(f"{scheme}://{parts.netloc}", client.session.id)
