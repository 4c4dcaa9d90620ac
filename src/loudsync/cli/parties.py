"""What ``host`` and ``serve`` do: run a server and show what happens."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from loudsync.cli.clustering import NatsOptions, check_serving, cluster_settings
from loudsync.cli.options import LogFormat, LogLevel
from loudsync.cli.output import (
    Listening,
    ListeningSession,
    Output,
    choose_output,
    printed_output,
)
from loudsync.cli.printer import CLOSE_TIMEOUT_S
from loudsync.cli.problems import WrongUsage
from loudsync.cli.runtime import first_of
from loudsync.cli.tls_reload import reloaded_on_hangup
from loudsync.cli.views import HostView
from loudsync.cli.worker import Orders, is_worker, orders_obeyed
from loudsync.core.events import Event
from loudsync.errors import PortInUse
from loudsync.server import HostedSession, ServerSettings, SessionServer, SessionStore
from loudsync.server.event_loop import spare_collector
from loudsync.server.logs import configure_logs
from loudsync.server.settings import DEFAULT_PORT
from loudsync.server.tls import load_tls

if TYPE_CHECKING:
    from loudsync.cluster import ClusterNode

PORTS_TRIED: Final = 20
"""How many ports from 8080 up are tried where none was asked for."""


class ServerOptions(NamedTuple):
    """What host and serve have in common.

    Attributes:
        port: ``None``: 8080, or the next one that is free.
        node_name: What the server is called among others; empty: nothing yet.
    """

    host: str
    port: int | None
    settings: ServerSettings
    tls_cert: Path | None
    tls_key: Path | None
    log_format: LogFormat
    log_level: LogLevel
    as_json: bool
    state: Path | None = None
    advertise: bool = False
    nats: NatsOptions = NatsOptions()
    node_name: str = ""
    workers: int = 1


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
        view = HostView(session)
        is_announced = options.advertise and party.listed
        lines = _invitation(session, is_announced=is_announced)
        if options.port is None and server.port != DEFAULT_PORT:
            notice = f"Port {DEFAULT_PORT} is in use; this party is at {server.port}."
            view.note(notice)
            lines.insert(0, notice)
        listening = _listening(server, session)
        showing = asyncio.create_task(_show(lines, listening, events, view, output))
        await first_of(showing, stop)
    # The server's end is the party's, and the last event. Who doesn't read it
    # can't hold up the end.
    await asyncio.wait({showing}, timeout=CLOSE_TIMEOUT_S)
    if showing.done():
        await showing
    else:
        showing.cancel()
    return 0


async def _show(
    lines: list[str],
    listening: Listening,
    events: AsyncIterator[Event],
    view: HostView,
    output: Output,
) -> None:
    await output.say(*lines)
    await output.tell(listening)
    await output.follow(events, view)


def _invitation(session: HostedSession, *, is_announced: bool) -> list[str]:
    # Who is announced is found by the code alone.
    place = session.id if is_announced else f'"{session.join_url}"'
    seats = f"with {session.max_members} seats"
    return [
        f"{session.name} is open, {seats}. Its code: {session.id}",
        f"Guests open {session.join_url}",
        f"or type: loudsync join {place}",
        "Ctrl-C ends the party.",
    ]


def _listening(server: SessionServer, session: HostedSession) -> Listening:
    return Listening(
        url=server.url,
        session=ListeningSession(
            id=session.id, name=session.name, max_members=session.max_members
        ),
        join_url=session.join_url,
    )


async def serve(
    options: ServerOptions, variables: Mapping[str, str | None], stop: asyncio.Event
) -> int:
    """Run a server for many sessions until the stop is asked for.

    Args:
        variables: The same options as environment variables, for workers.
    """
    check_serving(
        options.nats,
        node_name=options.node_name,
        workers=options.workers,
        state=options.state,
    )
    if options.workers > 1:
        # Where NATS's client is missing, this says so.
        cluster_settings(options.nats)
        from loudsync.cli.workers import serve_with_workers

        return await serve_with_workers(options, variables, stop)
    async with (
        printed_output(as_json=options.as_json) as output,
        orders_obeyed(stop) as orders,
        _server(options, orders) as server,
    ):
        await output.say(f"Listening at {server.url} (Ctrl-C ends it)")
        await output.tell(Listening(url=server.url))
        await stop.wait()
    return 0


@asynccontextmanager
async def _server(
    options: ServerOptions, orders: Orders | None = None
) -> AsyncIterator[SessionServer]:
    level = logging.getLevelNamesMapping()[options.log_level.upper()]
    configure_logs(options.log_format.value, level, node=options.node_name)
    certificate, key = options.tls_cert, options.tls_key
    server = await _start(options, _tls(certificate, key))
    try:
        spare_collector()
        if certificate is None or key is None:
            yield server
        else:
            with reloaded_on_hangup(server, certificate, key):
                yield server
    finally:
        if orders is not None and orders.close_sessions:
            await server.stop(close_sessions=True)
        else:
            await server.stop()


async def _start(options: ServerOptions, tls: ssl.SSLContext | None) -> SessionServer:
    """Start a server; where any port will do, at the first that is free."""
    first = DEFAULT_PORT if options.port is None else options.port
    last = first + PORTS_TRIED - 1 if options.port is None else first
    for port in range(first, last + 1):
        server = SessionServer(
            host=options.host,
            port=port,
            settings=options.settings,
            tls=tls,
            store=_store(options.state),
            advertise=options.advertise,
            cluster=_node(options),
            share_port=is_worker(),
        )
        try:
            await server.start()
        except PortInUse:
            if port == last:
                raise
        else:
            break
    return server


def _store(state: Path | None) -> SessionStore | None:
    if state is None:
        return None
    # Only who keeps sessions needs SQLite.
    from loudsync.server import SqliteStore

    return SqliteStore(state)


def _node(options: ServerOptions) -> "ClusterNode | None":
    if not options.nats.servers:
        return None
    settings = cluster_settings(options.nats, options.node_name)
    from loudsync.cluster import ClusterNode

    return ClusterNode(settings)


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    check_tls_files(certificate, key)
    if certificate is None or key is None:
        return None
    return load_tls(certificate, key)


def check_tls_files(certificate: Path | None, key: Path | None) -> None:
    """Look whether both are given, or none.

    Raises:
        WrongUsage: One is missing.
    """
    if (certificate is None) != (key is None):
        raise WrongUsage("--tls-cert and --tls-key go together; give both or neither")
