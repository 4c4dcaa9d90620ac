"""Each command loads what it runs, and not what the others do."""

from fresh_python import loaded_by

CLUSTER = "loudsync.cluster"
CLIENT, SERVER = "loudsync.client", "loudsync.server.session_server"

NOWHERE = "203.0.113.1"
"""An address for documentation (RFC 5737): no machine has it."""


def loaded_for(*arguments: str, code: int) -> set[str]:
    """Run a command that ends with this code; return the modules it loaded."""
    return loaded_by(
        "import contextlib, io, loudsync.cli\n"
        "with (\n"
        "    contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())),\n"
        "    contextlib.redirect_stderr(io.TextIOWrapper(io.BytesIO())),\n"
        "):\n"
        f"    code = loudsync.cli.main({arguments!r})\n"
        f"assert code == {code}, code"
    )


def test_help_loads_nothing_to_run() -> None:
    loaded = loaded_for("host", "--help", code=0)
    assert loaded & {CLIENT, SERVER, "aiohttp", "structlog", "rich"} == set()
    assert loaded_for("serve", "--help", code=0) & {CLUSTER, "nats"} == set()
    assert loaded_for("nodes", "--help", code=0) & {CLUSTER, "nats"} == set()


def test_serve_loads_no_client_and_no_http() -> None:
    loaded = loaded_for("serve", "--host", NOWHERE, code=1)
    assert SERVER in loaded
    assert loaded & {CLIENT, CLUSTER, "aiohttp", "nats", "sqlite3"} == set()


def test_host_loads_no_client_and_no_http() -> None:
    loaded = loaded_for("host", "Party", "--host", NOWHERE, code=1)
    assert SERVER in loaded
    assert loaded & {CLIENT, CLUSTER, "aiohttp", "nats", "sqlite3"} == set()


def test_join_loads_no_server() -> None:
    loaded = loaded_for("join", "http://127.0.0.1:1/?session=abc123", code=1)
    assert CLIENT in loaded
    assert loaded & {SERVER, CLUSTER, "nats"} == set()
