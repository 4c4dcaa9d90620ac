"""What programs of ours run on: the event loop, and the garbage collector."""

import asyncio
import gc
import sys
from typing import Final

_ALLOCATIONS_A_COLLECTION: Final = 50_000
"""Python's own few hundred are made within twenty joins. What a connection leaves
behind is no cycle on uvloop, and a few small objects on other loops."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Make a loop of the fastest kind that this system has."""
    if sys.platform != "win32":
        try:
            import uvloop
        except ImportError:
            pass
        else:
            return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def spare_collector() -> None:
    """Let the garbage collector look at what is new, and that more rarely.

    Call it once the program is up: what lives as long as the program does is
    not looked at any more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_A_COLLECTION)
