"""From an owner to the edges: what the runner says to connections elsewhere."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Final

from loudsync.cluster.bus import Bus
from loudsync.cluster.identity import NodeNumber, node_of
from loudsync.cluster.wire import (
    Aborted,
    Attached,
    Closed,
    Delivery,
    EdgeAct,
    Probed,
    Refusal,
    Said,
    Sent,
    SessionPart,
    Welcomed,
    edge_subject,
    encode,
)
from loudsync.core import ConnectionId
from loudsync.errors import Refused
from loudsync.protocol import CloseCode, MemberId, SessionId

MORE: Final = b"\x01"
LAST: Final = b"\x00"
"""The first byte of a message: whether the delivery goes on in the next one."""

OWNER_BYTES: Final = 4
"""Then who sends it: the pieces of several owners come in any order."""

_PIECE_BYTES: Final = 512 * 1024
"""Half of what a NATS server takes unless it is told otherwise: a list of 10,000
members is longer."""


class EdgeChannel:
    """The numbered stream to one edge; what one turn of the loop has is one message.

    It is a ``Carrier``: what is said to all of a session is in it once.

    Attributes:
        sent: How many deliveries there were.
    """

    def __init__(
        self,
        bus: Bus,
        me: NodeNumber,
        edge: NodeNumber,
        epoch_of: Callable[[SessionId], int],
    ) -> None:
        self.sent = 0
        self.edge = edge
        self._bus = bus
        self._me = me
        self._epoch_of = epoch_of
        self._parts: dict[tuple[SessionId, int], list[EdgeAct]] = {}
        self._is_due = False

    def say(self, session_id: SessionId, act: EdgeAct) -> None:
        """Let an act leave at the end of this turn, in order."""
        key = (session_id, self._epoch_of(session_id))
        self._parts.setdefault(key, []).append(act)
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def broadcast(
        self, session_id: SessionId, frame: bytes, omit: ConnectionId | None
    ) -> None:
        """Send a frame to all of the session's connections there, but for one."""
        if omit is not None and node_of(omit) != self.edge:
            omit = None
        self.say(session_id, Said(frame, omit))

    def _flush(self) -> None:
        self._is_due = False
        parts, self._parts = self._parts, {}
        self.sent += 1
        delivery = Delivery(
            self._me,
            self.sent,
            time.monotonic_ns(),
            [SessionPart(*key, acts) for key, acts in parts.items()],
        )
        for head, piece in _pieces(encode(delivery)):
            message = head + self._me.to_bytes(OWNER_BYTES, "big") + piece
            self._bus.publish(edge_subject(self.edge), message)


class RemoteLink:
    """The runner's way to a connection that hangs on another node.

    Args:
        probes: Where who waits for an answer to a ping is noted, by connection.
    """

    __slots__ = ("_probes", "_session_id", "carrier", "id")

    def __init__(
        self,
        connection: ConnectionId,
        session_id: SessionId,
        channel: EdgeChannel,
        probes: dict[ConnectionId, Callable[[], None]],
    ) -> None:
        self.id = connection
        self.carrier = channel
        self._session_id = session_id
        self._probes = probes

    def attach(self, session_id: SessionId, member_id: MemberId) -> None:
        """Let the connection know whom it speaks for."""
        self.carrier.say(session_id, Attached(self.id, member_id))

    def send(self, frame: bytes) -> None:
        """Send a ready WebSocket frame."""
        self.carrier.say(self._session_id, Sent(self.id, frame))

    def welcome(self, frame: bytes) -> None:
        """Send WELCOME, if the connection has had none."""
        self.carrier.say(self._session_id, Welcomed(self.id, frame))

    def close(self, code: CloseCode, reason: str) -> None:
        """Close in the protocol's way."""
        self._probes.pop(self.id, None)
        self.carrier.say(self._session_id, Closed(self.id, code, reason))

    def abort(self) -> None:
        """Drop without a word."""
        self._probes.pop(self.id, None)
        self.carrier.say(self._session_id, Aborted(self.id))

    def probe(self, on_alive: Callable[[], None]) -> None:
        """Let its node ping it, and tell who owns the session what comes back."""
        self._probes[self.id] = on_alive
        self.carrier.say(self._session_id, Probed(self.id))

    def refuse(self, refusal: Refused) -> None:
        """Answer a request with ERROR."""
        self._refuse(refusal, is_join=False)

    def refuse_join(self, refusal: Refused) -> None:
        """Answer a JOIN with ERROR."""
        self._refuse(refusal, is_join=True)

    def _refuse(self, refusal: Refused, *, is_join: bool) -> None:
        self.carrier.say(
            self._session_id,
            Refusal(self.id, refusal.code, refusal.message, refusal.details, is_join),
        )


def _pieces(payload: bytes) -> Iterator[tuple[bytes, bytes]]:
    for start in range(0, len(payload), _PIECE_BYTES):
        piece = payload[start : start + _PIECE_BYTES]
        is_last = start + _PIECE_BYTES >= len(payload)
        yield (LAST if is_last else MORE), piece
