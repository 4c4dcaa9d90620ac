"""The network's side of mDNS: which interfaces, opened and followed."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

from zeroconf import Error
from zeroconf.asyncio import AsyncZeroconf

from loudsync.discovery.interfaces import NetworkAddress, Reach, network_addresses

MULTICAST_FAULTS: Final = (OSError, RuntimeError, Error)
"""What comes of a network that is not there, or goes away in that moment; zeroconf
has its own words for an interface that it can't find any more."""


CLOSE_TIMEOUT_S: Final = 1.0
"""How long goodbyes may take: three of them, an eighth of a second apart."""


class Multicast:
    """mDNS on some interfaces, or on all that there are.

    Args:
        interfaces: Addresses of the interfaces to use; none: all there are.
        with_ipv6: Whether to use IPv6 as well where there is any; of no meaning
            where interfaces are given.

    Raises:
        OSError: There is no network, or no right to use it.

    Attributes:
        zeroconf: What packets are sent and heard with.
    """

    def __init__(
        self, interfaces: Sequence[str] = (), *, with_ipv6: bool = True
    ) -> None:
        self._is_everywhere = not interfaces
        self._with_ipv6 = with_ipv6
        if interfaces:
            wanted = [_without_zone(address) for address in interfaces]
            own = {_without_zone(address.ip) for address in network_addresses()}
            for address in wanted:
                if address not in own:
                    raise OSError(f"this machine has no interface {address}")
            self.zeroconf = AsyncZeroconf(wanted)
            return
        try:
            self.zeroconf = AsyncZeroconf(_everywhere(with_ipv6=with_ipv6))
        except OSError:
            # IPv6 may be there and forbidden, as in many containers.
            self._with_ipv6 = False
            self.zeroconf = AsyncZeroconf(_everywhere(with_ipv6=False))

    async def follow_interfaces(self) -> None:
        """Take up interfaces that have come, leave those that are gone."""
        if self._is_everywhere:
            interfaces = _everywhere(with_ipv6=self._with_ipv6)
            await self.zeroconf.async_update_interfaces(interfaces)

    async def close(self) -> None:
        """End it, with a goodbye for what was announced; for a second at most.

        Nothing of it is left then, nor after a cancellation, soon.
        """
        # A task of its own: in one that is being cancelled zeroconf gives up.
        closing = asyncio.create_task(self._close())
        await asyncio.wait({closing})
        closing.result()

    async def _close(self) -> None:
        # Answers that wait to be sent together would come after the goodbye, and
        # bring back what it is for.
        zeroconf = self.zeroconf.zeroconf
        for waiting in (*zeroconf.out_queue.queue, *zeroconf.out_delay_queue.queue):
            waiting.answers.clear()
        with contextlib.suppress(TimeoutError, *MULTICAST_FAULTS):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.zeroconf.async_close()
        # On uvloop a socket with a packet still to be sent stays open, and the
        # loop then never ends.
        engine = zeroconf.engine
        for wrapped in (*engine.senders, *engine.readers):
            wrapped.transport.abort()
        await asyncio.sleep(0)


def _everywhere(*, with_ipv6: bool) -> list[str]:
    addresses = network_addresses()
    found = [address.ip for address in addresses if not address.is_ipv6]
    if with_ipv6:
        # Multicast goes to an interface, and each of its addresses leads there.
        by_interface = {a.interface: a for a in addresses if _has_ipv6_multicast(a)}
        found += [_without_zone(address.ip) for address in by_interface.values()]
    if not found:
        raise OSError("this machine has no network")
    return found


def _has_ipv6_multicast(address: NetworkAddress) -> bool:
    return address.is_ipv6 and address.reach is not Reach.THIS_MACHINE


def _without_zone(address: str) -> str:
    return address.partition("%")[0]
