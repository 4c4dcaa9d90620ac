"""What people may call themselves: the rule for text that others are shown."""

import unicodedata

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cs"})
"""Control characters; lone surrogates, which no UTF-8 message can carry."""

_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Embeddings, overrides and isolates: they reorder the text that follows them,
so that a name could dress up as something else (Unicode TR 36, section 3.5)."""

_LINE_BREAKS = frozenset("\u2028\u2029")


class TextError(ValueError):
    """A text that may not be shown to others.

    Attributes:
        field: The field it was meant for, as on the wire.
        reason: What is wrong with it.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def clean_name(field: str, text: str, max_length: int) -> str:
    """Trim a name and check that it can be shown.

    Args:
        field: The field's name on the wire, for the error.
        text: What somebody typed.
        max_length: Characters allowed after trimming.

    Returns:
        The trimmed text.

    Raises:
        TextError: Empty, too long, or with control or reordering characters.

    Source: contract, section 3.
    """
    trimmed = text.strip()
    if not any(map(str.isprintable, trimmed)):
        raise TextError(field, "Expected at least 1 character that can be seen")
    check_shown(field, trimmed, max_length)
    return trimmed


def check_shown(field: str, text: str, max_length: int) -> None:
    """Check that a text can be shown to others as it is.

    Raises:
        TextError: Too long, or with control or reordering characters.
    """
    if len(text) > max_length:
        raise TextError(field, f"Expected at most {max_length} characters")
    # Nearly every name is printable ASCII or letters; look closer only if not.
    if not text.isprintable() and any(map(_is_hidden, text)):
        raise TextError(field, "Expected no control characters")


def _is_hidden(character: str) -> bool:
    return (
        unicodedata.category(character) in _HIDDEN_CATEGORIES
        or character in _REORDERING
        or character in _LINE_BREAKS
    )
