"""What there is to show of a party: seen by its host, and by a guest.

A snapshot is plain values, taken on the party's loop for a screen elsewhere.
"""

import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from loudsync.cli.words import describe
from loudsync.core.events import Event, LatencyMeasured, StateChanged
from loudsync.protocol import ConnectionState, ConnectionStatus, MemberId, MemberInfo

if TYPE_CHECKING:
    # Who watches a party has loaded one of them already.
    from loudsync.client import Client
    from loudsync.server import HostedSession

MAX_NEWS: Final = 200
"""Sentences about the last events that a screen can scroll through."""

TRACE_LENGTH: Final = 16
"""Latencies in a trace: with one each 5 s, what the last minute was like."""

TRACE_INTERVAL_S: Final = 5.0
"""How often members' latencies are looked at; clients measure them as often."""

Trace = tuple[float | None, ...]
"""Latencies in milliseconds, the oldest first; ``None`` where none was known."""


class News(NamedTuple):
    """A sentence about what happened, and when, in Unix milliseconds."""

    at_ms: float
    text: str


class Snapshot(NamedTuple):
    """All that a screen shows, at one instant; plain values.

    Attributes:
        name: What the party is called.
        code: Its id.
        link: Where it is joined.
        own_state: The guest's connection in words; empty for the host.
        own_id: The member who looks at it.
        own_latency_ms: The guest's own measure.
        own_trace: The last of them.
        max_members: Seats; ``None`` where that is not known.
        members: Everybody, in order.
        traces: Their latencies, where any was known.
        news: The last events, oldest first.
        now_ms: This instant on the clock of ``joined_at_ms``.
    """

    name: str
    code: str
    link: str
    own_state: str
    own_id: MemberId | None
    own_latency_ms: float | None
    own_trace: Trace
    max_members: int | None
    members: tuple[MemberInfo, ...]
    traces: Mapping[MemberId, Trace]
    news: tuple[News, ...]
    now_ms: float


class View(Protocol):
    """A party that can be watched."""

    def apply(self, event: Event) -> None:
        """Take an event in."""

    def snapshot(self) -> Snapshot:
        """Return what is so now."""


class Traces:
    """Members' latencies over time, each looked at in even steps."""

    def __init__(self) -> None:
        self._traces: dict[MemberId, Trace] = {}
        self._due_s = float("-inf")

    def sample(
        self, members: Iterable[MemberInfo], now_s: float
    ) -> Mapping[MemberId, Trace]:
        """Look again where it is time; return what is known of who is here.

        Args:
            now_s: Of a monotonic clock.
        """
        if now_s >= self._due_s:
            self._due_s = now_s + TRACE_INTERVAL_S
            # A new one each time: the old one may be on a screen by now.
            longer = {member.id: self._longer(member) for member in members}
            self._traces = {
                member_id: trace
                for member_id, trace in longer.items()
                if any(latency_ms is not None for latency_ms in trace)
            }
        return self._traces

    def _longer(self, member: MemberInfo) -> Trace:
        is_here = member.connection_status is ConnectionStatus.CONNECTED
        latency_ms = member.latency_ms if is_here else None
        return (*self._traces.get(member.id, ()), latency_ms)[-TRACE_LENGTH:]


class _Observer:
    """What both views keep: the last sentences, and the traces."""

    def __init__(self) -> None:
        self._news: deque[News] = deque(maxlen=MAX_NEWS)
        self._traces = Traces()

    def apply(self, event: Event) -> None:
        """Take an event in."""
        if (text := describe(event)) is not None:
            self.note(text)

    def note(self, text: str) -> None:
        """Add a sentence to what has happened."""
        self._news.append(News(time.time() * 1000, text))


class HostView(_Observer):
    """A party as the host in this process sees it."""

    def __init__(self, session: "HostedSession") -> None:
        super().__init__()
        self._session = session

    def snapshot(self) -> Snapshot:
        """Return what is so now."""
        session, members = self._session, self._session.members
        return Snapshot(
            name=session.name,
            code=session.id,
            link=session.join_url,
            own_state="",
            own_id=next((m.id for m in members if m.is_host), None),
            own_latency_ms=None,
            own_trace=(),
            max_members=session.max_members,
            members=members,
            traces=self._traces.sample(members, time.monotonic()),
            news=tuple(self._news),
            now_ms=time.time() * 1000,
        )

    async def kick(self, member_id: MemberId, reason: str) -> None:
        """Remove a member; errors are those of ``HostedSession.kick``."""
        await self._session.kick(member_id, reason)

    async def close(self) -> None:
        """End the party; its last event ends who follows it."""
        await self._session.close()


class GuestView(_Observer):
    """A party as one of its guests sees it.

    Args:
        client: Joined.
        link: Where others join.
    """

    def __init__(self, client: "Client", link: str) -> None:
        super().__init__()
        self._client = client
        self._link = link
        self._own_state = str(client.state)
        self._own_trace: deque[float | None] = deque(maxlen=TRACE_LENGTH)
        # Who has just come was seated now: so much is the server's clock behind.
        me = client.me
        self._behind_ms = 0.0 if me is None else time.time() * 1000 - me.joined_at_ms

    def apply(self, event: Event) -> None:
        """Take an event in."""
        super().apply(event)
        match event:
            case LatencyMeasured(latency_ms=latency_ms):
                self._own_trace.append(latency_ms)
            case StateChanged(state=ConnectionState.RECONNECTING as state):
                attempt = f"attempt {event.attempt} of {event.max_attempts}"
                self._own_state = f"{state}, {attempt}"
                self._own_trace.append(None)
            case StateChanged(state=state):
                self._own_state = str(state)

    def snapshot(self) -> Snapshot:
        """Return what is so now."""
        client, members = self._client, tuple(self._client.members.values())
        return Snapshot(
            name=client.session.name,
            code=client.session.id,
            link=self._link,
            own_state=self._own_state,
            own_id=client.client_id,
            own_latency_ms=client.latency_ms,
            own_trace=tuple(self._own_trace),
            max_members=None,
            members=members,
            traces=self._traces.sample(members, time.monotonic()),
            news=tuple(self._news),
            now_ms=time.time() * 1000 - self._behind_ms,
        )

    async def leave(self) -> None:
        """Give the seat up, which ends who follows it."""
        await self._client.leave()
