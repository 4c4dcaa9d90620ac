"""A party behind a network that can be broken, on each event loop."""

from collections.abc import AsyncIterator, Callable

import pytest

from loops import LoopFactories, both_loops
from loudsync import HostedSession, ServerSettings, SessionServer
from loudsync.testing import FaultProxy


def pytest_asyncio_loop_factories() -> LoopFactories:
    return both_loops()


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str, float], None]:
    """Note a measured figure; ``pytest --junit-xml FILE`` writes it down."""
    return lambda name, value: request.node.user_properties.append((name, value))


@pytest.fixture
def settings() -> ServerSettings:
    """Of the server; a test file may have its own."""
    return ServerSettings(max_message_rate=0)


@pytest.fixture
async def server(settings: ServerSettings) -> AsyncIterator[SessionServer]:
    async with SessionServer(host="127.0.0.1", port=0, settings=settings) as server:
        yield server


@pytest.fixture
async def session(server: SessionServer) -> HostedSession:
    return await server.create_session("Party", session_id="abc123", max_members=300)


@pytest.fixture
async def proxy(server: SessionServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(server.port) as proxy:
        yield proxy
