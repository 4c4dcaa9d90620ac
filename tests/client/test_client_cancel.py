"""Whatever is cancelled, wherever it waits: nothing is left running."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from client_manual_clock import ManualClock
from loudsync.client import Client, ClientSettings, join
from loudsync.errors import LoudSyncError
from loudsync.protocol import Join, Kicked, Leave, Ping
from scripted_peer import (
    Peer,
    Script,
    error,
    raw_server,
    scripted,
    stay_seated,
    stay_though_left,
    welcome,
)

Check = Callable[[], None]

DELAY_S = 3.0


def client_of(url: str, clock: ManualClock) -> Client:
    settings = ClientSettings(reconnect_delay_s=DELAY_S, reconnect_spread=0)
    return join(url, session_id="abc123", name="Sara", clock=clock, settings=settings)


async def live(client: Client, inside: asyncio.Event | None = None) -> None:
    async with client as party:
        if inside is not None:
            inside.set()
        async for _ in party:
            pass


async def cancel(task: asyncio.Task[Any], nothing_left: Check) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    nothing_left()


async def test_while_the_handshake_stalls(
    clock: ManualClock, nothing_left: Check
) -> None:
    async with raw_server(None) as url:
        task = asyncio.create_task(live(client_of(url, clock)))
        await clock.sleeping(10)
        for _ in range(50):
            await asyncio.sleep(0)
        await cancel(task, nothing_left)


async def test_while_a_name_is_looked_up(
    clock: ManualClock, nothing_left: Check
) -> None:
    task = asyncio.create_task(live(client_of("ws://no-such-host.invalid", clock)))
    await clock.sleeping(10)
    await cancel(task, nothing_left)


@pytest.mark.parametrize("welcomed", [False, True])
async def test_while_joining(
    welcomed: bool, clock: ManualClock, nothing_left: Check
) -> None:
    reached, left = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.receive(Join)
        if welcomed:
            await peer.send(welcome())
            await peer.receive(Ping)
        reached.set()
        await peer.receive(Leave)
        left.set()

    async with scripted(script) as server:
        task = asyncio.create_task(live(client_of(server.url, clock)))
        await reached.wait()
        await cancel(task, nothing_left)
        await left.wait()


async def test_while_refused(clock: ManualClock, nothing_left: Check) -> None:
    async def script(peer: Peer) -> None:
        await peer.receive(Join)
        await peer.send(error("session_full"))
        peer.connection.transport.pause_reading()
        await asyncio.Event().wait()

    async with scripted(script) as server:
        task = asyncio.create_task(live(client_of(server.url, clock)))
        await clock.sleeping(2)
        await cancel(task, nothing_left)


async def test_in_the_body(clock: ManualClock, nothing_left: Check) -> None:
    inside = asyncio.Event()
    async with scripted(stay_seated) as server:
        task = asyncio.create_task(live(client_of(server.url, clock), inside))
        await inside.wait()
        await cancel(task, nothing_left)
        assert isinstance(server.peers[0].received[-1], Leave)
        assert server.peers[0].close_code == 1000


async def test_again_while_leaving(clock: ManualClock, nothing_left: Check) -> None:
    inside = asyncio.Event()
    async with scripted(stay_though_left) as server:
        task = asyncio.create_task(live(client_of(server.url, clock), inside))
        await inside.wait()
        task.cancel()
        await clock.sleeping(2)
        await cancel(task, nothing_left)


async def test_a_leave_that_is_cancelled(
    clock: ManualClock, nothing_left: Check
) -> None:
    async with scripted(stay_though_left) as server:
        async with client_of(server.url, clock) as party:
            leaving = asyncio.create_task(party.leave())
            await clock.sleeping(2)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            again = asyncio.create_task(party.leave())
            await clock.sleeping(2)
            clock.advance(2)
            await again
            nothing_left()
        sent = server.peers[0].received
        assert sum(isinstance(message, Leave) for message in sent) == 1


async def broken(peer: Peer) -> None:
    await peer.seat()
    await peer.break_off()


async def test_while_waiting_for_an_attempt(
    clock: ManualClock, nothing_left: Check
) -> None:
    async with scripted(broken) as server:
        task = asyncio.create_task(live(client_of(server.url, clock)))
        await clock.sleeping(DELAY_S)
        await cancel(task, nothing_left)


@pytest.mark.parametrize("welcomed", [False, True])
async def test_in_an_attempt(
    welcomed: bool, clock: ManualClock, nothing_left: Check
) -> None:
    reached, left = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.receive(Join)
        if welcomed:
            await peer.send(welcome())
            await peer.receive(Ping)
        reached.set()
        await peer.receive(Leave)
        left.set()

    async with scripted(broken, script) as server:
        task = asyncio.create_task(live(client_of(server.url, clock)))
        await clock.pass_by(DELAY_S)
        await reached.wait()
        await cancel(task, nothing_left)
        await left.wait()


async def kick(peer: Peer) -> None:
    await peer.seat()
    await peer.send(Kicked(timestamp_ms=1, reason="rude"))
    await peer.connection.close(1000)


async def refuse(peer: Peer) -> None:
    await peer.receive(Join)
    await peer.send(error("session_full"))
    await peer.connection.wait_closed()


@pytest.mark.parametrize("scripts", [(stay_seated,), (kick,), (refuse,), (broken,)])
async def test_after_any_number_of_steps(
    scripts: tuple[Script, ...], clock: ManualClock, nothing_left: Check
) -> None:
    for steps in range(80):
        async with scripted(*scripts) as server:
            task = asyncio.create_task(live(client_of(server.url, clock)))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError, LoudSyncError):
                await task
            nothing_left()
            assert not clock.sleepers


async def test_a_timeout_around_everything(
    clock: ManualClock, nothing_left: Check
) -> None:
    async with scripted(stay_seated) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await live(client_of(server.url, clock))
        nothing_left()
