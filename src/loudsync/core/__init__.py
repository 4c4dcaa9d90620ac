"""The rules: what may happen in a session, decided without I/O.

Time, ids and randomness come in as arguments; effects go out as data.
"""

from loudsync.core.client_state import (
    CLIENT_TRANSITIONS,
    ENDING_CODES,
    ClientState,
    ClientTrigger,
)
from loudsync.core.deadlines import Deadlines
from loudsync.core.effects import (
    Abort,
    Attach,
    Broadcast,
    BroadcastList,
    Close,
    ConnectionId,
    Detach,
    Effect,
    Effects,
    End,
    Probe,
    Refuse,
    Send,
)
from loudsync.core.host import HOST_ENDED, hash_token
from loudsync.core.member_view import MemberView
from loudsync.core.moment import NS_PER_S, Moment
from loudsync.core.records import (
    ChangeLog,
    SeatRecord,
    SessionChanges,
    SessionRecord,
)
from loudsync.core.registry import MAX_SESSIONS, Registry
from loudsync.core.seat import SEAT_TRANSITIONS, Seat, SeatTrigger
from loudsync.core.session import Session
from loudsync.core.session_spec import SessionRules, SessionSpec
from loudsync.core.summary import SessionSummary

__all__ = [
    "CLIENT_TRANSITIONS",
    "ENDING_CODES",
    "HOST_ENDED",
    "MAX_SESSIONS",
    "NS_PER_S",
    "SEAT_TRANSITIONS",
    "Abort",
    "Attach",
    "Broadcast",
    "BroadcastList",
    "ChangeLog",
    "ClientState",
    "ClientTrigger",
    "Close",
    "ConnectionId",
    "Deadlines",
    "Detach",
    "Effect",
    "Effects",
    "End",
    "MemberView",
    "Moment",
    "Probe",
    "Refuse",
    "Registry",
    "Seat",
    "SeatRecord",
    "SeatTrigger",
    "Send",
    "Session",
    "SessionChanges",
    "SessionRecord",
    "SessionRules",
    "SessionSpec",
    "SessionSummary",
    "hash_token",
]
