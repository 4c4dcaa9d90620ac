"""What many rounds of drills showed, as a table."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from drills.scene import Outcome

_HEAD = [
    *("drill", "rounds", "failed", "strikes", "joins"),
    *("failover s: min", "median", "p95", "max"),
]


class Tally:
    """The rounds of one drill."""

    def __init__(self) -> None:
        self.rounds = 0
        self.failed = 0
        self.total = Outcome()

    def add(self, outcome: Outcome | None) -> None:
        """Count a round; ``None``: it failed."""
        self.rounds += 1
        if outcome is None:
            self.failed += 1
            return
        self.total.failovers_s += outcome.failovers_s
        self.total.strikes += outcome.strikes
        self.total.events += outcome.events
        self.total.joins += outcome.joins


def table(tallies: Mapping[str, Tally]) -> list[str]:
    """Return the lines of the table, and below it what else happened."""
    rows = [_HEAD, *[_row(name, it) for name, it in tallies.items()]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    events: Counter[str] = sum((it.total.events for it in tallies.values()), Counter())
    return lines + [f"{count:6,} times {what}" for what, count in events.most_common()]


def _row(name: str, tally: Tally) -> list[str]:
    total = tally.total
    strikes = ", ".join(f"{count} {what}" for what, count in total.strikes.items())
    return [
        *(name, str(tally.rounds), str(tally.failed)),
        *(strikes or "none", f"{total.joins:,}"),
        *spread(total.failovers_s),
    ]


def spread(values: Sequence[float]) -> list[str]:
    """Return minimum, median, 95th percentile and maximum, as people read them."""
    if not values:
        return ["-"] * 4
    ordered = sorted(values)
    p95 = ordered[math.ceil(len(ordered) * 0.95) - 1]
    return [f"{it:.2f}" for it in (ordered[0], median(ordered), p95, ordered[-1])]
