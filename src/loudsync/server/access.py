"""The port to sessions: what connections and HTTP ask of them, wherever they are.

``Runner`` answers for the sessions of this process; a cluster routes to whatever
process decides about a session. Sessions go by their ids here, because the one
that decides may change while a connection lives.
"""

from collections.abc import Callable
from typing import Protocol

from loudsync.core import ConnectionId, SessionSpec, SessionSummary
from loudsync.errors import Refused
from loudsync.protocol import (
    CloseCode,
    CloseRequest,
    Join,
    KickRequest,
    Leave,
    MemberId,
    MemberListRequest,
    SessionId,
)

MemberRequest = Leave | MemberListRequest | KickRequest | CloseRequest
"""Whatever a member may ask of its session."""


class Carrier(Protocol):
    """Reaches all connections of a session that hang on one node of a cluster."""

    def broadcast(
        self, session_id: SessionId, frame: bytes, omit: ConnectionId | None
    ) -> None:
        """Send a ready WebSocket frame to who was welcomed, but for one if told so."""


class Link(Protocol):
    """The way to reach one member's connection."""

    @property
    def id(self) -> ConnectionId:
        """What the rules know it by."""

    @property
    def carrier(self) -> Carrier | None:
        """Through whom broadcasts reach it; ``None``: they are sent to it itself."""

    def attach(self, session_id: SessionId, member_id: MemberId) -> None:
        """Learn that it speaks for this member now."""

    def send(self, frame: bytes) -> None:
        """Send a ready WebSocket frame."""

    def welcome(self, frame: bytes) -> None:
        """Send WELCOME, once: it is said again where it may have been lost."""

    def close(self, code: CloseCode, reason: str) -> None:
        """Close in the protocol's way."""

    def abort(self) -> None:
        """Drop without a word."""

    def probe(self, on_alive: Callable[[], None]) -> None:
        """Ping; call back once, at whatever comes back."""

    def refuse(self, refusal: Refused) -> None:
        """Answer a request with ERROR."""

    def refuse_join(self, refusal: Refused) -> None:
        """Answer a JOIN with ERROR."""


class MemberAccess(Protocol):
    """What members' connections ask; answers come through the link, maybe later."""

    def join(self, link: Link, request: Join, *, only_expected: bool = False) -> None:
        """Take a JOIN.

        Args:
            only_expected: Refuse a device that has no seat and no host token.
        """

    def request(
        self, link: Link, session_id: SessionId, request: MemberRequest
    ) -> None:
        """Take whatever else a member may ask of its session."""

    def measured(self, link: Link, session_id: SessionId, latency_ms: int) -> None:
        """Note a member's round trip, for the next MEMBER_LIST."""

    def left(self, link: Link, session_id: SessionId) -> None:
        """Note that a connection ended with 1000, which counts as leaving."""

    def faulted(self, link: Link, session_id: SessionId) -> None:
        """Note that a connection ended because it broke the protocol."""

    def dropped(
        self, link: Link, session_id: SessionId, last_heartbeat_ns: int
    ) -> None:
        """Note that a connection ended in any other way; its seat waits."""

    def silent(self, link: Link, session_id: SessionId) -> None:
        """Note that a member sent no HEARTBEAT in time."""

    def expel(self, link: Link, session_id: SessionId, reason: str) -> None:
        """Remove a member that broke a limit."""

    def expire(self) -> None:
        """Free the seats that waited long enough."""


class SessionAccess(Protocol):
    """What HTTP asks; each call returns once it is saved and said.

    All of them raise ``Unavailable`` where the sessions can't be reached.
    """

    async def create(self, spec: SessionSpec) -> object:
        """Open a session.

        Raises:
            SessionExists, TooManySessions, StorageFull: As ``Registry.create``.
        """

    async def find(self, session_id: SessionId) -> SessionSummary:
        """Return what can be seen of a session.

        Raises:
            SessionNotFound: There is none, or it has ended.
        """

    async def listed(self) -> list[SessionSummary]:
        """Return the sessions that want to be found, oldest first."""

    async def kick(
        self, session_id: SessionId, member_id: MemberId, reason: str
    ) -> None:
        """Kick a member.

        Raises:
            SessionNotFound: There is no such session.
            MemberNotFound, InvalidMessage: As ``Session.kick``.
        """

    async def close(self, session_id: SessionId, reason: str) -> None:
        """Close a session.

        Raises:
            SessionNotFound: There is no such session.
        """
