"""HTTP is loaded when it is asked for: nobody is lost or held up meanwhile."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from loudsync import ServerSettings, SessionServer
from loudsync.server.http_api import HttpApi
from loudsync.server.session_server import _Parts
from raw_http import exchange
from raw_peer import PATIENCE_S, RawPeer, until
from stage import join

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n"
CREATE = b'{"name":"P"}'


class Gate:
    """Holds the load up in its thread, and breaks it where told to."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.fault: Exception | None = None
        self.loads = 0

    def pass_through(self) -> None:
        self.loads += 1
        self.entered.set()
        assert self.opened.wait(PATIENCE_S)
        if self.fault is not None:
            raise self.fault


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    load = _Parts._load_http

    def load_behind_gate(parts: _Parts) -> HttpApi:
        gate.pass_through()
        return load(parts)

    monkeypatch.setattr(_Parts, "_load_http", load_behind_gate)
    yield gate
    gate.opened.set()


@pytest.fixture
async def server(gate: Gate) -> AsyncIterator[SessionServer]:
    """A server whose HTTP side is not loaded before the gate is open."""
    async with SessionServer(host="127.0.0.1", port=0) as server:
        yield server
        gate.opened.set()


async def asked(server: SessionServer, gate: Gate) -> asyncio.Task[int]:
    """Ask for the health, and wait until the answer is being loaded."""
    asking = asyncio.create_task(health(server))
    await until(gate.entered.is_set)
    return asking


async def health(server: SessionServer) -> int:
    return (await exchange(server.port, HEALTH)).status


async def never_answered(task: "asyncio.Task[int]") -> bool:
    """Whether a request ends with its connection and not with an answer."""
    (outcome,) = await asyncio.gather(task, return_exceptions=True)
    return isinstance(outcome, Exception)


# --- Nobody waits who needs no HTTP ---------------------------------------------


async def test_members_are_served_meanwhile(server: SessionServer, gate: Gate) -> None:
    await server.create_session("P", session_id="abc123")
    ann = await RawPeer.connect(server.port)
    await ann.say(join("device-1"))
    assert (await ann.receive())["type"] == "welcome"
    asking = await asked(server, gate)
    await ann.say({"type": "ping", "timestamp": 42})
    assert (await ann.receive())["type"] == "member_list"
    assert (await ann.receive())["timestamp"] == 42
    bob = await RawPeer.connect(server.port)
    await bob.say(join("device-2"))
    assert (await bob.receive())["type"] == "welcome"
    assert not asking.done()
    gate.opened.set()
    assert await asking == 200
    for peer in (ann, bob):
        await peer.gone()


async def test_everybody_waits_for_the_same_load(
    server: SessionServer, gate: Gate
) -> None:
    asking = [await asked(server, gate)]
    asking += [asyncio.create_task(health(server)) for _ in range(20)]
    await until(lambda: server.connection_count == len(asking))
    gate.opened.set()
    assert await asyncio.gather(*asking) == [200] * len(asking)
    assert await health(server) == 200
    assert gate.loads == 1
    await until(lambda: server.connection_count == 0)


async def test_a_body_that_comes_meanwhile_is_read(
    server: SessionServer, gate: Gate
) -> None:
    creating = asyncio.create_task(exchange(server.port, POST, CREATE[:5], CREATE[5:]))
    await until(gate.entered.is_set)
    await asyncio.sleep(0.01)  # most of it is in the kernel now
    gate.opened.set()
    assert (await creating).status == 201
    assert [session.name for session in server.sessions()] == ["P"]


# --- Who does not wait to the end -----------------------------------------------


@pytest.mark.parametrize("how", ["reset", "end", "half closed"])
@pytest.mark.parametrize("request_begun", [HEALTH, POST, POST + CREATE[:5]])
async def test_who_vanishes_meanwhile_is_counted_out(
    server: SessionServer,
    gate: Gate,
    caplog: pytest.LogCaptureFixture,
    request_begun: bytes,
    how: str,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request_begun)
    await until(gate.entered.is_set)
    if how == "half closed":
        writer.write_eof()
    elif how == "end":
        writer.close()
    else:
        writer.transport.abort()
    await asyncio.sleep(0.01)  # the kernel has heard of it
    gate.opened.set()
    if how == "half closed":
        await asyncio.wait_for(reader.read(), PATIENCE_S)
    await until(lambda: server.connection_count == 0)
    writer.transport.abort()
    assert await health(server) == 200
    assert [record.exc_info for record in caplog.records if record.exc_info] == []
    assert server.sessions() == []


# --- The end, meanwhile -----------------------------------------------------------


@pytest.mark.parametrize("is_loaded_in_time", [True, False])
async def test_the_end_comes_meanwhile(gate: Gate, is_loaded_in_time: bool) -> None:
    before = asyncio.all_tasks()
    grace_s = PATIENCE_S if is_loaded_in_time else 0.05
    settings = ServerSettings(shutdown_grace_s=grace_s)
    server = SessionServer(host="127.0.0.1", port=0, settings=settings)
    await server.start()
    asking = await asked(server, gate)
    parts = server._parts
    assert parts is not None
    stopping = asyncio.create_task(server.stop())
    if is_loaded_in_time:
        await asyncio.sleep(0)
        gate.opened.set()
        assert await asking == 503  # as everybody is told then
    else:
        assert await never_answered(asking)
        assert not stopping.done()
        gate.opened.set()
    await asyncio.wait_for(stopping, PATIENCE_S)
    assert len(parts.door.visitors) == 0
    assert asyncio.all_tasks() <= before


async def test_an_end_that_is_cancelled_meanwhile(gate: Gate) -> None:
    before = asyncio.all_tasks()
    server = SessionServer(host="127.0.0.1", port=0)
    await server.start()
    asking = await asked(server, gate)
    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    assert await never_answered(asking)
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(stopping, PATIENCE_S)
    assert asyncio.all_tasks() <= before


# --- It can't be loaded -------------------------------------------------------------


async def test_the_next_request_tries_again(
    server: SessionServer, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    gate.fault = OSError("Too many open files")
    asking = await asked(server, gate)
    gate.opened.set()
    assert await asking == 503
    await until(lambda: server.connection_count == 0)
    assert [record.getMessage() for record in caplog.records][-1] == "http_not_loaded"
    gate.fault = None
    assert await health(server) == 200
    assert gate.loads == 2
