"""From what went wrong to one line that says what to do, and the exit code."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import typer

from loudsync.cli.words import one_line
from loudsync.errors import (
    AlreadyJoined,
    ConnectionFailed,
    InvalidSetting,
    LoudSyncError,
    PartyNotFound,
    ReconnectionFailed,
    Refused,
    SessionExists,
    SessionFull,
    SessionNotFound,
    SeveralParties,
    Unauthorized,
    VersionMismatch,
)

FAILED: Final = 1
WRONG_USAGE: Final = 2

_UsageError: Final[type] = typer.BadParameter.__bases__[0]
"""typer has moved it between packages; its public child has always led to it."""

SETTINGS_OF_A_CLUSTER: Final = {
    "servers": "--nats",
    "node_name": "--node-name",
    "credentials": "--nats-creds",
    "tls_ca": "--nats-ca",
    "tls_cert": "--nats-cert",
    "tls_key": "--nats-key",
    "replicas": "--nats-replicas",
}
SETTINGS_OF_A_SERVER: Final = {
    "heartbeat_timeout_s": "--heartbeat-timeout",
    "heartbeat_check_s": "--heartbeat-check",
    "max_message_rate": "--max-message-rate",
    "max_message_bytes": "--max-message-size",
    "max_sessions": "--max-sessions",
    "public_url": "--public-url",
    "allowed_origins": "--allowed-origin",
    "trusted_proxies": "--trusted-proxy",
    **SETTINGS_OF_A_CLUSTER,
    "maxMembers": "--max-members",
    "id": "--session-id",
    "hostName": "--host-name",
    "name": "NAME",
}
SETTINGS_OF_A_CLIENT: Final = {
    "url": "The address",
    "interfaces": "--interface",
    "session_id": "--session",
    "name": "--name",
    "token": "--token",
}
SETTINGS_OF_A_CHECK: Final = {
    "url": "The address",
    "port": "--port",
    "interface": "--interface",
}


class Problem(NamedTuple):
    """What to print, after ``loudsync:``, and the exit code.

    An empty text means that nothing needs saying.
    """

    text: str
    exit_code: int


class WrongUsage(Exception):
    """The arguments don't fit together; the text names them."""


class Removed(Exception):
    """KICKED: the text is the server's reason."""


class OutputFailed(Exception):
    """Standard output can't be written.

    Attributes:
        is_closed: Its reader has left, which is no failure of ours.
    """

    def __init__(self, reason: str, *, is_closed: bool) -> None:
        super().__init__(reason)
        self.is_closed = is_closed


def wrong_usage(fault: InvalidSetting, names: Mapping[str, str]) -> WrongUsage:
    """Say which option a refused setting came from."""
    reason = fault.reason
    for name, option in names.items():
        if "_" in name:  # no word of its own
            reason = reason.replace(name, option)
    return WrongUsage(f"{names.get(fault.name, fault.name)} {reason}")


def explain(fault: Exception) -> Problem | None:
    """Return what to tell of an error; ``None`` for a bug."""
    match fault:
        case OutputFailed(is_closed=True):
            return Problem("", 0)
        case OutputFailed():
            return Problem(f"Can't write the output: {one_line(str(fault))}", FAILED)
        case WrongUsage() | InvalidSetting():
            return Problem(one_line(str(fault)), WRONG_USAGE)
        case Removed():
            reason = one_line(str(fault))
            return Problem(f"You were removed from the party: {reason}", FAILED)
        case LoudSyncError():
            return Problem(_explain_failure(fault), FAILED)
        case _ if isinstance(fault, _UsageError):
            return Problem(_explain_usage(fault), WRONG_USAGE)
        case _:
            return None


def _explain_failure(fault: LoudSyncError) -> str:
    said = one_line(str(fault)).rstrip(".")
    match fault:
        case Refused():
            return _explain_refusal(fault)
        case ReconnectionFailed():
            return f"{said}; join again once the network is back"
        case ConnectionFailed():
            return f"{said}; check the address, or ask: loudsync doctor {fault.url}"
        case SeveralParties(join_urls=join_urls):
            return f"{said}; join one by its link: {one_line(' or '.join(join_urls))}"
        case PartyNotFound():
            return f"{said}; check the code, or join with the party's link"
        case SessionExists():
            return f"{said}; choose another with --session-id"
        case _:
            return said


def _explain_usage(fault: Exception) -> str:
    # Both are typer's, whichever package they are in.
    message = getattr(fault, "format_message", lambda: str(fault))()
    context = getattr(fault, "ctx", None)
    command = getattr(context, "command_path", "loudsync")
    return f"{one_line(message).rstrip('.')} (see: {command} --help)"


def _explain_refusal(fault: Refused) -> str:
    said = one_line(fault.message).rstrip(".")
    match fault:
        case SessionNotFound():
            advice = "check the code; the party may be over"
        case SessionFull(is_storage_full=True):
            return f"{said}, or tell who runs the server"
        case SessionFull():
            advice = "wait until a seat is free, then join again"
        case Unauthorized():
            advice = "check --token, or ask the host to let you in"
        case VersionMismatch():
            advice = "update loudsync on the older side"
        case AlreadyJoined():
            advice = "leave on the other connection first"
        case _:
            return f"The server refused: {said}"
    return f"{said}; {advice}"
