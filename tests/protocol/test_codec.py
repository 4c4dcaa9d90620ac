"""The codec against whatever comes: it reads, or it raises ``InvalidMessage``."""

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudsync.errors import InvalidMessage
from loudsync.protocol import (
    ClientInfo,
    ClientMessage,
    CloseRequest,
    ConnectionStatus,
    DeviceId,
    DeviceType,
    Error,
    Heartbeat,
    Join,
    Kicked,
    KickRequest,
    Leave,
    LeaveReason,
    MemberId,
    MemberInfo,
    MemberJoined,
    MemberLeft,
    MemberList,
    MemberListRequest,
    Message,
    MessageType,
    Ping,
    Pong,
    ServerMessage,
    SessionClosed,
    SessionId,
    SessionInfo,
    Welcome,
    decode_client_message,
    decode_server_message,
    encode,
)
from wire_builders import join


def read_both_ways(text: str | bytes) -> None:
    """Read a text as a client's and as a server's; only one error is allowed."""
    for decode in (decode_client_message, decode_server_message):
        with contextlib.suppress(InvalidMessage):
            decode(text)


# --- Anything at all ------------------------------------------------------------


@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_raise_anything_else(data: bytes) -> None:
    read_both_ways(data)


@given(st.text(max_size=200))
def test_arbitrary_text_never_raises_anything_else(text: str) -> None:
    read_both_ways(text)


ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
ANY_NUMBER = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | ANY_NUMBER | ANY_TEXT,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4)
    ),
    max_leaves=10,
)


@given(ANY_JSON)
def test_arbitrary_json_never_raises_anything_else(value: object) -> None:
    read_both_ways(msgspec.json.encode(value))


FIELDS = st.sampled_from(
    [
        *("timestamp", "sessionId", "deviceInfo", "version", "token", "reason"),
        *("memberId", "clientId", "sessionInfo", "members", "member", "code"),
        *("message", "details"),
    ]
)


@given(st.sampled_from(MessageType), st.dictionaries(FIELDS, ANY_JSON, max_size=6))
def test_arbitrary_fields_of_a_known_type_never_raise_anything_else(
    kind: MessageType, fields: dict[str, Any]
) -> None:
    read_both_ways(msgspec.json.encode({"type": kind, "timestamp": 1, **fields}))


@given(st.dictionaries(st.sampled_from(["id", "name", "type"]), ANY_JSON), ANY_JSON)
def test_arbitrary_devices_never_raise_anything_else(
    device: dict[str, Any], version: object
) -> None:
    wire = join(version=version)
    wire["deviceInfo"] |= device
    read_both_ways(msgspec.json.encode(wire))


@given(st.data())
def test_a_message_cut_or_changed_anywhere_never_raises_anything_else(
    data: st.DataObject,
) -> None:
    text = bytearray(msgspec.json.encode(join(version="1.0", token="secret")))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    read_both_ways(bytes(text))


@given(ANY_TEXT.filter(lambda text: text not in set(MessageType)))
def test_a_type_nobody_knows_is_always_the_fault(name: str) -> None:
    text = msgspec.json.encode({"type": name, "timestamp": 1})
    with pytest.raises(InvalidMessage) as caught:
        decode_client_message(text)
    assert caught.value.path == "$.type"
    assert caught.value.reason == f"{name[:32]!r} is not a message type"


# --- Whatever is valid comes back as it went ------------------------------------

SHOWN_TEXT = st.text(st.characters(categories=("L", "N", "P", "S")), max_size=64)
NAMES = SHOWN_TEXT.filter(bool)
SESSION_IDS = ANY_TEXT.filter(bool).map(SessionId)
DEVICE_IDS = ANY_TEXT.filter(bool).map(DeviceId)
MEMBER_IDS = ANY_TEXT.map(MemberId)
TIMESTAMPS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VERSIONS = st.from_regex(r"[0-9]{1,9}(\.[0-9]{1,9}){0,2}", fullmatch=True)


def message(kind: type[Message], **fields: Any) -> st.SearchStrategy[Any]:
    return st.builds(kind, timestamp_ms=TIMESTAMPS, **fields)


MEMBERS = st.builds(
    MemberInfo,
    id=MEMBER_IDS,
    name=ANY_TEXT,
    is_host=st.booleans(),
    connection_status=st.sampled_from(ConnectionStatus),
    joined_at_ms=st.integers(),
    latency_ms=st.none() | st.integers(),
)

CLIENT_MESSAGES: st.SearchStrategy[ClientMessage] = st.one_of(
    message(
        Join,
        session_id=SESSION_IDS,
        device_info=st.builds(
            ClientInfo, id=DEVICE_IDS, name=NAMES, type=st.sampled_from(DeviceType)
        ),
        version=VERSIONS,
        token=ANY_TEXT,
    ),
    message(Leave, reason=ANY_TEXT),
    message(Heartbeat),
    message(Ping),
    message(MemberListRequest),
    message(KickRequest, member_id=MEMBER_IDS, reason=SHOWN_TEXT),
    message(CloseRequest, reason=SHOWN_TEXT),
)

SERVER_MESSAGES: st.SearchStrategy[ServerMessage] = st.one_of(
    message(
        Welcome,
        client_id=MEMBER_IDS,
        session_info=st.builds(
            SessionInfo, id=SESSION_IDS, name=ANY_TEXT, host_id=MEMBER_IDS
        ),
    ),
    message(MemberList, members=st.lists(MEMBERS, max_size=4).map(tuple)),
    message(MemberJoined, member=MEMBERS),
    message(
        MemberLeft,
        member_id=MEMBER_IDS,
        reason=st.none() | st.sampled_from(LeaveReason),
    ),
    message(Kicked, reason=ANY_TEXT),
    message(SessionClosed, reason=ANY_TEXT),
    message(Pong),
    message(
        Error,
        code=ANY_TEXT,
        message=ANY_TEXT,
        details=st.none() | st.dictionaries(ANY_TEXT, ANY_JSON, max_size=3),
    ),
)


def has_no_null_field(wire: object) -> bool:
    if isinstance(wire, dict):
        fields = (value for key, value in wire.items() if key != "details")
        return all(value is not None and has_no_null_field(value) for value in fields)
    return not isinstance(wire, list) or all(map(has_no_null_field, wire))


@given(CLIENT_MESSAGES)
def test_what_a_client_says_comes_back_as_it_went(said: ClientMessage) -> None:
    text = encode(said)
    assert decode_client_message(text) == said
    assert decode_client_message(text.decode()) == said
    assert has_no_null_field(msgspec.json.decode(text))


@given(SERVER_MESSAGES)
def test_what_a_server_says_comes_back_as_it_went(said: ServerMessage) -> None:
    text = encode(said)
    assert decode_server_message(text) == said
    assert decode_server_message(text.decode()) == said
    assert has_no_null_field(msgspec.json.decode(text))


@given(TIMESTAMPS)
def test_a_timestamp_keeps_its_value_and_its_kind(timestamp_ms: float) -> None:
    heard = decode_client_message(encode(Ping(timestamp_ms=timestamp_ms)))
    assert heard.timestamp_ms == timestamp_ms
    assert type(heard.timestamp_ms) is type(timestamp_ms)


def test_what_is_written_is_one_line_of_utf_8() -> None:
    text = encode(Kicked(timestamp_ms=1, reason="Zoë\n🎉"))
    assert b"\n" not in text
    assert "🎉" in text.decode()


@pytest.mark.parametrize("text", ['{"type":"ping","timestamp":1}', b" \n{}\t"])
def test_text_and_bytes_are_read_alike(text: str | bytes) -> None:
    read_both_ways(text)
