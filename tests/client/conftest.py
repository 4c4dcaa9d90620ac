"""Both event loops, a clock that stands still, and a look behind each test."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from client_manual_clock import ManualClock
from loops import LoopFactories, both_loops


def pytest_asyncio_loop_factories() -> LoopFactories:
    return both_loops()


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


def client_tasks() -> set[asyncio.Task[object]]:
    """The tasks that run the client's code, or its library's."""

    def is_clients(task: asyncio.Task[object]) -> bool:
        code = getattr(task.get_coro(), "cr_code", None)
        parts = Path(code.co_filename).parts if code is not None else ()
        return "aiohttp" in parts or ("loudsync" in parts and "client" in parts)

    return {task for task in asyncio.all_tasks() if is_clients(task)}


@pytest.fixture
async def nothing_left() -> AsyncIterator[Callable[[], None]]:
    """Give a check that no task of the client runs; make it after the test too."""

    def check() -> None:
        assert client_tasks() == set()

    yield check
    check()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert others == set()
    # What was forgotten warns here, and a warning is an error.
    gc.collect()
