"""From what a person types or scans to the WebSocket's URL, and back; pure."""

from typing import Final, NamedTuple
from urllib.parse import parse_qs, quote, unquote_plus, urlsplit, urlunsplit

from loudsync.errors import InvalidSetting

_SCHEMES: Final = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_SESSION_PARAMETER: Final = "session"
SOCKET_PATH: Final = "/ws"
"""Where a server takes WebSockets (contract, section 2); at its root as well."""


class Address(NamedTuple):
    """Where to connect, and the session that a join link names.

    Attributes:
        url: A ``ws`` or ``wss`` URL without fragment.
        session_id: From ``?session=``, or ``None``.
    """

    url: str
    session_id: str | None

    @property
    def base_url(self) -> str:
        """The ``http`` or ``https`` address of the same server's root."""
        parts = urlsplit(self.url)
        return f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}"


def join_link(base_url: str, session_id: str) -> str:
    """Return the link that opens the page on this session.

    Args:
        base_url: The server's address, without a slash at its end.
    """
    return f"{base_url}/?{_SESSION_PARAMETER}={quote(session_id, safe='')}"


def base_url(host: str, port: int, *, is_secure: bool) -> str:
    """Return the HTTP address of a host, or an IP address, and a port."""
    scheme = "https" if is_secure else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def parse_address(text: str) -> Address:
    """Read ``ws://``, ``wss://``, ``http://``, ``https://`` or ``host:port``.

    The paths ``/`` and none at all become ``/ws``, every other is kept, and so
    is the query but for ``session``.

    Raises:
        InvalidSetting: Not an address; the text says what is missing.
    """
    text = text.strip()
    if any(character.isspace() or not character.isprintable() for character in text):
        raise InvalidSetting("url", "must not contain white space")
    try:
        return _parse(text if "://" in text else f"ws://{text}")
    except InvalidSetting:
        raise
    except ValueError as fault:
        raise InvalidSetting("url", f"is not an address: {fault}") from None


def _parse(text: str) -> Address:
    parts = urlsplit(text)
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None:
        raise InvalidSetting(
            "url", f"must start with ws, wss, http or https, not {parts.scheme!r}"
        )
    if not parts.hostname:
        raise InvalidSetting("url", "must name a host, as in ws://192.168.1.5:8080")
    if parts.username is not None or parts.password is not None:
        # It would show up in every log line and error about this address.
        raise InvalidSetting("url", "must not carry a user name or password")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if parts.port == 0:
        raise InvalidSetting("url", "must have a port from 1 to 65535")
    place = host if parts.port is None else f"{host}:{parts.port}"
    path = SOCKET_PATH if parts.path in ("", "/") else parts.path
    sessions = parse_qs(parts.query).get(_SESSION_PARAMETER)
    return Address(
        urlunsplit((scheme, place, path, _without_session(parts.query), "")),
        sessions[0] if sessions else None,
    )


def _without_session(query: str) -> str:
    return "&".join(
        pair
        for pair in query.split("&")
        if unquote_plus(pair.partition("=")[0]) != _SESSION_PARAMETER
    )
