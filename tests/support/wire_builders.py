"""Messages as they look on the wire, and what a test wants to know of them."""

from typing import Any

import msgspec
import pytest

from loudsync.errors import InvalidMessage
from loudsync.protocol import (
    ClientMessage,
    ServerMessage,
    decode_client_message,
    decode_server_message,
)

Wire = dict[str, Any]


def text_of(message: object) -> str:
    return msgspec.json.encode(message).decode()


def from_client(message: object) -> ClientMessage:
    return decode_client_message(text_of(message))


def from_server(message: object) -> ServerMessage:
    return decode_server_message(text_of(message))


def fault_of(text: str | bytes, *, by_server: bool = False) -> tuple[str, str]:
    """Where a message is wrong, and how; fails where it is not."""
    decode = decode_server_message if by_server else decode_client_message
    with pytest.raises(InvalidMessage) as caught:
        decode(text)
    fault = caught.value
    assert fault.details == {"path": fault.path, "reason": fault.reason}
    assert fault.message == f"{fault.path}: {fault.reason}"
    return fault.path, fault.reason


def fault_in(message: object) -> tuple[str, str]:
    return fault_of(text_of(message))


def path_of(message: object) -> str:
    return fault_in(message)[0]


def join(**fields: Any) -> Wire:
    """A JOIN; ``id``, ``name`` and ``device_type`` go into deviceInfo."""
    device = {
        "id": fields.pop("id", "device-456"),
        "name": fields.pop("name", "Ada"),
        "type": fields.pop("device_type", "client"),
    }
    return {
        "type": "join",
        "timestamp": 1,
        "sessionId": "abc123",
        "deviceInfo": device,
        **fields,
    }


def without(message: Wire, *path: str) -> Wire:
    """The message without one field."""
    first, *rest = path
    if rest:
        return {**message, first: without(message[first], *rest)}
    return {key: value for key, value in message.items() if key != first}
