"""How many connections the operating system lets this process have."""

import contextlib
import sys
from typing import Final

_KEPT_BACK: Final = 64
"""Descriptors for everything that is not a connection: logs, files, the loop,
and connections that are only told that there is no room."""

_WITHOUT_LIMIT: Final = 1_000_000
"""What stands for "no limit": more than one process can serve anyway."""


def connections_allowed() -> int:
    """Raise the file limit as far as allowed; return what is left for guests."""
    if sys.platform == "win32":
        return _WITHOUT_LIMIT
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A system may lie about its hard limit: stay with the soft one then.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    if soft == resource.RLIM_INFINITY:
        return _WITHOUT_LIMIT
    return max(1, soft - _KEPT_BACK)
