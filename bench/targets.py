"""What LoudSync has to reach, as data, and whether it does."""

from dataclasses import dataclass
from typing import Final, Literal

from bench.results import Results, held_back
from bench.servers import OURS, SERVERS
from bench.workloads import WORKLOADS, Figure


@dataclass(frozen=True)
class Target:
    """A bound on one figure of LoudSync, or on its ratio to another server's."""

    workload: str
    figure: str
    wants: Literal["≥", "≤"]
    bound: float
    versus: str | None = None


TARGETS: Final = (
    Target("storm", "per_s", "≥", 2.5, "node-ws"),
    Target("storm", "per_s", "≥", 0.6, "bun"),
    Target("storm", "cpu_us", "≤", 0.4, "node-ws"),
    Target("steady", "cpu_us", "≤", 0.6, "node-ws"),
    Target("steady", "cpu_us", "≤", 1.6, "limit"),
    Target("steady", "p99_us", "≤", 2, "limit"),
    Target("ping-1", "per_s", "≥", 2.2, "node-ws"),
    Target("ping-1", "per_s", "≥", 0.85, "bun"),
    Target("ping-16", "per_s", "≥", 7, "node-ws"),
    Target("room-join", "wall_s", "≤", 0.1, "node-ws"),
    Target("room-broadcast", "per_s", "≥", 2, "node-ws"),
    Target("memory", "per_member_kb", "≤", 7),
    Target("start-up", "empty_kb", "≤", 45),
    Target("start-up", "welcome_s", "≤", 0.5),
)


@dataclass(frozen=True)
class Verdict:
    """How a target came out.

    Attributes:
        measured: The figure or the ratio; None where a run is missing.
        sign: ``≥`` or ``≤`` where the load held one of the two servers back and
            the real ratio lies on that side, ``~`` where it held back both.
    """

    target: Target
    measured: float | None
    sign: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where nothing was measured."""
        if self.measured is None:
            return None
        if self.target.wants == "≥":
            return self.measured >= self.target.bound
        return self.measured <= self.target.bound


def judge(results: Results) -> list[Verdict]:
    """Hold what was measured against every target."""
    return [_judge(target, results) for target in TARGETS]


def _judge(target: Target, results: Results) -> Verdict:
    figure = figure_of(target)
    ours = results.medians(target.workload, OURS)
    if ours is None:
        return Verdict(target, None)
    if target.versus is None:
        return Verdict(target, ours[figure.key] / figure.per)
    theirs = results.medians(target.workload, target.versus)
    if theirs is None or theirs[figure.key] == 0:
        return Verdict(target, None)
    sign = _sign(figure, held_back(ours, figure), held_back(theirs, figure))
    return Verdict(target, ours[figure.key] / theirs[figure.key], sign)


def _sign(figure: Figure, ours: bool, theirs: bool) -> str:
    if ours and theirs:
        return "~"
    if not (ours or theirs):
        return ""
    # Without the load, whoever it held back is better.
    return "≥" if ours == (figure.better == "higher") else "≤"


def figure_of(target: Target) -> Figure:
    """Return the figure that a target is about."""
    figures = WORKLOADS[target.workload].figures
    return next(figure for figure in figures if figure.key == target.figure)


def target_rows(verdicts: list[Verdict]) -> list[list[str]]:
    """Return the table of targets, its head first."""
    words = {True: "met", False: "missed", None: "not measured"}
    rows = [["Workload", "Figure", "Target", "Measured", ""]]
    for verdict in verdicts:
        target = verdict.target
        versus = f" times {SERVERS[target.versus].name}" if target.versus else ""
        measured = "" if verdict.measured is None else f"{verdict.measured:.2f}"
        rows.append(
            [
                target.workload,
                figure_of(target).label,
                f"{target.wants} {target.bound:g}{versus}",
                f"{verdict.sign} {measured}".strip(),
                words[verdict.met],
            ]
        )
    return rows
