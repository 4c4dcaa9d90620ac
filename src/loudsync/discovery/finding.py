"""Finding one party, by the code or the name that somebody typed."""

import asyncio
from collections.abc import Iterable
from typing import Final

from loudsync.discovery.party import AnyDiscoveryEvent, Party, PartyLost, SourceFailed
from loudsync.discovery.search import discover
from loudsync.errors import ConnectionFailed, PartyNotFound, SeveralParties

SEARCH_TIMEOUT_S: Final = 5.0
"""mDNS answers within a second or two where it answers at all."""

CODE_SETTLE_S: Final = 0.5
NAME_SETTLE_S: Final = 1.5
"""How long others of the same code or name have to show up after the first: hardly
two are of one code, as most are drawn."""


async def find_party(
    wanted: str,
    servers: Iterable[str] = (),
    *,
    mdns: bool = True,
    interfaces: Iterable[str] = (),
    timeout_s: float = SEARCH_TIMEOUT_S,
) -> Party:
    """Look for the party with this code, or else with this name.

    Codes are compared as they are, names without regard to case.

    Args:
        servers: Addresses of servers whose listings are looked at too.
        mdns: Whether to listen for parties that are announced.
        interfaces: Addresses of the interfaces to listen at; none: all.
        timeout_s: How long to look.

    Returns:
        The party; its server has answered from here.

    Raises:
        PartyNotFound: Nobody has announced or listed it.
        SeveralParties: More than one are called so.
        ConnectionFailed: It was found, but its server doesn't answer.
    """
    matches = Matches(wanted)
    search = discover(
        servers, mdns=mdns, interfaces=interfaces, wanted=matches.is_meant
    )
    now_s = asyncio.get_running_loop().time
    settled_s = now_s()
    async with search:
        try:
            async with asyncio.timeout(timeout_s) as limit:
                async for event in search:
                    is_first = not matches.parties
                    matches.take(event)
                    if is_first and matches.parties:
                        settled_s = now_s() + matches.settle_s
                    if matches.have_answered:
                        limit.reschedule(min(settled_s, limit.when() or settled_s))
        except TimeoutError:
            pass
    return matches.one()


class Matches:
    """The parties that may be meant, as a search goes on; pure."""

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted.strip()
        self._found: dict[str, Party] = {}
        self._failures: list[SourceFailed] = []

    def take(self, event: AnyDiscoveryEvent) -> None:
        """Take in what the search noticed."""
        if isinstance(event, SourceFailed):
            self._failures.append(event)
        elif isinstance(event, PartyLost):
            self._found.pop(event.party.key, None)
        elif self.is_meant(event.party):
            self._found[event.party.key] = event.party

    @property
    def parties(self) -> list[Party]:
        """Those of the code; where there is none, those of the name."""
        found = self._found.values()
        return [p for p in found if p.id == self._wanted] or list(found)

    @property
    def settle_s(self) -> float:
        """How long to wait for others, in seconds."""
        has_code = any(party.id == self._wanted for party in self.parties)
        return CODE_SETTLE_S if has_code else NAME_SETTLE_S

    @property
    def have_answered(self) -> bool:
        """Whether something is found, and is known to be there or not."""
        parties = self.parties
        return bool(parties) and all(p.is_reachable is not None for p in parties)

    def one(self) -> Party:
        """Return the party that is meant.

        Raises:
            PartyNotFound, SeveralParties, ConnectionFailed: As ``find_party``.
        """
        parties = self.parties
        if not parties:
            raise PartyNotFound(self._wanted, self._why_not_found())
        there = [party for party in parties if party.is_reachable]
        if not there:
            party = parties[0]
            raise ConnectionFailed(party.url, party.problem or "no answer")
        if len(there) > 1:
            links = tuple(party.join_url for party in there)
            raise SeveralParties(self._wanted, links)
        return there[0]

    def is_meant(self, party: Party) -> bool:
        """Whether a party has this code or name."""
        return (
            party.id == self._wanted or party.name.casefold() == self._wanted.casefold()
        )

    def _why_not_found(self) -> str:
        text = f"No party called {self._wanted!r} was found on this network"
        return "; ".join([text, *(f.reason for f in self._failures)])
