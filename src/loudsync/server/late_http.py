"""The HTTP side of the port, loaded when the first request comes for it.

aiohttp and what goes with it take more memory and time to load than all the
rest of a server, and members need nothing of it. It is imported in a thread:
they are served meanwhile.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from loudsync.server.lingering import Lingerer
from loudsync.server.logs import get_logger
from loudsync.server.refusals import FULL
from loudsync.server.visitors import Visit

if TYPE_CHECKING:
    from loudsync.server.http_api import HttpApi

log = get_logger("server")


class LateHttp:
    """Serves HTTP connections; the first ones wait until it can.

    Args:
        load: Imports and makes what serves them. It is called in a thread, and
            again for the next request where it has failed.
    """

    def __init__(self, load: "Callable[[], HttpApi]") -> None:
        self._load = load
        self._api: HttpApi | None = None
        self._loading: asyncio.Task[None] | None = None
        self._waiting: set[_Waiting] = set()

    def protocol(self, visit: Visit) -> asyncio.Protocol:
        """Make the protocol of one connection; it ends the visit at its end."""
        if self._api is not None:
            return self._api.protocol(visit)
        if self._loading is None:
            self._loading = asyncio.create_task(self._start())
        return _Waiting(visit, self._waiting)

    async def stop(self) -> None:
        """End every request that is still running.

        A load that is under way is waited for: a thread can't be stopped.
        """
        if self._loading is not None:
            await asyncio.wait({self._loading})
        if self._api is not None:
            await self._api.stop()

    async def _start(self) -> None:
        try:
            api = await asyncio.to_thread(self._load)
            await api.start()
        except Exception:
            # No file descriptor or no memory left, say: there may be one later.
            log.exception("http_not_loaded")
            self._loading = None
            for waiting in tuple(self._waiting):
                waiting.give_up()
            return
        self._api = api
        for waiting in tuple(self._waiting):
            waiting.hand_over(api)


class _Waiting(asyncio.Protocol):
    """A connection that is read no further until it can be served.

    Args:
        all_waiting: Where it is while it waits.
    """

    def __init__(self, visit: Visit, all_waiting: "set[_Waiting]") -> None:
        self._visit = visit
        self._all_waiting = all_waiting
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.pause_reading()
        self._all_waiting.add(self)

    def data_received(self, data: bytes) -> None:
        """Keep what was read already; no more than one read comes."""
        self._data += data

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Report the end."""
        self._all_waiting.discard(self)
        self._visit.end()

    def hand_over(self, api: "HttpApi") -> None:
        """Let the connection be served, where it is not on its end already."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._all_waiting.discard(self)
        protocol = api.protocol(self._visit)
        transport.set_protocol(protocol)
        # Before what may pause it again.
        transport.resume_reading()
        protocol.connection_made(transport)
        protocol.data_received(bytes(self._data))

    def give_up(self) -> None:
        """Say that it can't be served now, and close."""
        self._all_waiting.discard(self)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(FULL.as_bytes())
            Lingerer(self._transport, self.connection_lost)
