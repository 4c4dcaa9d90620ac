"""What the documents tell people to type works as it stands there.

Python examples run as they are, in a process of their own, but for
``SUBSTITUTIONS``. Whoever they wait for comes: a guest to each party they open,
and the end to the party they join.
"""

import asyncio
import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import typer

import loudsync
from docs_pages import PROTOCOL, README, ROOT, Block, blocks
from loudsync import HostedSession, SessionServer, events
from loudsync.cli.app import app
from loudsync.protocol import ClientMessage, ServerMessage
from loudsync.server.http_api import CreatedSession, ListedSession, NewSession

PATIENCE_S = 20
"""Only ever reached where an example hangs."""

CODE = "k7m2xp"
"""The session that examples join."""

SUBSTITUTIONS = {
    "port=8080": 'host="127.0.0.1", port=0',
    "localhost:8080": "127.0.0.1:{port}",
    "timeout_s=5": 'timeout_s=5, interfaces=["127.0.0.1"]',
}
"""Nothing leaves this machine, and no example needs a port that is in use."""

_JOIN_LINK = re.compile(r"http://\S+\?session=\S+")


def substitute(text: str, port: int) -> str:
    for old, new in SUBSTITUTIONS.items():
        text = text.replace(old, new.format(port=port))
    return text


def clean_environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LOUDSYNC_")}
    return {**kept, "PYTHONIOENCODING": "utf-8"}


# --- Python -------------------------------------------------------------------


async def end_after_first_guest(session: HostedSession) -> None:
    async for event in session:
        if isinstance(event, events.Joined):
            await session.close()


async def read_and_visit(output: asyncio.StreamReader, *, is_search: bool) -> str:
    """Read all that an example prints; go to each party it opens."""
    text = ""
    async for line in output:
        text += line.decode()
        # A search finds parties of other tests, too.
        if not is_search and (link := _JOIN_LINK.search(line.decode())):
            async with loudsync.join(link[0], name="Guest"):
                pass
    return text


@pytest.mark.parametrize("block", blocks("python"), ids=str)
async def test_python_examples_run(block: Block) -> None:
    is_search = "loudsync.discover(" in block.text
    async with (
        SessionServer(host="127.0.0.1", port=0, advertise=is_search) as server,
        asyncio.timeout(PATIENCE_S),
    ):
        session = await server.create_session(
            "Friday Party", session_id=CODE, listed=is_search
        )
        example = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-W", "error", "-c", substitute(block.text, server.port)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=clean_environment(),
        )
        assert example.stdout is not None
        assert example.stderr is not None
        ending = asyncio.create_task(end_after_first_guest(session))
        try:
            printed, errors = await asyncio.gather(
                read_and_visit(example.stdout, is_search=is_search),
                example.stderr.read(),
            )
            assert (errors.decode(), await example.wait()) == ("", 0)
            expected = [f"Friday Party {CODE}"] if is_search else ["Left(", "SessionE"]
            assert any(text in printed for text in expected)
        finally:
            ending.cancel()
            if example.returncode is None:
                example.kill()
                await example.wait()


def test_the_readme_hosts_and_joins() -> None:
    text = "".join(block.text for block in blocks("python", pages=[README]))
    assert "loudsync.host(" in text
    assert "loudsync.join(" in text


# --- Command lines --------------------------------------------------------------


def command_lines(program: str) -> list[Any]:
    """Find the lines that call a program, in every page."""
    found = []
    for block in blocks("console", "sh"):
        for line in block.text.splitlines():
            typed = line.removeprefix("$ ")
            if block.language == "console" and typed == line:
                continue  # output
            words = shlex.split(typed, comments=True)
            if words[:1] == [program]:
                found.append(pytest.param(words[1:], id=typed))
    return found


@pytest.mark.parametrize("words", command_lines("loudsync"))
def test_command_lines_are_understood(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("LOUDSYNC_")]:
        monkeypatch.delenv(name)
    group: Any = typer.main.get_command(app)
    command = group.commands[words[0]]
    command.make_context(words[0], words[1:])  # reads the arguments, runs nothing


def test_every_command_is_shown() -> None:
    group: Any = typer.main.get_command(app)
    shown = {line.values[0][0] for line in command_lines("loudsync")}
    assert shown == set(group.commands)


@pytest.mark.parametrize("words", command_lines("make"))
def test_make_has_the_targets(words: list[str]) -> None:
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{re.escape(words[0])}:", targets, re.MULTILINE)


@pytest.mark.parametrize("words", command_lines("curl"))
async def test_curl_lines_are_answered(words: list[str]) -> None:
    match words:
        case ["-X", method, url, "-d", body]:
            pass
        case _:
            pytest.fail(f"teach this test to read {words}")
    async with (
        SessionServer(host="127.0.0.1", port=0) as server,
        aiohttp.ClientSession() as http,
        http.request(method, substitute(url, server.port), data=body) as response,
    ):
        assert response.status == 201
        created = msgspec.json.decode(await response.read(), type=CreatedSession)
        assert [session.id for session in server.sessions()] == [created.id]


# --- JSON -----------------------------------------------------------------------


def json_values() -> list[Any]:
    reader = json.JSONDecoder()
    values: list[Any] = []
    for block in blocks("json"):
        text = block.text.strip()
        while text:
            value, end = reader.raw_decode(text)
            values.append(pytest.param(value, id=f"{block}-{len(values)}"))
            text = text[end:].lstrip()
    return values


@pytest.mark.parametrize("value", json_values())
def test_json_examples_are_the_real_thing(value: dict[str, Any]) -> None:
    if "type" in value:
        kinds: list[Any] = [ClientMessage, ServerMessage]
    elif "error" in value:
        assert (
            {"code", "message"} <= set(value["error"]) <= {"code", "message", "details"}
        )
        return
    elif "sessions" in value:
        (value,) = value["sessions"]
        kinds = [ListedSession]
    else:
        kinds = [NewSession, CreatedSession]
    assert value in [same for kind in kinds if (same := _read(value, kind))]


def _read(value: dict[str, Any], kind: Any) -> Any:
    """Read a value as a kind and write it again; what is unknown gets lost."""
    try:
        return json.loads(msgspec.json.encode(msgspec.convert(value, kind)))
    except msgspec.ValidationError:
        return None


def test_every_page_was_searched() -> None:
    assert {block.page for block in blocks("json")} == {PROTOCOL}
    assert {block.page for block in blocks("python")} >= {README}
    assert all(isinstance(block.page, Path) for block in blocks("mermaid"))
