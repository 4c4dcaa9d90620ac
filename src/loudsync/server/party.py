"""The short way: one party, hosted by this process."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loudsync.server.creation import DEFAULT_HOST_NAME
from loudsync.server.hosting import HostedSession
from loudsync.server.session_server import SessionServer
from loudsync.server.settings import (
    DEFAULT_MAX_MEMBERS,
    DEFAULT_PORT,
    EVERY_INTERFACE,
    ServerSettings,
)


@asynccontextmanager
async def host(
    name: str,
    *,
    port: int = DEFAULT_PORT,
    host: str = EVERY_INTERFACE,
    host_name: str = DEFAULT_HOST_NAME,
    max_members: int = DEFAULT_MAX_MEMBERS,
    session_id: str | None = None,
    listed: bool = True,
    settings: ServerSettings | None = None,
    tls: ssl.SSLContext | None = None,
    advertise: bool = False,
) -> AsyncIterator[HostedSession]:
    """Host a party: a server with one session, whose host is this process.

    ::

        async with loudsync.host("Friday Party") as party:
            print(party.join_url)
            async for event in party:
                print(event)

    Args:
        name: What the party is called, 1-64 characters.
        port: 0 takes a free one.
        host: The address to listen at; by default every interface.
        host_name: What the host is called.
        listed: Show the party on the page's list; it is the only one there.
        advertise: Announce it on the local network as well, if it is listed:
            ``loudsync.discover`` finds it there.

    Yields:
        The session. It is closed, and the server stopped, at the end of the
        block; nothing is left after a cancellation either.

    Raises:
        StartFailed: The address can't be used.
        InvalidSetting: A value is out of its range.
    """
    async with SessionServer(
        host=host, port=port, settings=settings, tls=tls, advertise=advertise
    ) as server:
        yield await server.create_session(
            name,
            host_name=host_name,
            max_members=max_members,
            session_id=session_id,
            listed=listed,
        )
