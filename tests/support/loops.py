"""Both event loops, for the ``pytest_asyncio_loop_factories`` of a conftest."""

import asyncio
import sys
from collections.abc import Callable

LoopFactories = dict[str, Callable[[], asyncio.AbstractEventLoop]]


def both_loops() -> LoopFactories:
    """Name every event loop there is here; each async test runs on each."""
    factories: LoopFactories = {"asyncio": asyncio.new_event_loop}
    if sys.platform != "win32":
        import uvloop

        factories["uvloop"] = uvloop.new_event_loop
    return factories
