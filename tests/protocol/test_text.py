"""Text that others are shown: trimmed, bounded, and nothing hidden in it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudsync.protocol import TextError, check_shown, clean_name


def fault_of(text: str, max_length: int = 64) -> str:
    with pytest.raises(TextError) as caught:
        clean_name("name", text, max_length)
    assert caught.value.field == "name"
    assert str(caught.value) == f"name: {caught.value.reason}"
    return caught.value.reason


@pytest.mark.parametrize(
    "name",
    [
        "Ada",
        "Rishad's iPhone",
        "Zoë",
        "李小龍",
        "علي",
        "שלום",
        "🎉",
        "👩‍👩‍👧",  # joined by U+200D, which reorders nothing
        "a\u00a0b",
    ],
)
def test_names_of_all_the_world_are_fine_as_they_are(name: str) -> None:
    assert clean_name("name", name, 64) == name


@pytest.mark.parametrize("space", [" ", "\t", "\r\n", "\u2003", "\u00a0", "\u2028"])
def test_white_space_around_a_name_is_trimmed(space: str) -> None:
    assert clean_name("name", f"{space}Ada L.{space}", 64) == "Ada L."


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_nothing_but_white_space_is_no_name(text: str) -> None:
    assert fault_of(text) == "Expected at least 1 character that can be seen"


def test_a_name_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert clean_name("name", " " + "x" * 5 + " ", 5) == "xxxxx"
    assert fault_of("x" * 6, 5) == "Expected at most 5 characters"


CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
REORDERING = [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]
LINE_BREAKS = ["\u2028", "\u2029"]
SURROGATES = ["\ud800", "\udbff", "\udc80", "\udfff"]


@pytest.mark.parametrize(
    "hidden",
    CONTROLS + REORDERING + LINE_BREAKS + SURROGATES,
    ids=lambda character: f"U+{ord(character):04X}",
)
def test_what_can_not_be_seen_but_acts_is_refused(hidden: str) -> None:
    assert fault_of(f"a{hidden}b") == "Expected no control characters"


@pytest.mark.parametrize("neighbour", ["\u202f", "\u2065", "\u206a", " ", "~"])
def test_the_neighbours_of_what_is_refused_are_not(neighbour: str) -> None:
    assert clean_name("name", f"a{neighbour}b", 64) == f"a{neighbour}b"


def test_a_shown_text_may_be_empty_and_is_not_trimmed() -> None:
    check_shown("reason", "", 10)
    check_shown("reason", "  two  ", 10)
    with pytest.raises(TextError) as caught:
        check_shown("reason", "x" * 11, 10)
    assert caught.value.field == "reason"


@given(st.text())
def test_a_clean_name_is_clean(text: str) -> None:
    try:
        name = clean_name("name", text, 64)
    except TextError:
        return
    assert 1 <= len(name) <= 64
    assert name == name.strip()
    assert not any(unicodedata.category(c) in {"Cc", "Zl", "Zp"} for c in name)
    assert clean_name("name", name, 64) == name
    assert name.encode()
