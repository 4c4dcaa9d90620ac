"""What sources see becomes parties; one party, however many see it."""

from loudsync.discovery.directory import (
    MAX_PARTIES,
    Answer,
    Changes,
    Directory,
    ListedParty,
    Listing,
    Sighting,
)
from loudsync.discovery.party import PartyEvent, PartyFound, PartyLost, PartyUpdated
from loudsync.discovery.records import PartyRecord
from loudsync.protocol import SessionId

SERVER = "http://party.example:8080"
AT = ("192.168.1.5", 8080)


def sighting(
    party_id: str = "abc",
    name: str = "Party",
    *,
    members: int = 1,
    addresses: tuple[str, ...] = (AT[0],),
    port: int = AT[1],
    service: str = "",
    url: str = "",
    is_secure: bool = False,
) -> Sighting:
    record = PartyRecord(
        SessionId(party_id),
        name,
        "Sara",
        member_count=members,
        max_members=10,
        url=url,
        is_secure=is_secure,
    )
    return Sighting(service or f"{name} ({party_id})", record, addresses, port)


def listing(
    *ids: str,
    members: int = 1,
    server: str = SERVER,
    at: tuple[str, int] = AT,
    age_s: float | None = 60.0,
) -> Listing:
    return Listing(
        server,
        frozenset({at}),
        tuple(
            ListedParty(SessionId(i), "Party", "Sara", members, 10, age_s) for i in ids
        ),
    )


def kinds(events: list[PartyEvent]) -> list[type]:
    return [type(event) for event in events]


def test_a_party_is_found_changes_and_is_lost() -> None:
    directory = Directory()
    (found,) = directory.see(sighting(), 0)
    assert isinstance(found, PartyFound)
    assert (found.party.id, found.party.name, found.party.sources) == (
        "abc",
        "Party",
        ("mdns",),
    )
    assert found.party.join_url == "http://192.168.1.5:8080/?session=abc"
    assert found.party.is_reachable is None

    assert directory.see(sighting(), 1) == []
    (updated,) = directory.see(sighting(members=2), 2)
    assert isinstance(updated, PartyUpdated)
    assert updated.party.member_count == 2

    (lost,) = directory.unsee("Party (abc)", 3)
    assert isinstance(lost, PartyLost)
    assert lost.party.member_count == 2
    assert directory.parties(4) == ()
    assert directory.unsee("Party (abc)", 5) == []


def test_two_sources_of_one_party_are_one_party() -> None:
    directory = Directory()
    directory.see(sighting(), 0)
    (event,) = directory.take_listing(listing("abc", members=4), 1)
    assert isinstance(event, PartyUpdated)
    assert event.party.sources == ("mdns", SERVER)
    assert event.party.member_count == 4
    assert event.party.age_s == 60
    (event,) = directory.unsee("Party (abc)", 11)
    assert isinstance(event, PartyUpdated)
    assert event.party.sources == (SERVER,)
    assert event.party.age_s == 70
    assert kinds(directory.take_listing(listing(), 12)) == [PartyLost]


def test_the_order_of_sources_does_not_matter() -> None:
    directory = Directory()
    directory.take_listing(listing("abc"), 0)
    (event,) = directory.see(sighting(addresses=("fd00::1", AT[0])), 1)
    assert isinstance(event, PartyUpdated)
    assert len(directory.parties(1)) == 1


def test_one_code_on_two_servers_is_two_parties() -> None:
    directory = Directory()
    directory.see(sighting(), 0)
    directory.take_listing(listing("abc", at=("192.168.1.6", 8080)), 1)
    directory.see(sighting(service="other", port=8081), 2)
    assert len(directory.parties(3)) == 3


def test_a_server_that_lists_less_has_lost_the_rest() -> None:
    directory = Directory()
    directory.take_listing(listing("a", "b", "c"), 0)
    events = directory.take_listing(listing("b", members=2), 1)
    assert [(type(e), e.party.id) for e in events] == [
        (PartyLost, "a"),
        (PartyLost, "c"),
        (PartyUpdated, "b"),
    ]


def test_answers_tell_reachability_and_age() -> None:
    directory = Directory()
    (found,) = directory.see(sighting(addresses=("10.0.0.1", "192.168.1.5")), 0)
    (target,) = directory.targets()
    assert target.urls == ("http://10.0.0.1:8080", "http://192.168.1.5:8080")
    assert not target.knows_age

    second = target.urls[1]
    (event,) = directory.answered(found.party.key, Answer(second, 1.5, age_s=30), 10)
    party = event.party
    assert (party.is_reachable, party.round_trip_ms, party.url) == (True, 1.5, second)
    assert (party.age_s, party.silent_s) == (30, 0)
    (target,) = directory.targets()
    assert target.urls[0] == second
    assert target.is_settled
    assert target.knows_age

    (event,) = directory.answered(party.key, Answer(problem="no route"), 15)
    party = event.party
    assert (party.is_reachable, party.round_trip_ms) == (False, None)
    assert (party.problem, party.silent_s, party.age_s) == ("no route", 5, 35)
    assert not directory.targets()[0].is_settled

    (event,) = directory.answered(party.key, Answer(second, 2.0), 20)
    assert (event.party.is_reachable, event.party.problem) == (True, "")


def test_an_answer_for_a_party_that_is_gone_is_nothing() -> None:
    directory = Directory()
    (found,) = directory.see(sighting(), 0)
    directory.unsee("Party (abc)", 1)
    assert directory.answered(found.party.key, Answer("http://x"), 2) == []


def test_a_server_that_moved_is_asked_at_its_new_port() -> None:
    directory = Directory()
    (found,) = directory.see(sighting(service="s"), 0)
    directory.answered(found.party.key, Answer("http://192.168.1.5:8080", 1.0), 1)
    (event,) = directory.see(sighting(service="s", port=9090), 2)
    assert event.party.url == "http://192.168.1.5:9090"


def test_a_service_that_becomes_another_party_is_another_party() -> None:
    directory = Directory()
    directory.see(sighting("abc", service="s"), 0)
    events = directory.see(sighting("new", service="s"), 1)
    assert kinds(events) == [PartyLost, PartyFound]


def test_a_party_whose_service_got_another_name_stays() -> None:
    directory = Directory()
    directory.see(sighting(service="s"), 0)
    assert directory.see(sighting(service="s-2"), 1) == []
    assert directory.unsee("s", 2) == []
    assert kinds(directory.unsee("s-2", 3)) == [PartyLost]


def test_two_that_were_taken_for_one_are_two_once_that_shows() -> None:
    """While two argue about a name, one is heard at the other's port."""
    directory = Directory()
    directory.see(sighting(service="s", port=1), 0)
    directory.see(sighting(service="s-2", port=1), 1)
    assert len(directory.parties(1)) == 1
    moved = sighting(service="s-2", port=2, members=5)
    assert kinds(directory.see(moved, 2)) == [PartyFound]
    assert [(p.member_count, p.url[-1]) for p in directory.parties(2)] == [
        (1, "1"),
        (5, "2"),
    ]


def test_who_names_a_partys_address_does_not_lead_its_guests_elsewhere() -> None:
    """Anybody may announce the same code at the same address, with another URL."""
    directory = Directory()
    directory.see(sighting(service="true"), 0)
    directory.see(sighting(service="forged", url="https://evil.example"), 1)
    true, forged = directory.parties(2)
    assert true.urls == ("http://192.168.1.5:8080",)
    assert forged.urls[0] == "https://evil.example"


def test_addresses_without_a_zone_come_first_and_the_operators_before_all() -> None:
    directory = Directory()
    addresses = ("fe80::1%eth0", "fd00::1", "192.168.1.5")
    (event,) = directory.see(
        sighting(addresses=addresses, is_secure=True, url="https://x.example"), 0
    )
    assert event.party.urls == (
        "https://x.example",
        "https://192.168.1.5:8080",
        "https://[fd00::1]:8080",
        "https://[fe80::1%eth0]:8080",
    )


def test_a_flood_of_parties_is_left_at_a_limit() -> None:
    directory = Directory()
    for number in range(MAX_PARTIES + 5):
        directory.see(sighting(f"p{number}"), 0)
    directory.take_listing(listing("one-more"), 1)
    assert len(directory.parties(1)) == MAX_PARTIES


# --- A reader that is slow ---------------------------------------------------------


def test_a_slow_reader_gets_what_it_comes_to() -> None:
    directory, changes = Directory(), Changes()
    changes.put(directory.see(sighting("a"), 0))
    changes.put(directory.see(sighting("a", members=5), 1))
    changes.put(directory.see(sighting("b"), 2))
    changes.put(directory.unsee("Party (b)", 3))
    event = changes.pop()
    assert isinstance(event, PartyFound)
    assert event.party.member_count == 5
    assert len(changes) == 0

    changes.put(directory.see(sighting("a", members=6), 4))
    changes.put(directory.see(sighting("a", members=7), 5))
    changes.put(directory.unsee("Party (a)", 6))
    assert isinstance(changes.pop(), PartyLost)
    assert len(changes) == 0
