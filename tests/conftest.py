"""Hypothesis on a busy machine: no stopwatch, and a failure can be replayed.

The files that take longest, most of it waiting, come first: none is left at the end
for one worker alone while the others have nothing to do.
"""

import gc
from typing import Final

import pytest
from hypothesis import settings

settings.register_profile("loudsync", deadline=None, print_blob=True)
settings.load_profile("loudsync")

_LONGEST: Final = (
    # In one of its tests a page is hidden for a minute.
    "web/test_page_hidden.py",
    "discovery/test_search.py",
    "cli/test_cli_two_machines.py",
    "web/test_page_screens.py",
    "cli/test_cli_workers.py",
    "cluster/test_drills_cut_off.py",
    "web/test_page_endings.py",
    "web/test_page_join.py",
    "web/test_page_host.py",
    "cluster/test_edge_returns.py",
)


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    here = config.rootpath / "tests"
    rank = {here / name: at for at, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


def pytest_collection_finish() -> None:
    """Spare the garbage collector thousands of tests that stay until the end."""
    gc.collect()
    gc.freeze()
