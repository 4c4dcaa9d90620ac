"""What a party says about itself over mDNS, written and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudsync.discovery.records import (
    PartyRecord,
    UnusableRecord,
    from_txt,
    instance_label,
    to_txt,
)
from loudsync.protocol import SessionId

PARTY = PartyRecord(
    id=SessionId("k7m2xp"),
    name="Friday Party",
    host_name="Sara",
    member_count=3,
    max_members=10,
    version="1.0",
    path="/ws",
    is_secure=True,
    url="https://party.example.org",
)

EMOJI = "\N{PARTY POPPER}"
"""Four bytes."""


def test_every_field_travels() -> None:
    assert from_txt(to_txt(PARTY)) == PARTY


def test_the_keys_are_the_documented_ones() -> None:
    assert to_txt(PARTY) == {
        "txtvers": "1",
        "id": "k7m2xp",
        "name": "Friday Party",
        "host": "Sara",
        "members": "3",
        "max": "10",
        "version": "1.0",
        "path": "/ws",
        "tls": "1",
        "url": "https://party.example.org",
    }


def test_an_id_is_enough() -> None:
    assert from_txt({"id": "abc"}) == PartyRecord(SessionId("abc"), "abc")


@pytest.mark.parametrize("party_id", ["", None, "x" * 65, "a\nb", "\x1b[2J"])
def test_without_a_usable_id_there_is_no_party(party_id: str | None) -> None:
    with pytest.raises(UnusableRecord):
        from_txt({"id": party_id, "name": "Party"})


@pytest.mark.parametrize(
    ("key", "text", "field", "read"),
    [
        ("members", "-1", "member_count", 0),
        ("members", "many", "member_count", 0),
        ("members", "٣", "member_count", 0),
        ("members", "9" * 400, "member_count", 0),
        ("max", "10000", "max_members", 10_000),
        ("name", "a\u202eb", "name", "abc"),
        ("name", "\x1b[2J", "name", "abc"),
        ("host", "\x00", "host_name", ""),
        ("path", "ws", "path", "/ws"),
        ("path", "/ws?x=1", "path", "/ws"),
        ("path", "/", "path", "/"),
        ("path", "/admin/reboot", "path", "/ws"),
        ("path", "/\u202e", "path", "/ws"),
        ("tls", "yes", "is_secure", False),
        ("url", "javascript:alert(1)", "url", ""),
        ("url", "http://u:p@x.example", "url", ""),
        ("url", "http://[::1", "url", ""),
        ("url", "http://x.example:99999", "url", ""),
        ("url", "http://x.example/a", "url", ""),
        ("url", "https://x.example/", "url", "https://x.example"),
    ],
)
def test_a_bad_field_is_as_if_it_was_not_there(
    key: str, text: str, field: str, read: object
) -> None:
    assert getattr(from_txt({"id": "abc", key: text}), field) == read


@given(st.dictionaries(st.sampled_from(list(to_txt(PARTY))), st.text() | st.none()))
def test_no_text_breaks_reading(entries: dict[str, str | None]) -> None:
    try:
        record = from_txt(entries)
    except UnusableRecord:
        return
    assert from_txt(to_txt(record)).id == record.id


@given(st.text(max_size=64), st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_each_entry_and_the_label_fit(name: str, party_id: str) -> None:
    name = name.encode(errors="ignore").decode()
    record = PartyRecord(
        SessionId(party_id), name, host_name=name, url="http://" + name
    )
    for key, value in to_txt(record).items():
        assert len(f"{key}={value}".encode()) <= 255
    assert len(instance_label(record).encode()) <= 58


def test_a_long_name_is_cut_between_characters() -> None:
    record = PartyRecord(SessionId("abc"), EMOJI * 64)
    assert to_txt(record)["name"] == EMOJI * 62
    assert instance_label(record) == f"{EMOJI * 10} (abc)"


@pytest.mark.parametrize("name", ["Wait...", ".hidden", "..", "x" * 39 + ".y"])
def test_a_dot_in_a_name_ends_no_label(name: str) -> None:
    assert "." not in instance_label(PartyRecord(SessionId("abc"), name))


def test_two_parties_of_one_name_have_two_labels() -> None:
    other = PARTY._replace(id=SessionId("other"))
    assert instance_label(PARTY) == "Friday Party (k7m2xp)"
    assert instance_label(other) != instance_label(PARTY)
