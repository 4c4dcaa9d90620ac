"""Where a connection comes from: the address that limits are counted by."""

import ipaddress
from collections.abc import Iterable
from typing import Final

from loudsync.errors import InvalidSetting

_IPV6_PREFIX_BITS: Final = 64
"""What one household or phone gets: its addresses are one for the limits."""

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ProxyTrust:
    """Which proxies are believed when they say whom they speak for.

    Args:
        proxies: Addresses or networks, as ``127.0.0.1`` or ``10.0.0.0/8``.

    Raises:
        InvalidSetting: One of them is neither.
    """

    def __init__(self, proxies: Iterable[str]) -> None:
        try:
            self._networks: list[_Network] = [
                ipaddress.ip_network(proxy) for proxy in proxies
            ]
        except ValueError as fault:
            raise InvalidSetting("trusted_proxies", f"is wrong: {fault}") from None

    def __contains__(self, address: str) -> bool:
        if not self._networks:
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)

    def origin(self, peer: str, forwarded_for: str) -> str:
        """Return the address behind trusted proxies.

        Args:
            peer: Who connected.
            forwarded_for: ``X-Forwarded-For``: each proxy adds whom it heard at
                the end, so what stands before an untrusted entry is hearsay.
        """
        for entry in reversed(forwarded_for.split(",")):
            if peer not in self or not entry.strip():
                break
            peer = entry.strip()
        return peer


def counted_address(address: str) -> str:
    """Return what limits count an address as: an IPv6 one as its network."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    prefix = int(parsed) >> (128 - _IPV6_PREFIX_BITS) << (128 - _IPV6_PREFIX_BITS)
    return f"{ipaddress.IPv6Address(prefix)}/{_IPV6_PREFIX_BITS}"
