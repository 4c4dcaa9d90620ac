"""The way to a server's address: its name, the network, TCP."""

import asyncio
import errno
import ipaddress
import sys
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple

import ifaddr

from loudsync.doctor.finding import Finding, note, ok, problem, quoted
from loudsync.server.links import names_this_machine
from loudsync.server.settings import DEFAULT_PORT

_NAME: Final = "name"
_LOOPBACK: Final = "loopback"
_REACH: Final = "reach"

MAX_TRIED: Final = 6
"""Addresses of one name; more are of networks that spread their load."""

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Reached(Enum):
    """How a TCP connection came out; the best first."""

    OPEN = auto()
    REFUSED = auto()
    TIMED_OUT = auto()
    NO_ROUTE = auto()
    FAILED = auto()


class Attempt(NamedTuple):
    """A TCP connection that was tried.

    Attributes:
        reason: The system's words, where it failed.
    """

    ip: str
    reached: Reached
    reason: str = ""


class Target(NamedTuple):
    """Where a link leads.

    Attributes:
        host: As the link has it, without brackets.
        has_port: Whether the link names the port.
    """

    host: str
    port: int
    has_port: bool = True
    is_secure: bool = False

    @property
    def is_number(self) -> bool:
        """Whether the host is an IP address."""
        return _ip(self.host) is not None


def judge_name(target: Target, ips: Sequence[str], reason: str = "") -> list[Finding]:
    """Say whether a link's host is known, and to whom.

    Args:
        ips: What it stands for; empty where nothing is known.
        reason: The system's words, where that is so.
    """
    host = quoted(target.host)
    if not ips:
        hint = (
            "Names that end in .local are known in their own network only: join it, or "
            if target.host.lower().endswith(".local")
            else "Check how it is spelled and that this machine is online, or "
        )
        return [
            problem(
                _NAME,
                f"No address is known for the name {host}"
                f"{f' ({quoted(reason)})' if reason else ''}.",
                f"{hint}use a link with the number of the host's address.",
            )
        ]
    findings = []
    if not target.is_number and not names_this_machine(target.host):
        findings.append(ok(_NAME, f"The name {host} stands for {', '.join(ips[:3])}."))
    if all(names_this_machine(ip) for ip in ips):
        findings.append(
            note(
                _LOOPBACK,
                f"This link is for this machine only: on a guest's device {host} "
                "means that device itself.",
                "Give guests a link with this machine's address in the network; "
                "loudsync doctor without a link shows it.",
            )
        )
    return findings


async def connect(ip: str, port: int, timeout_s: float) -> Attempt:
    """Try to open a TCP connection."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(ip, port)
    except TimeoutError:
        return Attempt(ip, Reached.TIMED_OUT)
    except ConnectionRefusedError:
        return Attempt(ip, Reached.REFUSED)
    except OSError as fault:
        reached = _FAULTS.get(fault.errno or 0, Reached.FAILED)
        return Attempt(ip, reached, fault.strerror or str(fault))
    writer.transport.abort()
    return Attempt(ip, Reached.OPEN)


_FAULTS: Final = {
    errno.ETIMEDOUT: Reached.TIMED_OUT,
    errno.ENETUNREACH: Reached.NO_ROUTE,
    errno.EHOSTUNREACH: Reached.NO_ROUTE,
    errno.ENETDOWN: Reached.NO_ROUTE,
    errno.EADDRNOTAVAIL: Reached.NO_ROUTE,
}


def judge_reach(
    target: Target,
    attempts: Sequence[Attempt],
    own_networks: Iterable[_Network],
    platform: str = sys.platform,
) -> Finding:
    """Say whether the way is open, and if not, where it ends.

    Args:
        attempts: One for each address of the host, at least one.
        own_networks: The networks that this machine is in.
    """
    best = min(attempts, key=lambda attempt: attempt.reached.value)
    place = f"{best.ip}, port {target.port}"
    match best.reached:
        case Reached.OPEN:
            return ok(_REACH, f"The way to {place} is open.")
        case Reached.REFUSED:
            return _judge_refusal(best.ip, target)
        case Reached.NO_ROUTE if not _is_in(best.ip, own_networks):
            return problem(
                _REACH,
                f"There is no way from this machine to {place} ({best.reason}).",
                "Connect this machine to the network that the party is in.",
            )
        case Reached.TIMED_OUT | Reached.NO_ROUTE:
            return problem(
                _REACH,
                f"Nothing answers at {place}.",
                _why_silent(best.ip, target, own_networks, platform),
            )
        case _:
            return problem(
                _REACH,
                f"No connection to {place} can be made: {best.reason}.",
                "Check the link, and that this machine is online.",
            )


def _judge_refusal(ip: str, target: Target) -> Finding:
    if names_this_machine(ip):
        return problem(
            _REACH,
            f"Nothing listens at port {target.port} of this machine.",
            f'Start a party: loudsync host "My Party" --port {target.port}. Or check '
            "the port in the link.",
        )
    return problem(
        _REACH,
        f"The machine at {ip} is there, but nothing listens at port {target.port}.",
        _check_port(target),
    )


def _check_port(target: Target) -> str:
    advice = "Start the party there, or check the port in the link"
    if not target.has_port:
        scheme = "https" if target.is_secure else "http"
        return (
            f"{advice}: it names none, and LoudSync's usual one is {DEFAULT_PORT}, as in "
            f"{scheme}://{quoted(target.host)}:{DEFAULT_PORT}."
        )
    return (
        f"{advice}. If it runs, it may listen for its own machine only: run "
        "loudsync doctor there."
    )


def _why_silent(
    ip: str, target: Target, own_networks: Iterable[_Network], platform: str
) -> str:
    if _is_in(ip, own_networks):
        allow = _ALLOW_LOCAL_NETWORK if platform == "darwin" else ""
        return allow + (
            "The address is in this machine's own network, so the host is off, its "
            f"firewall blocks port {target.port}, or the Wi-Fi keeps devices from "
            "seeing one another (client isolation, usual in guest Wi-Fi). Run "
            "loudsync doctor on the host, or use another network."
        )
    parsed = _ip(ip)
    if parsed is not None and not parsed.is_global:
        return (
            "The address is of a private network that this machine is not in: "
            "join the Wi-Fi or network of the host, without mobile data or a VPN."
        )
    return (
        "The host is off, or a firewall or router in front of it doesn't pass port "
        f"{target.port} on. Run loudsync doctor on the host."
    )


_ALLOW_LOCAL_NETWORK: Final = (
    "On this Mac, allow the terminal in System Settings, Privacy & Security, Local "
    "Network. If that is so: "
)
"""Without it macOS 15 and later let a program reach nobody in its own network."""


def own_networks() -> list[_Network]:
    """Return the networks that this machine is in."""
    networks: list[_Network] = []
    for adapter in ifaddr.get_adapters():
        for found in adapter.ips:
            ip = found.ip if isinstance(found.ip, str) else found.ip[0]
            try:
                networks.append(
                    ipaddress.ip_network(
                        f"{ip.partition('%')[0]}/{found.network_prefix}", strict=False
                    )
                )
            except ValueError:
                continue
    return networks


def is_private(ip: str) -> bool:
    """Whether an address is of a home, an office or this machine."""
    parsed = _ip(ip)
    return parsed is not None and not parsed.is_global


def _is_in(ip: str, networks: Iterable[_Network]) -> bool:
    parsed = _ip(ip)
    return parsed is not None and any(parsed in network for network in networks)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
