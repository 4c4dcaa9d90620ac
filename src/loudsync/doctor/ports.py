"""Whether a server can listen at a port, and who does already: the looking."""

import asyncio
import errno
import socket
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto
from typing import Final, NamedTuple

import aiohttp

from loudsync._systems import SHARES_PORTS
from loudsync.address import base_url
from loudsync.discovery.interfaces import (
    EVERY_NETWORK,
    NetworkAddress,
    Reach,
    is_every_network,
)
from loudsync.discovery.ping import open_http
from loudsync.discovery.resolving import AddressInfo, resolve
from loudsync.doctor.asking import NO_ANSWER, Kind, ask_kind

LOOPBACK: Final = "127.0.0.1"

MAX_ASKED: Final = 8
"""Addresses of this machine that are asked; some have one per container."""

_LOUDSYNC: Final = (Kind.LOUDSYNC, Kind.FULL, Kind.CROWDED)
"""A server that shuts down is about to free the port."""


class Binding(Enum):
    """What becomes of a server that wants to listen."""

    FREE = auto()
    IN_USE = auto()
    NO_RIGHT = auto()
    NO_SUCH_ADDRESS = auto()
    FAILED = auto()


class Peer(Enum):
    """Who answers at an address and a port."""

    NOBODY = auto()
    LOUDSYNC = auto()
    SECURE_LOUDSYNC = auto()
    OTHER = auto()

    @property
    def is_loudsync(self) -> bool:
        """Whether it is a LoudSync server."""
        return self in (Peer.LOUDSYNC, Peer.SECURE_LOUDSYNC)


class PortFacts(NamedTuple):
    """What there is to know of a port of this machine.

    Attributes:
        binding: What becomes of a server that wants it.
        reason: The system's words, where that failed.
        peers: Who answers there, by address.
    """

    host: str
    port: int
    binding: Binding
    reason: str = ""
    peers: dict[str, Peer] = {}  # noqa: RUF012  # nobody changes it

    @property
    def running_at(self) -> dict[str, Peer]:
        """Where a LoudSync server answers already."""
        return {ip: peer for ip, peer in self.peers.items() if peer.is_loudsync}


async def look_at_port(
    host: str, port: int, addresses: Sequence[NetworkAddress], *, timeout_s: float
) -> PortFacts:
    """Try to bind a port, and ask whoever answers there.

    Args:
        host: Where a server would listen.
        addresses: What that stands for.
        timeout_s: How long one question may take.
    """
    binding, reason = await _try_to_bind(host, port)
    own = [a.ip for a in addresses if a.reach is not Reach.LINK][:MAX_ASKED]
    if not is_every_network(host):
        asked = own or ([] if binding is Binding.NO_SUCH_ADDRESS else [host])
    elif binding is Binding.FREE:
        # macOS and Windows let a program have a port in every network that
        # another one has at loopback, and then that one gets what is local.
        asked = [LOOPBACK]
    else:
        asked = [LOOPBACK, *own]
    async with open_http() as http:
        peers = await asyncio.gather(
            *(who_answers(http, ip, port, timeout_s=timeout_s) for ip in asked)
        )
    return PortFacts(host, port, binding, reason, dict(zip(asked, peers, strict=True)))


async def who_answers(
    http: aiohttp.ClientSession, ip: str, port: int, *, timeout_s: float
) -> Peer:
    """Tell who listens at an address of this machine."""
    if not await _is_open(ip, port, timeout_s):
        return Peer.NOBODY
    for is_secure, peer in ((False, Peer.LOUDSYNC), (True, Peer.SECURE_LOUDSYNC)):
        url = base_url(ip, port, is_secure=is_secure)
        with suppress(TimeoutError, *NO_ANSWER):
            kind, _ = await ask_kind(http, url, timeout_s=timeout_s, is_trusting=True)
            if kind in _LOUDSYNC:
                return peer
    return Peer.OTHER


async def _is_open(ip: str, port: int, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(ip, port)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True


async def _try_to_bind(host: str, port: int) -> tuple[Binding, str]:
    """Bind as a server does (``server.listener``), and let go at once."""
    try:
        infos = await resolve(
            None if host in EVERY_NETWORK else host, port, socket.AI_PASSIVE
        )
    except OSError as fault:
        return Binding.NO_SUCH_ADDRESS, fault.strerror or str(fault)
    results = [_bind(info) for info in infos]
    for binding in (Binding.IN_USE, Binding.NO_RIGHT, Binding.FAILED, Binding.FREE):
        for result in results:
            if result[0] is binding:
                return result
    return Binding.NO_SUCH_ADDRESS, ""


def _bind(info: AddressInfo) -> tuple[Binding, str]:
    family, kind, protocol, _, address = info
    try:
        with socket.socket(family, kind, protocol) as probe:
            if not SHARES_PORTS:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)
    except OSError as fault:
        return _BINDINGS.get(fault.errno or 0, Binding.FAILED), (
            fault.strerror or str(fault)
        )
    return Binding.FREE, ""


_BINDINGS: Final = {
    errno.EADDRINUSE: Binding.IN_USE,
    errno.EACCES: Binding.NO_RIGHT,
    errno.EPERM: Binding.NO_RIGHT,
    errno.EADDRNOTAVAIL: Binding.NO_SUCH_ADDRESS,
    errno.EAFNOSUPPORT: Binding.NO_SUCH_ADDRESS,
}
