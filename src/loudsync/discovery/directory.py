"""What is known about parties, from all sources: pure, no I/O, no clock.

Sources say what they see, answers say who can be reached; each call returns the
events that follow. A party that two sources see is one party: its id is the
same, and one of its addresses.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from loudsync.address import SOCKET_PATH, base_url, join_link
from loudsync.discovery.party import (
    Party,
    PartyEvent,
    PartyFound,
    PartyLost,
    PartyUpdated,
)
from loudsync.discovery.records import PartyRecord
from loudsync.protocol import SessionId

MDNS: Final = "mdns"

MAX_PARTIES: Final = 1_000
"""Parties that are followed at once; a network that announces more is left at
that, or anybody in it could take this machine's memory."""

MAX_ADDRESSES: Final = 8
"""Addresses of one server that are tried: a laptop has three or four."""

Endpoint = tuple[str, int]
"""An IP address and a port."""


class Sighting(NamedTuple):
    """A party that was announced over mDNS.

    Attributes:
        name: The service's full name; it stays the same while the rest changes.
        addresses: Its server's, link-local ones with their zone.
    """

    name: str
    record: PartyRecord
    addresses: tuple[str, ...]
    port: int


class Listing(NamedTuple):
    """The parties that a server lists, at one instant.

    Attributes:
        server: The address that was asked, without a path.
        endpoints: Where that led to, by all its addresses that are known.
        parties: What it said.
    """

    server: str
    endpoints: frozenset[Endpoint]
    parties: tuple["ListedParty", ...]


class ListedParty(NamedTuple):
    """A party in a server's listing; ``age_s`` is by the server's clock."""

    id: SessionId
    name: str
    host_name: str
    member_count: int
    max_members: int
    age_s: float | None


class Target(NamedTuple):
    """A party whose server is to be asked for an answer.

    Attributes:
        urls: Where it may be, best first.
        is_settled: Whether the first of ``urls`` answered then.
        knows_age: Whether its age need not be asked for.
    """

    key: str
    id: SessionId
    urls: tuple[str, ...]
    path: str
    is_settled: bool
    knows_age: bool


class Answer(NamedTuple):
    """What came of asking a party's server.

    Attributes:
        url: Who answered; empty where nobody did.
        problem: Why nobody did, in words.
        age_s: How long the party is open; ``None``: not asked, or not said.
    """

    url: str = ""
    round_trip_ms: float | None = None
    problem: str = ""
    age_s: float | None = None


class _Entry:
    """One party, and who says so."""

    def __init__(self, key: str, party_id: SessionId) -> None:
        self.key = key
        self.id = party_id
        # By the service's name; after a clash of names a party may have two.
        self.sightings: dict[str, Sighting] = {}
        self.listed: dict[str, frozenset[Endpoint]] = {}
        self.answer = Answer()
        self.was_asked = False
        self.heard_s: float | None = None
        self.opened_s: float | None = None
        # What was said last, by whichever source.
        self.facts = PartyRecord(party_id, party_id)

    @property
    def endpoints(self) -> set[Endpoint]:
        return set().union(
            *self.listed.values(), *map(_endpoints, self.sightings.values())
        )

    @property
    def sighting(self) -> Sighting | None:
        """What was announced last."""
        return next(reversed(self.sightings.values()), None)

    def fits(self, sighting: Sighting) -> bool:
        """Whether this can be said of the party that the rest is said of."""
        rest = set().union(
            *self.listed.values(),
            *(
                _endpoints(s)
                for s in self.sightings.values()
                if s.name != sighting.name
            ),
        )
        is_here = not rest or not rest.isdisjoint(_endpoints(sighting))
        # Or who names a party's address could send its guests elsewhere.
        is_told_alike = all(
            _place(other.record) == _place(sighting.record)
            for other in self.sightings.values()
            if other.name != sighting.name
        )
        return is_here and is_told_alike and self.id == sighting.record.id

    def unsee(self, name: str) -> None:
        del self.sightings[name]
        if (seen := self.sighting) is not None:
            self.facts = seen.record

    def see(self, sighting: Sighting) -> None:
        before = self.sighting
        if before is not None and before.port != sighting.port:
            self.answer = Answer()
        self.sightings.pop(sighting.name, None)
        self.sightings[sighting.name] = sighting
        self.facts = sighting.record

    def urls(self) -> tuple[str, ...]:
        urls: list[str] = [self.answer.url] if self.answer.url else []
        if (seen := self.sighting) is not None:
            urls += [seen.record.url] if seen.record.url else []
            urls += [
                base_url(address, seen.port, is_secure=seen.record.is_secure)
                for address in sorted(seen.addresses, key=_distance)[:MAX_ADDRESSES]
            ]
        urls += self.listed
        return tuple(dict.fromkeys(urls))

    def party(self, now_s: float) -> Party:
        urls = self.urls()
        best = urls[0] if urls else ""
        answer, facts = self.answer, self.facts
        answers = bool(answer.url) and not answer.problem
        seen = self.sighting
        silent_s = None if self.heard_s is None else max(now_s - self.heard_s, 0)
        return Party(
            key=self.key,
            id=self.id,
            name=facts.name,
            host_name=facts.host_name,
            member_count=facts.member_count,
            max_members=facts.max_members,
            url=best,
            urls=urls,
            join_url=join_link(best, self.id),
            sources=(*([MDNS] if seen is not None else []), *sorted(self.listed)),
            version=None if seen is None else seen.record.version,
            is_reachable=answers if self.was_asked else None,
            round_trip_ms=answer.round_trip_ms if answers else None,
            problem=answer.problem,
            age_s=None if self.opened_s is None else max(now_s - self.opened_s, 0),
            silent_s=0 if answers else silent_s,
        )


class Directory:
    """The parties that are known now.

    Every ``now_s`` is of one monotonic clock.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._by_id: dict[SessionId, list[_Entry]] = {}
        self._by_service: dict[str, _Entry] = {}
        self._count = 0

    def parties(self, now_s: float) -> tuple[Party, ...]:
        """Return all of them, in the order they were found in."""
        return tuple(entry.party(now_s) for entry in self._entries.values())

    def targets(self) -> list[Target]:
        """Return whom to ask for an answer."""
        return [_target(entry) for entry in self._entries.values()]

    def target(self, key: str) -> Target | None:
        """Return what there is to ask of one party; ``None`` where it is gone."""
        entry = self._entries.get(key)
        return None if entry is None else _target(entry)

    def see(self, sighting: Sighting, now_s: float) -> list[PartyEvent]:
        """Take in what was announced over mDNS, new or changed."""
        entry = self._by_service.get(sighting.name)
        events: list[PartyEvent] = []
        if entry is not None and entry.sighting == sighting:
            return events
        if entry is not None and not entry.fits(sighting):
            events += self.unsee(sighting.name, now_s)
            entry = None
        if entry is None:
            entry = self._same(sighting.record.id, _endpoints(sighting))
            if entry is not None and not entry.fits(sighting):
                entry = None
        if entry is None:
            return events + self._add(sighting, now_s)
        before = entry.party(now_s)
        entry.see(sighting)
        self._by_service[sighting.name] = entry
        return events + _changes(entry, before, now_s)

    def unsee(self, name: str, now_s: float) -> list[PartyEvent]:
        """Take in that a service is not announced any more."""
        entry = self._by_service.pop(name, None)
        if entry is None:
            return []
        before = entry.party(now_s)
        entry.unsee(name)
        return self._settle(entry, before, now_s)

    def take_listing(self, listing: Listing, now_s: float) -> list[PartyEvent]:
        """Take in all that a server lists now."""
        events: list[PartyEvent] = []
        here = {party.id for party in listing.parties}
        for entry in list(self._entries.values()):
            if listing.server in entry.listed and entry.id not in here:
                before = entry.party(now_s)
                del entry.listed[listing.server]
                events += self._settle(entry, before, now_s)
        for party in listing.parties:
            events += self._list_one(listing, party, now_s)
        return events

    def answered(self, key: str, answer: Answer, now_s: float) -> list[PartyEvent]:
        """Take in what came of asking; a party that is gone meanwhile is not."""
        entry = self._entries.get(key)
        if entry is None:
            return []
        entry.was_asked = True
        if answer.problem:
            entry.answer = entry.answer._replace(
                round_trip_ms=None, problem=answer.problem
            )
        else:
            entry.answer = answer
            entry.heard_s = now_s
        if answer.age_s is not None:
            entry.opened_s = now_s - answer.age_s
        return [PartyUpdated(party=entry.party(now_s))]

    # --- Parts of the above -----------------------------------------------------

    def _same(
        self, party_id: SessionId, endpoints: AbstractSet[Endpoint]
    ) -> _Entry | None:
        for entry in self._by_id.get(party_id, ()):
            if entry.endpoints & endpoints:
                return entry
        return None

    def _new(self, party_id: SessionId) -> _Entry | None:
        if len(self._entries) >= MAX_PARTIES:
            return None
        self._count += 1
        key = f"{party_id}-{self._count}"
        entry = self._entries[key] = _Entry(key, party_id)
        self._by_id.setdefault(party_id, []).append(entry)
        return entry

    def _add(self, sighting: Sighting, now_s: float) -> list[PartyEvent]:
        entry = self._new(sighting.record.id)
        if entry is None:
            return []
        entry.see(sighting)
        self._by_service[sighting.name] = entry
        return [PartyFound(party=entry.party(now_s))]

    def _list_one(
        self, listing: Listing, party: ListedParty, now_s: float
    ) -> list[PartyEvent]:
        entry = next(
            (e for e in self._by_id.get(party.id, ()) if listing.server in e.listed),
            None,
        ) or self._same(party.id, listing.endpoints)
        is_new = entry is None
        if entry is None:
            entry = self._new(party.id)
            if entry is None:
                return []
        before = entry.party(now_s)
        entry.listed[listing.server] = listing.endpoints
        entry.facts = entry.facts._replace(
            name=party.name,
            host_name=party.host_name,
            member_count=party.member_count,
            max_members=party.max_members,
        )
        if party.age_s is not None and entry.opened_s is None:
            entry.opened_s = now_s - party.age_s
        if is_new:
            return [PartyFound(party=entry.party(now_s))]
        return _changes(entry, before, now_s)

    def _settle(self, entry: _Entry, before: Party, now_s: float) -> list[PartyEvent]:
        """Keep a party that another source still sees; else it is lost."""
        if not entry.sightings and not entry.listed:
            self._drop(entry)
            return [PartyLost(party=before)]
        return _changes(entry, before, now_s)

    def _drop(self, entry: _Entry) -> None:
        del self._entries[entry.key]
        same_id = self._by_id[entry.id]
        same_id.remove(entry)
        if not same_id:
            del self._by_id[entry.id]


class Changes:
    """Events that wait for a reader: of each party only what it comes to.

    So a slow reader misses steps but no party, and what waits is bounded by the
    parties that there are.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, PartyEvent] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, events: Iterable[PartyEvent]) -> None:
        """Add events, oldest first."""
        for event in events:
            key = event.party.key
            before = self._waiting.get(key)
            if isinstance(event, PartyUpdated) and isinstance(before, PartyFound):
                self._waiting[key] = PartyFound(party=event.party)
            elif isinstance(event, PartyLost) and isinstance(before, PartyFound):
                del self._waiting[key]
            else:
                self._waiting[key] = event

    def pop(self) -> PartyEvent:
        """Return the one that waits longest."""
        key = next(iter(self._waiting))
        return self._waiting.pop(key)


def _target(entry: _Entry) -> Target:
    path = SOCKET_PATH if entry.sighting is None else entry.sighting.record.path
    return Target(
        key=entry.key,
        id=entry.id,
        urls=entry.urls(),
        path=path,
        is_settled=bool(entry.answer.url) and not entry.answer.problem,
        knows_age=entry.opened_s is not None,
    )


def _changes(entry: _Entry, before: Party, now_s: float) -> list[PartyEvent]:
    party = entry.party(now_s)
    return [PartyUpdated(party=party)] if party != before else []


def _endpoints(sighting: Sighting) -> set[Endpoint]:
    return {(address, sighting.port) for address in sighting.addresses}


def _place(record: PartyRecord) -> tuple[str, bool]:
    return record.url, record.is_secure


def _distance(address: str) -> tuple[bool, bool]:
    """Order addresses: IPv4 first, those that need a zone last."""
    return "%" in address, ":" in address
