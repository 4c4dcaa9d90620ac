"""Medians, failed runs, and figures that the load held back."""

from dataclasses import replace

import pytest

from bench.machine import Machine
from bench.report import as_json, failures, shown, table, three_digits
from bench.results import Results, Run, held_back, read
from bench.workloads import WORKLOADS

JOINS, P99, CPU = WORKLOADS["storm"].figures


def results(*runs: Run) -> Results:
    return Results(
        date="2026-01-02T03:04:05+00:00",
        rounds=3,
        quick=False,
        machine=Machine("A CPU", 2, "Linux 6", "3.11"),
        versions={"loudsync": "loudsync 1", "node-ws": "ws 8"},
        runs=list(runs),
    )


def storm(round_: int, per_s: float, load_busy: float = 0.5) -> Run:
    figures = {"per_s": per_s, "p99_us": 2500, "cpu_us": 50, "load_busy": load_busy}
    return Run(round_, "storm", "loudsync", figures)


FAILED = Run(2, "storm", "node-ws", {}, "load: the server refused something")


def test_medians_are_over_the_rounds_figure_by_figure() -> None:
    measured = results(storm(1, 9000, 0.95), storm(2, 1000, 0.1), storm(3, 8000, 0.2))
    medians = measured.medians("storm", "loudsync")
    assert medians == {"per_s": 8000, "p99_us": 2500, "cpu_us": 50, "load_busy": 0.2}


def test_one_failed_run_is_no_median() -> None:
    worked = replace(storm(1, 9000), server="node-ws")
    measured = results(storm(1, 9000), worked, FAILED)
    assert measured.medians("storm", "node-ws") is None
    assert measured.medians("storm", "bun") is None
    assert measured.failures("loudsync") == []
    assert failures(measured) == [
        "failed: storm on Node ws: load: the server refused something"
    ]
    assert table(measured).splitlines()[2:] == [
        f"| {WORKLOADS['storm'].title} | joins/s ↑ | 9,000 | failed |",
        "|  | p99 ms ↓ | 2.50 | failed |",
        "|  | CPU µs per join ↓ | 50.0 | failed |",
    ]


def test_what_a_busy_load_held_back_is_marked() -> None:
    busy, idle = storm(1, 9000, 0.91).figures, storm(1, 9000, 0.9).figures
    assert shown(busy, JOINS) == "≥ 9,000"
    assert shown(busy, P99) == "≤ 2.50"
    assert shown(busy, CPU) == "50.0"
    assert shown(idle, JOINS) == "9,000"
    assert not held_back({"per_member_kb": 7}, WORKLOADS["memory"].figures[0])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.78912, "0.789"),
        (9.996, "10.0"),
        (45.67, "45.7"),
        (99.96, "100"),
        (12345, "12,300"),
    ],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert three_digits(value) == text


def test_json_is_read_back() -> None:
    measured = results(storm(1, 9000), FAILED)
    assert read(as_json(measured)) == measured
