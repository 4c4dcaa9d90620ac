"""The addresses a party is reached at."""

import ipaddress
import re
import socket
from urllib.parse import urlsplit

from loudsync.discovery.interfaces import (
    EVERY_IPV4,
    Reach,
    addresses_of,
    is_every_network,
)
from loudsync.errors import InvalidSetting

_SOMEWHERE_ELSE = ("192.0.2.1", 9)
"""An address for documentation (RFC 5737): nothing is sent there."""

_MAX_URL_LENGTH = 300
"""Names have 253 characters at most; a QR code can't hold any length."""

_NOT_IN_A_ROOT = re.compile(r"[?#\s\x00-\x1f]")


def reachable_host(bound_host: str) -> str:
    """Return the address by which other devices reach a bound address.

    A server on every interface is reached at the address this machine uses
    towards the internet; without that, at one it has in a network; without a
    network, at ``localhost``.
    """
    if not is_every_network(bound_host):
        return bound_host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_SOMEWHERE_ELSE)
            return str(probe.getsockname()[0])
        except OSError:
            inside = addresses_of(EVERY_IPV4)
    if inside and inside[0].reach is not Reach.THIS_MACHINE:
        return inside[0].ip
    return "localhost"


def names_this_machine(host: str) -> bool:
    """Tell whether a host in a URL means whatever machine asks for it."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def check_public_url(url: str) -> str:
    """Check the address an operator gave; return it without a slash at its end.

    Raises:
        InvalidSetting: It is not an http or https address of a server's root.
    """
    try:
        parts = urlsplit(url)
        good = (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and parts.path in {"", "/"}
            # Nothing that urlsplit takes away without a word.
            and not _NOT_IN_A_ROOT.search(url)
            and len(url) <= _MAX_URL_LENGTH
        )
        _ = parts.port
    except ValueError:
        good = False
    if not good:
        raise InvalidSetting(
            "public_url", "must be like https://party.example.org, without a path"
        )
    return url.rstrip("/")
