"""The documents hang together: links, diagrams, what is generated."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs_pages import PAGES, PROTOCOL, README, ROOT, Block, anchors, blocks, links

DIAGRAMS = {"sequenceDiagram", "stateDiagram-v2", "flowchart"}

STATE_DIAGRAMS = ROOT / "scripts" / "state_diagrams.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(target), link


def test_readme_leads_to_every_page() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(README)}
    assert linked >= set(PAGES) - {README}


@pytest.mark.parametrize("block", blocks("mermaid"), ids=str)
def test_diagrams_are_of_a_known_kind(block: Block) -> None:
    assert block.text.split()[0] in DIAGRAMS


def run_state_diagrams(*arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", STATE_DIAGRAMS, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_state_diagrams_are_the_codes() -> None:
    assert run_state_diagrams("--check") == (0, "")


def test_state_diagrams_are_checked_and_renewed(tmp_path: Path) -> None:
    page = tmp_path / "protocol.md"
    shutil.copy(PROTOCOL, page)
    right = page.read_text(encoding="utf-8")
    page.write_text(right.replace("reconnecting -->", "x -->"), encoding="utf-8")
    code, errors = run_state_diagrams("--check", page)
    assert (code, errors.count("\n")) == (1, 1)
    assert "out of date" in errors
    assert run_state_diagrams(page) == (0, "")
    assert page.read_text(encoding="utf-8") == right


def test_a_page_without_the_marks_is_told_of(tmp_path: Path) -> None:
    page = tmp_path / "protocol.md"
    page.write_text("Nothing\n", encoding="utf-8")
    code, errors = run_state_diagrams("--check", page)
    assert (code, errors.count("\n")) == (1, 1)
