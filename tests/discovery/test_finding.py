"""The one party that somebody means, by its code or its name."""

import pytest

import loudsync
from loopback_discovery import LOOPBACK
from loudsync.discovery.finding import Matches
from loudsync.discovery.party import Party, PartyFound, PartyLost, SourceFailed
from loudsync.errors import ConnectionFailed, PartyNotFound, SeveralParties
from loudsync.protocol import SessionId


def party(
    party_id: str,
    name: str = "Party",
    *,
    key: str = "",
    is_reachable: bool | None = True,
    problem: str = "",
) -> Party:
    return Party(
        key=key or party_id,
        id=SessionId(party_id),
        name=name,
        url=f"http://{party_id}",
        join_url=f"http://{party_id}/?session={party_id}",
        is_reachable=is_reachable,
        problem=problem,
    )


def matches(wanted: str, *parties: Party) -> Matches:
    found = Matches(wanted)
    for one in parties:
        found.take(PartyFound(party=one))
    return found


def test_a_code_is_meant_before_a_name() -> None:
    found = matches("friday", party("abc", "Friday"), party("friday", "Other"))
    assert found.one().id == "friday"


def test_a_name_is_meant_whatever_its_case() -> None:
    found = matches(" fRIDAY pARTY ", party("abc", "Friday Party"), party("xyz"))
    assert found.have_answered
    assert found.one().id == "abc"


def test_a_codes_case_matters() -> None:
    with pytest.raises(PartyNotFound):
        matches("ABC", party("abc", "Friday")).one()


def test_several_of_one_name_are_named() -> None:
    found = matches("party", party("abc"), party("xyz"))
    with pytest.raises(SeveralParties) as caught:
        found.one()
    assert caught.value.join_urls == (
        "http://abc/?session=abc",
        "http://xyz/?session=xyz",
    )


def test_of_several_the_one_that_answers() -> None:
    found = matches("party", party("abc", is_reachable=False), party("xyz"))
    assert found.one().id == "xyz"


def test_nobody_answers() -> None:
    found = matches("abc", party("abc", is_reachable=None))
    assert not found.have_answered
    with pytest.raises(ConnectionFailed, match="no answer"):
        found.one()
    found = matches("abc", party("abc", is_reachable=False, problem="no route"))
    assert found.have_answered
    with pytest.raises(ConnectionFailed, match="no route"):
        found.one()


def test_a_party_that_is_lost_is_not_there() -> None:
    found = matches("abc", party("abc"))
    found.take(PartyLost(party=party("abc")))
    found.take(SourceFailed(source="mdns", reason="no multicast"))
    with pytest.raises(PartyNotFound, match="no multicast"):
        found.one()


async def test_a_real_party_by_its_code_and_its_name(code: str) -> None:
    async with loudsync.host(
        f"Party {code}", host="127.0.0.1", port=0, session_id=code, advertise=True
    ) as hosted:
        for wanted in (code, f"party {code.upper()}"):
            found = await loudsync.find_party(wanted, interfaces=LOOPBACK, timeout_s=20)
            assert found.join_url == hosted.join_url


async def test_a_party_in_a_servers_list(code: str) -> None:
    async with loudsync.host(
        "Listed Party", host="127.0.0.1", port=0, session_id=code
    ) as hosted:
        server = hosted.join_url.partition("/?")[0]
        found = await loudsync.find_party("listed party", [server], mdns=False)
        assert found.id == code
        with pytest.raises(PartyNotFound):
            await loudsync.find_party("other", [server], mdns=False, timeout_s=0.2)
