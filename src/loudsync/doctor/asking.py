"""Asks a server over HTTP, and tells whether what answers is LoudSync."""

import asyncio
import time
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from http import HTTPStatus
from typing import Final, NamedTuple, TypeVar

import aiohttp
import msgspec

from loudsync.discovery.ping import REDIRECTS

NO_ANSWER: Final = (aiohttp.ClientError, OSError, ValueError)
"""What ``ask`` raises where nothing answers, or not over HTTP."""

_MAX_BODY_BYTES: Final = 16 * 1024
"""What is read of an answer: the beginning of a long list tells enough."""

_GATEWAY_ERRORS: Final = frozenset({502, 503, 504})


_StructT = TypeVar("_StructT", bound=msgspec.Struct)


class Answer(NamedTuple):
    """What an HTTP server said.

    Attributes:
        status: The HTTP status.
        body: Its beginning.
        location: Where it sends who asks; or empty.
        skew_s: How far its clock is ahead of ours, in seconds; ``None`` where it
            doesn't say. Whole seconds, and half of the way is in it.
    """

    status: int
    body: bytes = b""
    location: str = ""
    skew_s: float | None = None


class Kind(Enum):
    """What answers."""

    LOUDSYNC = auto()
    FULL = auto()
    """LoudSync, without room for one more connection."""
    CROWDED = auto()
    """LoudSync, where our own address has all it may have."""
    SHUTTING_DOWN = auto()
    ELSEWHERE = auto()
    """Somebody who sends us to another address."""
    GATEWAY = auto()
    """A proxy that can't reach what is behind it."""
    OTHER = auto()


class _Health(msgspec.Struct):
    status: str


class _Fault(msgspec.Struct):
    code: str


class _Refusal(msgspec.Struct):
    error: _Fault


_REFUSED_AS: Final = {
    "too_many_connections": Kind.FULL,
    "shutting_down": Kind.SHUTTING_DOWN,
}


async def ask(
    http: aiohttp.ClientSession,
    url: str,
    *,
    timeout_s: float,
    is_trusting: bool = False,
) -> Answer:
    """Send a GET request.

    Args:
        is_trusting: Take any certificate: for looking, not for believing.

    Raises:
        TimeoutError: Nothing came in time.
        NO_ANSWER: Nothing answers, or not over HTTP.
    """
    asked_s = time.time()
    async with (
        asyncio.timeout(timeout_s),
        http.get(url, allow_redirects=False, ssl=not is_trusting) as response,
    ):
        half_way_s = (asked_s + time.time()) / 2
        body = b""
        while len(body) < _MAX_BODY_BYTES:
            part = await response.content.read(_MAX_BODY_BYTES - len(body))
            if not part:
                break
            body += part
        return Answer(
            response.status,
            body,
            response.headers.get("Location", ""),
            _skew_s(response.headers.get("Date", ""), half_way_s),
        )


async def ask_kind(
    http: aiohttp.ClientSession,
    base_url: str,
    *,
    timeout_s: float,
    is_trusting: bool = False,
) -> tuple[Kind, Answer]:
    """Ask for a server's health; return what it is, and its answer.

    Raises:
        TimeoutError: Nothing came in time.
        NO_ANSWER: Nothing answers, or not over HTTP.
    """
    async with asyncio.timeout(timeout_s):
        health = await ask(
            http, f"{base_url}/healthz", timeout_s=timeout_s, is_trusting=is_trusting
        )
        listing = None
        if health.status == HTTPStatus.OK:
            # Many programs are healthy; only LoudSync has sessions as well.
            listing = await ask(
                http,
                f"{base_url}/sessions",
                timeout_s=timeout_s,
                is_trusting=is_trusting,
            )
    return recognise(health, listing), health


def recognise(health: Answer, listing: Answer | None) -> Kind:
    """Tell what answers.

    Args:
        health: The answer to ``GET /healthz``.
        listing: The answer to ``GET /sessions``, where it was asked for.

    Source: contract, section 6.
    """
    if health.status in REDIRECTS:
        return Kind.ELSEWHERE
    refusal = decoded(health.body, _Refusal)
    if refusal is not None and refusal.error.code in _REFUSED_AS:
        if health.status == HTTPStatus.TOO_MANY_REQUESTS:
            return Kind.CROWDED
        return _REFUSED_AS[refusal.error.code]
    if health.status in _GATEWAY_ERRORS:
        return Kind.GATEWAY
    is_listing = (
        listing is not None
        and listing.status == HTTPStatus.OK
        and listing.body.startswith(b'{"sessions":')
    )
    is_healthy = decoded(health.body, _Health) is not None
    return Kind.LOUDSYNC if is_listing and is_healthy else Kind.OTHER


def decoded(body: bytes, kind: type[_StructT]) -> _StructT | None:
    """Read JSON; ``None`` where it is another or none."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _skew_s(date: str, half_way_s: float) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - half_way_s
    except (ValueError, OverflowError, OSError):
        return None
