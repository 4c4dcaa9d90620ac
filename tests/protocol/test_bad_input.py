"""Every kind of bad input is an ``InvalidMessage`` that tells where and what."""

import re
from typing import Any

import pytest

from loudsync.protocol import Join, Ping, decode_client_message
from wire_builders import (
    Wire,
    fault_in,
    fault_of,
    from_client,
    join,
    path_of,
    text_of,
    without,
)

PING = {"type": "ping", "timestamp": 1}


# --- Not even JSON --------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "hello",
        "{",
        '{"type":"ping","timestamp":1',
        '{"type":"ping","timestamp":1}}',
        '{"type":"ping","timestamp":1} {}',
        '{"type":"ping","timestamp":1,}',
        "{'type':'ping','timestamp':1}",
        '{"type":"ping","timestamp":01}',
        '{"type":"ping","timestamp":+1}',
        '{"type":"ping","timestamp":NaN}',
        '{"type":"ping","timestamp":Infinity}',
        '{"type":"ping","timestamp":1,"x":tru}',
        '{"type":"leave","timestamp":1,"reason":"a\nb"}',
        b'\xef\xbb\xbf{"type":"ping","timestamp":1}',
        b"\xff",
        b"\x00",
    ],
)
def test_what_is_not_json_is_refused_as_a_whole(text: str | bytes) -> None:
    path, reason = fault_of(text)
    assert path == "$"
    assert re.match("JSON is malformed|Input data was truncated", reason)


@pytest.mark.parametrize(
    ("text", "what"),
    [("[]", "array"), ("null", "null"), ("1", "int"), ('"join"', "str")],
)
def test_json_that_is_no_object_is_refused_as_a_whole(text: str, what: str) -> None:
    assert fault_of(text) == ("$", f"Expected `object`, got `{what}`")


def test_bytes_that_are_no_utf_8_are_refused() -> None:
    text = b'{"type":"leave","timestamp":1,"reason":"\xff"}'
    assert fault_of(text) == ("$", "Text is not valid UTF-8")


@pytest.mark.parametrize(
    "text", ["\ud800", '{"type":"leave","timestamp":1,"reason":"\udfff"}']
)
def test_text_with_a_lone_surrogate_is_refused(text: str) -> None:
    assert fault_of(text) == ("$", "Text is not valid UTF-8")


@pytest.mark.parametrize("escape", [r"\ud800", r"\udfff", r"\ud800\u0041", r"\ud83d "])
def test_an_escaped_lone_surrogate_is_refused(escape: str) -> None:
    text = f'{{"type":"leave","timestamp":1,"reason":"{escape}","x":"padding"}}'
    path, reason = fault_of(text)
    assert path == "$"
    assert "surrogate" in reason


def test_an_escaped_surrogate_pair_is_a_character() -> None:
    escaped = text_of(join(name="PARTY")).replace("PARTY", r"\ud83c\udf89")
    message = decode_client_message(escaped)
    assert isinstance(message, Join)
    assert message.device_info.name == "\U0001f389"


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"ping","timestamp":1,"x":' + "[" * 100_000,
        '{"type":"ping","timestamp":1,"x":' + '{"y":' * 100_000,
        '{"type":' + "[" * 100_000,
        '{"x":' * 100_000,
    ],
)
def test_nesting_without_end_is_refused_and_breaks_nothing(text: str) -> None:
    assert fault_of(text)[0].startswith("$")
    assert from_client(PING) == Ping(timestamp_ms=1)


def test_nesting_without_end_says_so() -> None:
    text = '{"type":"ping","timestamp":1,"x":' + "[" * 100_000
    assert fault_of(text) == ("$", "JSON is nested too deeply")


# --- The type -------------------------------------------------------------------


@pytest.mark.parametrize("wire", [{}, {"timestamp": 1}, {"Type": "ping"}])
def test_a_missing_type_is_named(wire: Wire) -> None:
    assert fault_in(wire) == ("$.type", "Required field is missing")


@pytest.mark.parametrize("bad", [None, 1, True, ["join"], {"join": 1}])
def test_a_type_must_be_a_string(bad: object) -> None:
    assert fault_in({"type": bad, "timestamp": 1}) == ("$.type", "Expected `str`")


@pytest.mark.parametrize("name", ["", "Join", "JOIN", "join ", "hello", "it's \n`$`"])
def test_an_unknown_type_is_named(name: str) -> None:
    wire = {"type": name, "timestamp": 1}
    assert fault_in(wire) == ("$.type", f"{name!r} is not a message type")


def test_an_unknown_type_is_not_given_back_at_full_length() -> None:
    _, reason = fault_in({"type": "x" * 10_000, "timestamp": 1})
    assert reason == f"{'x' * 32!r} is not a message type"


def test_a_type_that_looks_like_an_explanation_does_not_fool_it() -> None:
    name = "x' - at `$.token`"
    wire = {"type": name, "timestamp": 1}
    assert fault_in(wire) == ("$.type", f"{name!r} is not a message type")


@pytest.mark.parametrize(
    "name", ["welcome", "member_joined", "member_left", "pong", "error"]
)
def test_what_only_a_server_sends_is_refused_from_a_client(name: str) -> None:
    wire = {"type": name, "timestamp": 1}
    assert fault_in(wire) == ("$.type", f"{name!r} is not for this side to send")


@pytest.mark.parametrize("name", ["join", "leave", "heartbeat", "ping"])
def test_what_only_a_client_sends_is_refused_from_a_server(name: str) -> None:
    text = f'{{"type":"{name}","timestamp":1}}'
    reason = f"{name!r} is not for this side to send"
    assert fault_of(text, by_server=True) == ("$.type", reason)


# --- Missing fields -------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "path"),
    [
        (without(join(), "timestamp"), "$.timestamp"),
        (without(join(), "sessionId"), "$.sessionId"),
        (without(join(), "deviceInfo"), "$.deviceInfo"),
        (without(join(), "deviceInfo", "id"), "$.deviceInfo.id"),
        (without(join(), "deviceInfo", "name"), "$.deviceInfo.name"),
        (without(join(), "deviceInfo", "type"), "$.deviceInfo.type"),
        ({"type": "leave"}, "$.timestamp"),
        ({"type": "heartbeat"}, "$.timestamp"),
        ({"type": "ping"}, "$.timestamp"),
        ({"type": "member_list"}, "$.timestamp"),
        ({"type": "session_closed"}, "$.timestamp"),
        ({"type": "kicked", "timestamp": 1}, "$.memberId"),
        ({"type": "kicked", "memberId": "client-1"}, "$.timestamp"),
    ],
)
def test_a_missing_field_is_named(wire: Wire, path: str) -> None:
    assert fault_in(wire) == (path, "Required field is missing")


def test_a_missing_field_deep_inside_a_list_is_named() -> None:
    text = '{"type":"member_list","timestamp":1,"members":[{"name":"Ada"}]}'
    path, reason = fault_of(text, by_server=True)
    assert re.fullmatch(r"\$\.members\[0\]\.\w+", path)
    assert reason == "Required field is missing"


# --- Wrong types ----------------------------------------------------------------

NOT_STRINGS: list[object] = [None, 1, 1.5, True, [], {}]


@pytest.mark.parametrize("bad", NOT_STRINGS)
@pytest.mark.parametrize(
    ("field", "path"),
    [
        ("sessionId", "$.sessionId"),
        ("version", "$.version"),
        ("token", "$.token"),
        ("id", "$.deviceInfo.id"),
        ("name", "$.deviceInfo.name"),
        ("device_type", "$.deviceInfo.type"),
    ],
)
def test_a_joins_texts_must_be_texts(field: str, path: str, bad: object) -> None:
    assert path_of(join(**{field: bad})) == path


@pytest.mark.parametrize("bad", NOT_STRINGS)
@pytest.mark.parametrize("kind", ["leave", "session_closed", "kicked"])
def test_a_reason_is_a_text_or_absent_but_never_null(kind: str, bad: object) -> None:
    wire = {"type": kind, "timestamp": 1, "memberId": "client-1", "reason": bad}
    assert path_of(wire) == "$.reason"


@pytest.mark.parametrize("bad", NOT_STRINGS)
def test_a_member_id_must_be_a_text(bad: object) -> None:
    assert path_of({"type": "kicked", "timestamp": 1, "memberId": bad}) == "$.memberId"


@pytest.mark.parametrize("bad", [None, 1, "Ada", [], True])
def test_device_info_must_be_an_object(bad: object) -> None:
    assert path_of(join(deviceInfo=bad)) == "$.deviceInfo"


@pytest.mark.parametrize("bad", ["", "Host", "guest", "server"])
def test_a_device_is_a_host_or_a_client(bad: str) -> None:
    path, reason = fault_in(join(device_type=bad))
    assert path == "$.deviceInfo.type"
    assert reason == f"Invalid enum value '{bad}'"


@pytest.mark.parametrize("bad", [None, True, False, "1", [1], {}])
def test_a_timestamp_is_a_number_and_a_bool_is_none(bad: object) -> None:
    assert path_of({"type": "ping", "timestamp": bad}) == "$.timestamp"


@pytest.mark.parametrize("bad", ["1e999", "-1e999", "9" * 5_000])
def test_a_timestamp_without_measure_is_refused(bad: str) -> None:
    path, reason = fault_of(f'{{"type":"ping","timestamp":{bad}}}')
    assert path == "$.timestamp"
    assert reason.endswith("out of range")


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("isHost", "1"),
        ("joinedAt", "true"),
        ("joinedAt", '"1"'),
        ("latency", "1.5"),
        ("connectionStatus", '"asleep"'),
    ],
)
def test_a_servers_members_are_checked_too(field: str, bad: str) -> None:
    good = {
        "id": '"client-1"',
        "name": '"Ada"',
        "isHost": "false",
        "connectionStatus": '"connected"',
        "joinedAt": "1",
        field: bad,
    }
    member = ",".join(f'"{key}":{value}' for key, value in good.items())
    text = f'{{"type":"member_joined","timestamp":1,"member":{{{member}}}}}'
    assert fault_of(text, by_server=True)[0] == f"$.member.{field}"


# --- Both sides of every limit --------------------------------------------------

LIMITS: list[tuple[str, str, int, int]] = [
    ("sessionId", "$.sessionId", 1, 64),
    ("id", "$.deviceInfo.id", 1, 128),
    ("name", "$.deviceInfo.name", 1, 64),
]


@pytest.mark.parametrize("letter", ["x", "é", "漢", "\U0001f389"])
@pytest.mark.parametrize(("field", "path", "shortest", "longest"), LIMITS)
def test_each_limit_has_a_last_good_length_and_a_first_bad_one(
    field: str, path: str, shortest: int, longest: int, letter: str
) -> None:
    from_client(join(**{field: letter * shortest}))
    from_client(join(**{field: letter * longest}))
    assert path_of(join(**{field: letter * (shortest - 1)})) == path
    assert path_of(join(**{field: letter * (longest + 1)})) == path


def test_a_name_is_measured_after_trimming() -> None:
    message = from_client(join(name=" " * 100 + "x" * 64 + "\n"))
    assert isinstance(message, Join)
    assert len(message.device_info.name) == 64


@pytest.mark.parametrize("name", ["", " ", "\t\r\n", "\u2003\u00a0"])
def test_a_name_of_white_space_only_is_no_name(name: str) -> None:
    path, reason = fault_in(join(name=name))
    assert path == "$.deviceInfo.name"
    assert reason == "Expected at least 1 character that can be seen"


@pytest.mark.parametrize("name", ["a\x00b", "a\nb", "\x7fa", "a\u202eb", "a\u2028b"])
def test_a_name_that_would_mislead_is_refused(name: str) -> None:
    path, reason = fault_in(join(name=name))
    assert (path, reason) == ("$.deviceInfo.name", "Expected no control characters")


@pytest.mark.parametrize("kind", ["kicked", "session_closed"])
def test_a_reason_that_others_are_shown_has_256_characters_at_most(kind: str) -> None:
    wire: dict[str, Any] = {"type": kind, "timestamp": 1, "memberId": "client-1"}
    from_client({**wire, "reason": "x" * 256})
    assert fault_in({**wire, "reason": "x" * 257}) == (
        "$.reason",
        "Expected at most 256 characters",
    )
    assert path_of({**wire, "reason": "a\x1bb"}) == "$.reason"


def test_a_leaves_reason_is_shown_to_nobody_and_may_be_anything() -> None:
    from_client({"type": "leave", "timestamp": 1, "reason": "\x00" + "x" * 1_000})


@pytest.mark.parametrize("version", ["1", "1.0", "1.12", "2.0", "1.0.0", "999999999"])
def test_a_version_is_up_to_three_numbers(version: str) -> None:
    message = from_client(join(version=version))
    assert isinstance(message, Join)
    assert message.version == version


@pytest.mark.parametrize(
    "version",
    [
        "",
        "one",
        "v1",
        "1.",
        ".1",
        "1.0.0.0",
        "-1",
        "1 ",
        "1\n",
        "1.x",
        "1" * 10,
        "\u0661",
    ],
)
def test_anything_else_is_no_version(version: str) -> None:
    path, reason = fault_in(join(version=version))
    assert (path, reason) == ("$.version", "Expected a version such as 1.0")
