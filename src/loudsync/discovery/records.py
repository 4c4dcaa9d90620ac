"""What a party says about itself over mDNS: its TXT record; pure.

Whoever is in the network may announce anything, so reading checks each field
and never fails on what it doesn't need.

Source: RFC 6763, section 6; docs/protocol.md, section 8.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from loudsync.address import SOCKET_PATH
from loudsync.protocol import (
    MAX_NAME_LENGTH,
    MAX_SESSION_ID_LENGTH,
    PROTOCOL_VERSION,
    SessionId,
    TextError,
    check_shown,
    clean_name,
)

SERVICE_TYPE: Final = "_loudsync._tcp.local."

_MAX_ENTRY_BYTES: Final = 255
"""A string of a TXT record has its length in one byte."""

_MAX_LABEL_BYTES: Final = 58
"""A DNS label has 63; the rest is for a number where the name is taken."""

_MAX_COUNT: Final = 1_000_000
"""More members than any session has; keeps nonsense off the screen."""

_NAME_SHARE_BYTES: Final = 40
"""How much of a label a party's name may take where its code needs room."""


class PartyRecord(NamedTuple):
    """A party as it is announced.

    Attributes:
        id: The session's id, which guests type.
        name: What the party is called; a very long one is cut.
        host_name: What its host is called; empty where it doesn't say.
        member_count: Seats that are taken.
        max_members: Seats it has.
        version: The protocol's version that its server speaks.
        path: Where its server takes WebSockets.
        is_secure: Whether that takes TLS.
        url: The server's address as its operator gave it, else empty.
    """

    id: SessionId
    name: str
    host_name: str = ""
    member_count: int = 0
    max_members: int = 0
    version: str = PROTOCOL_VERSION
    path: str = SOCKET_PATH
    is_secure: bool = False
    url: str = ""


class UnusableRecord(ValueError):
    """A TXT record that names no party."""


def to_txt(record: PartyRecord) -> dict[str, str]:
    """Write a TXT record's entries; each fits in its 255 bytes."""
    entries = {
        "txtvers": "1",
        "id": record.id,
        "name": record.name,
        "host": record.host_name,
        "members": str(record.member_count),
        "max": str(record.max_members),
        "version": record.version,
        "path": record.path,
        "tls": "1" if record.is_secure else "0",
    }
    if record.url and len(f"url={record.url}") <= _MAX_ENTRY_BYTES:
        entries["url"] = record.url
    return {
        key: _cut(value, _MAX_ENTRY_BYTES - len(key) - 1)
        for key, value in entries.items()
    }


def from_txt(entries: Mapping[str, str | None]) -> PartyRecord:
    """Read a TXT record's entries; unknown ones are ignored.

    Raises:
        UnusableRecord: It has no usable id.
    """
    try:
        party_id = entries.get("id") or ""
        check_shown("id", party_id, MAX_SESSION_ID_LENGTH)
    except TextError as fault:
        raise UnusableRecord(str(fault)) from None
    if not party_id:
        raise UnusableRecord("no id")
    return PartyRecord(
        id=SessionId(party_id),
        name=_text(entries, "name") or party_id,
        host_name=_text(entries, "host"),
        member_count=_count(entries, "members"),
        max_members=_count(entries, "max"),
        version=_text(entries, "version") or PROTOCOL_VERSION,
        path=_path(entries.get("path")),
        is_secure=entries.get("tls") == "1",
        url=_url(entries.get("url")),
    )


def instance_label(record: PartyRecord, mark: str = "") -> str:
    """Return what the party is called among all services of the network.

    The code is part of it: two parties of one name are two services.

    Args:
        mark: What makes it another one, where somebody else has that name.
    """
    # A dot ends a label, for zeroconf also one that is part of a name.
    name = _cut(record.name.replace(".", "\u2024"), _NAME_SHARE_BYTES)
    mark = f" {mark}" if mark else ""
    room = _MAX_LABEL_BYTES - len(mark)
    return _cut(f"{name} ({record.id})", room) + mark


def _cut(text: str, max_bytes: int) -> str:
    return text.encode()[:max_bytes].decode(errors="ignore")


def _text(entries: Mapping[str, str | None], key: str) -> str:
    try:
        return clean_name(key, entries.get(key) or "", MAX_NAME_LENGTH)
    except TextError:
        return ""


def _count(entries: Mapping[str, str | None], key: str) -> int:
    text = entries.get(key) or ""
    is_number = text.isascii() and text.isdecimal() and len(text) <= len("1000000")
    return min(int(text), _MAX_COUNT) if is_number else 0


def _path(text: str | None) -> str:
    # Others could have everybody in the network ask any program for anything.
    return text if text in {"/", SOCKET_PATH} else SOCKET_PATH


def _url(text: str | None) -> str:
    try:
        parts = urlsplit(text or "")
        good = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        return ""
    good = good and parts.path in {"", "/"} and "@" not in parts.netloc
    good = good and not parts.query and not parts.fragment
    if not good or not (text or "").isprintable():
        return ""
    return f"{parts.scheme}://{parts.netloc}"
