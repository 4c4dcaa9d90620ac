"""Anything into the codec: a message, or one kind of error that says where."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import examples
from hostile_http import ANY_JSON
from hostile_messages import from_servers, nearly_right, right, texts
from loudsync.errors import InvalidMessage
from loudsync.protocol import decode_client_message, decode_server_message, encode
from wire_builders import Wire, text_of

MAX_EXPLANATION = 500
"""Characters; an error must not give back what was sent at full length."""

DECODERS = [decode_client_message, decode_server_message]


def outcome(decode: Any, data: str | bytes) -> object:
    """Decode; of a refusal, check that it says where and why, in few words."""
    try:
        return decode(data)
    except InvalidMessage as refusal:
        fault = refusal
    assert fault.path.startswith("$")
    assert fault.reason
    assert len(fault.message) <= MAX_EXPLANATION
    msgspec.json.encode(fault.details)
    return None


@pytest.mark.parametrize("decode", DECODERS)
@examples(300)
@given(data=texts() | st.binary(max_size=60))
def test_anything_is_a_message_or_refused(decode: Any, data: str | bytes) -> None:
    outcome(decode, data)


@pytest.mark.parametrize("decode", DECODERS)
@examples(150)
@given(message=nearly_right(), junk=ANY_JSON)
def test_a_field_too_many_changes_nothing(
    decode: Any, message: dict[str, Any], junk: object
) -> None:
    with_junk = {**message, "unheardOf": junk}
    assert outcome(decode, text_of(with_junk)) == outcome(decode, text_of(message))


@pytest.mark.parametrize(
    ("decode", "messages"),
    [
        (decode_client_message, right()),
        (decode_server_message, from_servers()),
    ],
    ids=["client", "server"],
)
@examples(150)
@given(data=st.data())
def test_what_was_read_reads_the_same_when_written(
    decode: Any, messages: st.SearchStrategy[Wire], data: st.DataObject
) -> None:
    read: Any = outcome(decode, text_of(data.draw(messages)))
    if read is not None:
        assert decode(encode(read)) == read
