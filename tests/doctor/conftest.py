"""Both event loops; nothing here leaves loopback."""

from loops import LoopFactories, both_loops


def pytest_asyncio_loop_factories() -> LoopFactories:
    return both_loops()
