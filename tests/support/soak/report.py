"""What a run tells: one line now and then, and a summary at the end."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from soak import census
from soak.crowd import Crowd
from soak.tally import Tally
from soak.venue import Venue

Say = Callable[[str], None]

PROGRESS_EVERY_S: Final = 10.0


@dataclass
class Outcome:
    """How a run went.

    Attributes:
        wrong: Everything that is too many, differs, or is against the rules.
        blocks_kept: Small objects that Python holds after it, more than before.
        blocks_allowed: How many of them are no leak yet.
        lines: The summary.
    """

    wrong: list[str] = field(default_factory=list)
    blocks_kept: int = 0
    blocks_allowed: int = 0
    lines: list[str] = field(default_factory=list)


class Meter:
    """Measures one run, from when it is made."""

    def __init__(self, venues: Sequence[Venue], tally: Tally) -> None:
        self._venues = venues
        self._tally = tally
        self._began_s = time.monotonic()
        self._began_cpu_s = time.process_time()
        self._rss_mb = census.rss_mb()
        self._told_s = self._began_s
        self._told_cpu_s = self._began_cpu_s
        self._messages_before = self._told_messages = self.messages()
        self._before = self.counters()

    def messages(self) -> int:
        """Messages of the servers, in and out."""
        return sum(
            venue.server.stats.messages_in + venue.server.stats.frames_out
            for venue in self._venues
        )

    def counters(self) -> dict[str, int]:
        """What the servers counted."""
        stats = [venue.server.stats for venue in self._venues]
        return {
            "joins": sum(each.joins for each in stats),
            "takeovers": sum(each.takeovers for each in stats),
            "floods": sum(each.floods for each in stats),
            "overflows": sum(each.overflows for each in stats),
            "sessions opened": sum(each.sessions_opened for each in stats),
            "sessions closed": sum(each.sessions_closed for each in stats),
            **{
                f"left: {reason}": sum(each.leaves[reason] for each in stats)
                for reason in stats[0].leaves
            },
        }

    def counted(self) -> dict[str, int]:
        """What the servers counted since the beginning."""
        now = self.counters()
        return {name: now[name] - self._before[name] for name in now}

    def progress(self, crowd: Crowd) -> str:
        """Tell how it stands, since the last time."""
        now_s, cpu_s, messages = time.monotonic(), time.process_time(), self.messages()
        elapsed_s = max(now_s - self._told_s, 1e-9)
        members = sum(venue.server.stats.members for venue in self._venues)
        line = (
            f"{now_s - self._began_s:5.0f} s  {members} members,"
            f" {sum(self._tally.acts.values())} acts,"
            f" {self.counted()['joins']} joins,"
            f" {(messages - self._told_messages) / elapsed_s:,.0f} messages/s,"
            f" CPU {(cpu_s - self._told_cpu_s) / elapsed_s:.0%},"
            f" RSS {census.rss_mb():.0f} MB,"
            f" {len(crowd.agenda)} to come back, {self._tally.fault_count} faults"
        )
        self._told_s, self._told_cpu_s, self._told_messages = now_s, cpu_s, messages
        return line

    def summary(self) -> list[str]:
        """Tell how it was."""
        elapsed_s = time.monotonic() - self._began_s
        cpu_s = time.process_time() - self._began_cpu_s
        messages = self.messages() - self._messages_before
        ran = f"ran {elapsed_s:.0f} s, CPU {cpu_s / elapsed_s:.0%} of one core"
        memory = f"RSS {self._rss_mb:.0f} MB before, {census.rss_mb():.0f} MB after"
        peak = f"peak {self._tally.peak_members} members"
        delivered = f"{self._tally.deliveries:,} messages delivered to guests"
        rate = f"{messages:,} in and out of the servers, {messages / elapsed_s:,.0f}/s"
        compared, differing = self._tally.views_compared, self._tally.views_differing
        return [
            f"{ran} (servers and crowd), {memory}",
            f"{peak}, {delivered}, {rate}",
            f"compared {compared:,} views, {differing} differ",
            f"acts: {_listed(self._tally.acts)}",
            f"what came of them: {_listed(self._tally.events)}",
            f"the servers counted: {_listed(self.counted())}",
        ]


def _listed(numbers: dict[str, int]) -> str:
    by_number = sorted(numbers.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {number:,}" for name, number in by_number)
