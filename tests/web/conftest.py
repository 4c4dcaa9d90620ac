"""One real Chromium for all tests of the page, and a watch over its console."""

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from loudsync import HostedSession, ServerSettings, SessionServer
from loudsync.testing import FaultProxy
from page_guest import Guest
from page_opener import PageOpener, chromium

FIND_CHROMIUM = Path(__file__).parents[2] / "scripts" / "find_chromium.py"

SETTINGS = ServerSettings(
    # The raw guests send no heartbeats; the page is tested for its own.
    heartbeat_timeout_s=60,
    takeover_wait_s=0.2,
    shutdown_grace_s=1,
)

# Generous, for slow shared machines: nobody waits for it unless a test fails.
expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    found = subprocess.run(
        [sys.executable, FIND_CHROMIUM], capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        pytest.fail(found.stderr.strip())
    return found.stdout.strip()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    """A Chromium without windows, if there is one: it does the same with half the work."""
    async with chromium(shutil.which("chromium-headless-shell") or chromium_path) as it:
        yield it


@pytest_asyncio.fixture(loop_scope="session")
async def settings() -> ServerSettings:
    return SETTINGS


@pytest_asyncio.fixture(loop_scope="session")
async def server(settings: ServerSettings) -> AsyncIterator[SessionServer]:
    async with SessionServer(host="127.0.0.1", port=0, settings=settings) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def session(server: SessionServer) -> HostedSession:
    return await server.create_session(
        "Friday Party", host_name="Rishad", session_id="k7m2qx", listed=True
    )


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(server: SessionServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(server.port) as proxy:
        yield proxy


@pytest_asyncio.fixture(loop_scope="session")
async def opener(browser: Browser, proxy: FaultProxy) -> AsyncIterator[PageOpener]:
    # The proxy, and the server behind it, outlive the pages: no complaints then.
    opener = PageOpener(browser)
    yield opener
    await opener.close()
    assert opener.problems == []


@pytest_asyncio.fixture(loop_scope="session")
async def guest(server: SessionServer, session: HostedSession) -> AsyncIterator[Guest]:
    """A raw client that is in the session already."""
    async with Guest(server.port) as guest:
        await guest.join(session.id, "Sara's Android")
        yield guest
