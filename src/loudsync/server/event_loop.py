"""The garbage collector of programs that are a server and nothing else."""

import gc
from typing import Final

_ALLOCATIONS_A_COLLECTION: Final = 50_000
"""Python's own few hundred are made within twenty joins. What a connection leaves
behind is no cycle on uvloop, and a few small objects on other loops."""


def spare_collector() -> None:
    """Let the garbage collector look at what is new, and that more rarely.

    Call it once the program is up: what lives as long as the program does is
    not looked at any more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_A_COLLECTION)
