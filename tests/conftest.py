"""Hypothesis on a busy machine: no stopwatch, and a failure can be replayed.

The files that take longest come first, those that mostly wait beside those that
compute: there is always something to do, and none is left for one worker at the end.
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
    "web/test_page_host.py",
    "discovery/test_search.py",
    "web/test_page_join.py",
    "cli/test_cli_two_machines.py",
    "web/test_page_screens.py",
    "cli/test_cli_workers.py",
    "web/test_page_members.py",
    "web/test_page_endings.py",
    "cli/test_cli_streams.py",
    "cluster/test_drills_cut_off.py",
    "web/test_page_sleep.py",
    "cluster/test_edge_returns.py",
    "cli/test_cli_screen.py",
    "discovery/test_hostile_network.py",
    "web/test_page_story.py",
    "cluster/test_drills_three.py",
    "fuzz/test_fuzz_memory.py",
    "js_client/test_js_client.py",
    "server/test_full_disk.py",
    "discovery/test_finding.py",
    "fuzz/test_fuzz_frames.py",
    "cluster/test_drills_slow.py",
    "cli/test_cli_screen_looks.py",
    "cluster/test_drills_nodes.py",
    "test_public_names.py",
    "cluster/test_cluster_hard_cases.py",
    "cli/test_cli_party.py",
    "cluster/test_drills_nats.py",
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
