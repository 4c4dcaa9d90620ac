"""Who has been silent for longest: found without looking at anybody else."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT", bound=Hashable)


class SilenceQueue(Generic[ItemT]):
    """Items in the order in which they were last heard.

    Everybody's allowance is the same, so the longest silent is always first:
    hearing somebody is one move to the end, and finding the silent costs
    nothing for the others (contract, section 5).
    """

    def __init__(self) -> None:
        self._heard_ns: OrderedDict[ItemT, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._heard_ns)

    def heard(self, item: ItemT, now_ns: int) -> None:
        """Note that ``item`` was heard; the first time adds it."""
        self._heard_ns[item] = now_ns
        self._heard_ns.move_to_end(item)

    def discard(self, item: ItemT) -> None:
        """Forget ``item``; no error where it is unknown."""
        self._heard_ns.pop(item, None)

    def pop_silent(self, since_ns: int) -> list[ItemT]:
        """Remove and return who was last heard at ``since_ns`` or before."""
        silent: list[ItemT] = []
        while self._heard_ns:
            item, heard_ns = next(iter(self._heard_ns.items()))
            if heard_ns > since_ns:
                break
            del self._heard_ns[item]
            silent.append(item)
        return silent
