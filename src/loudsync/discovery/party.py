"""A party that was found, and what is told about it."""

import msgspec

from loudsync.core.events import Event
from loudsync.protocol import SessionId


class Party(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True
):
    """A party as it is known at one instant.

    Attributes:
        key: Tells this party from others for as long as the search lasts.
        id: The session's id: the code that guests type.
        name: What it is called.
        host_name: What its host is called; may be empty.
        member_count: Seats that are taken, as far as is known.
        max_members: Seats it has; 0: not known.
        url: The best address of its server, without a path: the one that
            answered, else the one that most probably will.
        urls: All its addresses, best first.
        join_url: The link that opens it.
        sources: What it was found by: ``mdns``, and the servers that list it.
        version: The protocol's version; ``None``: not known.
        is_reachable: Whether its server answered from here; ``None``: not
            asked yet.
        round_trip_ms: How long the last PING took.
        problem: Why it is not reachable, in words.
        age_s: Seconds since it was opened, by its server's own clock.
        silent_s: Seconds since its server's last answer; 0 while it answers.
    """

    key: str
    id: SessionId
    name: str
    host_name: str = ""
    member_count: int = 0
    max_members: int = 0
    url: str = ""
    urls: tuple[str, ...] = ()
    join_url: str = ""
    sources: tuple[str, ...] = ()
    version: str | None = None
    is_reachable: bool | None = None
    round_trip_ms: float | None = None
    problem: str = ""
    age_s: float | None = None
    silent_s: float | None = None


class DiscoveryEvent(Event, frozen=True, kw_only=True):
    """Something that a search noticed."""


class PartyFound(DiscoveryEvent, tag="found", frozen=True, kw_only=True):
    """A party that was not known before."""

    party: Party


class PartyUpdated(DiscoveryEvent, tag="updated", frozen=True, kw_only=True):
    """Something about a party changed, or its server was asked again."""

    party: Party


class PartyLost(DiscoveryEvent, tag="lost", frozen=True, kw_only=True):
    """A party is over, or not announced any more."""

    party: Party


class SourceFailed(DiscoveryEvent, tag="source_failed", frozen=True, kw_only=True):
    """Parties can't be looked for in one of the ways; told once until it works.

    Attributes:
        source: ``mdns``, or a server's address.
        reason: Why, in words.
    """

    source: str
    reason: str


PartyEvent = PartyFound | PartyUpdated | PartyLost
AnyDiscoveryEvent = PartyFound | PartyUpdated | PartyLost | SourceFailed
