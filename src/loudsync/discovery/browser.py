"""Listens for parties that are announced over mDNS."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from zeroconf import DNSQuestionType, ServiceListener, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo

from loudsync.discovery.directory import MAX_PARTIES, Sighting
from loudsync.discovery.heard import sighting
from loudsync.discovery.multicast import Multicast
from loudsync.discovery.records import SERVICE_TYPE, UnusableRecord

ANSWER_TIMEOUT_MS: Final = 3_000
"""How long a service may take to say where it is; it is asked again meanwhile."""


class Browser(ServiceListener):
    """Follows all parties that are announced, until it is closed.

    Args:
        seen: Called with each party, and again when it says something new.
        gone: Called with the name of a service that is not there any more.
        interfaces: Addresses of the interfaces to listen at; none: all.
    """

    def __init__(
        self,
        seen: Callable[[Sighting], None],
        gone: Callable[[str], None],
        interfaces: Sequence[str] = (),
    ) -> None:
        self._seen = seen
        self._gone = gone
        self._names: set[str] = set()
        self._looking: dict[str, asyncio.Task[object]] = {}
        self._multicast = Multicast(interfaces)
        self._zeroconf = self._multicast.zeroconf.zeroconf
        self._browser = AsyncServiceBrowser(
            self._zeroconf,
            SERVICE_TYPE,
            listener=self,
            # An answer to us alone would go to any of the programs on this machine
            # that listen at mDNS's port.
            question_type=DNSQuestionType.QM,
        )

    async def close(self) -> None:
        """End it; no callback comes afterwards."""
        looking = list(self._looking.values())
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
        await self._browser.async_cancel()
        await self._multicast.close()

    async def follow_interfaces(self) -> None:
        """Take up interfaces that have come, leave those that are gone."""
        await self._multicast.follow_interfaces()

    def confirm(self) -> None:
        """Tell what is known now; ask for what nobody has said for long.

        A service that crashed says no goodbye: it is gone once its address has
        expired (two minutes) and nobody answers for it. And while two argue
        about a name, what either said last may be the other's.
        """
        for name in list(self._names):
            if not self._tell(name):
                self._look(name, self._find_again(name))

    # --- Called by zeroconf, on the loop ----------------------------------------

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        """Learn that a service is there."""
        if len(self._names) < MAX_PARTIES:
            self._names.add(name)
            self.update_service(zc, type_, name)

    def update_service(
        self,
        zc: Zeroconf,  # noqa: ARG002
        type_: str,  # noqa: ARG002
        name: str,
    ) -> None:
        """Learn that a service says something else than before."""
        if name not in self._names:
            return
        if not self._tell(name):
            self._look(name, self._find(name))

    def remove_service(
        self,
        zc: Zeroconf,  # noqa: ARG002
        type_: str,  # noqa: ARG002
        name: str,
    ) -> None:
        """Learn that a service said goodbye, or has not been heard for long."""
        if (task := self._looking.pop(name, None)) is not None:
            task.cancel()
        if name in self._names:
            self._names.remove(name)
            self._gone(name)

    # --- Parts of the above -----------------------------------------------------

    def _look(self, name: str, search: Coroutine[Any, Any, object]) -> None:
        if name in self._looking:
            search.close()
            return
        task = asyncio.create_task(search)
        self._looking[name] = task
        task.add_done_callback(lambda _: self._looking.pop(name, None))

    async def _find(self, name: str) -> bool:
        info = AsyncServiceInfo(SERVICE_TYPE, name)
        await info.async_request(self._zeroconf, ANSWER_TIMEOUT_MS, DNSQuestionType.QM)
        return self._tell(name)

    async def _find_again(self, name: str) -> None:
        if not await self._find(name) and name in self._names:
            self._gone(name)

    def _tell(self, name: str) -> bool:
        """Tell what a service says; return whether it says enough."""
        try:
            seen = sighting(self._zeroconf, name)
        except UnusableRecord:
            return True  # asking again would not help
        if seen is not None:
            self._seen(seen)
        return seen is not None
