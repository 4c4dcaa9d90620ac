"""``join``: check what was given, make a client of it."""

import random
import secrets
import ssl
from collections.abc import Callable

from loudsync.address import parse_address
from loudsync.client.client import Client
from loudsync.client.clock import Clock, SystemClock
from loudsync.client.settings import ClientSettings
from loudsync.errors import InvalidMessage, InvalidSetting
from loudsync.protocol import (
    ClientInfo,
    DeviceId,
    DeviceType,
    Join,
    SessionId,
    TextError,
    decode_client_message,
    encode,
)

_DEVICE_ID_BYTES = 16
"""128 random bits: nobody guesses another device's id."""

_SETTINGS = {
    "$.sessionId": "session_id",
    "$.deviceInfo.id": "device_id",
    "$.deviceInfo.name": "name",
    "name": "name",
}
"""What the parts of a JOIN are called among the arguments of ``join``."""

_DEFAULTS = ClientSettings()


def join(
    url: str,
    *,
    session_id: str | None = None,
    name: str,
    token: str | None = None,
    device_id: str | None = None,
    settings: ClientSettings = _DEFAULTS,
    tls: ssl.SSLContext | None = None,
    clock: Clock | None = None,
    chance: Callable[[], float] = random.random,
) -> Client:
    """Make a client of a session; ``async with`` connects it.

    ::

        async with join("ws://host:8080", session_id="abc123", name="Sara") as party:
            async for event in party:
                ...

    Args:
        url: ``ws://``, ``wss://``, ``http://``, ``https://``, a bare
            ``host:port``, or a join link ``http://host:8080/?session=CODE``.
        session_id: The session's id; a join link's own where not given.
        name: What others see, 1-64 characters.
        token: The session's host token: join as its host.
        device_id: What a seat is kept for, 1-128 characters; random where not
            given. Keep it to get the seat back after a restart.
        settings: Numbers; the specification's where not given.
        tls: What a ``wss://`` server is trusted by, for a certificate of your
            own; the system's certificates where not given.
        clock: Time; this machine's where not given.
        chance: Draws a number from 0 up to 1; it decides what of
            ``settings.reconnect_spread`` a wait gets.

    Raises:
        InvalidSetting: One of these is out of its range; nothing was sent.

    Source: protocol v1.0, "1. JOIN"; contract, sections 3 to 5.
    """
    address = parse_address(url)
    session_id = session_id if session_id is not None else address.session_id
    if session_id is None:
        raise InvalidSetting("session_id", "must be given, or be part of a join link")
    if token == "":
        raise InvalidSetting("token", "must not be empty")
    if device_id is None:
        device_id = secrets.token_hex(_DEVICE_ID_BYTES)
    request = _check_join(session_id, device_id, name, token)
    return Client(address.url, request, settings, clock or SystemClock(), tls, chance)


def _check_join(session_id: str, device_id: str, name: str, token: str | None) -> Join:
    """Build the JOIN and read it as the server will: one rule for both."""
    try:
        request = Join(
            timestamp_ms=0,
            session_id=SessionId(session_id),
            device_info=ClientInfo(
                id=DeviceId(device_id),
                name=name,
                type=DeviceType.CLIENT if token is None else DeviceType.HOST,
            ),
            token=token or "",
        )
        decode_client_message(encode(request))
    except TextError as fault:
        raise _invalid(fault.field, fault.reason) from None
    except InvalidMessage as fault:
        raise _invalid(fault.path, fault.reason) from None
    except UnicodeEncodeError:
        raise InvalidSetting(
            "name", "and ids must not contain half characters"
        ) from None
    return request


def _invalid(path: str, reason: str) -> InvalidSetting:
    words = reason.replace("`str` of length", "text of length")
    return InvalidSetting(_SETTINGS.get(path, path), f"is refused: {words}")
