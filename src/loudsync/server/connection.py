"""One member's connection: what it may say when, and what it costs.

PING and HEARTBEAT are answered right here; only JOIN, LEAVE and requests reach
the session. That split is what lets a session live on another machine.
"""

from collections.abc import Callable
from typing import Final, Protocol

from loudsync.core import NS_PER_S, ConnectionId
from loudsync.errors import (
    AlreadyJoined,
    InvalidMessage,
    Refused,
    SessionNotFound,
    Unauthorized,
)
from loudsync.protocol import (
    CloseCode,
    CloseRequest,
    Error,
    Heartbeat,
    Join,
    Kicked,
    KickRequest,
    Leave,
    MemberId,
    MemberListRequest,
    Message,
    Ping,
    Pong,
    SessionId,
    decode_client_message,
    encode,
)
from loudsync.server.access import MemberAccess
from loudsync.server.clock import Clock
from loudsync.server.frames import ping_frame, text_frame
from loudsync.server.guesses import Guesses
from loudsync.server.logs import get_logger
from loudsync.server.rate_limit import RateLimit
from loudsync.server.settings import ServerSettings
from loudsync.server.silence import SilenceQueue
from loudsync.server.stats import ServerStats
from loudsync.server.websocket import Ending

log = get_logger("server")

FLOODED: Final = "Too many messages"

_NS_PER_MS: Final = 1_000_000


class Socket(Protocol):
    """What a connection asks of the WebSocket under it."""

    def send(self, frame: bytes) -> None:
        """Send a ready frame."""

    def probe(self, payload: bytes, on_alive: Callable[[], None]) -> None:
        """Ping; call back once, at whatever frame comes next."""

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye with this close code."""

    def abort(self) -> None:
        """Drop the connection at once."""


class Surroundings:
    """What all connections of a server share.

    Attributes:
        sessions: Who takes what members ask of their sessions.
        members: Joined connections by their last HEARTBEAT.
        newcomers: Connections that have not joined, by when they opened.
        guesses: Wrong session ids, by the address they came from.
    """

    def __init__(
        self,
        sessions: MemberAccess,
        clock: Clock,
        settings: ServerSettings,
        stats: ServerStats,
    ) -> None:
        self.sessions = sessions
        self.clock = clock
        self.settings = settings
        self.stats = stats
        self.members: SilenceQueue[ServerConnection] = SilenceQueue()
        self.newcomers: SilenceQueue[ServerConnection] = SilenceQueue()
        self.guesses = Guesses(settings.max_guesses_per_address)
        self.latency_interval_ns = int(settings.latency_interval_s * NS_PER_S)
        self._last_id = 0

    def next_id(self) -> ConnectionId:
        """Return a connection id that no other connection has had."""
        self._last_id += 1
        return ConnectionId(self._last_id)


class ServerConnection:
    """One connection, from the upgrade to its end; the runner's ``Link``.

    Args:
        address: Where it comes from, as limits count it.

    Attributes:
        id: This server's own number for it.
        send, welcome: Send a ready frame: the socket's own method, for the many
            that a broadcast calls.
        session_id: Where it asked for a seat, or has one; ``None`` before.
        carrier: None: its socket is in this process.
        member_id: Whom it speaks for; ``None`` until it has joined.
        last_heartbeat_ns: When it last sent HEARTBEAT, or joined.
    """

    __slots__ = (
        "_address",
        "_around",
        "_awaits_pong",
        "_has_flooded",
        "_is_closed",
        "_limit",
        "_ping_sent_ns",
        "_pings_sent",
        "_refused_joins",
        "_socket",
        "id",
        "last_heartbeat_ns",
        "member_id",
        "send",
        "session_id",
        "welcome",
    )

    carrier: Final = None

    def __init__(self, socket: Socket, around: Surroundings, address: str = "") -> None:
        now_ns = around.clock.monotonic_ns()
        settings = around.settings
        self.id = around.next_id()
        self.session_id: SessionId | None = None
        self.member_id: MemberId | None = None
        self.last_heartbeat_ns = now_ns
        self.send = self.welcome = socket.send
        self._socket = socket
        self._around = around
        self._address = address
        self._limit = RateLimit(
            settings.max_message_rate, settings.max_message_burst, now_ns
        )
        self._refused_joins = 0
        self._has_flooded = False
        self._is_closed = False
        self._pings_sent = 0
        self._ping_sent_ns = 0
        self._awaits_pong = False
        around.newcomers.heard(self, now_ns)

    # --- What comes in (SocketHandler) --------------------------------------

    def text_received(self, text: str) -> None:
        """Take one message: pay for it, read it, act on it."""
        around = self._around
        now_ns = around.clock.monotonic_ns()
        around.stats.messages_in += 1
        if not self._limit.take(now_ns):
            self._flooded()
            return
        try:
            message = decode_client_message(text)
        except InvalidMessage as fault:
            self._invalid(fault, now_ns)
            return
        match message:
            case Ping():
                self._say(Pong(timestamp_ms=message.timestamp_ms))
            case Heartbeat() if self.member_id is not None:
                self._heartbeat(now_ns)
            case Join():
                self._join(message, now_ns)
            case _ if self.session_id is None or self.member_id is None:
                self.refuse(Unauthorized("Join a session first"))
            case Leave() | MemberListRequest() | KickRequest() | CloseRequest():
                around.sessions.request(self, self.session_id, message)

    def binary_received(self, data: bytes) -> None:  # noqa: ARG002
        """Refuse a binary message (contract, section 2)."""
        self._around.stats.messages_in += 1
        now_ns = self._around.clock.monotonic_ns()
        if self._limit.take(now_ns):
            self._invalid(InvalidMessage("$", "Expected a text message"), now_ns)
        else:
            self._flooded()

    def overhead_received(self) -> None:
        """Count what carries no message like one: it costs time all the same."""
        if not self._limit.take(self._around.clock.monotonic_ns()):
            self._flooded()

    def pong_received(self, payload: bytes) -> None:
        """Note the round trip of our latest ping; any other pong is overhead."""
        if self._awaits_pong and payload == self._ping_payload():
            round_trip_ns = self._around.clock.monotonic_ns() - self._ping_sent_ns
            self._awaits_pong = False
            if self.session_id is not None:
                latency_ms = round(round_trip_ns / _NS_PER_MS)
                self._around.sessions.measured(self, self.session_id, latency_ms)
        else:
            self.overhead_received()

    def ended(self, ending: Ending, code: int) -> None:
        """Let the session know how the connection ended (contract, section 5)."""
        self._forget()
        if ending is Ending.OVERFLOW:
            self._around.stats.overflows += 1
            log.info("reader_too_slow", member=self.member_id)
        session_id, sessions = self.session_id, self._around.sessions
        if session_id is None or self._is_closed:
            return
        self._is_closed = True
        if ending is Ending.PEER_CLOSED and code == CloseCode.NORMAL:
            sessions.left(self, session_id)
        elif ending is Ending.FAULT:
            sessions.faulted(self, session_id)
        else:
            sessions.dropped(self, session_id, self.last_heartbeat_ns)

    # --- What the runner may do (Link) --------------------------------------

    def attach(self, session_id: SessionId, member_id: MemberId) -> None:
        """Speak for this member from now on, and measure its latency."""
        around = self._around
        now_ns = around.clock.monotonic_ns()
        self.session_id, self.member_id = session_id, member_id
        self.last_heartbeat_ns = now_ns
        around.newcomers.discard(self)
        around.members.heard(self, now_ns)
        self._measure(now_ns)

    def close(self, code: CloseCode, reason: str = "") -> None:
        """Close; the session needs to hear no more of it."""
        self._is_closed = True
        self._forget()
        self._socket.close(code, reason)

    def abort(self) -> None:
        """Drop; the session needs to hear no more of it."""
        self._is_closed = True
        self._forget()
        self._socket.abort()

    def probe(self, on_alive: Callable[[], None]) -> None:
        """Find out whether anybody is there."""
        self._socket.probe(b"", on_alive)

    def refuse(self, refusal: Refused) -> None:
        """Send ERROR; the connection stays open (contract, section 2)."""
        self._around.stats.refused(refusal.code)
        self._say(
            Error(
                timestamp_ms=self._around.clock.unix_ms(),
                code=refusal.code,
                message=refusal.message,
                details=refusal.details,
            )
        )

    def refuse_join(self, refusal: Refused) -> None:
        """Send ERROR to a JOIN; the tenth is the last (contract, section 2)."""
        self.session_id = None
        if isinstance(refusal, SessionNotFound):
            now_ns = self._around.clock.monotonic_ns()
            self._around.guesses.wrong(self._address, now_ns)
        self._refuse_counted(refusal)

    # --- What the sweep may do ----------------------------------------------

    def was_silent(self) -> None:
        """Time out: no HEARTBEAT, or no JOIN, for too long."""
        if self.session_id is not None and self.member_id is not None:
            self._around.sessions.silent(self, self.session_id)
            return
        self._give_up("No JOIN in time")

    def going_away(self) -> None:
        """Close because the server ends."""
        self.close(CloseCode.GOING_AWAY, "Server shutting down")

    # --- Parts of the above -------------------------------------------------

    def _say(self, message: Message) -> None:
        self.send(text_frame(encode(message)))
        self._around.stats.frames_out += 1

    def _join(self, request: Join, now_ns: int) -> None:
        if self.session_id is not None:
            self._refuse_counted(
                AlreadyJoined("This connection has joined, or asked to, already")
            )
            return
        around = self._around
        self.session_id = request.session_id
        around.sessions.join(
            self,
            request,
            only_expected=around.guesses.are_used_up(self._address, now_ns),
        )

    def _refuse_counted(self, refusal: Refused) -> None:
        self.refuse(refusal)
        self._refused_joins += 1
        if self._refused_joins >= self._around.settings.max_refused_joins:
            self._give_up("Too many refused JOINs")

    def _heartbeat(self, now_ns: int) -> None:
        self.last_heartbeat_ns = now_ns
        self._around.members.heard(self, now_ns)
        # A ping that rides on a heartbeat needs no timer of its own.
        if now_ns - self._ping_sent_ns >= self._around.latency_interval_ns:
            self._measure(now_ns)

    def _measure(self, now_ns: int) -> None:
        self._pings_sent += 1
        self._ping_sent_ns = now_ns
        self._awaits_pong = True
        self.send(ping_frame(self._ping_payload()))

    def _ping_payload(self) -> bytes:
        return self._pings_sent.to_bytes(4, "big")

    def _invalid(self, fault: InvalidMessage, now_ns: int) -> None:
        extra = self._around.settings.invalid_message_cost - 1
        if self._limit.take(now_ns, extra):
            self.refuse(fault)
        else:
            self._flooded()

    def _flooded(self) -> None:
        """Remove a connection that sends too much (contract, section 7)."""
        if self._has_flooded:  # the end waits for a save, and the flood goes on
            return
        self._has_flooded = True
        self._around.stats.floods += 1
        rate = self._around.settings.max_message_rate
        reason = f"{FLOODED}: at most {rate:g} a second are allowed"
        log.warning("flood", connection=self.id, member=self.member_id)
        if self.session_id is not None and self.member_id is not None:
            self._around.sessions.expel(self, self.session_id, reason)
        else:
            stamp = self._around.clock.unix_ms()
            self._say(Kicked(timestamp_ms=stamp, reason=reason))
            self._give_up(reason)

    def _give_up(self, reason: str) -> None:
        """Close for a broken rule; a seat waits as after a network loss."""
        if self.session_id is not None:
            last_ns = self.last_heartbeat_ns
            self._around.sessions.dropped(self, self.session_id, last_ns)
        self.close(CloseCode.POLICY_VIOLATION, reason)

    def _forget(self) -> None:
        self._around.members.discard(self)
        self._around.newcomers.discard(self)
