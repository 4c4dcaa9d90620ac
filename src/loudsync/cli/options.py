"""What the commands take: each option once, with its help and its limits.

Every option is an environment variable as well: ``--max-members`` is
``LOUDSYNC_MAX_MEMBERS``.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from loudsync.server.settings import DEFAULT_PORT, MAX_MEMBERS

DEFAULT_SERVER: Final = f"http://localhost:{DEFAULT_PORT}"

DEFAULT_NATS: Final = "nats://127.0.0.1:4222"

MAX_WORKERS: Final = 256
"""More than machines have processors; it keeps typing errors out."""

MAX_SECONDS: Final = 86_400
"""A day: a limit that keeps typing errors out, not a use that is known."""


class LogFormat(StrEnum):
    """How logs are written."""

    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """From which weight on logs are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _option(declaration: str, help_text: str, **more: Any) -> Any:
    name = declaration.split("/")[0].removeprefix("--").replace("-", "_").upper()
    return typer.Option(
        declaration,
        envvar=f"LOUDSYNC_{name}",
        show_envvar=True,
        help=help_text,
        **more,
    )


# --- host and serve ----------------------------------------------------------

_PORT = {"metavar": "PORT", "min": 0, "max": 65535}

Port = Annotated[
    int, _option("--port", "The port to listen at; 0 takes a free one.", **_PORT)
]
HostPort = Annotated[
    int | None,
    _option(
        "--port",
        "The port to listen at; 0 takes a free one.",
        **_PORT,
        show_default=f"{DEFAULT_PORT}, or the next that is free",
    ),
]
Host = Annotated[
    str,
    _option(
        "--host",
        "The address to listen at; 0.0.0.0 is every network, :: with IPv6.",
        metavar="ADDRESS",
    ),
]
HeartbeatTimeout = Annotated[
    float,
    _option(
        "--heartbeat-timeout",
        "Seconds of silence after which a member is gone; clients speak every 5.",
        metavar="SECONDS",
        min=0.1,
        max=MAX_SECONDS,
    ),
]
HeartbeatCheck = Annotated[
    float | None,
    _option(
        "--heartbeat-check",
        "Seconds between two looks for silent members.",
        metavar="SECONDS",
        min=0.05,
        max=MAX_SECONDS,
        show_default="5, or the timeout where that is less",
    ),
]
MaxMessageRate = Annotated[
    float,
    _option(
        "--max-message-rate",
        "Messages a second that one connection may send; 0: no limit.",
        metavar="NUMBER",
        min=0,
        max=1_000_000,
    ),
]
MaxSessions = Annotated[
    int,
    _option(
        "--max-sessions",
        "Sessions at once; with --workers, of each.",
        metavar="NUMBER",
        min=1,
        max=1_000_000,
    ),
]
MaxMessageSize = Annotated[
    int,
    _option(
        "--max-message-size",
        "Bytes of the largest message.",
        metavar="BYTES",
        min=1024,
        max=16 * 1024**2,
    ),
]
TlsCert = Annotated[
    Path | None,
    _option(
        "--tls-cert",
        "Serve wss and https with this PEM certificate chain.",
        metavar="FILE",
    ),
]
TlsKey = Annotated[
    Path | None,
    _option("--tls-key", "The certificate's unencrypted PEM key.", metavar="FILE"),
]
PublicUrl = Annotated[
    str,
    _option(
        "--public-url",
        "Where guests reach the server, for links; as https://party.example.org.",
        metavar="URL",
        show_default="this machine's address",
    ),
]
Advertise = Annotated[
    bool,
    _option(
        "--advertise/--no-advertise",
        "Announce listed parties on the local network, so that guests find them by "
        "their code.",
    ),
]
LogFormatOption = Annotated[
    LogFormat,
    _option(
        "--log-format", "How logs are written to standard error.", case_sensitive=False
    ),
]
HostLogLevel = Annotated[
    LogLevel,
    _option("--log-level", "The least weight of what is logged.", case_sensitive=False),
]
Json = Annotated[
    bool,
    _option("--json", "Print one JSON object a line for each event, nothing else."),
]
Plain = Annotated[
    bool, _option("--plain", "Print lines instead of taking the whole terminal.")
]

# --- serve -------------------------------------------------------------------

ApiKey = Annotated[
    str,
    _option(
        "--api-key",
        "What POST /sessions asks for as a bearer token. Others on this machine "
        "can see it here; the variable hides it.",
        metavar="KEY",
        show_default="none: anybody may open parties",
    ),
]

MaxConnectionsPerAddress = Annotated[
    int,
    _option(
        "--max-connections-per-address",
        "Connections at once from one address; 0: no limit. With --workers, to each.",
        metavar="NUMBER",
        min=0,
        max=1_000_000,
    ),
]

AllowedOrigins = Annotated[
    list[str] | None,
    _option(
        "--allowed-origin",
        "Whose web pages may use the server, as https://app.example.org; its own "
        "page may always. Can be given more than once.",
        metavar="ORIGIN",
        show_default="everybody's",
    ),
]

TrustedProxies = Annotated[
    list[str] | None,
    _option(
        "--trusted-proxy",
        "Address or network of a proxy in front of the server: limits are then for "
        "whom its X-Forwarded-For names. Can be given more than once.",
        metavar="ADDRESS",
        show_default="none",
    ),
]

State = Annotated[
    Path | None,
    _option(
        "--state",
        "Keep the sessions in this file, so that they outlive the server; with "
        "--workers, in this folder.",
        metavar="FILE",
        show_default="in memory",
    ),
]

Workers = Annotated[
    int,
    _option(
        "--workers",
        "Processes that share the port and the parties, one for each processor; "
        "needs Linux. Without --nats they bring a nats-server of their own.",
        metavar="NUMBER",
        min=1,
        max=MAX_WORKERS,
    ),
]
NodeName = Annotated[
    str,
    _option(
        "--node-name",
        "What this server is called among those on the same NATS, and in its logs.",
        metavar="NAME",
        show_default="the machine's name",
    ),
]

# --- serve and nodes ---------------------------------------------------------


def _nats(default: str) -> Any:
    return _option(
        "--nats",
        "Share the parties with all servers on this NATS, as nats://10.0.0.5:4222: "
        "guests may come to any. Several with commas, or more than once. Others on "
        "this machine can see a password here; the variable hides it.",
        metavar="URL",
        show_default=default,
    )


Nats = Annotated[list[str] | None, _nats("none: the parties are this server's alone")]
NodesNats = Annotated[list[str] | None, _nats(DEFAULT_NATS)]
NatsCreds = Annotated[
    Path | None,
    _option(
        "--nats-creds",
        "What NATS lets this server in for: a .creds file with a JWT and its key.",
        metavar="FILE",
    ),
]
NatsCa = Annotated[
    Path | None,
    _option(
        "--nats-ca",
        "Trust a NATS whose certificate is signed by one of these, in PEM.",
        metavar="FILE",
        show_default="the system's",
    ),
]
NatsCert = Annotated[
    Path | None,
    _option(
        "--nats-cert",
        "Show NATS this PEM certificate, where it asks for one.",
        metavar="FILE",
    ),
]
NatsKey = Annotated[
    Path | None,
    _option("--nats-key", "That certificate's unencrypted PEM key.", metavar="FILE"),
]
NatsReplicas = Annotated[
    int,
    _option(
        "--nats-replicas",
        "On how many servers of a NATS cluster each party is kept.",
        metavar="NUMBER",
        min=0,
        max=5,
        show_default="3 in a cluster, else 1",
    ),
]

# --- host --------------------------------------------------------------------

PartyName = Annotated[
    str, typer.Argument(metavar="NAME", help="What the party is called.")
]
HostName = Annotated[
    str, _option("--host-name", "What guests see you called.", metavar="NAME")
]
MaxMembers = Annotated[
    int,
    _option(
        "--max-members",
        "Seats, yours included.",
        metavar="NUMBER",
        min=1,
        max=MAX_MEMBERS,
    ),
]
SessionIdOption = Annotated[
    str | None,
    _option(
        "--session-id",
        "The code guests type: letters, digits, - and _.",
        metavar="CODE",
        show_default="six characters are drawn",
    ),
]
Listed = Annotated[
    bool,
    _option(
        "--listed/--unlisted",
        "Show the party to who opens the page; unlisted, it is not announced either.",
    ),
]

# --- join --------------------------------------------------------------------

Target = Annotated[
    str,
    typer.Argument(
        metavar="URL|CODE|NAME",
        help="The party's link, its code or its name, or the server's address.",
    ),
]
Session = Annotated[
    str | None,
    _option(
        "--session",
        "The party's code, where the address doesn't name it.",
        metavar="CODE",
        show_default=False,
    ),
]
GuestName = Annotated[
    str | None,
    _option(
        "--name",
        "What others see you called.",
        metavar="NAME",
        show_default="your login name",
    ),
]
Token = Annotated[
    str | None,
    _option(
        "--token",
        "Join as the host, with the session's host token. Others on this machine "
        "can see it here; the variable hides it.",
        metavar="TOKEN",
        show_default=False,
    ),
]
Server = Annotated[
    str | None,
    _option(
        "--server",
        "Where a CODE or a NAME is looked for.",
        metavar="URL",
        show_default=f"this network, and {DEFAULT_SERVER}",
    ),
]

# --- discover and doctor -----------------------------------------------------

Servers = Annotated[
    list[str] | None,
    _option(
        "--server",
        "A server whose list of parties is merged in. Can be given more than once.",
        metavar="URL",
        show_default="none",
    ),
]
Timeout = Annotated[
    float | None,
    _option(
        "--timeout",
        "Seconds after which to stop looking.",
        metavar="SECONDS",
        min=0.1,
        max=MAX_SECONDS,
        show_default="until Ctrl-C",
    ),
]
Interfaces = Annotated[
    list[str] | None,
    _option(
        "--interface",
        "Address of this machine's interface to look at, as 192.168.1.5. Can be "
        "given more than once.",
        metavar="ADDRESS",
        show_default="all",
    ),
]
DoctorPort = Annotated[
    int,
    _option("--port", "The port that parties here listen at.", **{**_PORT, "min": 1}),
]
DoctorTarget = Annotated[
    str | None,
    typer.Argument(
        metavar="[URL]",
        help="A party's link: find out why it can't be joined from here. Without "
        "one, whether guests could join a party that this machine hosts.",
    ),
]
