"""Every error LoudSync raises, as one tree.

::

    LoudSyncError
    ├── Refused               the server said no (an ERROR message)
    │   ├── SessionNotFound       session_not_found
    │   ├── SessionFull           session_full
    │   ├── AlreadyJoined         already_joined
    │   ├── InvalidMessage        invalid_message
    │   │   └── MemberNotFound    … the ``memberId`` nobody has
    │   ├── Unauthorized          unauthorized
    │   └── VersionMismatch       version_mismatch
    ├── Unavailable           a cluster's sessions can't be reached now
    ├── NotCreated            a session could not be created
    │   ├── SessionExists         its id is taken
    │   ├── TooManySessions       the server has all it may have
    │   └── StorageFull           the disk that keeps sessions is full
    ├── ConnectionFailed      no server could be reached, or it made no sense
    │   └── ReconnectionFailed    … and every attempt is used up
    ├── PartyNotFound         no party of this code or name was found
    │   └── SeveralParties        … or more than one
    ├── NotConnected          our own misuse: a call that needs a connection
    ├── StartFailed           the server can't start (address, certificate)
    │   └── PortInUse             … another program listens at its port
    └── InvalidSetting        our own misuse: a value out of its range

``Refused`` and below mirror the specification's error codes ("8. ERROR"): the
rules raise them, the wire carries them, the client raises them again.
"""

from typing import Any, Final


class LoudSyncError(Exception):
    """The root: catch this to catch whatever LoudSync raises."""


class Refused(LoudSyncError):
    """The server refused a message; the connection stays open.

    Attributes:
        code: The specification's error code, as on the wire; ``Refused``
            itself carries one that this version does not know.
        message: One sentence for a person.
        details: What a program may want to know, or ``None``.
    """

    code: str

    def __init__(self, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class SessionNotFound(Refused):
    """No session has this id."""

    code = "session_not_found"


STORAGE_FULL: Final = "storage_full"
"""What ``details.reason`` says where a new seat could not be saved."""


class SessionFull(Refused):
    """Every seat is taken; ``details`` has maxMembers and currentMembers.

    Or a seat is free, but the server's disk is full: ``is_storage_full``.
    """

    code = "session_full"

    @property
    def is_storage_full(self) -> bool:
        """Whether it is not the seats that are missing, but room to save one."""
        return (self.details or {}).get("reason") == STORAGE_FULL


class AlreadyJoined(Refused):
    """The device, or the connection, holds a seat already."""

    code = "already_joined"


class InvalidMessage(Refused):
    """A message that does not follow the protocol.

    Attributes:
        path: Where the fault is, as a JSON path such as ``$.deviceInfo.name``.
        reason: What is wrong there.
    """

    code = "invalid_message"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}", {"path": path, "reason": reason})
        self.path = path
        self.reason = reason


class MemberNotFound(InvalidMessage):
    """Nobody in the session has this member id."""

    def __init__(self, member_id: str) -> None:
        super().__init__("$.memberId", f"No member has the id {member_id!r}")
        self.member_id = member_id


class Unauthorized(Refused):
    """This connection, or this device, may not do that."""

    code = "unauthorized"


class VersionMismatch(Refused):
    """Another major version; ``details`` has supported and requested."""

    code = "version_mismatch"


def refusal_of(code: str, message: str, details: dict[str, Any] | None) -> Refused:
    """Rebuild what was raised where a message was refused: class, text, details.

    A code that this version does not know becomes a ``Refused`` that carries
    it, so that a later 1.x server can still be understood.

    Source: protocol v1.0, "8. ERROR".
    """
    if code == InvalidMessage.code:
        return _invalid_message(message, details)
    refusal = _REFUSALS.get(code, Refused)(message, details)
    refusal.code = code
    return refusal


def _invalid_message(message: str, details: dict[str, Any] | None) -> InvalidMessage:
    said = details or {}
    path, reason = said.get("path"), said.get("reason")
    invalid = InvalidMessage(
        path if isinstance(path, str) else "$",
        reason if isinstance(reason, str) else message,
    )
    # What the server said, not what its parts would read like here.
    invalid.args = (message,)
    invalid.message = message
    invalid.details = details
    return invalid


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


class Unavailable(LoudSyncError):
    """The sessions of a cluster can't be reached now; they may be later."""


class NotCreated(LoudSyncError):
    """A session could not be created."""


class SessionExists(NotCreated):
    """Another session has this id."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"A session with the id {session_id!r} exists already")
        self.session_id = session_id


class TooManySessions(NotCreated):
    """The server has as many sessions as it may have."""

    def __init__(self, max_sessions: int) -> None:
        super().__init__(f"The server has all the {max_sessions} sessions it may have")
        self.max_sessions = max_sessions


class StorageFull(NotCreated):
    """The disk that sessions are kept on is full; it may have room later."""

    def __init__(self) -> None:
        super().__init__(
            "The server can't save new sessions now: its disk is full; try again later"
        )


class ConnectionFailed(LoudSyncError):
    """No LoudSync server answered at this address.

    Attributes:
        url: The address that was tried.
        reason: What happened there.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"No connection to {url}: {reason}")
        self.url = url
        self.reason = reason


class ReconnectionFailed(ConnectionFailed):
    """The connection was lost and every attempt to get it back failed.

    Attributes:
        attempts: How many attempts were made.
    """

    def __init__(self, url: str, reason: str, attempts: int) -> None:
        super().__init__(url, f"{reason} (after {attempts} attempts)")
        self.attempts = attempts


class PartyNotFound(LoudSyncError):
    """Nobody announces or lists a party of this code or name.

    Attributes:
        wanted: The code or the name.
    """

    def __init__(self, wanted: str, text: str = "") -> None:
        super().__init__(text or f"No party called {wanted!r} was found")
        self.wanted = wanted


class SeveralParties(PartyNotFound):
    """More than one party has this code or name.

    Attributes:
        join_urls: Their links.
    """

    def __init__(self, wanted: str, join_urls: tuple[str, ...]) -> None:
        super().__init__(wanted, f"{len(join_urls)} parties are called {wanted!r}")
        self.join_urls = join_urls


class NotConnected(LoudSyncError):
    """A call that needs a connected client, made while it is not."""


class StartFailed(LoudSyncError):
    """The server can't start; the text says what to do about it."""


class PortInUse(StartFailed):
    """Another program listens at the port, or this one does already."""


class InvalidSetting(LoudSyncError, ValueError):
    """A setting out of its range.

    Attributes:
        name: The setting.
        reason: What it must be.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name
        self.reason = reason
