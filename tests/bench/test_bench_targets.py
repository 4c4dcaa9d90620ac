"""Targets: met, missed, and on which side the truth lies."""

import pytest

from bench.machine import Machine
from bench.results import Results, Run
from bench.servers import SERVERS
from bench.targets import TARGETS, Target, Verdict, figure_of, judge, target_rows
from bench.workloads import WORKLOADS

JOINS = Target("storm", "per_s", "≥", 2.5, "node-ws")


def storm(server: str, per_s: float, load_busy: float = 0.5) -> Run:
    figures = {"per_s": per_s, "p99_us": 1e4, "cpu_us": 50, "load_busy": load_busy}
    return Run(1, "storm", server, figures)


def verdicts(*runs: Run) -> dict[Target, Verdict]:
    results = Results("", 1, False, Machine("", 2, "", ""), {}, list(runs))
    return {verdict.target: verdict for verdict in judge(results)}


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_targets_name_what_is_measured(target: Target) -> None:
    assert target.workload in WORKLOADS
    assert figure_of(target).key == target.figure
    assert target.versus is None or target.versus in SERVERS


@pytest.mark.parametrize(("per_s", "met"), [(2499, False), (2500, True)])
def test_a_ratio_is_held_against_its_bound(per_s: float, met: bool) -> None:
    verdict = verdicts(storm("loudsync", per_s), storm("node-ws", 1000))[JOINS]
    assert (verdict.measured, verdict.met, verdict.sign) == (per_s / 1000, met, "")


@pytest.mark.parametrize(
    ("ours", "theirs", "sign"),
    [(0.95, 0.5, "≥"), (0.5, 0.95, "≤"), (0.95, 0.95, "~")],
)
def test_a_ratio_that_the_load_held_back_has_a_sign(
    ours: float, theirs: float, sign: str
) -> None:
    runs = storm("loudsync", 3000, ours), storm("node-ws", 1000, theirs)
    assert verdicts(*runs)[JOINS].sign == sign


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert verdicts(storm("loudsync", 3000))[JOINS].met is None
    assert verdicts(storm("node-ws", 3000))[JOINS].met is None


def test_a_figure_of_its_own_is_in_the_unit_that_people_read() -> None:
    figures = {"empty_kb": 44.0 * 1024, "welcome_s": 0.51}
    found = verdicts(Run(1, "start-up", "loudsync", figures))
    measured = [found[target] for target in TARGETS if target.workload == "start-up"]
    assert [(verdict.measured, verdict.met) for verdict in measured] == [
        (44, True),
        (0.51, False),
    ]


def test_the_table_says_it_in_words() -> None:
    head, row, missing = target_rows(
        [Verdict(JOINS, 2.625, "≥"), Verdict(TARGETS[-1], None)]
    )
    assert len(head) == len(row) == len(missing)
    assert row == ["storm", "joins/s", "≥ 2.5 times Node ws", "≥ 2.62", "met"]
    assert missing[-2:] == ["", "not measured"]
