"""What owners say to this node: a numbered stream from each, and its gaps."""

import time
from typing import Final

import msgspec

from loudsync.cluster.bus import Bus
from loudsync.cluster.channels import MORE, OWNER_BYTES
from loudsync.cluster.edge import Edge
from loudsync.cluster.identity import Identity, NodeNumber
from loudsync.cluster.numbers import Numbers
from loudsync.cluster.wire import Delivery, Seen, decode_delivery, edge_subject
from loudsync.server.logs import get_logger

log = get_logger("cluster")

_HEAD_BYTES: Final = 1 + OWNER_BYTES


class Deliveries:
    """Takes what owners say to the edge, and has it ask anew what did not come."""

    def __init__(self, bus: Bus, me: Identity, edge: Edge, numbers: Numbers) -> None:
        self._bus = bus
        self._me = me
        self._edge = edge
        self._numbers = numbers
        self._streams: dict[NodeNumber, _Stream] = {}

    async def start(self) -> None:
        """Begin to listen."""
        await self._bus.subscribe(edge_subject(self._me.number), self._told)

    def seen(self) -> dict[NodeNumber, Seen]:
        """Return what each owner's last delivery was stamped with, and its age."""
        now_ns = time.monotonic_ns()
        return {
            owner: Seen(stream.stamp_ns, now_ns - stream.taken_ns)
            for owner, stream in self._streams.items()
        }

    def owner_gone(self, owner: NodeNumber) -> None:
        """Expect nothing more of an owner."""
        self._streams.pop(owner, None)

    def owner_says(self, owner: NodeNumber, sent: int, given_up: int) -> None:
        """Notice deliveries that did not come, or that an owner gave this node up.

        Args:
            sent: How many deliveries it has sent; what it said of it the time
                before must be here by now.
            given_up: How often it has taken this node's members for lost.
        """
        stream = self._streams.setdefault(owner, _Stream())
        if stream.given_up != given_up:
            stream.given_up = given_up
            self._edge.missed(owner)
        if stream.taken < stream.announced <= sent:
            stream.taken = stream.announced
            self._gap(owner)
        stream.announced = sent

    def _told(self, payload: bytes, _answer: object) -> None:
        owner = NodeNumber(int.from_bytes(payload[1:_HEAD_BYTES], "big"))
        stream = self._streams.setdefault(owner, _Stream())
        stream.pieces.append(payload[_HEAD_BYTES:])
        if payload[:1] == MORE:
            return
        whole = b"".join(stream.pieces)
        stream.pieces.clear()
        try:
            delivery = decode_delivery(whole)
        except msgspec.MsgspecError:
            self._gap(owner)  # a piece of it is missing
            return
        self._take(delivery, stream)

    def _take(self, delivery: Delivery, stream: "_Stream") -> None:
        is_missed = delivery.number != stream.taken + 1
        stream.taken = delivery.number
        stream.stamp_ns = delivery.stamp_ns
        stream.taken_ns = time.monotonic_ns()
        for part in delivery.parts:
            try:
                self._edge.do_part(part, delivery.owner)
            except Exception:
                # One session's trouble is not the others'.
                log.exception("delivery_failed", session=part.session_id)
                is_missed = True
        if is_missed:
            self._gap(delivery.owner)

    def _gap(self, owner: NodeNumber) -> None:
        self._numbers.gaps += 1
        log.warning("deliveries_missed", owner=f"{owner:08x}")
        self._edge.missed(owner)


class _Stream:
    """What has come from one owner.

    Attributes:
        taken: The number of the last delivery.
        announced: How many the owner said it had sent.
        given_up: How often it said it has taken this node for gone.
        stamp_ns, taken_ns: The last one's stamp, and when it came.
        pieces: Of the one that is coming.
    """

    __slots__ = ("announced", "given_up", "pieces", "stamp_ns", "taken", "taken_ns")

    def __init__(self) -> None:
        self.taken = 0
        self.announced = 0
        self.given_up = 0
        self.stamp_ns = 0
        self.taken_ns = time.monotonic_ns()
        self.pieces: list[bytes] = []
