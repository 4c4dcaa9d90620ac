"""Python clients in numbers, and all that they were told, with when."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress

from loudsync import Client
from loudsync.core.events import ClientEvent, Connected, Left
from loudsync.errors import LoudSyncError
from loudsync.protocol import MemberId, MemberInfo


class FollowedClient:
    """A client that is in, and what it tells.

    Attributes:
        client: The client.
        events: Every event so far, oldest first.
        connected_s: When each ``Connected`` came, on the loop's clock.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.events: list[ClientEvent] = []
        self.connected_s: list[float] = []
        self.id = client.client_id
        self.session_id = client.session.id
        self.joined_at_ms = self.me.joined_at_ms

    @property
    def me(self) -> MemberInfo:
        me = self.client.me
        assert me is not None, f"{self.id} is not among its members"
        return me

    @property
    def members(self) -> Mapping[MemberId, MemberInfo]:
        return self.client.members

    @property
    def left(self) -> list[Left]:
        """Who it was told has gone."""
        return [event for event in self.events if isinstance(event, Left)]

    @property
    def returns(self) -> int:
        """How often it came back."""
        return max(0, len(self.connected_s) - 1)

    @property
    def has_its_seat(self) -> bool:
        """Whether its seat is the one from the beginning."""
        is_resumed = [e.resumed for e in self.events if isinstance(e, Connected)][1:]
        return (self.id, self.joined_at_ms) == (
            self.me.id,
            self.me.joined_at_ms,
        ) and all(is_resumed)

    async def follow(self) -> None:
        """Take in what comes, until the end; who can't come back ends too."""
        with suppress(LoudSyncError):
            async for event in self.client:
                self.events.append(event)
                if isinstance(event, Connected):
                    self.connected_s.append(asyncio.get_running_loop().time())


@asynccontextmanager
async def followed(clients: Iterable[Client]) -> AsyncIterator[list[FollowedClient]]:
    """Let all of these join at once; at the end let all of them leave."""
    entered: list[Client] = []

    async def enter(client: Client) -> None:
        await client.__aenter__()
        entered.append(client)

    clients = list(clients)
    try:
        async with asyncio.TaskGroup() as joining:
            for client in clients:
                joining.create_task(enter(client))
        async with asyncio.TaskGroup() as following:
            crowd = [FollowedClient(client) for client in clients]
            tasks = [following.create_task(one.follow()) for one in crowd]
            try:
                yield crowd
            finally:
                for task in tasks:
                    task.cancel()
    finally:
        async with asyncio.TaskGroup() as leaving:
            for client in entered:
                leaving.create_task(client.__aexit__(None, None, None))
