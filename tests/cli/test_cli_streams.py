"""Odd readers of the output: gone, stalled, a terminal; and a lying server."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve

import loudsync
from cli_process import TIMEOUT_S, clean_environment
from terminal import OSC_POINTER, Terminal, in_terminal

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="needs POSIX signals and terminals"
)

HOST = [sys.executable, "-m", "loudsync", "host", "Test", "--host", "127.0.0.1"]
HOST += ["--port", "0", "--session-id", "abc"]


@contextmanager
def running(
    arguments: list[str], stdout: int, **variables: str
) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=clean_environment(**variables),
    )
    assert process.stderr is not None
    with process.stderr:
        try:
            yield process
        finally:
            process.kill()
            process.wait()


async def visit(url: str, name: str) -> None:
    async with loudsync.join(url, session_id="abc", name=name):
        pass


async def in_thread(work: Any, *arguments: Any) -> Any:
    return await asyncio.wait_for(asyncio.to_thread(work, *arguments), TIMEOUT_S)


def ended(process: "subprocess.Popen[bytes]") -> tuple[int, str]:
    assert process.stderr is not None
    code = process.wait(TIMEOUT_S)
    return code, process.stderr.read().decode()


async def test_an_output_whose_reader_left_ends_the_party_quietly() -> None:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as stream, running([*HOST, "--json"], write) as host:
        os.close(write)
        url = msgspec.json.decode(await in_thread(stream.readline))["url"]
        stream.close()
        async with loudsync.join(url, session_id="abc", name="Ben") as guest:
            events = [type(event) async for event in guest]
        assert events[-1] is loudsync.events.SessionEnded
        assert await in_thread(ended, host) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")  # noqa: PTH110
async def test_an_output_that_is_full_is_a_failure() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with running(HOST, full) as host:
        os.close(full)
        code, errors = await in_thread(ended, host)
    assert code == 1
    assert errors.startswith("loudsync: Can't write the output: ")
    assert errors.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="sizes a pipe")
async def test_a_stalled_reader_holds_up_neither_party_nor_end() -> None:
    import fcntl

    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    with os.fdopen(read, "rb") as stream, running([*HOST, "--json"], write) as host:
        os.close(write)
        url = msgspec.json.decode(await in_thread(stream.readline))["url"]
        # More lines than the pipe can hold; each visit needs a living server.
        async with asyncio.timeout(TIMEOUT_S):
            for number in range(20):
                await visit(url, f"Guest {number} {'x' * 50}")
        host.send_signal(signal.SIGTERM)
        assert await in_thread(ended, host) == (0, "")


async def test_closed_streams_do_not_matter() -> None:
    command = subprocess.list2cmdline([sys.executable, "-m", "loudsync", "--version"])
    process = await asyncio.create_subprocess_shell(f"{command} >&- 2>&-")
    assert await asyncio.wait_for(process.wait(), TIMEOUT_S) == 0


PARTY = (
    *("host", "Test", "--session-id", "abc"),
    *("--host", "127.0.0.1", "--port", "0", "--no-advertise"),
)
LINK = r"http://127\.0\.0\.1:\d+"
LEFT_SCREEN = r"\x1b\[\?1049l"


async def opened(terminal: Terminal) -> str:
    """Wait for the host's screen; where the server is."""
    await in_thread(terminal.read_until, "End party")
    return terminal.read_until(LINK)[0].decode()


async def test_a_terminal_gets_a_screen_and_is_given_back() -> None:
    with in_terminal(*PARTY) as terminal:
        url = await opened(terminal)
        async with loudsync.join(url, session_id="abc", name="[b]Ben"):
            await in_thread(terminal.read_until, r"\[b\]Ben joined")
            await in_thread(terminal.read_until, r"\d ms")
        await in_thread(terminal.read_until, r"\[b\]Ben left")
        terminal.popen.send_signal(signal.SIGINT)
        end = f"{LEFT_SCREEN}[^\n]*The party is over: Server shutting down\r\n"
        await in_thread(terminal.read_until, end)
        assert await in_thread(terminal.popen.wait) == 0
        assert terminal.is_given_back()
        seen = terminal.seen
    assert seen.count(b"\x1b[?1049h") == seen.count(b"\x1b[?1049l") == 1
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")
    assert seen.endswith(b"The party is over: Server shutting down\r\n")


@pytest.mark.parametrize(
    ("keys", "words"), [("\x03", "Server shutting down"), ("qy", ""), ("\x11y", "")]
)
async def test_the_host_ends_the_party_with_a_key(keys: str, words: str) -> None:
    with in_terminal(*PARTY) as terminal:
        url = await opened(terminal)
        async with loudsync.join(url, session_id="abc", name="Ben") as guest:
            await in_thread(terminal.read_until, "Ben joined")
            for key in keys:
                terminal.type(key)
                if key != keys[-1]:
                    await in_thread(terminal.read_until, "End the party")
            events = [event async for event in guest]
        assert isinstance(events[-1], loudsync.events.SessionEnded)
        code, seen = await in_thread(terminal.read_to_end)
    assert code == 0
    assert f"The party is over: {words}" in seen.splitlines()[-1]


async def test_a_guest_leaves_with_a_key() -> None:
    with in_terminal(*PARTY) as host:
        url = await opened(host)
        with in_terminal("join", url, "--session", "abc", "--name", "Ben") as guest:
            await in_thread(guest.read_until, "Leave")
            await in_thread(host.read_until, "Ben joined")
            guest.type("q")
            code, seen = await in_thread(guest.read_to_end)
            await in_thread(host.read_until, "Ben left")
    assert code == 0
    assert seen.splitlines()[-1].endswith("You left the party.")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stalled_terminal_holds_up_neither_party_nor_end(
    number: signal.Signals,
) -> None:
    with in_terminal(*PARTY) as terminal:
        url = await opened(terminal)
        # Nobody reads from here on, and all of the screen is drawn each time.
        async with asyncio.timeout(TIMEOUT_S):
            for at in range(100):
                terminal.type("r")
                await visit(url, f"Guest {at} {'x' * 50}")
        assert not terminal.is_given_back()
        terminal.popen.send_signal(number)
        assert await in_thread(terminal.popen.wait) == 0
        assert terminal.is_given_back()
        _, seen = await in_thread(terminal.read_to_end)
        assert "The party is over" not in seen, "it was not stalled"


async def test_a_terminal_that_stalls_from_the_start_can_be_left() -> None:
    with in_terminal(*PARTY) as terminal:
        url = (await in_thread(terminal.read_until, LINK))[0].decode()
        async with asyncio.timeout(TIMEOUT_S):
            await visit(url, "Ben")
        terminal.popen.send_signal(signal.SIGTERM)
        assert await in_thread(terminal.popen.wait) == 0


async def test_a_terminal_that_is_closed_ends_the_party() -> None:
    with in_terminal(*PARTY) as terminal:
        url = await opened(terminal)
        async with loudsync.join(url, session_id="abc", name="Ben") as guest:
            terminal.hold_no_end()
            terminal.close()
            events = [type(event) async for event in guest]
        assert events[-1] is loudsync.events.SessionEnded
        assert await in_thread(terminal.popen.wait) == 0


@pytest.mark.parametrize(
    ("option", "variables"),
    [
        ((), {"TERM": "dumb"}),
        ((), {"TERM": ""}),
        ((), {"LOUDSYNC_PLAIN": "1"}),
        ((), {"PYTHONIOENCODING": "latin-1"}),
        (("--plain",), {}),
    ],
)
async def test_lines_where_a_screen_is_not_wanted_or_cannot_be(
    option: tuple[str, ...], variables: dict[str, str]
) -> None:
    with in_terminal(*PARTY, *option, **variables) as terminal:
        await in_thread(terminal.read_until, "Ctrl-C ends the party")
        url = terminal.read_until(LINK)[0].decode()
        await visit(url, "Ben")
        await in_thread(terminal.read_until, "Ben left\r\n")
        terminal.popen.send_signal(signal.SIGINT)
        code, seen = await in_thread(terminal.read_to_end)
    assert code == 0
    assert "\x1b" not in seen
    assert "The party is over: Server shutting down" in seen


EVIL = "[red]x[/red]\x1b]0;title\x07\x1b[2J\u202e\x9b31m"


async def lie(connection: ServerConnection) -> None:
    """A server whose names would take a terminal over."""
    await connection.recv()

    async def say(**message: Any) -> None:
        text = msgspec.json.encode({**message, "timestamp": 1}).decode()
        await connection.send(text)

    info = {"id": "abc", "name": f"Party {EVIL}", "hostId": "h"}
    evil = {"name": EVIL, "connectionStatus": "connected", "joinedAt": 10**17}
    await say(type="welcome", clientId="me", sessionInfo=info)
    await say(type="member_list", members=[{"id": "h", "isHost": True, **evil}])
    await say(type="member_joined", member={"id": "x", "isHost": False, **evil})
    await say(type="kicked", reason=f"Bye {EVIL}\nloudsync: all is well")


@pytest.mark.parametrize("form", ["lines", "json", "screen"])
async def test_a_lying_server_cannot_take_the_terminal_over(form: str) -> None:
    async with serve(lie, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        join = ["join", f"127.0.0.1:{port}", "--session", "abc"]
        if form == "screen":
            with in_terminal(*join) as terminal:
                code, out = await in_thread(terminal.read_to_end)
            out = OSC_POINTER.sub("", out)
            errors = out[out.index("loudsync: ") :].replace("\r\n", "\n")
        else:
            join += ["--json"] if form == "json" else []
            read, write = os.pipe()
            with running([sys.executable, "-m", "loudsync", *join], write) as guest:
                os.close(write)
                out = await in_thread(read_all, read)
                code, errors = await in_thread(ended, guest)

    assert code == 1
    assert errors.startswith("loudsync: You were removed from the party: Bye [red]x")
    assert errors.count("\n") == 1
    for text in (out, errors):
        assert "\x1b]" not in text
        assert "\x07" not in text
        assert "\x1b[2J" not in text
        assert not set(text) & {"\u202e", "\x9b"}
    if form == "json":
        events = [msgspec.json.decode(line) for line in out.splitlines()]
        assert events[0]["members"][0]["name"] == EVIL
        assert [event["event"] for event in events][-2:] == ["joined", "kicked"]
    if form == "lines":
        assert r"[red]x[/red]\x1b]0;title\x07\x1b[2J\u202e\x9b31m joined" in out
        assert "\x1b" not in out


def read_all(descriptor: int) -> str:
    """Read to the end; a terminal's is an error on Linux."""
    seen = bytearray()
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        try:
            while part := stream.read(4096):
                seen.extend(part)
        except OSError:
            pass
    return seen.decode()
