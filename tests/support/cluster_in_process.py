"""Nodes of a cluster in the test's own process, and what may befall them there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

from loudsync import ServerSettings, SessionServer
from loudsync.cluster import ClusterNode, ClusterSettings
from loudsync.cluster.ending import end_tasks
from loudsync.cluster.node import _Parts as Parts
from nats_servers import NatsServer
from raw_peer import PATIENCE_S, until

HOLD_S: Final = 1.0
"""How long a JOIN waits here; the contract's 5 s would be waited for."""


@asynccontextmanager
async def a_node(
    nats: NatsServer, name: str = "n", **more: Any
) -> AsyncIterator[SessionServer]:
    settings = ClusterSettings(
        servers=(nats.url,), node_name=name, join_hold_s=HOLD_S, drain_s=0.1, **more
    )
    async with SessionServer(
        host="127.0.0.1",
        port=0,
        settings=ServerSettings(max_message_rate=0, shutdown_grace_s=0.2),
        cluster=ClusterNode(settings),
    ) as server:
        yield server


async def open_session(server: SessionServer, **more: Any) -> tuple[str, str]:
    """Open a session for a remote host; its id and token."""
    session = await server.create_session("Party", remote_host=True, **more)
    assert session.host_token is not None
    return session.id, session.host_token


async def get(server: SessionServer, path: str) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{server.port}{path}") as answer,
    ):
        return answer.status, await answer.json()


async def until_ready(server: SessionServer) -> None:
    await until_status(server, 200)


async def until_unready(server: SessionServer) -> None:
    await until_status(server, 503)


async def until_status(server: SessionServer, status: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await get(server, "/readyz"))[0] != status:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


# --- Inside of a node ---------------------------------------------------------------


def node_in(server: SessionServer) -> ClusterNode:
    assert isinstance(server._cluster, ClusterNode)
    return server._cluster


def parts_of(server: SessionServer) -> Parts:
    return node_in(server)._parts


async def until_acquainted(*servers: SessionServer) -> None:
    """Wait until each of these nodes knows all others."""
    others = len(servers) - 1
    await until(
        lambda: all(len(parts_of(it).peers.settled) == others for it in servers)
    )


async def die(server: SessionServer) -> None:
    """End a node as if its process had: it says nothing any more, nor does it listen."""
    node = node_in(server)
    await end_tasks(node._tasks)
    node._tasks = []
    await node._parts.bus.close()
