"""What the commands do: run a server or a client and show what happens."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from loudsync.cli.options import LogFormat, LogLevel
from loudsync.cli.output import (
    Listening,
    ListeningSession,
    Output,
    choose_output,
)
from loudsync.cli.printer import CLOSE_TIMEOUT_S
from loudsync.cli.problems import Removed, WrongUsage
from loudsync.cli.tls_reload import reloaded_on_hangup
from loudsync.cli.views import GuestView, HostView
from loudsync.client import Address, Client
from loudsync.core.events import Event, RemovedByHost
from loudsync.errors import NotConnected
from loudsync.server import (
    HostedSession,
    ServerSettings,
    SessionServer,
    SqliteStore,
)
from loudsync.server.links import join_link
from loudsync.server.logs import configure_logs
from loudsync.server.tls import load_tls

LATENCY_INTERVAL_S: Final = 10.0
"""How often a guest asks for everybody's latency."""

LATENCY_COST_S: Final = 0.1
"""What each member adds to that: a crowd that asked every 10 s would be sent
the list of the crowd, times the crowd."""


class ServerOptions(NamedTuple):
    """What host and serve have in common."""

    host: str
    port: int
    settings: ServerSettings
    tls_cert: Path | None
    tls_key: Path | None
    log_format: LogFormat
    log_level: LogLevel
    as_json: bool
    state: Path | None = None


class PartyOptions(NamedTuple):
    """What a party is made of."""

    name: str
    host_name: str
    max_members: int
    session_id: str | None
    listed: bool


async def host_party(
    options: ServerOptions, party: PartyOptions, stop: asyncio.Event
) -> int:
    """Host one party until it is over or the stop is asked for."""
    async with choose_output(as_json=options.as_json) as output:
        with output.hold_errors():
            return await _host_party(options, party, stop, output)


async def _host_party(
    options: ServerOptions,
    party: PartyOptions,
    stop: asyncio.Event,
    output: Output,
) -> int:
    async with _server(options) as server:
        session = await server.create_session(
            party.name,
            host_name=party.host_name,
            max_members=party.max_members,
            session_id=party.session_id,
            listed=party.listed,
        )
        events = session.events()
        showing = asyncio.create_task(_show_hosted(server.url, session, events, output))
        await _first_of(showing, stop)
    # The server's end is the party's, and the last event. Who doesn't read it
    # can't hold up the end.
    await asyncio.wait({showing}, timeout=CLOSE_TIMEOUT_S)
    if showing.done():
        await showing
    else:
        showing.cancel()
    return 0


async def _show_hosted(
    url: str, session: HostedSession, events: AsyncIterator[Event], output: Output
) -> None:
    await output.say(
        f"{session.name} is open, with {session.max_members} seats. "
        f"Its code: {session.id}",
        f"Guests open {session.join_url}",
        f'or type: loudsync join "{session.join_url}"',
        "Ctrl-C ends the party.",
    )
    await output.tell(
        Listening(
            url=url,
            session=ListeningSession(
                id=session.id, name=session.name, max_members=session.max_members
            ),
            join_url=session.join_url,
        )
    )
    await output.follow(events, HostView(session))


async def serve(options: ServerOptions, stop: asyncio.Event) -> int:
    """Run a server for many sessions until the stop is asked for."""
    async with (
        choose_output(as_json=options.as_json) as output,
        _server(options) as server,
    ):
        await output.say(f"Listening at {server.url} (Ctrl-C ends it)")
        await output.tell(Listening(url=server.url))
        await stop.wait()
    return 0


@asynccontextmanager
async def _server(options: ServerOptions) -> AsyncIterator[SessionServer]:
    level = logging.getLevelNamesMapping()[options.log_level.upper()]
    configure_logs(options.log_format.value, level)
    certificate, key = options.tls_cert, options.tls_key
    async with SessionServer(
        host=options.host,
        port=options.port,
        settings=options.settings,
        tls=_tls(certificate, key),
        store=SqliteStore(options.state) if options.state is not None else None,
    ) as server:
        if certificate is None or key is None:
            yield server
        else:
            with reloaded_on_hangup(server, certificate, key):
                yield server


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise WrongUsage("--tls-cert and --tls-key go together; give both or neither")
    return load_tls(certificate, key)


async def join_party(
    client: Client, address: Address, stop: asyncio.Event, *, as_json: bool
) -> int:
    """Be a guest until the party is over, the seat is lost, or the stop."""
    async with choose_output(as_json=as_json) as output:
        with output.hold_errors():
            configure_logs("console", logging.WARNING)
            visiting = asyncio.create_task(_visit(client, address, output))
            await _first_of(visiting, stop)
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


async def _first_of(task: "asyncio.Task[Any]", stop: asyncio.Event) -> None:
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
