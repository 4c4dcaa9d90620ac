"""A real server on a free loopback port, on each event loop."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from loops import LoopFactories, both_loops
from loudsync import ServerSettings, SessionServer


def pytest_asyncio_loop_factories() -> LoopFactories:
    return both_loops()


@pytest.fixture
async def server() -> AsyncIterator[SessionServer]:
    settings = ServerSettings(max_message_rate=0)
    async with SessionServer(host="127.0.0.1", port=0, settings=settings) as server:
        yield server


@pytest.fixture
async def http(server: SessionServer) -> AsyncIterator[aiohttp.ClientSession]:
    """A client whose paths are the server's."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        yield session


@pytest.fixture
def slow_reader_settings() -> ServerSettings:
    return ServerSettings(max_message_rate=0, max_outgoing_bytes=16 * 1024)
