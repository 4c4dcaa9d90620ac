"""What can be imported from the packages, and what is loaded for it."""

import importlib

import pytest

from fresh_python import loaded_by

LATE_PACKAGES = ["loudsync", "loudsync.discovery", "loudsync.server"]

CLIENT, SERVER = "loudsync.client", "loudsync.server.session_server"

HEAVY = {"aiohttp", "prometheus_client", "rich", "segno", "sqlite3"}
HEAVY |= {"structlog", "textual", "zeroconf", CLIENT, SERVER}


@pytest.mark.parametrize("package", LATE_PACKAGES)
def test_every_public_name_is_there(package: str) -> None:
    module = importlib.import_module(package)
    assert set(module.__all__) <= set(dir(module))
    first_of_a_module: dict[str, str] = {}
    for name in module.__all__:
        value = getattr(module, name)
        assert value is getattr(module, name)
        first_of_a_module.setdefault(getattr(value, "__module__", ""), name)
    for name in first_of_a_module.values():
        loaded_by(f"from {package} import {name}")
    loaded_by(f"from {package} import *\n{module.__all__[0]}")


@pytest.mark.parametrize("package", LATE_PACKAGES)
def test_no_other_name_is_there(package: str) -> None:
    module = importlib.import_module(package)
    with pytest.raises(AttributeError, match=f"'{package}' has no attribute 'nobody'"):
        module.nobody  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nobody'"):
        exec(f"from {package} import nobody")


@pytest.mark.parametrize(
    "expression",
    [
        "loudsync.errors.LoudSyncError",
        "loudsync.events.Joined",
        "loudsync.client.Client",
        "loudsync.protocol.encode",
        "loudsync.server.SqliteStore",
        "loudsync.server.hosting.EventStream",
    ],
)
def test_one_import_leads_everywhere(expression: str) -> None:
    loaded_by(f"import loudsync\n{expression}")


def test_host_is_a_function_however_it_is_reached() -> None:
    loaded_by(
        "import loudsync, loudsync.server.party\n"
        "assert callable(loudsync.host) and loudsync.host is loudsync.server.host"
    )


@pytest.mark.parametrize("package", [*LATE_PACKAGES, "loudsync.protocol"])
def test_a_package_loads_neither_side(package: str) -> None:
    assert loaded_by(f"import {package}") & HEAVY == set()


def test_a_host_loads_no_client_and_no_http() -> None:
    code = """
import asyncio, loudsync

async def main():
    async with loudsync.host("P", host="127.0.0.1", port=0) as party:
        assert party.members

asyncio.run(main())
"""
    assert loaded_by(code) & HEAVY == {SERVER}


def test_a_guest_loads_no_server() -> None:
    code = "import loudsync\nloudsync.join('x', session_id='abc123', name='Ann')"
    loaded = loaded_by(code) & HEAVY
    assert CLIENT in loaded
    assert SERVER not in loaded
