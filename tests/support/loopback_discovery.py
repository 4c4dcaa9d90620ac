"""Looking for parties on loopback, where every other test announces its own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from loudsync import (
    Discovery,
    DiscoverySettings,
    Party,
    PartyFound,
    PartyLost,
    PartyUpdated,
    discover,
)

LOOPBACK = ("127.0.0.1",)

PATIENCE_S = 20
"""Only ever reached where something is broken."""

PartyEvent = PartyFound | PartyUpdated | PartyLost


class Watch:
    """What a search tells about parties with one code."""

    def __init__(self, search: Discovery, code: str) -> None:
        self._search = search
        self._events = aiter(search)
        self._code = code

    async def next(self, accept: Callable[[PartyEvent], bool] = bool) -> PartyEvent:
        """The next event that is about the code, and is accepted."""
        async with asyncio.timeout(PATIENCE_S):
            async for event in self._events:
                if (
                    isinstance(event, PartyEvent)
                    and event.party.id == self._code
                    and accept(event)
                ):
                    return event
        raise AssertionError("the search is over")

    async def party(self, accept: Callable[[Party], bool] = bool) -> Party:
        """The next news of a party that is accepted."""
        return (await self.next(lambda event: accept(event.party))).party

    async def parties(self, accept: Callable[[list[Party]], bool]) -> None:
        """Wait until all that are known now are accepted."""
        async with asyncio.timeout(PATIENCE_S):
            while not accept([p for p in self._search.parties if p.id == self._code]):
                await self.next()

    async def lost(self) -> Party:
        return (await self.next(lambda event: isinstance(event, PartyLost))).party


@asynccontextmanager
async def watching(
    code: str, *servers: str, mdns: bool = True, ask_interval_s: float = 0.2
) -> AsyncIterator[Watch]:
    """Look for parties with one code on loopback."""
    search = discover(
        servers,
        mdns=mdns,
        interfaces=LOOPBACK,
        settings=DiscoverySettings(ask_interval_s=ask_interval_s),
    )
    async with search:
        yield Watch(search, code)
