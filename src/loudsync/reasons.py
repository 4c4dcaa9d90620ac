"""Why there is no connection, in words for a person."""

import os
import ssl
from http import HTTPStatus
from typing import Final

import aiohttp

NOT_LOUDSYNC: Final = "what answers there is not a LoudSync server"


def why_unreachable(fault: Exception) -> str:
    """Say why a WebSocket could not be opened.

    Args:
        fault: What aiohttp raised.
    """
    match fault:
        case aiohttp.WSServerHandshakeError(status=status):
            return _why_not_upgraded(status)
        case aiohttp.ClientConnectorDNSError(host=host):
            return f"no address is known for the name {host}"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return f"no trusted TLS connection ({_cause(fault)})"
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return "nothing listens there (connection refused)"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError(errno=None):
            return "the server closed the connection before it answered"
        case aiohttp.ClientResponseError():
            return "what answers there does not speak HTTP"
        case aiohttp.InvalidURL() | UnicodeError():
            return "this is not a usable address"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number).lower()
        case _:
            return str(fault) or type(fault).__name__


def why_closed(code: int | None, reason: str) -> str:
    """Say how a server closed a WebSocket.

    Args:
        code: The close code, or ``None`` where no close frame came.
        reason: The server's own words; shown escaped, as nobody checked them.
    """
    if code is None:
        return "the connection broke"
    words = f": {reason!r}" if reason else ""
    return f"the server closed the connection (code {code}{words})"


def _why_not_upgraded(status: int) -> str:
    match status:
        case HTTPStatus.SWITCHING_PROTOCOLS:
            return "what answers there does not speak WebSocket properly"
        case HTTPStatus.SERVICE_UNAVAILABLE:
            return "the server is full or shutting down (HTTP 503)"
        case _:
            return f"{NOT_LOUDSYNC} (HTTP {status})"


def _cause(fault: Exception) -> str:
    match fault:
        case aiohttp.ClientConnectorCertificateError():
            return str(fault.certificate_error)
        case aiohttp.ClientConnectorError():
            return str(fault.os_error)
        case _:
            return str(fault)
