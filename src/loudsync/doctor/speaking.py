"""Whether a server speaks WebSocket and LoudSync's protocol with guests."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from typing import Final

import aiohttp

from loudsync.discovery.ping import measure_round_trip, open_http
from loudsync.doctor.finding import Finding, note, ok, problem, quoted
from loudsync.errors import ConnectionFailed, InvalidMessage
from loudsync.protocol import (
    PROTOCOL_VERSION,
    ClientInfo,
    DeviceId,
    DeviceType,
    Error,
    ErrorCode,
    Join,
    SessionId,
    decode_server_message,
    encode,
)

_SOCKET: Final = "websocket"
_VERSION: Final = "version"

SLOW_MS: Final = 300.0
"""A round trip that people notice (ITU-T G.114 allows speech 150 ms a way)."""

NO_VERSION: Final = "999.0"
"""A version that no server has: what it is told instead is its own."""

_MAX_ANSWER_BYTES: Final = 16 * 1024
_MAX_MESSAGES: Final = 8
"""What a server may say before it answers; more is no answer."""


async def look_at_socket(
    base_url: str, path: str = "/ws", *, timeout_s: float
) -> list[Finding]:
    """Do what a guest does up to the seat: connect, PING, ask for the version.

    It takes no seat, and nobody in a session notices.

    Args:
        base_url: A server's ``http`` or ``https`` address, without a path.
        path: Where its WebSocket is, with what it has of a query.
        timeout_s: How long either may take.
    """
    async with open_http() as http:
        try:
            round_trip_ms = await measure_round_trip(
                http, base_url, path=path, timeout_s=timeout_s
            )
        except ConnectionFailed as failure:
            return [judge_no_socket(failure.reason)]
        supported = await ask_versions(http, f"{base_url}{path}", timeout_s)
    return [judge_round_trip(round_trip_ms), judge_versions(supported)]


def judge_round_trip(round_trip_ms: float) -> Finding:
    """Say whether a server is near enough.

    Args:
        round_trip_ms: How long a PING took, there and back.
    """
    if round_trip_ms > SLOW_MS:
        return note(
            _SOCKET,
            f"Connecting works from this machine, but the way is slow: {round_trip_ms:.0f} "
            "ms there and back.",
            "Go nearer to the Wi-Fi router, or use a cable; a VPN can also be the "
            "cause.",
        )
    took = f"{round_trip_ms:.0f}" if round_trip_ms >= 1 else "less than 1"
    return ok(
        _SOCKET,
        f"Connecting works from this machine: there and back takes {took} ms.",
    )


def judge_no_socket(reason: str) -> Finding:
    """Say what to do where pages are served but no WebSocket.

    Args:
        reason: Why it could not be opened.
    """
    if "HTTP 503" in reason:
        return problem(
            _SOCKET,
            "The server answers, but it is full or shutting down.",
            "Try again in a moment, or tell who runs it.",
        )
    return problem(
        _SOCKET,
        "The server answers page requests, but lets no guest connect by WebSocket "
        f"({quoted(reason)}).",
        "A proxy in front of it has to pass WebSocket on; nginx needs: "
        "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
        'proxy_set_header Connection "upgrade"; An antivirus or company proxy on '
        "this side can be the cause, too.",
    )


def judge_versions(supported: Sequence[str]) -> Finding:
    """Say whether a server speaks a version that this one does.

    Args:
        supported: What the server says it speaks; empty where it doesn't say.
    """
    theirs = [version for version in supported if _major(version) is not None]
    if not theirs:
        return note(
            _VERSION,
            "The server doesn't say which version of the protocol it speaks.",
            "If joining fails, update loudsync there.",
        )
    shown = quoted(", ".join(theirs))
    ours = _major(PROTOCOL_VERSION)
    if any(_major(version) == ours for version in theirs):
        return ok(_VERSION, f"Both sides speak the same protocol, version {shown}.")
    older = "there" if all((_major(v) or 0) < (ours or 0) for v in theirs) else "here"
    return problem(
        _VERSION,
        f"The server speaks version {shown} of the protocol, and this loudsync "
        f"{PROTOCOL_VERSION}: they don't understand one another.",
        f"Update loudsync {older}: that side is older.",
    )


async def ask_versions(
    http: aiohttp.ClientSession, url: str, timeout_s: float
) -> list[str]:
    """Return the versions a server says it speaks; none where it doesn't say.

    The version is checked before anything else in a JOIN (contract, section 3),
    so one that nobody has is refused without a trace. Should a server not look
    at it, it finds that there is no session of the id either: it is drawn.
    """
    join = Join(
        timestamp_ms=int(time.time() * 1000),
        session_id=SessionId(secrets.token_hex(16)),
        device_info=ClientInfo(
            id=DeviceId(secrets.token_hex(16)),
            name="loudsync doctor",
            type=DeviceType.CLIENT,
        ),
        version=NO_VERSION,
    )
    try:
        async with (
            asyncio.timeout(timeout_s),
            http.ws_connect(
                url,
                max_msg_size=_MAX_ANSWER_BYTES,
                timeout=aiohttp.ClientWSTimeout(ws_close=0.5),
            ) as socket,
        ):
            await socket.send_str(encode(join).decode())
            for _ in range(_MAX_MESSAGES):
                frame = await socket.receive()
                if frame.type is not aiohttp.WSMsgType.TEXT:
                    break
                message = decode_server_message(frame.data)
                if isinstance(message, Error):
                    return _supported(message)
    except (
        aiohttp.ClientError,
        OSError,
        ValueError,
        InvalidMessage,
    ):
        # Its PONG came, so this is about the version only.
        pass
    return []


def _supported(error: Error) -> list[str]:
    if error.code != ErrorCode.VERSION_MISMATCH or error.details is None:
        return []
    supported = error.details.get("supported")
    if isinstance(supported, str):
        return [supported]
    if isinstance(supported, list):
        return [version for version in supported if isinstance(version, str)]
    return []


_MAX_DIGITS: Final = 9
"""Python refuses to read numbers of thousands of digits."""


def _major(version: str) -> int | None:
    number = version.partition(".")[0]
    is_number = number.isascii() and number.isdigit() and len(number) <= _MAX_DIGITS
    return int(number) if is_number else None
