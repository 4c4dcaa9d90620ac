"""Every JSON example of the specification, decoded and encoded as written."""

import msgspec
import pytest

from loudsync.protocol import (
    ClientInfo,
    ConnectionStatus,
    DeviceId,
    DeviceType,
    Error,
    Heartbeat,
    Join,
    Kicked,
    Leave,
    LeaveReason,
    MemberId,
    MemberInfo,
    MemberJoined,
    MemberLeft,
    MemberList,
    Message,
    Ping,
    Pong,
    SessionClosed,
    SessionId,
    SessionInfo,
    Welcome,
    encode,
)
from wire_builders import Wire, from_client, from_server, text_of

HOST_ID = MemberId("host-001")
CLIENT_ID = MemberId("client-789")

FROM_CLIENT: list[tuple[Wire, Message]] = [
    (
        {
            "type": "join",
            "timestamp": 1706889600000,
            "sessionId": "abc123",
            "deviceInfo": {
                "id": "device-456",
                "name": "Rishad's iPhone",
                "type": "client",
            },
        },
        Join(
            timestamp_ms=1706889600000,
            session_id=SessionId("abc123"),
            device_info=ClientInfo(
                id=DeviceId("device-456"),
                name="Rishad's iPhone",
                type=DeviceType.CLIENT,
            ),
        ),
    ),
    (
        {
            "type": "leave",
            "timestamp": 1706889700000,
            "reason": "User exited session",
        },
        Leave(timestamp_ms=1706889700000, reason="User exited session"),
    ),
    (
        {"type": "heartbeat", "timestamp": 1706889650000},
        Heartbeat(timestamp_ms=1706889650000),
    ),
    ({"type": "ping", "timestamp": 1706889650000}, Ping(timestamp_ms=1706889650000)),
]

FROM_SERVER: list[tuple[Wire, Message]] = [
    (
        {
            "type": "welcome",
            "timestamp": 1706889600100,
            "clientId": "client-789",
            "sessionInfo": {
                "id": "abc123",
                "name": "Rishad's Party",
                "hostId": "host-001",
            },
        },
        Welcome(
            timestamp_ms=1706889600100,
            client_id=CLIENT_ID,
            session_info=SessionInfo(
                id=SessionId("abc123"), name="Rishad's Party", host_id=HOST_ID
            ),
        ),
    ),
    (
        {
            "type": "member_list",
            "timestamp": 1706889600200,
            "members": [
                {
                    "id": "host-001",
                    "name": "Rishad's MacBook",
                    "isHost": True,
                    "connectionStatus": "connected",
                    "joinedAt": 1706889500000,
                },
                {
                    "id": "client-789",
                    "name": "Rishad's iPhone",
                    "isHost": False,
                    "connectionStatus": "connected",
                    "joinedAt": 1706889600000,
                    "latency": 23,
                },
            ],
        },
        MemberList(
            timestamp_ms=1706889600200,
            members=(
                MemberInfo(
                    id=HOST_ID,
                    name="Rishad's MacBook",
                    is_host=True,
                    connection_status=ConnectionStatus.CONNECTED,
                    joined_at_ms=1706889500000,
                ),
                MemberInfo(
                    id=CLIENT_ID,
                    name="Rishad's iPhone",
                    is_host=False,
                    connection_status=ConnectionStatus.CONNECTED,
                    joined_at_ms=1706889600000,
                    latency_ms=23,
                ),
            ),
        ),
    ),
    (
        {
            "type": "member_joined",
            "timestamp": 1706889600300,
            "member": {
                "id": "client-999",
                "name": "Sara's Android",
                "isHost": False,
                "connectionStatus": "connected",
                "joinedAt": 1706889600300,
                "latency": 31,
            },
        },
        MemberJoined(
            timestamp_ms=1706889600300,
            member=MemberInfo(
                id=MemberId("client-999"),
                name="Sara's Android",
                is_host=False,
                connection_status=ConnectionStatus.CONNECTED,
                joined_at_ms=1706889600300,
                latency_ms=31,
            ),
        ),
    ),
    (
        {
            "type": "member_left",
            "timestamp": 1706889700000,
            "memberId": "client-789",
            "reason": "left",
        },
        MemberLeft(
            timestamp_ms=1706889700000, member_id=CLIENT_ID, reason=LeaveReason.LEFT
        ),
    ),
    (
        {
            "type": "kicked",
            "timestamp": 1706889750000,
            "reason": "Host removed you from the session",
        },
        Kicked(timestamp_ms=1706889750000, reason="Host removed you from the session"),
    ),
    (
        {
            "type": "session_closed",
            "timestamp": 1706889800000,
            "reason": "Host ended the session",
        },
        SessionClosed(timestamp_ms=1706889800000, reason="Host ended the session"),
    ),
    ({"type": "pong", "timestamp": 1706889650000}, Pong(timestamp_ms=1706889650000)),
    (
        {
            "type": "error",
            "timestamp": 1706889600000,
            "code": "session_full",
            "message": "Session has reached maximum capacity (10 members)",
            "details": {"maxMembers": 10, "currentMembers": 10},
        },
        Error(
            timestamp_ms=1706889600000,
            code="session_full",
            message="Session has reached maximum capacity (10 members)",
            details={"maxMembers": 10, "currentMembers": 10},
        ),
    ),
]


def type_of(wire: object) -> str | None:
    return wire["type"] if isinstance(wire, dict) else None


@pytest.mark.parametrize(("wire", "message"), FROM_CLIENT, ids=type_of)
def test_what_a_client_sends_is_read_as_specified(wire: Wire, message: Message) -> None:
    assert from_client(wire) == message


@pytest.mark.parametrize(("wire", "message"), FROM_SERVER, ids=type_of)
def test_what_a_server_sends_is_read_as_specified(wire: Wire, message: Message) -> None:
    assert from_server(wire) == message


@pytest.mark.parametrize(("wire", "message"), FROM_CLIENT + FROM_SERVER, ids=type_of)
def test_each_message_is_written_as_specified(wire: Wire, message: Message) -> None:
    assert msgspec.json.decode(encode(message)) == wire


def test_the_examples_show_all_twelve_messages() -> None:
    shown = {wire["type"] for wire, _ in FROM_CLIENT + FROM_SERVER}
    assert len(FROM_CLIENT) + len(FROM_SERVER) == len(shown) == 12


@pytest.mark.parametrize("wire", [wire for wire, _ in FROM_CLIENT], ids=type_of)
def test_fields_may_come_in_any_order(wire: Wire) -> None:
    backwards = dict(reversed(wire.items()))
    assert text_of(backwards) != text_of(wire)
    assert from_client(backwards) == from_client(wire)
