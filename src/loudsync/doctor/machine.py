"""Examines this machine as a place to host parties."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from loudsync.address import base_url
from loudsync.discovery.interfaces import (
    NetworkAddress,
    Reach,
    addresses_of,
    is_every_network,
    network_addresses,
)
from loudsync.doctor.clock import look_at_clock
from loudsync.doctor.finding import Finding, Level
from loudsync.doctor.firewall import look_at_firewall
from loudsync.doctor.hosting import (
    inside_of,
    judge_addresses,
    judge_loopback,
    judge_port,
)
from loudsync.doctor.limits import look_at_file_limit
from loudsync.doctor.multicast import look_at_mdns
from loudsync.doctor.neighbours import look_for_neighbours
from loudsync.doctor.ports import (
    LOOPBACK,
    Peer,
    PortFacts,
    look_at_port,
)
from loudsync.doctor.running import Check, in_order
from loudsync.doctor.speaking import look_at_socket
from loudsync.server.links import names_this_machine

QUESTION_TIMEOUT_S: Final = 2.0
"""How long this machine may take to answer itself."""

NEIGHBOURS_TIMEOUT_S: Final = 2.5
"""How long others may take: a phone that sleeps needs about a second."""

_CHECK_TIMEOUT_S: Final = 12.0

_MAX_INTERFACES: Final = 4

_CONTAINER_MARKS: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))
_KERNEL: Final = Path("/proc/version")


async def examine_machine(
    host: str,
    port: int,
    *,
    interfaces: Sequence[str] = (),
    question_timeout_s: float = QUESTION_TIMEOUT_S,
    neighbours_timeout_s: float = NEIGHBOURS_TIMEOUT_S,
) -> AsyncGenerator[Finding, None]:
    """Say why guests could not join a party on this machine.

    What it finds comes in a fixed order, each as soon as it and what stands
    before it are known. Only mDNS reaches beyond this machine.

    Args:
        host: Where the party listens, or would.
        port: Its port, from 1 up.
        interfaces: Addresses of the interfaces to try mDNS at; none: those
            that the host stands for.
        question_timeout_s: How long one answer of this machine may take.
        neighbours_timeout_s: How long other devices may take to answer.
    """
    addresses = addresses_of(host)
    own = [address.ip for address in network_addresses()]
    spoken_at = tuple(interfaces) or _network_interfaces(addresses)
    # At loopback there is nobody else.
    asked_at = [at for at in spoken_at if not names_this_machine(at)]

    async def look_at_hosting() -> list[Finding]:
        facts = await look_at_port(host, port, addresses, timeout_s=question_timeout_s)
        inside = _inside() if is_every_network(host) else ""
        on_port = judge_port(facts)
        on_loopback = judge_loopback(facts, addresses)
        links = judge_addresses(facts, addresses, inside)
        if on_loopback or on_port[0].level is Level.PROBLEM:
            # As long as that is so, guests can't open any of them.
            links = [found for found in links if found.level is Level.PROBLEM]
        running = await _ask_running(facts, question_timeout_s)
        return [*on_port, *running, *on_loopback, *links]

    async def clock() -> list[Finding]:
        return await asyncio.to_thread(look_at_clock)

    async def file_limit() -> list[Finding]:
        return look_at_file_limit()

    checks = [
        Check("port", f"Port {port}", look_at_hosting),
        Check("firewall", "The firewall", lambda: look_at_firewall(port)),
        Check(
            "mdns",
            "mDNS",
            lambda: look_at_mdns(spoken_at, timeout_s=question_timeout_s),
        ),
        Check(
            "neighbours",
            "Whether others are there",
            lambda: look_for_neighbours(asked_at, own, timeout_s=neighbours_timeout_s),
        ),
        Check("clock", "The clock", clock),
        Check("file-limit", "The limit on open files", file_limit),
    ]
    async for finding in in_order(checks, _CHECK_TIMEOUT_S):
        yield finding


async def _ask_running(facts: PortFacts, timeout_s: float) -> list[Finding]:
    """Talk to a server that runs already.

    One with TLS has a certificate for its name, which is not known here.
    """
    plain = [ip for ip, peer in facts.peers.items() if peer is Peer.LOUDSYNC]
    if not plain:
        return []
    best = next((ip for ip in plain if ip != LOOPBACK), plain[0])
    url = base_url(best, facts.port, is_secure=False)
    return await look_at_socket(url, timeout_s=timeout_s)


def _network_interfaces(addresses: Sequence[NetworkAddress]) -> tuple[str, ...]:
    return tuple(
        address.ip
        for address in addresses
        if address.reach is Reach.NETWORK and not address.is_ipv6
    )[:_MAX_INTERFACES]


def _inside(platform: str = sys.platform) -> str:
    if platform != "linux":
        return ""
    kernel = ""
    with suppress(OSError):
        kernel = _KERNEL.read_text(errors="replace")
    return inside_of(
        kernel, has_container_mark=any(mark.exists() for mark in _CONTAINER_MARKS)
    )
