"""Asks servers over HTTP which parties they list, and how old a party is.

Source: contract, section 6.
"""

import asyncio
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

from loudsync.discovery.directory import Endpoint, ListedParty, Listing
from loudsync.discovery.interfaces import Reach, network_addresses
from loudsync.discovery.resolving import resolve
from loudsync.errors import ConnectionFailed
from loudsync.protocol import (
    MAX_NAME_LENGTH,
    MAX_SESSION_ID_LENGTH,
    SessionId,
    TextError,
    check_shown,
    clean_name,
)
from loudsync.reasons import NOT_LOUDSYNC, why_unreachable

MAX_LISTING_BYTES: Final = 4 * 1024**2
"""The 10,000 sessions of a full server take 2 MB."""

_T = TypeVar("_T")


class _Session(msgspec.Struct, rename="camel"):
    id: str
    name: str
    host_name: str
    member_count: int
    max_members: int
    created_at: float


class _Sessions(msgspec.Struct):
    sessions: list[_Session]


async def list_parties(
    http: aiohttp.ClientSession, server: str, *, timeout_s: float
) -> Listing:
    """Ask a server which parties it lists.

    Args:
        server: Its ``http`` or ``https`` address, without a path.

    Raises:
        ConnectionFailed: No LoudSync server answered; the reason says why.
    """
    sessions, date_ms = await _get(http, server, "/sessions", _Sessions, timeout_s)
    usable = (_party(session, date_ms) for session in sessions.sessions)
    return Listing(
        server,
        await _endpoints(server, timeout_s),
        tuple(party for party in usable if party),
    )


async def ask_age(
    http: aiohttp.ClientSession, server: str, party_id: SessionId, *, timeout_s: float
) -> float | None:
    """Return for how many seconds a party is open; ``None`` where nobody says.

    Raises:
        ConnectionFailed: No LoudSync server answered, or it has no such party.
    """
    path = f"/sessions/{quote(party_id, safe='')}"
    session, date_ms = await _get(http, server, path, _Session, timeout_s)
    return _age_s(session, date_ms)


async def _get(
    http: aiohttp.ClientSession,
    server: str,
    path: str,
    kind: type[_T],
    timeout_s: float,
) -> tuple[_T, float | None]:
    try:
        async with (
            asyncio.timeout(timeout_s),
            http.get(f"{server}{path}", allow_redirects=False) as response,
        ):
            if response.status == HTTPStatus.NOT_FOUND and kind is _Session:
                raise ConnectionFailed(server, "the party is over")
            if response.status != HTTPStatus.OK:
                reason = f"the server answered HTTP {response.status}"
                raise ConnectionFailed(server, reason)
            body = await response.content.read(MAX_LISTING_BYTES + 1)
            while body and not response.content.at_eof():
                if len(body) > MAX_LISTING_BYTES:
                    raise ConnectionFailed(server, NOT_LOUDSYNC)
                body += await response.content.read(MAX_LISTING_BYTES)
            return msgspec.json.decode(body, type=kind), _date_ms(response)
    except TimeoutError:
        raise ConnectionFailed(server, f"no answer within {timeout_s:g} s") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ConnectionFailed(server, NOT_LOUDSYNC) from None
    except (aiohttp.ClientError, OSError, ValueError) as fault:
        raise ConnectionFailed(server, why_unreachable(fault)) from None


def _party(session: _Session, date_ms: float | None) -> ListedParty | None:
    try:
        check_shown("id", session.id, MAX_SESSION_ID_LENGTH)
        return ListedParty(
            id=SessionId(session.id),
            name=clean_name("name", session.name, MAX_NAME_LENGTH),
            host_name=clean_name("hostName", session.host_name, MAX_NAME_LENGTH),
            member_count=session.member_count,
            max_members=session.max_members,
            age_s=_age_s(session, date_ms),
        )
    except TextError:
        return None


def _age_s(session: _Session, date_ms: float | None) -> float | None:
    """Subtract two instants of the server's clock: ours may be another."""
    if date_ms is None:
        return None
    return max((date_ms - session.created_at) / 1000, 0)


def _date_ms(response: aiohttp.ClientResponse) -> float | None:
    try:
        date = parsedate_to_datetime(response.headers.get("Date", ""))
        return date.timestamp() * 1000
    except (ValueError, OverflowError, OSError):
        return None


async def _endpoints(server: str, timeout_s: float) -> frozenset[Endpoint]:
    """Return where an address leads to; to this machine: by all its addresses."""
    parts = urlsplit(server)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(timeout_s):
            found = await resolve(parts.hostname, port)
    except (OSError, TimeoutError):  # it has just answered
        return frozenset()
    ips = {str(address[0]) for *_, address in found}
    own = network_addresses()
    if ips & {a.ip for a in own if a.reach is Reach.THIS_MACHINE}:
        ips |= {a.ip for a in own}
    return frozenset((ip, port) for ip in ips)
