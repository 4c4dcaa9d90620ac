"""The head of an HTTP request: read, and checked where it asks for a WebSocket."""

import base64
import binascii
from typing import Final, NamedTuple

from loudsync.server.refusals import OTHER_SOCKET_VERSION, Refusal, bad_request

SOCKET_PATHS: Final = frozenset({b"/", b"/ws"})
"""Where a member's connection is upgraded (contract, section 2)."""

_VERSIONS: Final = frozenset({b"HTTP/1.1", b"HTTP/1.0"})


class RequestHead(NamedTuple):
    """A request's first line and headers; names in lower case, repeats joined."""

    method: bytes
    path: bytes
    version: bytes
    headers: dict[bytes, bytes]

    @property
    def wants_socket(self) -> bool:
        """Whether this asks for a WebSocket, on a path that has one."""
        return (
            self.method == b"GET"
            and self.headers.get(b"upgrade", b"").lower() == b"websocket"
            and self.path.split(b"?", 1)[0] in SOCKET_PATHS
        )

    def text(self, name: bytes) -> str:
        """Return a header as text; empty where it is absent."""
        return self.headers.get(name, b"").decode("latin-1")


def parse_head(head: bytes) -> RequestHead | None:
    """Read a request head, without the empty line; ``None`` if it is none."""
    first, *lines = head.split(b"\r\n")
    parts = first.split(b" ")
    if len(parts) != 3 or parts[2] not in _VERSIONS:
        return None
    if not parts[0].isalpha() or not parts[1]:
        return None
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip():
            return None
        name, value = name.lower(), value.strip()
        known = headers.get(name)
        headers[name] = value if known is None else known + b", " + value
    return RequestHead(parts[0], parts[1], parts[2], headers)


def upgrade_fault(head: RequestHead) -> Refusal | None:
    """Check an upgrade request (RFC 6455, section 4.2.1)."""
    connection = head.headers.get(b"connection", b"").lower()
    if b"upgrade" not in [token.strip() for token in connection.split(b",")]:
        return bad_request("The Connection header must name Upgrade")
    if head.version != b"HTTP/1.1":
        return bad_request("A WebSocket needs HTTP/1.1")
    if head.headers.get(b"sec-websocket-version") != b"13":
        return OTHER_SOCKET_VERSION
    try:
        key = base64.b64decode(
            head.headers.get(b"sec-websocket-key", b""), validate=True
        )
    except binascii.Error:
        key = b""
    if len(key) != 16:
        return bad_request("Sec-WebSocket-Key must be 16 bytes in base64")
    return None
