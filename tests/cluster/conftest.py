"""Node processes on a nats-server, for the tests of a file."""

import sys
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from cluster_nodes import Nodes, cluster
from drills.scene import Plan, Stage, set_stage
from nats_servers import nats_servers

if sys.platform == "win32":  # no signals between processes there
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="module")
def options() -> tuple[str, ...]:
    """More options of the nodes; a test file may have its own."""
    return ()


@pytest.fixture(scope="module")
def running_nodes(
    tmp_path_factory: pytest.TempPathFactory, options: tuple[str, ...]
) -> Iterator[Nodes]:
    """Four nodes, for all tests of the file: each has its own sessions."""
    folder = tmp_path_factory.mktemp("nats")
    with nats_servers(folder) as nats, cluster(nats.urls, 4, *options) as nodes:
        yield nodes
        assert nodes.crashes() == []


@pytest.fixture
async def nodes(running_nodes: Nodes) -> AsyncIterator[Nodes]:
    """They go on after a test, so its connections don't end by themselves."""
    yield running_nodes
    for node in running_nodes:
        await node.let_go()


@pytest.fixture(scope="module")
def plan() -> Plan:
    """What processes a file's drills take place on; a file may have its own."""
    return Plan()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    plan: Plan, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """One set of processes for a file's drills: they leave it whole, or killed ones
    are started again."""
    async with set_stage(plan, tmp_path_factory.mktemp("stage")) as stage:
        yield stage
    assert stage.crashes() == []
