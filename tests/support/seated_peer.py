"""A raw peer with a seat: what it was told, and the view that this makes."""

from collections.abc import Mapping
from typing import Any, Self

import msgspec

from loudsync.core import MemberView
from loudsync.protocol import (
    MemberId,
    MemberInfo,
    MemberJoined,
    MemberLeft,
    MemberList,
    SessionId,
    decode_server_message,
)
from raw_peer import RawPeer
from stage import join


class SeatedPeer:
    """A device that joined, over a connection that does only what it is told.

    Attributes:
        raw: The connection.
        welcome: Its WELCOME.
        heard: Every message since, MEMBER_LIST first.
    """

    def __init__(self, raw: RawPeer, welcome: dict[str, Any]) -> None:
        assert welcome["type"] == "welcome", welcome
        self.raw = raw
        self.welcome = welcome
        self.heard: list[dict[str, Any]] = []
        self._view = MemberView(SessionId(welcome["sessionInfo"]["id"]))

    @classmethod
    async def join(
        cls, port: int, session_id: str, device: str, name: str = "Ann", **more: Any
    ) -> Self:
        """Connect and join; a ``token`` makes it the host."""
        raw = await RawPeer.connect(port)
        await raw.say(join(device, name, session_id, **more))
        seated = cls(raw, await raw.receive())
        seated._take(await raw.receive())
        assert seated.heard[0]["type"] == "member_list"
        return seated

    @property
    def id(self) -> MemberId:
        return MemberId(self.welcome["clientId"])

    @property
    def members(self) -> Mapping[MemberId, MemberInfo]:
        """Who is here, after all that has come."""
        for message in self.raw.unread():
            self._take(message)
        return self._view.members

    @property
    def kinds(self) -> list[str]:
        """The types of what it has heard since its WELCOME, all that has come."""
        return [message["type"] for message in (self.members, self.heard)[1]]

    async def beat(self) -> None:
        """Send HEARTBEAT, and wait until all that was said before is here."""
        await self.raw.say({"type": "heartbeat"})
        await self.settle()

    async def settle(self) -> None:
        """Wait until all that was said to it so far is here."""
        number = len(self.heard) + 1_000_000
        await self.raw.say({"type": "ping", "timestamp": number})
        await self._hear("pong", number)

    async def ask_for_list(self) -> None:
        """Replace the view by what the server says now."""
        await self.raw.say({"type": "member_list"})
        await self._hear("member_list")

    async def leave(self) -> None:
        """Give the seat up and wait for the close."""
        await self.raw.say({"type": "leave"})
        assert await self.raw.closed() == 1000
        await self.raw.gone()

    async def _hear(self, kind: str, timestamp: int | None = None) -> None:
        while True:
            message = await self.raw.receive()
            self._take(message)
            if message["type"] == kind and timestamp in (None, message["timestamp"]):
                return

    def _take(self, message: dict[str, Any]) -> None:
        self.heard.append(message)
        match decode_server_message(msgspec.json.encode(message)):
            case MemberList() | MemberJoined() | MemberLeft() as change:
                self._view.apply(change)
            case _:
                pass
