"""Parties on loopback: mDNS of tests never leaves this machine."""

import secrets
from collections.abc import AsyncIterator

import aiohttp
import pytest

from loops import LoopFactories, both_loops
from loudsync.discovery.ping import open_http


def pytest_asyncio_loop_factories() -> LoopFactories:
    return both_loops()


@pytest.fixture
def code() -> str:
    """A party's code that no other test has: they all hear one another."""
    return f"t-{secrets.token_hex(6)}"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_http() as session:
        yield session
