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
from loudsync.cli.problems import (
    SETTINGS_OF_A_CLIENT,
    SETTINGS_OF_A_SERVER,
    wrong_usage,
)
from loudsync.cli.runtime import Command, run
from loudsync.errors import InvalidSetting
from loudsync.server.creation import DEFAULT_HOST_NAME
from loudsync.server.settings import (
    DEFAULT_MAX_MEMBERS,
    DEFAULT_PORT,
    EVERY_INTERFACE,
    ServerSettings,
)

DEFAULT_SERVER: Final = f"http://localhost:{DEFAULT_PORT}"

_NUMBERS: Final = ServerSettings()

_HINT: Final = """\
LoudSync hosts parties that phones, browsers and programs join.

  loudsync host "Friday Party"    host a party on this machine
  loudsync join CODE              go to a party
  loudsync --help                 everything else
"""

app = typer.Typer(
    add_completion=False,
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
    port: take.Port = DEFAULT_PORT,
    host: take.Host = EVERY_INTERFACE,
    host_name: take.HostName = DEFAULT_HOST_NAME,
    max_members: take.MaxMembers = DEFAULT_MAX_MEMBERS,
    session_id: take.SessionIdOption = None,
    listed: take.Listed = True,
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

    It shows the party's code and link, and who is there, until Ctrl-C ends the
    party for everybody.
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
        )
        return await host_party(options, party, stop)

    _finish(command, SETTINGS_OF_A_SERVER)


@app.command(
    "serve",
    epilog=_examples(
        "loudsync serve",
        "loudsync serve --port 443 --tls-cert chain.pem --tls-key key.pem",
        "loudsync serve --host 127.0.0.1 --public-url https://party.example.org",
        "loudsync serve --log-format json",
    ),
)
def serve_command(
    port: take.Port = DEFAULT_PORT,
    host: take.Host = EVERY_INTERFACE,
    state: take.State = None,
    api_key: take.ApiKey = "",
    max_connections_per_address: take.MaxConnectionsPerAddress = 0,
    allowed_origin: take.AllowedOrigins = None,
    trusted_proxy: take.TrustedProxies = None,
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
    or with --state leaves them for the next start.
    """
    from loudsync.cli.parties import ServerOptions, serve

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
        )
        return await serve(options, stop)

    _finish(command, SETTINGS_OF_A_SERVER)


@app.command(
    "join",
    epilog=_examples(
        'loudsync join "http://192.168.1.5:8080/?session=k7m2xp"',
        "loudsync join 192.168.1.5:8080 --session k7m2xp --name Sara",
        "loudsync join k7m2xp --server https://party.example.org",
    ),
)
def join_command(
    target: take.Target,
    session: take.Session = None,
    name: take.GuestName = None,
    token: take.Token = None,
    server: take.Server = DEFAULT_SERVER,
    json: take.Json = False,
) -> None:
    """Go to a party, by its link or its code, until Ctrl-C."""
    from loudsync.cli.visits import join_party
    from loudsync.client import join, parse_address

    async def command(stop: asyncio.Event) -> int:
        url, session_id = _place(target, session, server)
        address = parse_address(url)
        client = join(
            url,
            session_id=session_id,
            name=_login_name() if name is None else name,
            token=token,
        )
        return await join_party(client, address, stop, as_json=json)

    _finish(command, SETTINGS_OF_A_CLIENT)


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


def _place(target: str, session: str | None, server: str) -> tuple[str, str | None]:
    """Return the address and the session: a code has no mark of an address."""
    if session is None and not any(mark in target for mark in ":/."):
        return server, target
    return target, session


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "Guest"


def _finish(command: Command, names: Mapping[str, str]) -> None:
    """Run a command; its exit code is the program's."""
    try:
        code = run(command)
    except InvalidSetting as fault:
        raise wrong_usage(fault, names) from None
    raise typer.Exit(code)
