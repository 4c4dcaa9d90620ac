"""Messages for Hypothesis: right, wrong in one place, or nothing of the kind."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from hostile_http import ANY_JSON
from wire_builders import Wire, join

DEVICES = st.sampled_from(["device-1", "device-2", "device-3", "host"])
"""Few, so that resumes, takeovers and kicked devices come up."""

REQUESTS: list[Wire] = [
    {"type": "leave", "timestamp": 1},
    {"type": "heartbeat", "timestamp": 1},
    {"type": "ping", "timestamp": 1.5},
    {"type": "member_list", "timestamp": 1},
    {"type": "kicked", "timestamp": 1, "memberId": "client-1"},
    {"type": "kicked", "timestamp": 1, "memberId": "nobody", "reason": "Too loud"},
    {"type": "session_closed", "timestamp": 1, "reason": "Good night"},
]
FOR_SERVERS: list[Wire] = [
    {"type": "welcome", "timestamp": 1},
    {"type": "pong", "timestamp": 1},
    {"type": "error", "timestamp": 1, "code": "x", "message": "x"},
]


@st.composite
def joins(draw: st.DrawFn) -> Wire:
    """Draw a JOIN of one of a few devices, as a guest or as the host."""
    message = join(
        id=draw(DEVICES),
        name=draw(st.sampled_from(["Ann", "Bob", " Ann ", "🎉" * 64])),
        device_type=draw(st.sampled_from(["client", "client", "client", "host"])),
        sessionId=draw(st.sampled_from(["abc123"] * 6 + ["wrong"])),
    )
    if draw(st.booleans()):
        message["token"] = draw(st.sampled_from(["the token", "wrong", ""]))
    if draw(st.integers(0, 4)) == 0:
        message["version"] = draw(st.sampled_from(["1.0", "1.9", "2.0", "x"]))
    return message


def right() -> st.SearchStrategy[Wire]:
    """Messages that follow the protocol, allowed or not."""
    return joins() | st.sampled_from([*REQUESTS, *FOR_SERVERS])


@st.composite
def from_servers(draw: st.DrawFn) -> Wire:
    """Draw a message as a server sends it; every type comes up."""
    text = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]))
    words = text.map(lambda it: it[:60] or "x")
    member = st.fixed_dictionaries(
        {
            "id": words,
            "name": words,
            "isHost": st.booleans(),
            "connectionStatus": st.sampled_from(
                ["connected", "disconnected", "reconnecting"]
            ),
            "joinedAt": st.integers(0, 1 << 52),
        },
        optional={"latency": st.integers(0, 1 << 31)},
    )
    session = st.fixed_dictionaries({"id": words, "name": words, "hostId": words})
    fields: dict[str, dict[str, Any]] = {
        "welcome": {"clientId": words, "sessionInfo": session},
        "member_list": {"members": st.lists(member, max_size=3)},
        "member_joined": {"member": member},
        "member_left": {
            "memberId": words,
            "reason": st.sampled_from(["left", "kicked", "timeout", "error"]),
        },
        "kicked": {"reason": words},
        "session_closed": {"reason": words},
        "pong": {},
        "error": {"code": words, "message": words, "details": ANY_JSON},
    }
    kind = draw(st.sampled_from(sorted(fields)))
    timestamp = st.integers(0, 1 << 52) | st.floats(0, 1e15)
    rest = draw(st.fixed_dictionaries({"timestamp": timestamp, **fields[kind]}))
    return {"type": kind, **rest}


@st.composite
def nearly_right(draw: st.DrawFn) -> Wire:
    """Draw a message with something else in one place, or something missing."""
    message: dict[str, Any] = dict(draw(right()))
    inside = message.get("deviceInfo")
    target = message
    if isinstance(inside, dict) and draw(st.booleans()):
        target = message["deviceInfo"] = dict(inside)
    field = draw(st.sampled_from(sorted(target)) | st.text(max_size=5))
    if draw(st.booleans()):
        target.pop(field, None)
    else:
        target[field] = draw(ANY_JSON)
    return message


def texts() -> st.SearchStrategy[str]:
    """Text messages: JSON of all kinds, and what is none."""
    as_json = (right() | nearly_right() | ANY_JSON).map(
        lambda value: msgspec.json.encode(value).decode()
    )
    deep = st.builds(
        lambda unit, depth: unit * depth,
        st.sampled_from(["[", '{"a":', '{"type":"join","deviceInfo":[', "[[],"]),
        st.sampled_from([10, 500, 1500]),
    )
    cut = st.builds(lambda text, size: text[:size], as_json, st.integers(0, 40))
    odd = st.sampled_from(
        ["", "null", '{"type":"ping","timestamp":1e999}', '{"type":"ping"}{}']
    )
    return as_json | deep | cut | odd | st.text(max_size=40)
