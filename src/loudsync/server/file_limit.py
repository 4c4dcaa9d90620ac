"""How many files, and so connections, the system lets this process have."""

import contextlib
import sys
from collections.abc import Callable
from typing import Final

_KEPT_BACK: Final = 64
"""Descriptors for everything that is not a connection: logs, files, the loop,
and connections that are only told that there is no room."""


_FAR: Final = 4
"""While connections are fewer than this part of the limit, one in ``_LOOKED_AT``
is looked at: looking costs a tenth of a join."""

_LOOKED_AT: Final = 8


class FileLimit:
    """The limit on open files, raised as far as the system allows.

    Attributes:
        limit: Files at once; 0: no limit that is known.
    """

    def __init__(self) -> None:
        self.limit = _raise_limit()
        self._first_kept_back = max(1, self.limit - _KEPT_BACK)
        self._had_room = False
        self._came = 0

    def leaves_room(self, descriptor: Callable[[], int], inside: int) -> bool:
        """Tell whether enough descriptors are free behind a new one.

        The system gives out the lowest number that is free, so a high one
        tells that all below are in use, by whatever part of the program.

        Args:
            descriptor: Tells the new one's number.
            inside: Connections that are open.
        """
        self._came += 1
        is_near = inside * _FAR > self.limit
        if is_near or not self._had_room or self._came % _LOOKED_AT == 0:
            self._had_room = not self.limit or descriptor() < self._first_kept_back
        return self._had_room


def _raise_limit() -> int:
    if sys.platform == "win32":
        return 0
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A system may lie about its hard limit: stay with the soft one then.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return 0 if soft == resource.RLIM_INFINITY else soft
