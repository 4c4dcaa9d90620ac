"""The addresses this machine has, and which of them guests may reach."""

import contextlib
import ipaddress
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

EVERY_IPV4: Final = "0.0.0.0"  # noqa: S104  # compared, not bound
EVERY_NETWORK: Final = frozenset({"", "::"})
"""Hosts that stand for every address, IPv6 ones as well."""

_VIRTUAL_PREFIXES: Final = (
    "br-",
    "bridge",
    "docker",
    "hyper-v",
    "tailscale",
    "tap",
    "tun",
    "utun",
    "vboxnet",
    "vethernet",
    "virbr",
    "virtualbox",
    "vmnet",
    "vmware",
    "wg",
    "zt",
)
"""How interfaces of containers, virtual machines and VPNs are called."""


def is_every_network(host: str) -> bool:
    """Whether a host to listen at stands for all IPv4 networks, or for all."""
    return host == EVERY_IPV4 or host in EVERY_NETWORK


class Reach(IntEnum):
    """From where an address can be reached; the least is the best for guests."""

    NETWORK = 0
    LINK = 1
    """Only with the name of an interface, which no browser takes."""
    VIRTUAL = 2
    THIS_MACHINE = 3


class NetworkAddress(NamedTuple):
    """One address of an interface.

    Attributes:
        ip: In text; a link-local IPv6 one with its zone, as ``fe80::1%eth0``.
        interface: What the system calls the interface.
        reach: Who can use it.
    """

    ip: str
    interface: str
    reach: Reach

    @property
    def is_ipv6(self) -> bool:
        """Whether it is an IPv6 address."""
        return ":" in self.ip


def network_addresses() -> list[NetworkAddress]:
    """Return this machine's addresses, those first that guests most likely reach."""
    return sorted(
        set(_addresses()), key=lambda a: (a.reach, a.is_ipv6, a.interface, a.ip)
    )


def addresses_of(bound_host: str) -> list[NetworkAddress]:
    """Return where a server that listens at this host is reached, best first.

    Loopback is left out where there is anything else.

    Args:
        bound_host: An address, or ``localhost``; ``0.0.0.0`` is every IPv4
            network, ``::`` or nothing every network.
    """
    every = is_every_network(bound_host)
    name = "127.0.0.1" if bound_host == "localhost" else bound_host
    with contextlib.suppress(ValueError):
        name = str(ipaddress.ip_address(name.partition("%")[0]))
    bound = [
        address
        for address in network_addresses()
        if (
            address.ip.partition("%")[0] == name
            if not every
            else not address.is_ipv6 or bound_host in EVERY_NETWORK
        )
    ]
    outside = [a for a in bound if a.reach is not Reach.THIS_MACHINE]
    return outside or bound


def _addresses() -> Iterator[NetworkAddress]:
    # Only who asks for addresses needs what looks for them.
    import ifaddr

    for adapter in ifaddr.get_adapters():
        for found in adapter.ips:
            # An IPv6 one comes as address, flow and scope.
            text = found.ip if isinstance(found.ip, str) else found.ip[0]
            try:
                ip = ipaddress.ip_address(text.partition("%")[0])
            except ValueError:
                continue
            name = str(adapter.nice_name)
            reach = reach_of(ip, name)
            if ip.version == 6 and ip.is_link_local:
                zone = adapter.index if ":" in name or " " in name else name
                yield NetworkAddress(f"{ip}%{zone}", name, reach)
            else:
                yield NetworkAddress(str(ip), name, reach)


def reach_of(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address, interface: str
) -> Reach:
    """Tell from where an address of an interface can be reached."""
    if ip.is_loopback:
        return Reach.THIS_MACHINE
    if interface.lower().startswith(_VIRTUAL_PREFIXES):
        return Reach.VIRTUAL
    # An IPv4 one (RFC 3927) is what two machines on a bare cable have.
    if ip.version == 6 and ip.is_link_local:
        return Reach.LINK
    return Reach.NETWORK
