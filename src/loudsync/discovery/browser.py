"""Listens for parties that are announced over mDNS."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from zeroconf import DNSQuestionType, ServiceListener, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo

from loudsync.discovery.directory import MAX_PARTIES, Sighting
from loudsync.discovery.heard import sighting
from loudsync.discovery.multicast import MULTICAST_FAULTS, Multicast
from loudsync.discovery.records import SERVICE_TYPE, UnusableRecord

ANSWER_TIMEOUT_MS: Final = 3_000
"""How long a service may take to say where it is; it is asked again meanwhile."""

MAX_LOOKS: Final = 8
"""Services that are asked about at once: each costs everybody in the network packets,
and a name costs who makes it up nothing."""

MAX_FAILURES: Final = 2


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
        # How often nobody said where they are, in a row.
        self._followed: dict[str, int] = {}
        self._left_out: dict[str, None] = {}
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(MAX_LOOKS)
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
        for name in list(self._followed):
            if not self._tell(name):
                self._look(name)

    # --- Called by zeroconf, on the loop ----------------------------------------

    def add_service(
        self,
        zc: Zeroconf,  # noqa: ARG002
        type_: str,  # noqa: ARG002
        name: str,
    ) -> None:
        """Learn that a service is there."""
        self._follow(name)

    def update_service(
        self,
        zc: Zeroconf,  # noqa: ARG002
        type_: str,  # noqa: ARG002
        name: str,
    ) -> None:
        """Learn that a service says something else than before, or again."""
        # A goodbye says something else, too: its last words are good for a second.
        cache = self._zeroconf.cache
        if name in self._followed or cache.current_entry_with_name_and_alias(
            SERVICE_TYPE, name
        ):
            self._follow(name)

    def remove_service(
        self,
        zc: Zeroconf,  # noqa: ARG002
        type_: str,  # noqa: ARG002
        name: str,
    ) -> None:
        """Learn that a service said goodbye, or has not been heard for long."""
        if (task := self._looking.pop(name, None)) is not None:
            task.cancel()
        self._left_out.pop(name, None)
        if name in self._followed:
            self._drop(name)

    # --- Parts of the above -----------------------------------------------------

    def _follow(self, name: str) -> None:
        if name not in self._followed:
            if len(self._followed) >= MAX_PARTIES:
                if len(self._left_out) < MAX_PARTIES:
                    self._left_out[name] = None
                return
            self._followed[name] = 0
        if not self._tell(name):
            self._look(name)

    def _drop(self, name: str) -> None:
        """Follow it no more; somebody who was left out gets its place."""
        del self._followed[name]
        self._gone(name)
        if self._left_out:
            newcomer = next(iter(self._left_out))
            del self._left_out[newcomer]
            self._follow(newcomer)

    def _look(self, name: str) -> None:
        if name not in self._looking:
            task = asyncio.create_task(self._find(name))
            self._looking[name] = task
            task.add_done_callback(lambda _: self._looking.pop(name, None))

    async def _find(self, name: str) -> None:
        """Ask where a service is; one that doesn't say so twice is not there."""
        async with self._room:
            try:
                info = AsyncServiceInfo(SERVICE_TYPE, name)
                await info.async_request(
                    self._zeroconf, ANSWER_TIMEOUT_MS, DNSQuestionType.QM
                )
            except MULTICAST_FAULTS:
                pass  # such as a name that is none
        if name not in self._followed:
            return
        if self._tell(name):
            self._followed[name] = 0
            return
        self._followed[name] += 1
        if self._followed[name] >= MAX_FAILURES:
            self._drop(name)

    def _tell(self, name: str) -> bool:
        """Tell what a service says; return whether it says enough."""
        try:
            seen = sighting(self._zeroconf, name)
        except UnusableRecord:
            return True  # asking again would not help
        if seen is not None:
            self._seen(seen)
        return seen is not None
