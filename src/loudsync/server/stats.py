"""What has happened so far, in plain numbers: counting must cost nothing."""

from loudsync.protocol import LeaveReason


class ServerStats:
    """Counters of one server; ``metrics`` turns them into Prometheus text.

    Attributes:
        members: Members connected now.
        joins: JOINs that gave a seat, new or the device's own back.
        refusals: Refused messages by error code.
        leaves: Members gone by reason.
        sessions_opened, sessions_closed: Sessions in all.
        messages_in: Messages received, of any kind and validity.
        frames_out: Messages sent, each receiver counted.
        floods: Connections closed for sending too much.
        overflows: Connections dropped for not reading what was sent.
        takeovers: Seats given from a dead connection to a newer one.
    """

    def __init__(self) -> None:
        self.members = 0
        self.joins = 0
        self.refusals: dict[str, int] = {}
        self.leaves: dict[LeaveReason, int] = dict.fromkeys(LeaveReason, 0)
        self.sessions_opened = 0
        self.sessions_closed = 0
        self.messages_in = 0
        self.frames_out = 0
        self.floods = 0
        self.overflows = 0
        self.takeovers = 0

    def refused(self, code: str) -> None:
        """Count a refusal."""
        self.refusals[code] = self.refusals.get(code, 0) + 1
