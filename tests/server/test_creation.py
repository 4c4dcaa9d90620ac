"""What may be asked of a new session, both sides of every limit."""

import base64
import secrets
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudsync.core import SessionSpec
from loudsync.core.host import token_matches
from loudsync.errors import InvalidSetting, SessionExists
from loudsync.server.creation import (
    ID_ALPHABET,
    ID_LENGTH,
    new_token,
    open_session,
    session_spec,
)
from loudsync.testing import MemoryServer

ID_CHARACTERS = string.ascii_letters + string.digits + "_-"


def spec_of(name: str = "P", **more: Any) -> SessionSpec:
    return session_spec(name, **more)


def test_what_is_not_asked_for_is_filled_in() -> None:
    spec = spec_of("Party")
    assert (spec.name, spec.host_name, spec.max_members) == ("Party", "Host", 10)
    assert (spec.listed, spec.token_hash) == (False, None)
    assert len(spec.id) == ID_LENGTH == 6
    assert set(spec.id) <= set(ID_ALPHABET)


def test_the_alphabet_has_no_look_alikes() -> None:
    assert not set(ID_ALPHABET) & set("0oO1iIlL")
    assert len(set(ID_ALPHABET)) == len(ID_ALPHABET)
    assert set(ID_ALPHABET) <= set(ID_CHARACTERS)


def test_names_are_trimmed() -> None:
    spec = spec_of("  Fête \t", host_name="\u00a0Zoë ")
    assert (spec.name, spec.host_name) == ("Fête", "Zoë")


@pytest.mark.parametrize("field", ["name", "host_name"])
@pytest.mark.parametrize(
    ("text", "is_good"),
    [
        ("x", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("", False),
        (" \n", False),
        ("a\tb", False),
        ("a\x7fb", False),
        ("a\u202eb", False),
        ("👩‍👩‍👧 party", True),
    ],
)
def test_names(field: str, text: str, is_good: bool) -> None:
    if is_good:
        assert getattr(spec_of(**{field: text}), field) == text
        return
    with pytest.raises(InvalidSetting) as caught:
        spec_of(**{field: text})
    assert caught.value.name == {"name": "name", "host_name": "hostName"}[field]


@pytest.mark.parametrize(
    ("seats", "is_good"),
    [(-1, False), (0, False), (1, True), (10_000, True), (10_001, False)],
)
def test_seats(seats: int, is_good: bool) -> None:
    if is_good:
        assert spec_of(max_members=seats).max_members == seats
        return
    with pytest.raises(InvalidSetting) as caught:
        spec_of(max_members=seats)
    assert caught.value.name == "maxMembers"


@given(st.text(ID_CHARACTERS, min_size=1, max_size=64))
def test_an_id_of_ones_own(session_id: str) -> None:
    assert spec_of(session_id=session_id).id == session_id


@given(
    st.one_of(
        st.just(""),
        st.text(ID_CHARACTERS, min_size=65, max_size=80),
        st.text(min_size=1, max_size=64).filter(
            lambda text: not set(text) <= set(ID_CHARACTERS)
        ),
    )
)
def test_an_id_that_can_not_be_typed_or_linked(session_id: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        spec_of(session_id=session_id)
    assert caught.value.name == "id"


def test_a_drawn_id_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter("aaaaaa" + "aaaaaa" + "bbbbbb")
    monkeypatch.setattr(secrets, "choice", lambda _: next(draws))
    server = MemoryServer()
    opened = [
        server.run(open_session(server.runner, spec_of(), id_was_drawn=True))
        for _ in range(2)
    ]
    assert [spec.id for spec in opened] == ["aaaaaa", "bbbbbb"]


def test_a_given_id_that_is_taken_is_refused() -> None:
    server = MemoryServer()
    spec = spec_of(session_id="friday")
    server.run(open_session(server.runner, spec, id_was_drawn=False))
    with pytest.raises(SessionExists):
        server.run(open_session(server.runner, spec, id_was_drawn=False))


def test_a_token_is_long_random_and_kept_only_as_a_hash() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    for token in tokens:
        assert len(base64.urlsafe_b64decode(token)) * 8 >= 128
    token = tokens.pop()
    spec = spec_of(token=token)
    assert token.encode() not in (spec.token_hash or b"")
    assert token_matches(token, spec.token_hash)
    assert not token_matches(tokens.pop(), spec.token_hash)
