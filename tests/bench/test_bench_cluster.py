"""The cluster's benchmark: what it makes of what it measured, and that it measures."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from bench.build import build
from bench.cluster import PLACEHOLDER, joins, told, write
from bench.cluster_failover import Failovers
from bench.cluster_load import used_between
from bench.cluster_places import NATS, on_nats
from bench.cluster_report import (
    ALONE,
    EDGE,
    FOREIGN,
    OWN,
    QUICK,
    STATE,
    ClusterResults,
    Sizes,
    cell,
    document,
    percentile,
    read,
    rows,
)
from bench.errors import BenchError
from bench.machine import Machine


def results() -> ClusterResults:
    found = ClusterResults(
        date="2026-01-02T03:04:05+00:00",
        rounds=2,
        sizes=Sizes(),
        machine=Machine("A CPU", 2, "Linux 6", "3.11"),
        versions="loudsync 1",
    )
    for turn, slow in enumerate((1, 3)):
        for variant, cost in ((ALONE, 100), (STATE, 150), (OWN, 200), (EDGE, 300)):
            found.add(
                FOREIGN,
                variant,
                {
                    "per_s": 1000 / slow,
                    # A machine that is slow makes both slow, and no ratio.
                    "cpu_us": cost * slow + (turn if variant == EDGE else 0),
                    "single_p50_s": cost * slow / 1e6,
                    "single_p99_s": cost * slow / 1e5,
                    "load_busy": 0.5,
                },
            )
    return found


FAILOVERS = Failovers(
    took_s=[[0.3, 0.4], [0.35, 0.9]], welcomed_per_s=[900], welcomed=7
)


def test_a_round_is_compared_with_itself() -> None:
    assert results().ratios(FOREIGN, EDGE, ALONE, "cpu_us") == [3, 901 / 300]
    head, *_, foreign = rows(results(), FOREIGN)
    shown = dict(zip(head, foreign, strict=True))
    assert shown["CPU µs per join ↓"] == "600 (300 to 901)"
    assert shown["times own"] == "1.50"


def test_what_a_busy_load_held_back_is_marked() -> None:
    found = results()
    for run in found.runs[FOREIGN][OWN]:
        run["load_busy"] = 0.91
    table = {name: cells for name, *cells in rows(found, FOREIGN)}
    at = table[""].index("joins/s ↑")
    assert table["two nodes, through the owner"][at].startswith("≥ 667")
    assert table["two nodes, through the other"][at].startswith("667")


def test_what_was_not_measured_is_left_out() -> None:
    found = results()
    del found.runs[FOREIGN][STATE]
    assert len(rows(found, FOREIGN)) == len(rows(results(), FOREIGN)) - 1
    assert "kills" not in document(found)["bench-cluster"]


@pytest.mark.parametrize(
    ("values", "text"),
    [([], ""), ([2.0], "2.00"), ([1.0, 4.0, 3.0], "3.00 (1.00 to 4.00)")],
)
def test_the_spread_stands_beside_the_median(values: list[float], text: str) -> None:
    assert cell(values) == text


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert [percentile(values, part) for part in (0.5, 0.95, 1.0)] == [50, 95, 100]
    assert percentile([7.0], 0.01) == 7


def test_cpu_time_counts_from_one_instant_to_another() -> None:
    samples = [
        (10.0, {"a": 1.0, NATS: 0.0}),
        (11.0, {"a": 2.0, NATS: 0.0}),
        (13.0, {"a": 6.0, NATS: 0.5}),
    ]
    assert used_between(samples, 10.5, 12.0) == {"a": 2.5, NATS: 0.25}
    assert used_between(samples, 0, 99) == {"a": 5, NATS: 0.5}


def test_json_is_read_back() -> None:
    found = replace(results(), failovers=FAILOVERS, failures=["one"])
    assert read(msgspec.json.encode(found)) == found


def test_a_page_gets_its_parts_for_placeholders_and_again(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{PLACEHOLDER}\n\n{PLACEHOLDER}\n", encoding="utf-8")
    found = replace(results(), failovers=FAILOVERS)
    write(page, found)
    once = page.read_text(encoding="utf-8")
    failover, costs = once.split("<!-- /bench-cluster-failover -->")
    assert "| 0.30 | 0.38 | 0.90 | 0.90 |" in failover
    assert "1.50 times that of a join at the owner" in costs
    assert PLACEHOLDER not in once
    write(page, found)
    assert page.read_text(encoding="utf-8") == once


def test_a_page_without_a_place_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n", encoding="utf-8")
    with pytest.raises(BenchError, match=r"page\.md"):
        write(page, results())


def test_it_measures() -> None:
    sizes = replace(QUICK, storm=20, singles=3, listeners=4, events_s=0.2)
    build()
    with on_nats(2) as place:
        joined = joins(sizes, place, place.edge)
        heard = told(sizes, place, sessions=1)
    assert joined["per_s"] > 0
    assert joined["single_p50_s"] <= joined["single_p99_s"]
    assert heard["events_per_s"] == pytest.approx(heard["per_s"] / 4)
    for figures in (joined, heard):
        parts = [figures[f"cpu_us {name}"] for name in ("owner", "edge", NATS)]
        assert min(parts) > 0
        assert sum(parts) == pytest.approx(figures["cpu_us"])
