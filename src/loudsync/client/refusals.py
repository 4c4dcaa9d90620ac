"""From the ERROR a server sent to the exception a program catches."""

from typing import Final

from loudsync.errors import (
    AlreadyJoined,
    InvalidMessage,
    Refused,
    SessionFull,
    SessionNotFound,
    Unauthorized,
    VersionMismatch,
)
from loudsync.protocol import Error

_REFUSALS: Final[dict[str, type[Refused]]] = {
    refusal.code: refusal
    for refusal in (
        SessionNotFound,
        SessionFull,
        AlreadyJoined,
        Unauthorized,
        VersionMismatch,
    )
}
"""Which exception stands for which code; ``invalid_message`` has its own shape."""


def to_refusal(error: Error) -> Refused:
    """Rebuild what the server raised: its class, message and details.

    A code that this version does not know becomes a ``Refused`` that carries
    it, so that a later 1.x server can still be understood.

    Source: protocol v1.0, "8. ERROR".
    """
    if error.code == InvalidMessage.code:
        return _to_invalid_message(error)
    refusal = _REFUSALS.get(error.code, Refused)(error.message, error.details)
    refusal.code = error.code
    return refusal


def _to_invalid_message(error: Error) -> InvalidMessage:
    details = error.details or {}
    path, reason = details.get("path"), details.get("reason")
    invalid = InvalidMessage(
        path if isinstance(path, str) else "$",
        reason if isinstance(reason, str) else error.message,
    )
    # What the server said, not what its parts would read like here.
    invalid.args = (error.message,)
    invalid.message = error.message
    invalid.details = error.details
    return invalid
