"""Wrong usage is one line that names what is wrong, and exit code 2."""

import socket
from pathlib import Path
from typing import Any

import pytest
import typer

from loudsync import __version__
from loudsync.cli import main
from loudsync.cli.app import app

DATA = Path(__file__).parent / "data"

USAGE = [
    (["host"], "NAME"),
    (["host", "x", "y"], "y"),
    (["host", "x", "--port", "70000"], "--port"),
    (["host", "x", "--port", "-1"], "--port"),
    (["host", "x", "--port", "abc"], "--port"),
    (["host", "x", "--port"], "--port"),
    (["host", "x", "--max-members", "0"], "--max-members"),
    (["host", "x", "--max-members", "10001"], "--max-members"),
    (["host", "x", "--heartbeat-timeout", "0"], "--heartbeat-timeout"),
    (["host", "x", "--heartbeat-timeout", "nan"], "--heartbeat-timeout"),
    (["host", "x", "--heartbeat-timeout", "inf"], "--heartbeat-timeout"),
    (["host", "x", "--heartbeat-check", "0"], "--heartbeat-check"),
    (["host", "x", "--heartbeat-check", "16"], "--heartbeat-timeout"),
    (["host", "x", "--max-message-rate", "-1"], "--max-message-rate"),
    (["host", "x", "--max-sessions", "0"], "--max-sessions"),
    (["host", "x", "--max-message-size", "1"], "--max-message-size"),
    (["host", "x", "--log-format", "xml"], "--log-format"),
    (["host", "x", "--log-level", "loud"], "--log-level"),
    (["host", "x", "--tls-cert", "c.pem"], "--tls-key"),
    (["host", "x", "--tls-key", "k.pem"], "--tls-cert"),
    (["host", "x", "--public-url", "party"], "--public-url"),
    (["host", " ", "--port", "0", "--host", "127.0.0.1"], "NAME"),
    (["host", "x" * 65, "--port", "0", "--host", "127.0.0.1"], "NAME"),
    (["host", "a\x1b[31mb", "--port", "0", "--host", "127.0.0.1"], "NAME"),
    (["host", "x", "--port", "0", "--host-name", ""], "--host-name"),
    (["host", "x", "--port", "0", "--session-id", "a b"], "--session-id"),
    (["host", "x", "--port", "0", "--session-id", ""], "--session-id"),
    (["serve", "name"], "name"),
    (["serve", "--port", "70000"], "--port"),
    (["serve", "--session-id", "x"], "--session-id"),
    (["join"], "URL|CODE"),
    (["join", "localhost:8080"], "--session"),
    (["join", "ftp://localhost", "--session", "abc"], "ftp"),
    (["join", "localhost:70000", "--session", "abc"], "address"),
    (["join", "ws://", "--session", "abc"], "address"),
    (["join", "ws://a:b@localhost", "--session", "abc"], "address"),
    (["join", "abc", "--server", "a b"], "address"),
    (["join", "x" * 65], "--session"),
    (["join", "abc", "--name", " "], "--name"),
    (["join", "abc", "--token", ""], "--token"),
    (["dance"], "dance"),
    (["--dance"], "--dance"),
]


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in COMMANDS.values():
        for parameter in command.params:
            if parameter.envvar is not None:
                monkeypatch.delenv(str(parameter.envvar), raising=False)


COMMANDS: dict[str, Any] = dict(getattr(typer.main.get_command(app), "commands"))  # noqa: B009  # a group has them; mypy is told a command


@pytest.mark.parametrize(("arguments", "named"), USAGE, ids=lambda x: str(x)[:60])
def test_wrong_usage_is_one_line_that_names_it(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(arguments)

    out, err = capsys.readouterr()
    assert code == 2
    assert named in err
    assert err.startswith("loudsync: ")
    assert err.count("\n") == 1
    assert "\x1b" not in err
    assert out == ""


def test_a_bad_variable_is_wrong_usage_that_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOUDSYNC_PORT", "70000")

    assert main(["host", "x"]) == 2
    assert "LOUDSYNC_PORT" in capsys.readouterr().err


def test_an_option_wins_over_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOUDSYNC_PORT", "70000")

    assert main(["host", "x", "--port", "0", "--tls-cert", "c.pem"]) == 2
    assert "LOUDSYNC_PORT" not in capsys.readouterr().err


def test_what_kubernetes_sets_for_a_service_is_no_port(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOUDSYNC_PORT", "tcp://10.0.0.1:8080")

    assert main(["host", "x", "--tls-cert", "c.pem"]) == 2
    assert "LOUDSYNC_PORT" not in capsys.readouterr().err


def test_a_port_in_use_is_a_failure_that_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code = main(["host", "x", "--host", "127.0.0.1", "--port", port])

    err = capsys.readouterr().err
    assert code == 1
    assert err.startswith("loudsync: ")
    assert "--port" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("certificate", "key"),
    [
        ("missing.pem", "localhost-key.pem"),
        ("localhost.pem", "missing.pem"),
        ("localhost-key.pem", "localhost-key.pem"),
        ("localhost.pem", "localhost.pem"),
        (".", "localhost-key.pem"),
    ],
)
def test_a_bad_certificate_is_a_failure_that_names_it(
    certificate: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tls = ["--tls-cert", str(DATA / certificate), "--tls-key", str(DATA / key)]

    code = main(["serve", "--port", "0", "--host", "127.0.0.1", *tls])

    err = capsys.readouterr().err
    assert code == 1
    assert err.startswith("loudsync: ")
    assert "certificate" in err or "key" in err
    assert err.count("\n") == 1


def test_nothing_there_is_a_failure_that_says_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    code = main(["join", f"127.0.0.1:{port}", "--session", "abc"])

    err = capsys.readouterr().err
    assert code == 1
    assert err.startswith(f"loudsync: No connection to ws://127.0.0.1:{port}/ws")
    assert "check the address" in err
    assert err.count("\n") == 1


def test_alone_it_says_what_to_do_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    assert 'loudsync host "' in out
    assert "--help" in out
    assert out.count("\n") <= 6


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"loudsync {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_every_option_and_its_variable(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--help"]) == 0

    shown = capsys.readouterr().out
    assert "Examples:\n" in shown
    options = [p for p in COMMANDS[command].params if p.param_type_name == "option"]
    assert len(options) >= 4
    for option in options:
        assert option.opts[0] in shown
        if option.name != "help":
            variable = option.opts[0].removeprefix("--").replace("-", "_").upper()
            assert option.envvar == f"LOUDSYNC_{variable}"
            assert option.envvar in shown


def test_help_of_all_has_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name}" in shown for name in ("host", "serve", "join"))
    assert "--version" in shown
