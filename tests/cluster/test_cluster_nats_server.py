"""A nats-server of our own: found, started, protected, ended."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nats
import pytest

from child_processes import wait_until
from loudsync.cluster import nats_server
from loudsync.cluster.nats_server import NatsServer, find_nats_server
from loudsync.errors import StartFailed
from worker_crew import children_of, is_running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only there it is used")


def temporary_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder))


def test_it_is_found_in_the_package() -> None:
    program = find_nats_server()
    told = subprocess.run([program, "--version"], capture_output=True, check=True)
    assert told.stdout.startswith(b"nats-server")


def test_without_the_package_it_is_looked_for_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_server, "PACKAGE", "no-such-package")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartFailed, match=r"loudsync\[cluster\]"):
        find_nats_server()
    program = tmp_path / "nats-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_nats_server() == program


async def test_only_who_has_the_password_gets_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary_in(tmp_path, monkeypatch)
    async with NatsServer() as server:
        client = await nats.connect(server.url)
        assert client.max_payload == 8 * 1024**2
        await client.jetstream().create_key_value(bucket="b")
        await client.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b'CONNECT {"user":"loudsync","pass":"wrong"}\r\nPING\r\n')
        _info, answer = (await reader.read()).split(b"\r\n", 1)
        assert answer.startswith(b"-ERR 'Authorization Violation'")
        writer.close()
        await writer.wait_closed()
    assert list(tmp_path.iterdir()) == []


async def test_started_again_it_is_where_it_was_with_what_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary_in(tmp_path, monkeypatch)
    async with NatsServer() as server:
        client = await nats.connect(server.url)
        bucket = await client.jetstream().create_key_value(bucket="b")
        await bucket.put("key", b"value")
        await client.close()
        url = server.url
        os.kill(server.process_id, signal.SIGKILL)
        assert await server.wait() == -signal.SIGKILL
        assert not server.is_running
        await server.start()
        assert server.url == url
        client = await nats.connect(url)
        bucket = await client.jetstream().key_value("b")
        assert (await bucket.get("key")).value == b"value"
        await client.close()


async def test_a_folder_outlives_it_and_has_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kept"
    async with NatsServer(folder) as first:
        client = await nats.connect(first.url)
        bucket = await client.jetstream().create_key_value(bucket="b")
        await bucket.put("key", b"value")
        await client.close()
        monkeypatch.setattr(nats_server, "_LOCK_TIMEOUT_S", 0.05)
        with pytest.raises(StartFailed, match="in use by another"):
            await NatsServer(folder).start()
    async with NatsServer(folder) as second:
        assert second.url != first.url, "there is a new password"
        client = await nats.connect(second.url)
        bucket = await client.jetstream().key_value("b")
        assert (await bucket.get("key")).value == b"value"
        await client.close()


async def test_a_folder_that_can_not_be_used_says_so(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for folder in (file, tmp_path / "no" / "such"):
        with pytest.raises(StartFailed, match="--state"):
            async with NatsServer(folder):
                pass


async def test_why_it_does_not_start_is_told(tmp_path: Path) -> None:
    (tmp_path / "jetstream").touch()  # where it wants a folder
    server = NatsServer(tmp_path)
    with pytest.raises(
        StartFailed, match="nats-server didn't start: Can't start JetStream"
    ):
        await server.start()
    await server.stop()


async def test_what_a_killed_program_forgot_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary_in(tmp_path, monkeypatch)
    long_ago_s = time.time() - 3600
    victim = tmp_path / "somebody's"
    forgotten, young, trap = (
        tmp_path / f"loudsync-nats-{name}" for name in ("old", "new", "trap")
    )
    for folder in (forgotten, young, victim):
        folder.mkdir()
        (folder / "file").touch()
    trap.symlink_to(victim)
    os.utime(forgotten, (long_ago_s, long_ago_s))
    os.utime(trap, (long_ago_s, long_ago_s), follow_symlinks=False)
    async with NatsServer() as server:
        assert server._folder is not None
        assert not forgotten.exists()
        assert (young / "file").exists()
        assert (victim / "file").exists()
        # Its own is old as well, but locked.
        os.utime(server._folder, (long_ago_s, long_ago_s))
        async with NatsServer():
            assert server._folder.exists()
    shutil.rmtree(young)


async def test_a_frozen_one_is_killed_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_server, "_STOP_TIMEOUT_S", 0.05)
    server = NatsServer(tmp_path)
    await server.start()
    pid = server.process_id
    os.kill(pid, signal.SIGSTOP)
    await server.stop()
    assert not is_running(pid)
    await server.stop()


def test_it_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    code = (
        "import asyncio, pathlib, sys\n"
        "from loudsync.cluster.nats_server import NatsServer\n"
        "async def main():\n"
        "    server = NatsServer(pathlib.Path(sys.argv[1]))\n"
        "    await server.start()\n"
        "    print(server.port, flush=True)\n"
        "    await server.wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline().strip().isdigit()
        (pid,) = children_of(program.pid)
        program.kill()
    wait_until(lambda: not is_running(pid), "nats-server has ended")


async def test_it_does_not_start_after_its_parent_has_ended(tmp_path: Path) -> None:
    from loudsync._systems import ended_with_parent

    told = tmp_path / "told"
    *launcher, _parent, command = ended_with_parent("touch")
    process = await asyncio.create_subprocess_exec(
        *launcher, "1234567", command, str(told)
    )
    assert await process.wait() == 1
    assert not told.exists()
