"""Where guests go: one session after another, each with its host."""

from typing import Final

import msgspec

from loudsync import HostedSession
from loudsync.core.events import (
    EventsLost,
    Joined,
    Left,
    Reconnecting,
    Returned,
    SessionEnded,
    Updated,
)
from loudsync.core.host import HOST_ENDED
from loudsync.errors import MemberNotFound, SessionNotFound
from loudsync.protocol import MemberId, MemberInfo, SessionId
from raw_http import exchange
from soak.agenda import Tasks
from soak.book import MARK, Book
from soak.tally import Tally
from soak.venue import Venue

SEATS_SPARE: Final = 3
"""Seats per guest: the old seats of devices that were given up are still held
until they time out, and no guest may find the session full for it."""

_HOST_ID: Final = MemberId("host-1")


class Party:
    """One session of a place, from its opening to its end.

    Attributes:
        token: What its remote host joins with; ``None``: this process hosts it.
        watched: Who is there according to the server's events; ``None`` where
            nobody watches, or events were lost.
    """

    def __init__(self, hosted: HostedSession, token: str | None, tally: Tally) -> None:
        self.hosted = hosted
        self.token = token
        self.book = Book(hosted.id, tally)
        self.watched: dict[MemberId, MemberInfo] | None = None

    @property
    def is_closed(self) -> bool:
        return self.hosted.is_closed

    async def watch(self) -> None:
        """Follow the server's events, as a program that embeds it does."""
        async with self.hosted.events() as events:
            watched = {member.id: member for member in self.hosted.members}
            self.watched = watched
            async for event in events:
                match event:
                    case Joined(member=member):
                        if member.id in watched:
                            self.book.fault(f"watcher: {member.id} joined twice")
                        watched[member.id] = member
                    case Returned() | Reconnecting() | Updated():
                        watched[event.member.id] = event.member
                    case Left(member=member):
                        if watched.pop(member.id, None) is None:
                            self.book.fault(f"watcher: {member.id} left twice")
                    case EventsLost():
                        self.watched = None
                        self.book.tally.events["watcher too slow"] += 1
                        return
                    case SessionEnded():
                        watched.clear()


class Place:
    """A slot of the run: while one session is open there, guests go to it.

    Args:
        is_remote: A guest is the host, with the token; else this process.
        size: Guests that go there.
    """

    def __init__(
        self,
        number: int,
        venue: Venue,
        size: int,
        *,
        is_remote: bool,
        tasks: Tasks,
        tally: Tally,
    ) -> None:
        self.number = number
        self.venue = venue
        self.size = size
        self.is_remote = is_remote
        self.party: Party | None = None
        self._tasks = tasks
        self._tally = tally
        self._opened = 0
        self._is_opening = False

    @property
    def port(self) -> int:
        return self.venue.server.port

    @property
    def session_id(self) -> SessionId:
        """The id of its present or last session."""
        return SessionId(f"place{self.number}-{self._opened}")

    @property
    def host_id(self) -> MemberId:
        """The host's member id, which is the same in every session."""
        return _HOST_ID

    async def open(self) -> None:
        """Open a session, where none is open."""
        is_open = self.party is not None and not self.party.is_closed
        if self._is_opening or is_open:
            return
        self._is_opening = True
        try:
            self._opened += 1
            # Remote hosts come both ways: made by the program, or by HTTP.
            by_http = self.is_remote and self._opened % 2 == 0
            party = await (self._open_by_http() if by_http else self._open_here())
            self._tally.events["session opened"] += 1
        finally:
            self._is_opening = False
        self.party = party
        if not self.is_remote:
            self._tasks.spawn(party.watch())

    async def _open_here(self) -> Party:
        session_id = self.session_id
        hosted = await self.venue.server.create_session(
            f"Party {self.number}",
            host_name=f"{session_id}{MARK}host",
            session_id=session_id,
            max_members=self.size * SEATS_SPARE + 10,
            remote_host=self.is_remote,
        )
        return Party(hosted, hosted.host_token, self._tally)

    async def _open_by_http(self) -> Party:
        session_id = self.session_id
        body = {
            "name": f"Party {self.number}",
            "hostName": f"{session_id}{MARK}host",
            "id": session_id,
            "maxMembers": self.size * SEATS_SPARE + 10,
        }
        answer = await self.request("POST", "/sessions", "", msgspec.json.encode(body))
        (hosted,) = [s for s in self.venue.server.sessions() if s.id == session_id]
        return Party(hosted, answer["hostToken"], self._tally)

    async def kick(self, member_id: MemberId) -> None:
        """Kick as who hosts it here, or by HTTP with the host's token."""
        party = self.party
        if party is None or party.is_closed:
            return
        device = party.book.kick_is_asked(member_id)
        try:
            if party.token is None:
                await party.hosted.kick(member_id, "out")
            else:
                path = f"/sessions/{party.hosted.id}/members/{member_id}"
                await self.request("DELETE", path, party.token)
        except (MemberNotFound, SessionNotFound):
            self._tally.events["kick came too late"] += 1
            return
        if device is not None:
            party.book.kicked(device)

    async def close(self) -> None:
        """Close as who hosts it here, or by HTTP with the host's token."""
        party = self.party
        if party is None or party.is_closed:
            return
        if party.token is None:
            party.book.may_close_because.add("that's it")
            await party.hosted.close("that's it")
        else:
            party.book.may_close_because.add(HOST_ENDED)
            try:
                path = f"/sessions/{party.hosted.id}"
                await self.request("DELETE", path, party.token)
            except SessionNotFound:
                self._tally.events["close came too late"] += 1

    async def request(
        self, method: str, path: str, token: str, body: bytes = b""
    ) -> dict[str, str]:
        """Ask the HTTP API.

        Raises:
            MemberNotFound, SessionNotFound: 404.
        """
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        answer = await exchange(self.port, head.encode() + body)
        self._tally.events[f"HTTP {method} {answer.status}"] += 1
        if answer.status == 404 and "/members/" in path:
            raise MemberNotFound(MemberId(path.rsplit("/", 1)[1]))
        if answer.status == 404:
            raise SessionNotFound(path)
        if answer.status >= 300:
            self._tally.fault(f"{method} {path}: {answer.status} {answer.body!r}")
        return dict(msgspec.json.decode(answer.body)) if answer.body else {}
