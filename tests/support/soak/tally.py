"""What happened in a run, in numbers, and what must not have happened."""

from collections import Counter

_SHOWN_FAULTS = 40


class Tally:
    """Counts by name.

    Attributes:
        acts: What guests and hosts did.
        events: What came of it.
        faults: What was against the rules, the first ones in words.
        fault_count: All of them.
        deliveries: Messages that guests received.
        joins_asked, welcomes: JOINs sent and WELCOMEs received, all in all.
        views_compared: Views that were held against the server's, in all pauses.
        views_differing: What differed in them.
        peak_members: The most members that were connected at once.
    """

    def __init__(self) -> None:
        self.acts: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.faults: list[str] = []
        self.fault_count = 0
        self.deliveries = 0
        self.joins_asked = 0
        self.welcomes = 0
        self.views_compared = 0
        self.views_differing = 0
        self.peak_members = 0

    def fault(self, what: str) -> None:
        """Note something that is against the rules."""
        self.fault_count += 1
        if len(self.faults) < _SHOWN_FAULTS:
            self.faults.append(what)
