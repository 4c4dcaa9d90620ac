"""A whole server without a socket or a loop: connections are lists.

Everything between the socket and the rules is the real thing; only the
WebSocket under a connection and the clock are not.
"""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

import msgspec

from loudsync.core import Registry, Session, SessionSpec
from loudsync.protocol import CloseCode
from loudsync.server.connection import ServerConnection, Surroundings
from loudsync.server.liveness import Liveness
from loudsync.server.runner import Runner
from loudsync.server.settings import ServerSettings
from loudsync.server.stats import ServerStats
from loudsync.server.store import MemoryStore, SessionStore
from loudsync.server.websocket import Ending
from loudsync.testing.clock import ManualClock

_ResultT = TypeVar("_ResultT")

_OPCODE = 0x0F
_TEXT = 0x1
_PING = 0x9


class MemorySocket:
    """What a ``ServerConnection`` writes to, and what a test's peer reads.

    Attributes:
        received: Messages that wait to be read, decoded, oldest first.
        close_code: How the server closed it; ``None`` while it is open.
        was_aborted: Whether the server dropped it without a word.
        answers_pings: Whether the peer lives: turn it off to play dead.
        connection: The server's side.
    """

    def __init__(self, around: Surroundings) -> None:
        self.received: list[dict[str, Any]] = []
        self.close_code: CloseCode | None = None
        self.was_aborted = False
        self.answers_pings = True
        self._on_alive: Callable[[], None] | None = None
        self._pings: list[bytes] = []
        self.connection = ServerConnection(self, around)

    # --- The server's side (connection.Socket) ------------------------------

    def send(self, frame: bytes) -> None:
        """Take a frame."""
        if self.close_code is not None or self.was_aborted:
            return
        payload = _payload(frame)
        if frame[0] & _OPCODE == _TEXT:
            self.received.append(msgspec.json.decode(payload))
        elif frame[0] & _OPCODE == _PING:
            self._pings.append(payload)

    def probe(self, payload: bytes, on_alive: Callable[[], None]) -> None:
        """Take a ping whose answer somebody waits for."""
        self._on_alive = on_alive
        self._pings.append(payload)

    def close(self, code: int, reason: str = "") -> None:  # noqa: ARG002
        """Take a close."""
        if self.close_code is None:
            self.close_code = CloseCode(code)

    def abort(self) -> None:
        """Take the end."""
        self.was_aborted = True

    # --- The peer's side ----------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether messages still go through."""
        return self.close_code is None and not self.was_aborted

    @property
    def pings_waiting(self) -> int:
        """WebSocket pings that came and were not answered."""
        return len(self._pings)

    def say(self, message: dict[str, Any]) -> None:
        """Send a message to the server; ``timestamp`` is added where missing."""
        self.say_text(msgspec.json.encode({"timestamp": 1, **message}).decode())

    def say_text(self, text: str) -> None:
        """Send a text message to the server."""
        if self.is_open:
            self._alive()
            self.connection.text_received(text)

    def answer_pings(self) -> None:
        """Answer every ping that came, if the peer lives."""
        pings, self._pings = self._pings, []
        if self.answers_pings and self.is_open:
            for payload in pings:
                self._alive()
                self.connection.pong_received(payload)

    def hang_up(self, code: int = CloseCode.NORMAL) -> None:
        """Close from the peer's side; 1006 is a lost network."""
        if self.is_open:
            lost = code == CloseCode.ABNORMAL
            ending = Ending.LOST if lost else Ending.PEER_CLOSED
            self.was_aborted = True
            self.connection.ended(ending, code)

    def break_protocol(self) -> None:
        """Send what no WebSocket may send."""
        self.close_code = CloseCode.PROTOCOL_ERROR
        self.connection.ended(Ending.FAULT, CloseCode.PROTOCOL_ERROR)

    def _alive(self) -> None:
        if self._on_alive is not None:
            on_alive, self._on_alive = self._on_alive, None
            on_alive()


class MemoryServer:
    """A server whose guests are ``MemorySocket`` and whose clock is manual."""

    def __init__(
        self,
        settings: ServerSettings | None = None,
        store: SessionStore | None = None,
    ) -> None:
        settings = settings or ServerSettings()
        self.clock = ManualClock()
        self.stats = ServerStats()
        registry = Registry(settings.rules, settings.max_sessions)
        self.runner = Runner(
            registry, store or MemoryStore(), self.clock, settings, self.stats
        )
        self.around = Surroundings(self.runner, self.clock, settings, self.stats)
        self._liveness = Liveness(self.around)
        self._liveness.start()

    def create(self, spec: SessionSpec) -> Session:
        """Open a session."""
        return self.run(self.runner.create(spec))

    def connect(self) -> MemorySocket:
        """Open a connection."""
        return MemorySocket(self.around)

    def run(self, step: Coroutine[Any, Any, _ResultT]) -> _ResultT:
        """Run a coroutine that has nothing to wait for."""
        try:
            step.send(None)
        except StopIteration as done:
            return cast("_ResultT", done.value)
        raise RuntimeError("This would have to wait: use a real event loop")


def _payload(frame: bytes) -> bytes:
    start = {126: 4, 127: 10}.get(frame[1], 2)
    return frame[start:]
