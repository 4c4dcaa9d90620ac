"""JSON text to messages and back; one codec for both directions."""

import re

import msgspec

from loudsync.errors import InvalidMessage
from loudsync.protocol.codes import MessageType
from loudsync.protocol.messages import ClientMessage, Message, ServerMessage
from loudsync.protocol.text import TextError

_encoder = msgspec.json.Encoder()
_client_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(
    ClientMessage
)
_server_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(
    ServerMessage
)

_LOCATED = re.compile(r"^(?P<reason>.*) - at `(?P<path>\$[^`]*)`$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<field>[^`]+)`$")
_BAD_TYPE = re.compile(r"^Invalid value '(?P<type>.*)'$", re.DOTALL)


def encode(message: Message) -> bytes:
    """Write a message as UTF-8 JSON; absent fields are left out."""
    return _encoder.encode(message)


def decode_client_message(text: str | bytes) -> ClientMessage:
    """Read what a client sent.

    Raises:
        InvalidMessage: With the path of the first fault and its reason.
    """
    try:
        return _client_decoder.decode(text)
    except FAULTS as fault:
        raise explain_fault(fault) from None


def decode_server_message(text: str | bytes) -> ServerMessage:
    """Read what a server sent.

    Raises:
        InvalidMessage: With the path of the first fault and its reason.
    """
    try:
        return _server_decoder.decode(text)
    except FAULTS as fault:
        raise explain_fault(fault) from None


FAULTS = (msgspec.DecodeError, UnicodeError, RecursionError)
"""Malformed or misshapen JSON; bytes that are not UTF-8, or text that can't be
for its lone surrogates; nesting without end."""


def explain_fault(fault: Exception) -> InvalidMessage:
    """Say what is wrong where, for one of ``FAULTS`` raised while decoding JSON."""
    if isinstance(fault, RecursionError):
        return InvalidMessage("$", "JSON is nested too deeply")
    if isinstance(fault, UnicodeError):
        return InvalidMessage("$", "Text is not valid UTF-8")
    path, reason = "$", str(fault)
    if located := _LOCATED.match(reason):
        path, reason = located["path"], located["reason"]
    if missing := _MISSING.match(reason):
        return InvalidMessage(f"{path}.{missing['field']}", "Required field is missing")
    if isinstance(fault.__cause__, TextError):
        return InvalidMessage(f"{path}.{fault.__cause__.field}", fault.__cause__.reason)
    if path == "$.type" and (bad := _BAD_TYPE.match(reason)):
        reason = _explain_type(bad["type"])
    return InvalidMessage(path, reason)


_KNOWN_TYPES: frozenset[str] = frozenset(MessageType)


def _explain_type(name: str) -> str:
    if name in _KNOWN_TYPES:
        return f"{name!r} is not for this side to send"
    return f"{name[:32]!r} is not a message type"
