"""What there is to show of a party: seen by its host, and by a guest."""

import time
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from loudsync.cli.words import describe
from loudsync.core.events import Event, StateChanged
from loudsync.protocol import ConnectionState, MemberId, MemberInfo

if TYPE_CHECKING:
    # Who watches a party has loaded one of them already.
    from loudsync.client import Client
    from loudsync.server import HostedSession

MAX_NEWS: Final = 8
"""Sentences about the last events that a screen shows."""


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
        max_members: Seats; ``None`` where that is not known.
        members: Everybody, in order.
        news: The last events, oldest first.
    """

    name: str
    code: str
    link: str
    own_state: str
    own_id: MemberId | None
    own_latency_ms: float | None
    max_members: int | None
    members: tuple[MemberInfo, ...]
    news: tuple[News, ...]


class View(Protocol):
    """A party that can be watched."""

    def apply(self, event: Event) -> None:
        """Take an event in."""

    def snapshot(self) -> Snapshot:
        """Return what is so now."""


class _NewsKeeper:
    """Keeps the last sentences."""

    def __init__(self) -> None:
        self._news: deque[News] = deque(maxlen=MAX_NEWS)

    def apply(self, event: Event) -> None:
        """Take an event in."""
        if (text := describe(event)) is not None:
            self._news.append(News(time.time() * 1000, text))


class HostView(_NewsKeeper):
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
            max_members=session.max_members,
            members=members,
            news=tuple(self._news),
        )


class GuestView(_NewsKeeper):
    """A party as one of its guests sees it.

    Args:
        client: Joined.
        link: Where others join.
    """

    def __init__(self, client: "Client", link: str) -> None:
        super().__init__()
        self._client = client
        self._link = link
        self._attempt = ""

    def apply(self, event: Event) -> None:
        """Take an event in."""
        super().apply(event)
        if isinstance(event, StateChanged):
            attempt = f" ({event.attempt} of {event.max_attempts})"
            is_trying = event.state is ConnectionState.RECONNECTING
            self._attempt = attempt if is_trying else ""

    def snapshot(self) -> Snapshot:
        """Return what is so now."""
        client = self._client
        return Snapshot(
            name=client.session.name,
            code=client.session.id,
            link=self._link,
            own_state=f"{client.state}{self._attempt}",
            own_id=client.client_id,
            own_latency_ms=client.latency_ms,
            max_members=None,
            members=tuple(client.members.values()),
            news=tuple(self._news),
        )
