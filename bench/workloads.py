"""The workloads as data: what the load does, and which figures of it are shown."""

from dataclasses import dataclass, replace
from typing import Final, Literal

PARTY: Final = 10
"""Members of one session, unless everybody is in one room; as in load.c."""

LOAD_IS_BUSY: Final = 0.9
"""Busier than this part of the time, the load may be what holds a figure back."""


ALONE: Final = 10
"""Members that join the one room one by one at the end, in load.c's words."""


@dataclass(frozen=True)
class Figure:
    """One figure of a workload.

    Attributes:
        key: What the load's JSON calls it.
        label: What people read, unit included.
        better: Which direction is good.
        per: The load's unit divided by the label's.
        by_clock: Read off the wall clock: a load that is busy holds it back.
    """

    key: str
    label: str
    better: Literal["higher", "lower"]
    per: float = 1
    by_clock: bool = False


@dataclass(frozen=True)
class Workload:
    """One workload, and the sessions that it needs.

    Attributes:
        name: What ``--workloads`` and the JSON call it.
        title: What people read.
        load: The load's own name for it; None where Python does it.
        members: How many connections.
        extra: The load's last argument, where it takes one.
        quick: Members and extra of ``--quick``.
        one_room: Everybody is in one session.
    """

    name: str
    title: str
    load: str | None
    members: int
    extra: int | None
    quick: tuple[int, int | None]
    figures: tuple[Figure, ...]
    one_room: bool = False

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return 1 if self.one_room else -(-self.members // PARTY)

    @property
    def seats(self) -> int:
        """Seats of each session, the host's included."""
        guests = self.members + (self.extra or 0) + ALONE if self.one_room else PARTY
        return 1 + guests

    @property
    def arguments(self) -> list[str]:
        """The load's last arguments."""
        numbers = [self.members] if self.extra is None else [self.members, self.extra]
        return list(map(str, numbers))

    def made_quick(self) -> "Workload":
        """The same, small: whether it works, not how fast."""
        members, extra = self.quick
        return replace(self, members=members, extra=extra)


def _per_s(what: str) -> Figure:
    return Figure("per_s", f"{what}/s", "higher", by_clock=True)


def _cpu(of: str) -> Figure:
    return Figure("cpu_us", f"CPU µs per {of}", "lower")


def _time(key: str, label: str, per: float = 1) -> Figure:
    return Figure(key, label, "lower", per, by_clock=True)


WORKLOADS: Final = {
    workload.name: workload
    for workload in (
        Workload(
            "storm",
            "5,000 join, 256 at a time, in parties of 10",
            "storm",
            5000,
            None,
            (1000, None),
            (_per_s("joins"), _time("p99_us", "p99 ms", 1000), _cpu("join")),
        ),
        Workload(
            "steady",
            "5,000 members, heartbeat and ping every 5 s",
            "steady",
            5000,
            15,
            (1000, 3),
            (
                _cpu("member and second"),
                _time("p50_us", "PONG p50 µs"),
                _time("p99_us", "PONG p99 µs"),
                _time("p999_us", "PONG p99.9 µs"),
            ),
        ),
        Workload(
            "ping-1",
            "1,000 connections, 1 ping in flight each",
            "ping",
            1000,
            1,
            (200, 1),
            (_per_s("pongs"), _cpu("pong")),
        ),
        Workload(
            "ping-16",
            "1,000 connections, 16 pings in flight each",
            "ping",
            1000,
            16,
            (200, 16),
            (_per_s("pongs"), _cpu("pong")),
        ),
        Workload(
            "room-join",
            "1,000 into one room at once",
            "room-join",
            1000,
            None,
            (200, None),
            (_time("wall_s", "s until everybody knows everybody"),),
            one_room=True,
        ),
        Workload(
            "room-broadcast",
            "50 more into that room at once",
            "room-broadcast",
            1000,
            50,
            (200, 10),
            (
                _per_s("deliveries"),
                _time("spread_us", "µs from the first to the last of 1,000 that hear"),
            ),
            one_room=True,
        ),
        Workload(
            "churn",
            "2,000 members, 4,000 connections lost and resumed",
            "churn",
            2000,
            4000,
            (500, 1000),
            (_per_s("resumes"), _cpu("resume")),
        ),
        Workload(
            "memory",
            "10,000 idle members",
            "memory",
            10000,
            None,
            (2000, None),
            (Figure("per_member_kb", "KB per member", "lower"),),
        ),
        Workload(
            "start-up",
            "an empty server starts, one member joins",
            None,
            1,
            None,
            (1, None),
            (
                Figure("welcome_s", "s until the first WELCOME", "lower"),
                Figure("empty_kb", "MB resident, empty", "lower", 1024),
            ),
        ),
    )
}
"""By name, in the order of the tables."""
