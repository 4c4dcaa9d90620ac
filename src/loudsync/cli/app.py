"""The commands and their arguments.

Each command imports what it runs: a guest needs no server, a server no client,
and ``--help`` neither.
"""

import asyncio
import getpass
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from loudsync._version import __version__
from loudsync.cli import options as take
from loudsync.cli.output import wants_screen
from loudsync.cli.problems import (
    SETTINGS_OF_A_CHECK,
    SETTINGS_OF_A_CLIENT,
    SETTINGS_OF_A_CLUSTER,
    SETTINGS_OF_A_SERVER,
    wrong_usage,
)
from loudsync.cli.runtime import Command, run, run_beside_screen
from loudsync.errors import InvalidSetting
from loudsync.server.creation import DEFAULT_HOST_NAME
from loudsync.server.settings import (
    DEFAULT_MAX_MEMBERS,
    DEFAULT_PORT,
    EVERY_INTERFACE,
    ServerSettings,
)

_NUMBERS: Final = ServerSettings()

_HINT: Final = """\
LoudSync hosts parties that phones, browsers and terminals join. What next?
  loudsync host "Friday Party"    start a party here; guests scan its code
  loudsync discover               see the parties on this network
  loudsync join CODE              go to one
  loudsync doctor                 find out why guests can't join (more: --help)
"""

app = typer.Typer(
    # Plain text reads the same in a terminal, a pipe and a screen reader.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"loudsync {__version__}")
        raise typer.Exit


def _examples(*lines: str) -> str:
    """Return a command's last words; the mark keeps the lines as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@app.callback(
    invoke_without_command=True,
    epilog='Start with: loudsync host "Friday Party". '
    "Each command explains itself: loudsync host --help. "
    "Every option is an environment variable too: --port is LOUDSYNC_PORT.",
)
def loudsync(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version and exit.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Host parties and join them: real-time sessions over WebSocket."""
    if context.invoked_subcommand is None:
        typer.echo(_HINT, nl=False)


@app.command(
    "host",
    epilog=_examples(
        'loudsync host "Friday Party"',
        'loudsync host "Friday Party" --host-name Sara --max-members 50',
        'loudsync host "Friday Party" --session-id friday --port 9000',
        'loudsync host "Friday Party" --json | my-program',
    ),
)
def host_command(
    name: take.PartyName,
    port: take.HostPort = None,
    host: take.Host = EVERY_INTERFACE,
    host_name: take.HostName = DEFAULT_HOST_NAME,
    max_members: take.MaxMembers = DEFAULT_MAX_MEMBERS,
    session_id: take.SessionIdOption = None,
    listed: take.Listed = True,
    advertise: take.Advertise = True,
    plain: take.Plain = False,
    json: take.Json = False,
    heartbeat_timeout: take.HeartbeatTimeout = _NUMBERS.heartbeat_timeout_s,
    heartbeat_check: take.HeartbeatCheck = None,
    max_message_rate: take.MaxMessageRate = _NUMBERS.max_message_rate,
    max_sessions: take.MaxSessions = _NUMBERS.max_sessions,
    max_message_size: take.MaxMessageSize = _NUMBERS.max_message_bytes,
    tls_cert: take.TlsCert = None,
    tls_key: take.TlsKey = None,
    public_url: take.PublicUrl = "",
    log_format: take.LogFormatOption = take.LogFormat.CONSOLE,
    log_level: take.HostLogLevel = take.LogLevel.WARNING,
) -> None:
    """Host a party: this program is its host, and guests come to it.

    It shows the party's code, link and QR code, and who is there, until q or
    Ctrl-C ends the party for everybody.
    """
    from loudsync.cli.parties import PartyOptions, ServerOptions, host_party

    party = PartyOptions(name, host_name, max_members, session_id, listed)

    async def command(stop: asyncio.Event) -> int:
        options = ServerOptions(
            host=host,
            port=port,
            settings=_settings(
                heartbeat_timeout,
                heartbeat_check,
                max_message_rate,
                max_sessions,
                max_message_size,
                public_url,
            ),
            tls_cert=tls_cert,
            tls_key=tls_key,
            log_format=log_format,
            log_level=log_level,
            as_json=json,
            advertise=advertise,
        )
        return await host_party(options, party, stop)

    has_screen = wants_screen(as_json=json, plain=plain)
    _finish(command, SETTINGS_OF_A_SERVER, has_screen=has_screen)


@app.command(
    "serve",
    epilog=_examples(
        "loudsync serve",
        "loudsync serve --port 443 --tls-cert chain.pem --tls-key key.pem",
        "loudsync serve --host 127.0.0.1 --public-url https://party.example.org",
        "loudsync serve --log-format json",
        "loudsync serve --nats nats://10.0.0.5:4222 --node-name left",
        "loudsync serve --workers 4",
    ),
)
def serve_command(
    context: typer.Context,
    port: take.Port = DEFAULT_PORT,
    host: take.Host = EVERY_INTERFACE,
    state: take.State = None,
    workers: take.Workers = 1,
    nats: take.Nats = None,
    nats_creds: take.NatsCreds = None,
    nats_ca: take.NatsCa = None,
    nats_cert: take.NatsCert = None,
    nats_key: take.NatsKey = None,
    nats_replicas: take.NatsReplicas = 0,
    node_name: take.NodeName = "",
    api_key: take.ApiKey = "",
    max_connections_per_address: take.MaxConnectionsPerAddress = 0,
    allowed_origin: take.AllowedOrigins = None,
    trusted_proxy: take.TrustedProxies = None,
    advertise: take.Advertise = False,
    json: take.Json = False,
    heartbeat_timeout: take.HeartbeatTimeout = _NUMBERS.heartbeat_timeout_s,
    heartbeat_check: take.HeartbeatCheck = None,
    max_message_rate: take.MaxMessageRate = _NUMBERS.max_message_rate,
    max_sessions: take.MaxSessions = _NUMBERS.max_sessions,
    max_message_size: take.MaxMessageSize = _NUMBERS.max_message_bytes,
    tls_cert: take.TlsCert = None,
    tls_key: take.TlsKey = None,
    public_url: take.PublicUrl = "",
    log_format: take.LogFormatOption = take.LogFormat.CONSOLE,
    log_level: take.HostLogLevel = take.LogLevel.INFO,
) -> None:
    """Run a server for many parties, whose hosts are elsewhere.

    Hosts open their parties with POST /sessions. Ctrl-C closes every party,
    or with --state leaves them for the next start, with --nats to the others.
    """
    from loudsync.cli.clustering import NatsOptions, nats_servers
    from loudsync.cli.parties import ServerOptions, serve

    servers = nats_servers(nats or ())

    async def command(stop: asyncio.Event) -> int:
        options = ServerOptions(
            host=host,
            port=port,
            settings=_settings(
                heartbeat_timeout,
                heartbeat_check,
                max_message_rate,
                max_sessions,
                max_message_size,
                public_url,
                api_key=api_key,
                max_connections_per_address=max_connections_per_address,
                allowed_origins=tuple(allowed_origin or ()),
                trusted_proxies=tuple(trusted_proxy or ()),
            ),
            tls_cert=tls_cert,
            tls_key=tls_key,
            log_format=log_format,
            log_level=log_level,
            as_json=json,
            state=state,
            advertise=advertise,
            nats=NatsOptions(
                servers, nats_creds, nats_ca, nats_cert, nats_key, nats_replicas
            ),
            node_name=node_name,
            workers=workers,
        )
        return await serve(options, _as_variables(context), stop)

    _finish(command, SETTINGS_OF_A_SERVER)


@app.command(
    "join",
    epilog=_examples(
        'loudsync join "http://192.168.1.5:8080/?session=k7m2xp"',
        "loudsync join k7m2xp",
        'loudsync join "Friday Party" --name Sara',
        "loudsync join 192.168.1.5:8080 --session k7m2xp",
        "loudsync join k7m2xp --server https://party.example.org",
    ),
)
def join_command(
    target: take.Target,
    session: take.Session = None,
    name: take.GuestName = None,
    token: take.Token = None,
    server: take.Server = None,
    interface: take.Interfaces = None,
    plain: take.Plain = False,
    json: take.Json = False,
) -> None:
    """Go to a party, by its link, its code or its name, until Ctrl-C.

    A code or a name is looked for on the local network.
    """
    from loudsync.cli.visits import VisitOptions, join_party

    options = VisitOptions(
        target=target,
        session_id=session,
        name=_login_name() if name is None else name,
        token=token,
        server=server,
        interfaces=tuple(interface or ()),
        as_json=json,
    )
    has_screen = wants_screen(as_json=json, plain=plain)
    _finish(
        lambda stop: join_party(options, stop),
        SETTINGS_OF_A_CLIENT,
        has_screen=has_screen,
    )


@app.command(
    "discover",
    epilog=_examples(
        "loudsync discover",
        "loudsync discover --timeout 3 --json",
        "loudsync discover --server https://party.example.org",
    ),
)
def discover_command(
    server: take.Servers = None,
    timeout: take.Timeout = None,
    interface: take.Interfaces = None,
    plain: take.Plain = False,
    json: take.Json = False,
) -> None:
    """Show the parties on the local network, as they come and go.

    Each is asked for an answer every five seconds.
    """
    from loudsync.cli.searches import show_parties
    from loudsync.discovery import discover

    async def command(stop: asyncio.Event) -> int:
        search = discover(server or (), interfaces=interface or (), timeout_s=timeout)
        return await show_parties(search, stop, as_json=json, plain=plain)

    _finish(command, SETTINGS_OF_A_CLIENT)


@app.command(
    "doctor",
    epilog=_examples(
        "loudsync doctor",
        "loudsync doctor --port 9000",
        'loudsync doctor "http://192.168.1.5:8080/?session=k7m2xp"',
    ),
)
def doctor_command(
    url: take.DoctorTarget = None,
    port: take.DoctorPort = DEFAULT_PORT,
    host: take.Host = EVERY_INTERFACE,
    interface: take.Interfaces = None,
    json: take.Json = False,
) -> None:
    """Find out why guests can't join, and what to do about it.

    It looks at this machine's port, addresses, firewall and network, or with a
    party's link at each step of the way there. Exit code 1: something is wrong.
    """
    from loudsync.cli.checkup import doctor

    async def command(stop: asyncio.Event) -> int:
        return await doctor(
            url,
            host=host,
            port=port,
            interface=tuple(interface or ()),
            as_json=json,
            stop=stop,
        )

    _finish(command, SETTINGS_OF_A_CHECK)


@app.command(
    "nodes",
    epilog=_examples(
        "loudsync nodes",
        "loudsync nodes --nats nats://10.0.0.5:4222",
        "loudsync nodes --nats tls://nats.example.org --nats-creds loudsync.creds",
        "loudsync nodes --json",
    ),
)
def nodes_command(
    nats: take.NodesNats = None,
    nats_creds: take.NatsCreds = None,
    nats_ca: take.NatsCa = None,
    nats_cert: take.NatsCert = None,
    nats_key: take.NatsKey = None,
    json: take.Json = False,
) -> None:
    """Show the servers that share their parties over a NATS.

    Each says how many sessions it decides about and how many members hang on it.
    Exit code 1: NATS can't be reached.
    """
    from loudsync.cli.clustering import NatsOptions, nats_servers
    from loudsync.cli.nodes import show_nodes

    servers = nats_servers(nats or (take.DEFAULT_NATS,))
    options = NatsOptions(servers, nats_creds, nats_ca, nats_cert, nats_key)

    async def command(stop: asyncio.Event) -> int:
        return await show_nodes(options, stop, as_json=json)

    _finish(command, SETTINGS_OF_A_CLUSTER)


def _as_variables(context: typer.Context) -> dict[str, str | None]:
    """Return a running command's options as the variables that say the same."""
    return {
        str(option.envvar): _as_variable(context.params[str(option.name)])
        for option in context.command.params
        if option.envvar
    }


def _as_variable(value: Any) -> str | None:
    match value:
        case None | () | []:
            return None
        case bool():
            return "1" if value else "0"
        case list() | tuple():
            return " ".join(map(str, value))
        case _:
            return str(value)


def _settings(
    heartbeat_timeout: float,
    heartbeat_check: float | None,
    max_message_rate: float,
    max_sessions: int,
    max_message_size: int,
    public_url: str,
    **of_serve_only: Any,
) -> ServerSettings:
    if heartbeat_check is None:
        heartbeat_check = min(_NUMBERS.heartbeat_check_s, heartbeat_timeout)
    return ServerSettings(
        heartbeat_timeout_s=heartbeat_timeout,
        heartbeat_check_s=heartbeat_check,
        max_message_rate=max_message_rate,
        max_sessions=max_sessions,
        max_message_bytes=max_message_size,
        public_url=public_url,
        **of_serve_only,
    )


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "Guest"


def _finish(
    command: Command, names: Mapping[str, str], *, has_screen: bool = False
) -> None:
    """Run a command; its exit code is the program's."""
    try:
        code = run_beside_screen(command) if has_screen else run(command)
    except InvalidSetting as fault:
        raise wrong_usage(fault, names) from None
    raise typer.Exit(code)
