"""What the benchmark writes: parts of Markdown pages, and the picture."""

import xml.etree.ElementTree as ET

import pytest

from bench.errors import BenchError
from bench.machine import Machine
from bench.picture import PANELS, draw
from bench.report import rewrite
from bench.results import Results, Run

PAGE = "# Page\n\n<!-- bench -->\nold\n<!-- /bench -->\n\nThe end.\n"


def test_only_what_stands_between_the_markers_is_rewritten() -> None:
    new = rewrite(PAGE, {"bench": "| new |", "bench-targets": "unused"})
    assert new == (
        "# Page\n\n<!-- bench -->\n\n| new |\n\n<!-- /bench -->\n\nThe end.\n"
    )
    assert rewrite(new, {"bench": "| new |"}) == new


@pytest.mark.parametrize(
    "page",
    [
        "no markers",
        "<!-- bench --> no end",
        "no start <!-- /bench -->",
        "<!-- /bench --> the wrong way round <!-- bench -->",
    ],
)
def test_a_page_without_its_markers_is_refused(page: str) -> None:
    with pytest.raises(BenchError):
        rewrite(page, {"bench": "new"})


def test_the_picture_has_a_bar_for_each_figure() -> None:
    runs = [
        Run(1, panel.workload, server, {"cpu_us": cpu_us})
        for panel in PANELS
        for server, cpu_us in (("loudsync", 50.0), ("node-ws", 200.0))
    ]
    runs.append(Run(1, "storm", "bun", {}, "failed"))
    svg = draw(Results("2026-01-02", 1, False, Machine("<&>", 2, "", ""), {}, runs))
    root = ET.fromstring(svg)
    bars = root.findall("{http://www.w3.org/2000/svg}rect[@rx='2']")
    widths = [float(bar.attrib["width"]) for bar in bars]
    assert widths == [150, 37.5] * len(PANELS)
    assert (
        "Joins per second: LoudSync 20,000, Node ws 5,000." in root.attrib["aria-label"]
    )
