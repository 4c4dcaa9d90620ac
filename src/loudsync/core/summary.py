"""A session as those see it who are not in it."""

import msgspec

from loudsync.core.host import token_matches
from loudsync.core.session_spec import SessionSpec
from loudsync.protocol import SessionId


class SessionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a listing shows of a session, and what its host is known by.

    Attributes:
        host_name: What the host is called now.
        member_count: Seats taken, the host's included.
        created_at_ms: Unix time in milliseconds.
    """

    spec: SessionSpec
    host_name: str
    member_count: int
    created_at_ms: int

    @property
    def id(self) -> SessionId:
        """What people type to find the session."""
        return self.spec.id

    def is_host_token(self, token: str) -> bool:
        """Tell in constant time whether this is the host's token."""
        return token_matches(token, self.spec.token_hash)
