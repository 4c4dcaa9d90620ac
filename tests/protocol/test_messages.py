"""The messages' own promises: absent fields, unknown fields, requests, numbers."""

import msgspec
import pytest

from loudsync.protocol import (
    CloseRequest,
    ConnectionStatus,
    DeviceType,
    Error,
    ErrorCode,
    Join,
    KickRequest,
    Leave,
    LeaveReason,
    MemberId,
    MemberInfo,
    MemberLeft,
    MemberListRequest,
    Message,
    MessageType,
    Ping,
    Pong,
    SessionClosed,
    decode_client_message,
    encode,
)
from wire_builders import Wire, from_client, from_server, join

SOMEBODY = MemberId("client-1")


def on_wire(message: Message) -> Wire:
    wire = msgspec.json.decode(encode(message), type=dict)
    assert isinstance(wire, dict)
    return wire


# --- The three requests (contract, section 3) -----------------------------------


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        ({"type": "member_list", "timestamp": 1}, MemberListRequest(timestamp_ms=1)),
        (
            {"type": "kicked", "timestamp": 1, "memberId": "client-1"},
            KickRequest(timestamp_ms=1, member_id=SOMEBODY),
        ),
        (
            {
                "type": "kicked",
                "timestamp": 1,
                "memberId": "client-1",
                "reason": "Too loud",
            },
            KickRequest(timestamp_ms=1, member_id=SOMEBODY, reason="Too loud"),
        ),
        ({"type": "session_closed", "timestamp": 1}, CloseRequest(timestamp_ms=1)),
        (
            {"type": "session_closed", "timestamp": 1, "reason": "Bye"},
            CloseRequest(timestamp_ms=1, reason="Bye"),
        ),
    ],
)
def test_a_request_has_the_type_of_what_it_asks_for(
    wire: Wire, message: Message
) -> None:
    assert from_client(wire) == message
    assert on_wire(message) == wire


# --- Optional fields: left out, never null --------------------------------------


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (Leave(timestamp_ms=1), {"type", "timestamp"}),
        (SessionClosed(timestamp_ms=1), {"type", "timestamp"}),
        (
            MemberLeft(timestamp_ms=1, member_id=SOMEBODY),
            {"type", "timestamp", "memberId"},
        ),
        (
            Error(timestamp_ms=1, code="x", message="y"),
            {"type", "timestamp", "code", "message"},
        ),
    ],
)
def test_what_is_absent_is_left_out(message: Message, fields: set[str]) -> None:
    assert set(on_wire(message)) == fields


def test_a_latency_that_is_not_measured_yet_is_left_out_but_zero_is_said() -> None:
    def info(latency_ms: int | None) -> MemberInfo:
        return MemberInfo(
            id=SOMEBODY,
            name="Ada",
            is_host=False,
            connection_status=ConnectionStatus.CONNECTED,
            joined_at_ms=0,
            latency_ms=latency_ms,
        )

    assert "latency" not in msgspec.to_builtins(info(None))
    assert msgspec.to_builtins(info(0))["latency"] == 0


def test_false_and_zero_are_said_where_the_field_is_required() -> None:
    info = MemberInfo(
        id=SOMEBODY,
        name="Ada",
        is_host=False,
        connection_status=ConnectionStatus.DISCONNECTED,
        joined_at_ms=0,
    )
    assert msgspec.to_builtins(info) == {
        "id": "client-1",
        "name": "Ada",
        "isHost": False,
        "connectionStatus": "disconnected",
        "joinedAt": 0,
    }


def test_a_join_is_for_version_1_0_and_without_a_token_unless_it_says_so() -> None:
    plain = from_client(join())
    assert isinstance(plain, Join)
    assert (plain.version, plain.token) == ("1.0", "")
    assert set(on_wire(plain)) == {"type", "timestamp", "sessionId", "deviceInfo"}


def test_a_host_joins_with_version_and_token() -> None:
    wire = join(device_type="host", version="1.2", token="secret")
    message = from_client(wire)
    assert isinstance(message, Join)
    assert message.device_info.type is DeviceType.HOST
    assert (message.version, message.token) == ("1.2", "secret")
    assert on_wire(message) == wire


@pytest.mark.parametrize("reason", [None, *LeaveReason])
def test_a_member_left_may_have_each_reason_or_none(
    reason: LeaveReason | None,
) -> None:
    message = MemberLeft(timestamp_ms=1, member_id=SOMEBODY, reason=reason)
    assert from_server(on_wire(message)) == message


@pytest.mark.parametrize("code", [*ErrorCode, "of_a_later_version"])
def test_an_error_may_have_a_code_that_this_version_does_not_know(code: str) -> None:
    message = from_server(
        {"type": "error", "timestamp": 1, "code": code, "message": ""}
    )
    assert message == Error(timestamp_ms=1, code=code, message="")


# --- Unknown fields -------------------------------------------------------------


def test_unknown_fields_are_ignored_wherever_they_are() -> None:
    wire = join()
    device = {**wire["deviceInfo"], "model": {"year": [2026]}}
    assert from_client({**wire, "deviceInfo": device, "x": None}) == from_client(wire)


@pytest.mark.parametrize("kind", ["ping", "heartbeat", "leave", "member_list"])
def test_unknown_fields_of_any_type_are_ignored(kind: str) -> None:
    plain = {"type": kind, "timestamp": 1}
    for value in (None, True, 1e300, "x", [1, [2]], {"type": "join"}):
        assert from_client({**plain, "extra": value}) == from_client(plain)


# --- Names ----------------------------------------------------------------------


def test_a_device_name_is_trimmed() -> None:
    message = from_client(join(name="  Rishad's iPhone \t\n"))
    assert isinstance(message, Join)
    assert message.device_info.name == "Rishad's iPhone"


def test_messages_can_not_be_changed() -> None:
    with pytest.raises(AttributeError):
        Ping(timestamp_ms=1).timestamp_ms = 2  # type: ignore[misc]


# --- Timestamps -----------------------------------------------------------------


@pytest.mark.parametrize(
    "number",
    [
        "1706889650000",
        "1706889650000.0",
        "1706889650000.125",
        "0",
        "0.0",
        "-1",
        "0.1",
        "9007199254740993",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "1" + "0" * 300,
    ],
)
def test_a_pong_gives_the_pings_number_back_to_the_digit(number: str) -> None:
    ping = decode_client_message(f'{{"type":"ping","timestamp":{number}}}')
    pong = encode(Pong(timestamp_ms=ping.timestamp_ms))
    assert pong.decode() == f'{{"type":"pong","timestamp":{number}}}'


@pytest.mark.parametrize(
    ("number", "kind"), [("1", int), ("1.0", float), ("1e3", float), ("-0.0", float)]
)
def test_an_integer_stays_an_integer_and_a_float_a_float(
    number: str, kind: type
) -> None:
    ping = decode_client_message(f'{{"type":"ping","timestamp":{number}}}')
    assert type(ping.timestamp_ms) is kind


def test_there_are_twelve_message_types() -> None:
    assert sorted(MessageType) == [
        "error",
        "heartbeat",
        "join",
        "kicked",
        "leave",
        "member_joined",
        "member_left",
        "member_list",
        "ping",
        "pong",
        "session_closed",
        "welcome",
    ]
