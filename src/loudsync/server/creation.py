"""What may be asked of a new session, and the ids and tokens it gets."""

import re
import secrets
from typing import Final

import msgspec

from loudsync.core import SessionSpec, hash_token
from loudsync.errors import InvalidSetting, SessionExists
from loudsync.protocol import MAX_NAME_LENGTH, SessionId, TextError, clean_name
from loudsync.server.access import SessionAccess
from loudsync.server.settings import DEFAULT_MAX_MEMBERS, MAX_MEMBERS

ID_ALPHABET: Final = "23456789abcdefghjkmnpqrstuvwxyz"
"""No look-alikes: neither 0 and o, nor 1, i and l (contract, section 6)."""

ID_LENGTH: Final = 6

_GIVEN_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

_TOKEN_BYTES: Final = 24
"""192 random bits; the contract asks for 128 or more (section 4)."""

DEFAULT_HOST_NAME: Final = "Host"


def new_token() -> str:
    """Return a host token that nobody can guess."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def session_spec(
    name: str,
    *,
    host_name: str = DEFAULT_HOST_NAME,
    max_members: int = DEFAULT_MAX_MEMBERS,
    session_id: str | None = None,
    listed: bool = False,
    token: str | None = None,
) -> SessionSpec:
    """Check what was asked for and fill in what was not.

    Args:
        session_id: ``None``: one is drawn.
        token: The host's token; ``None`` where this process is the host.

    Raises:
        InvalidSetting: A value is out of its range.

    Source: contract, section 6.
    """
    if not 1 <= max_members <= MAX_MEMBERS:
        raise InvalidSetting("maxMembers", f"must be between 1 and {MAX_MEMBERS}")
    if session_id is not None and not may_exist(session_id):
        raise InvalidSetting(
            "id", "must be 1 to 64 letters, digits, hyphens or underscores"
        )
    try:
        name = clean_name("name", name, MAX_NAME_LENGTH)
        host_name = clean_name("hostName", host_name, MAX_NAME_LENGTH)
    except TextError as fault:
        raise InvalidSetting(fault.field, f"is wrong: {fault.reason}") from None
    return SessionSpec(
        id=SessionId(session_id) if session_id is not None else _draw_id(),
        name=name,
        host_name=host_name,
        max_members=max_members,
        listed=listed,
        token_hash=hash_token(token) if token is not None else None,
    )


def may_exist(session_id: str) -> bool:
    """Tell whether a session can have this id; a JOIN may name any text."""
    return _GIVEN_ID.fullmatch(session_id) is not None


async def open_session(
    sessions: SessionAccess, spec: SessionSpec, *, id_was_drawn: bool
) -> SessionSpec:
    """Open a session; where the id that was drawn is taken, draw again.

    There are 887 million ids, and only the store knows which are free.

    Raises:
        SessionExists, TooManySessions, StorageFull: As ``SessionAccess.create``.
    """
    while True:
        try:
            await sessions.create(spec)
        except SessionExists:
            if not id_was_drawn:
                raise
            spec = msgspec.structs.replace(spec, id=_draw_id())
        else:
            return spec


def _draw_id() -> SessionId:
    return SessionId("".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH)))
