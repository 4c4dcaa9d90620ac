"""What nodes say to each other, in MessagePack.

An *edge* is the node that a member's connection hangs on, an *owner* the node
that decides about the session. What edges ask goes to an owner in batches that
are answered, and are asked again until they are; what owners say goes to an
edge as one numbered stream, so that an edge notices what it has missed.

In a rolling restart nodes of two versions run side by side: a field is only ever
added at the end, with a default.
"""

from enum import StrEnum
from typing import Any, Final

import msgspec

from loudsync.cluster.identity import NodeNumber
from loudsync.core import ConnectionId, SessionSummary
from loudsync.protocol import Join, MemberId, SessionId
from loudsync.server.access import MemberRequest

ALIVE_SUBJECT: Final = "loudsync.alive"
"""Every node says each second how it is."""

HELLO_SUBJECT: Final = "loudsync.hello"
"""A new node asks the others to say so at once."""

GONE_SUBJECT: Final = "loudsync.gone"
"""A node has seen that another is gone, or leaves itself."""


def owner_subject(node: NodeNumber) -> str:
    """Return where a node is asked about the sessions it owns."""
    return f"loudsync.node.{node:08x}.owner"


def edge_subject(node: NodeNumber) -> str:
    """Return where a node is told what to do with its connections."""
    return f"loudsync.node.{node:08x}.edge"


HOW_ARE_YOU: Final = b"?"
"""A ping with this is answered with the node's status; one without, with nothing."""


def ping_subject(node: NodeNumber) -> str:
    """Return where a node is asked whether it is there."""
    return f"loudsync.node.{node:08x}"


class _Part(msgspec.Struct, frozen=True, array_like=True):
    pass


# --- Edge to owner -----------------------------------------------------------


class Ending(StrEnum):
    """How a member's connection ended, or should."""

    LEFT = "left"
    FAULTED = "faulted"
    DROPPED = "dropped"
    SILENT = "silent"


class JoinOp(_Part, frozen=True, array_like=True, tag="join"):
    """A connection asks for a seat; asked again, it is told again."""

    connection: ConnectionId
    request: Join
    only_expected: bool = False


class ReturnOp(_Part, frozen=True, array_like=True, tag="return"):
    """A connection that has its seat wants to go on, whatever was missed."""

    connection: ConnectionId
    member_id: MemberId
    request: Join


class AskOp(_Part, frozen=True, array_like=True, tag="ask"):
    """A member asks for something else."""

    connection: ConnectionId
    request: MemberRequest


class EndOp(_Part, frozen=True, array_like=True, tag="end"):
    """A connection has ended; ages count, not clocks: theirs differ."""

    connection: ConnectionId
    ending: Ending
    heartbeat_age_ms: int = 0


class ExpelOp(_Part, frozen=True, array_like=True, tag="expel"):
    """A member broke a limit."""

    connection: ConnectionId
    reason: str


class AliveOp(_Part, frozen=True, array_like=True, tag="alive"):
    """A connection that was probed has answered."""

    connection: ConnectionId


EdgeOp = JoinOp | ReturnOp | AskOp | EndOp | ExpelOp | AliveOp


class Batch(_Part, frozen=True, array_like=True, tag="batch"):
    """What an edge asks of one session, in order.

    Attributes:
        number: Grows with each batch of the edge; repeated where it is sent anew.
    """

    number: int
    edge: NodeNumber
    session_id: SessionId
    ops: list[EdgeOp]


class Latency(_Part, frozen=True, array_like=True):
    """A member's round trip."""

    session_id: SessionId
    connection: ConnectionId
    latency_ms: int


class Latencies(_Part, frozen=True, array_like=True, tag="latencies"):
    """What an edge has measured lately; not answered, as the next will do."""

    measured: list[Latency]


class KickAsked(_Part, frozen=True, array_like=True, tag="kick"):
    """Somebody with the host's token wants a member out, over HTTP."""

    session_id: SessionId
    member_id: MemberId
    reason: str


class CloseAsked(_Part, frozen=True, array_like=True, tag="close"):
    """Somebody with the host's token ends a session, over HTTP."""

    session_id: SessionId
    reason: str


class ListAsked(_Part, frozen=True, array_like=True, tag="list"):
    """Somebody wants to see the listed sessions, a page at a time.

    Attributes:
        after: The last id of the page before.
    """

    after: str = ""


LIST_PAGE: Final = 1_000
"""Sessions of one answer: well below what a NATS server takes."""


class ClaimAsked(_Part, frozen=True, array_like=True, tag="claim"):
    """A leaving node hands these sessions over."""

    session_ids: list[SessionId]


OwnerRequest = Batch | Latencies | KickAsked | CloseAsked | ListAsked | ClaimAsked


class Outcome(StrEnum):
    """How a request to an owner ended."""

    DONE = "done"
    NOT_MINE = "not_mine"
    BUSY = "busy"
    """It doesn't know at the moment whether it owns what it has."""
    REFUSED = "refused"


NO_MEMBER: Final = "member_not_found"
"""The ``code`` of an answer about a member that nobody is; it has no other."""


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """An owner's answer; the last three tell what was refused."""

    outcome: Outcome
    listed: list[SessionSummary] = []
    code: str = ""
    message: str = ""
    details: dict[str, Any] | None = None


# --- Owner to edge -----------------------------------------------------------


class Attached(_Part, frozen=True, array_like=True, tag="attached"):
    """A connection speaks for this member now."""

    connection: ConnectionId
    member_id: MemberId


class Sent(_Part, frozen=True, array_like=True, tag="sent"):
    """A frame for one connection."""

    connection: ConnectionId
    frame: bytes


class Welcomed(_Part, frozen=True, array_like=True, tag="welcomed"):
    """WELCOME for a connection, if it has had none."""

    connection: ConnectionId
    frame: bytes


class Said(_Part, frozen=True, array_like=True, tag="said"):
    """A frame for all of the session's connections there, but for one."""

    frame: bytes
    omit: ConnectionId | None


class Closed(_Part, frozen=True, array_like=True, tag="closed"):
    """A connection is to be closed."""

    connection: ConnectionId
    code: int
    reason: str


class Aborted(_Part, frozen=True, array_like=True, tag="aborted"):
    """A connection is to be dropped without a word."""

    connection: ConnectionId


class Probed(_Part, frozen=True, array_like=True, tag="probed"):
    """A connection is to be pinged; ``AliveOp`` tells of an answer."""

    connection: ConnectionId


class Refusal(_Part, frozen=True, array_like=True, tag="refused"):
    """A connection's request, or its JOIN, is refused."""

    connection: ConnectionId
    code: str
    message: str
    details: dict[str, Any] | None
    is_join: bool


EdgeAct = Attached | Welcomed | Sent | Said | Closed | Aborted | Probed | Refusal


class SessionPart(_Part, frozen=True, array_like=True):
    """What happens in one session.

    Attributes:
        epoch: Since when the owner has the session; what an earlier owner says
            is not listened to any more.
    """

    session_id: SessionId
    epoch: int
    acts: list[EdgeAct]


class Delivery(_Part, frozen=True, array_like=True):
    """What an owner has for an edge from one turn of its loop.

    Attributes:
        number: 1 for the first from this owner to this edge, then one more each.
        stamp_ns: The owner's own clock, which the edge gives back to it.
    """

    owner: NodeNumber
    number: int
    stamp_ns: int
    parts: list[SessionPart]


# --- Among all -----------------------------------------------------------------


class Seen(_Part, frozen=True, array_like=True):
    """The last delivery that came from an owner, and how long ago, in ns."""

    stamp_ns: int
    held_ns: int


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a node is; its lease is what others know of a node that doesn't answer.

    Attributes:
        sessions: How many it owns.
        members: How many have their connection there.
        lease_age_s: Since its lease was renewed last.
    """

    id: str
    name: str
    url: str
    version: str
    is_draining: bool = False
    sessions: int = 0
    members: int = 0
    lease_age_s: float = 0.0


class Alive(_Part, frozen=True, array_like=True):
    """A node is alive.

    Attributes:
        sent: How many deliveries it has sent, by edge.
        seen: The last delivery it got, by owner.
        given_up: How often it took an edge for gone, and its members for lost.
    """

    status: NodeStatus
    sent: dict[NodeNumber, int]
    seen: dict[NodeNumber, Seen]
    given_up: dict[NodeNumber, int] = {}


class Gone(_Part, frozen=True, array_like=True):
    """A node is gone.

    Attributes:
        by_itself: It says so itself; else somebody has seen it.
    """

    number: NodeNumber
    by_itself: bool


encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(OwnerRequest).decode
decode_answer = msgspec.msgpack.Decoder(Answer).decode
decode_delivery = msgspec.msgpack.Decoder(Delivery).decode
decode_alive = msgspec.msgpack.Decoder(Alive).decode
decode_gone = msgspec.msgpack.Decoder(Gone).decode
decode_status = msgspec.msgpack.Decoder(NodeStatus).decode
