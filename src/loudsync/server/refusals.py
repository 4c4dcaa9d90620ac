"""HTTP errors that are sent before anything else handles a request."""

import json
from typing import Final, NamedTuple


class Refusal(NamedTuple):
    """An HTTP error; its body is the error object (contract, section 6)."""

    status: int
    title: str
    code: str
    message: str
    headers: str = ""

    def as_bytes(self) -> bytes:
        """Write the response."""
        error = {"error": {"code": self.code, "message": self.message}}
        body = json.dumps(error).encode()
        head = (
            f"HTTP/1.1 {self.status} {self.title}\r\n"
            f"Content-Type: application/json; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\n"
            f"{self.headers}Connection: close\r\n\r\n"
        )
        return head.encode() + body


def bad_request(message: str) -> Refusal:
    """Return the answer to what is not a request that can be served."""
    return Refusal(400, "Bad Request", "invalid_request", message)


FOREIGN_ORIGIN: Final = Refusal(
    403,
    "Forbidden",
    "foreign_origin",
    "Pages from this origin may not use this server",
)
SLOW_HEAD: Final = Refusal(
    408, "Request Timeout", "request_timeout", "The request head took too long"
)
ODD_EXPECTATION: Final = Refusal(
    417,
    "Expectation Failed",
    "invalid_request",
    "Only 100-continue can be expected here",
)
OTHER_SOCKET_VERSION: Final = Refusal(
    426,
    "Upgrade Required",
    "invalid_request",
    "Only WebSocket version 13 is spoken here",
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
)
CROWDED_ADDRESS: Final = Refusal(
    429,
    "Too Many Requests",
    "too_many_connections",
    "This address has all the connections it may have; close some first",
    "Retry-After: 5\r\n",
)
BIG_HEAD: Final = Refusal(
    431, "Request Header Fields Too Large", "head_too_large", "The head is too large"
)
FULL: Final = Refusal(
    503,
    "Service Unavailable",
    "too_many_connections",
    "The server has all the connections it can have; try again later",
    "Retry-After: 5\r\n",
)
SHUTTING_DOWN: Final = Refusal(
    503, "Service Unavailable", "shutting_down", "The server is shutting down"
)
