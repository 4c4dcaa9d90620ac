"""How many files, and so connections, the system lets this process have."""

from collections.abc import Callable
from typing import Final

from loudsync._systems import raise_file_limit

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
        self.limit = raise_file_limit()
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
