"""Announces parties over mDNS, for as long as they last."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final, Self

from zeroconf import ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from loudsync.discovery.heard import servers
from loudsync.discovery.interfaces import (
    EVERY_NETWORK,
    addresses_of,
    is_every_network,
)
from loudsync.discovery.multicast import MULTICAST_FAULTS, Multicast
from loudsync.discovery.records import (
    SERVICE_TYPE,
    PartyRecord,
    instance_label,
    to_txt,
)
from loudsync.protocol import SessionId

MAX_ANNOUNCED: Final = 100
"""Parties of one server that are announced: each costs everybody in the network
packets, and nobody reads longer lists."""

UPDATE_INTERVAL_S: Final = 1.0
"""A crowd that comes is one update a second, not one per guest."""

INTERFACES_INTERVAL_S: Final = 5.0
"""How often interfaces that came or went are looked for; also how long to wait
before mDNS is tried again where it can't be used."""

_TTL_S: Final = 120
"""How long the network believes in a party whose host died without a goodbye."""

_ANNOUNCE_TIMEOUT_S: Final = 5.0
_ANNOUNCE_AGAIN_S: Final = 30.0
"""Asking whether a name is free takes 1.2 s, and as long again for each that is not."""


class Announcer:
    """Keeps the network told of a server's parties; an async context manager.

    Call ``changed`` after anything has changed; the records are asked for at
    most once a second. Each party is a service of its own; where its name is
    taken, it gets a number. At the end, and when a party ends, goodbyes are
    sent. Where mDNS can't be used it is tried again every five seconds.

    Args:
        host: Where the server listens; it is announced at the addresses that
            this stands for, and only on their interfaces.
        port: Its port.
        records: Returns the parties that there are now; of more than a hundred
            only the first are taken.
        failed: Called with the reason when mDNS can't be used, once until it
            works again.
    """

    def __init__(
        self,
        host: str,
        port: int,
        records: Callable[[], Iterable[PartyRecord]],
        failed: Callable[[str], None],
    ) -> None:
        self._host = host
        self._port = port
        self._records = records
        self._failed = failed
        # Names of machines are often alike ("laptop"), and then addresses of
        # two would be mixed up; nobody sees this one.
        self._server = f"loudsync-{secrets.token_hex(6)}.local."
        self._services: dict[SessionId, ServiceInfo] = {}
        self._not_before_s: dict[SessionId, float] = {}
        self._multicast: Multicast | None = None
        self._addresses: list[str] = []
        self._news = asyncio.Event()
        self._has_failed = False
        self._task: asyncio.Task[None] | None = None

    def changed(self) -> None:
        """Learn that the records are not what they were."""
        self._news.set()

    async def __aenter__(self) -> Self:
        self._news.set()
        self._task = asyncio.create_task(self._keep(), name="loudsync mDNS")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Say goodbye for every party; a network that is stuck isn't waited for."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._multicast is not None:
            await self._multicast.close()

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        next_look_s = 0.0
        while True:
            try:
                if loop.time() >= next_look_s:
                    next_look_s = loop.time() + INTERFACES_INTERVAL_S
                    await self._follow_interfaces()
                if self._multicast is not None:
                    await self._tell(self._multicast.zeroconf)
                self._has_failed = False
            except MULTICAST_FAULTS as fault:
                if not self._has_failed:
                    self._has_failed = True
                    self._failed(getattr(fault, "strerror", None) or str(fault))
            await asyncio.sleep(UPDATE_INTERVAL_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_look_s):
                    await self._news.wait()

    async def _follow_interfaces(self) -> None:
        """Open mDNS, and go along where this machine's addresses have changed."""
        addresses = [found.ip.partition("%")[0] for found in addresses_of(self._host)]
        if not addresses:
            raise OSError("this machine has no network")
        if self._multicast is None:
            self._multicast = Multicast(
                () if is_every_network(self._host) else addresses,
                with_ipv6=self._host in EVERY_NETWORK,
            )
        elif addresses == self._addresses:
            return
        else:
            await self._multicast.follow_interfaces()
        self._addresses = addresses
        self._news.set()

    async def _tell(self, zeroconf: AsyncZeroconf) -> None:
        """Make what is announced what there is."""
        self._news.clear()
        wanted = {r.id: r for r in islice(self._records(), MAX_ANNOUNCED)}
        for gone in self._not_before_s.keys() - wanted.keys():
            del self._not_before_s[gone]
        work = [
            self._withdraw(zeroconf, self._services.pop(gone))
            for gone in self._services.keys() - wanted.keys()
        ]
        for record in wanted.values():
            service = self._services.get(record.id)
            if service is None:
                work.append(self._announce(zeroconf, record))
            else:
                work.append(self._update(zeroconf, service, record))
        results = await asyncio.gather(*work, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _announce(self, zeroconf: AsyncZeroconf, record: PartyRecord) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s < self._not_before_s.get(record.id, 0):
            return
        is_again = self._not_before_s.pop(record.id, None) is not None
        label = instance_label(record, secrets.token_hex(2) if is_again else "")
        service = self._service(record, f"{label}.{SERVICE_TYPE}")
        try:
            async with asyncio.timeout(_ANNOUNCE_TIMEOUT_S):
                await zeroconf.async_register_service(service, allow_name_change=True)
        except TimeoutError:
            # Somebody claims each name that is tried: the others can't wait for it.
            self._not_before_s[record.id] = now_s + _ANNOUNCE_AGAIN_S
            return
        self._services[record.id] = service
        self._news.set()  # look soon whether the name was really free

    async def _update(
        self, zeroconf: AsyncZeroconf, before: ServiceInfo, record: PartyRecord
    ) -> None:
        rival = self._rival(zeroconf, before)
        if rival and rival < self._server:
            # Without a goodbye, or the rival would be forgotten too.
            zeroconf.zeroconf.registry.async_remove(before)
            await self._announce(zeroconf, record)
            return
        service = self._service(record, before.name)
        is_new = service.text != before.text or service.addresses != before.addresses
        if is_new or rival:
            self._services[record.id] = service
            await zeroconf.async_update_service(service)

    async def _withdraw(self, zeroconf: AsyncZeroconf, service: ServiceInfo) -> None:
        await (await zeroconf.async_unregister_service(service))

    def _service(self, record: PartyRecord, name: str) -> ServiceInfo:
        return ServiceInfo(
            SERVICE_TYPE,
            name,
            port=self._port,
            properties=to_txt(record),
            server=self._server,
            host_ttl=_TTL_S,
            other_ttl=_TTL_S,
            parsed_addresses=self._addresses,
        )

    def _rival(self, zeroconf: AsyncZeroconf, service: ServiceInfo) -> str:
        """Return another server that announces this name; empty: there is none.

        Two that start in the same moment both find the name free. Of them the
        one whose own name comes first keeps it and says so again, the other
        takes another name (RFC 6762, section 9).
        """
        others = servers(zeroconf.zeroconf, service.name) - {self._server}
        return min(others, default="")
