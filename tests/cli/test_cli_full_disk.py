"""`loudsync serve --state` on a disk that is full to the last byte."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli_process import Process, loudsync, loudsync_behind
from raw_http import Answer, exchange
from raw_peer import PATIENCE_S, RawPeer
from small_disk import SmallDisk, small_disk
from stage import join

STORAGE_FULL = "storage_full"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path) as disk:
        yield disk


def serve(disk: SmallDisk, port: int = 0) -> Any:
    local = ("--host", "127.0.0.1", "--port", str(port), "--json")
    # Nothing in here takes that long: who is silent stays.
    patient = ("--heartbeat-timeout", "600", "--log-format", "json")
    state = ("--state", str(disk.path / "party.state"))
    return loudsync_behind(disk.enter, "serve", *local, *patient, *state)


def port_of(server: Process) -> int:
    return int(str(server.event("listening")["url"]).rpartition(":")[2])


async def http(
    port: int, method: str, path: str, body: Any = None, token: str = ""
) -> Answer:
    data = b"" if body is None else msgspec.json.encode(body)
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return await exchange(port, head.encode() + data)


async def create(port: int, session_id: str) -> Answer:
    return await http(port, "POST", "/sessions", {"name": "Party", "id": session_id})


async def ask(port: int, device: str, **more: Any) -> tuple[RawPeer, dict[str, Any]]:
    """Join; return the first answer."""
    peer = await RawPeer.connect(port)
    await peer.say(join(device, **more))
    return peer, await peer.receive()


async def come(port: int, device: str, **more: Any) -> tuple[RawPeer, dict[str, Any]]:
    """Join; return the member as the list has it."""
    peer, welcome = await ask(port, device, **more)
    assert welcome["type"] == "welcome", welcome
    members = (await peer.receive())["members"]
    return peer, next(m for m in members if m["id"] == welcome["clientId"])


async def told(peer: RawPeer, kind: str) -> dict[str, Any]:
    """Return the next message of this type."""
    while (message := await peer.receive())["type"] != kind:
        pass
    return message


async def become_full(port: int, disk: SmallDisk, device: str) -> RawPeer:
    """Fill the disk; the join that finds it out is the last to get a seat."""
    disk.fill()
    peer, _ = await come(port, device)
    return peer


async def taken_again(port: int) -> None:
    """Wait until a session is opened again."""
    async with asyncio.timeout(PATIENCE_S):
        while (await create(port, "third")).status == 503:  # noqa: ASYNC110  # it does not call
            await asyncio.sleep(0.05)


async def test_a_full_disk_refuses_newcomers_and_keeps_the_party_going(
    disk: SmallDisk,
) -> None:
    with serve(disk) as first:
        port = port_of(first)
        token = (await create(port, "abc123")).json()["hostToken"]
        other = (await create(port, "other")).json()["hostToken"]
        host, _ = await come(port, "laptop", token=token)
        ann, ann_me = await come(port, "ann")
        bob, bob_me = await come(port, "bob")
        cat, cat_me = await come(port, "cat")
        dan = await become_full(port, disk, "dan")

        eve, refusal = await ask(port, "eve")
        assert (refusal["type"], refusal["code"]) == ("error", "session_full")
        assert "disk is full" in refusal["message"]
        assert refusal["details"] == {
            "maxMembers": 10,
            "currentMembers": 5,
            "reason": STORAGE_FULL,
        }
        refused = await create(port, "third")
        assert (refused.status, refused.error_code) == (503, STORAGE_FULL)
        assert int(refused.headers["retry-after"]) > 0
        metrics = (await http(port, "GET", "/metrics")).body.decode()
        assert "loudsync_state_has_room 0.0" in metrics
        assert (await http(port, "GET", "/readyz")).status == 200

        # Who is in goes on, and comes back.
        await bob.say({"type": "heartbeat"})
        await bob.say({"type": "ping", "timestamp": 7})
        assert (await told(bob, "pong"))["timestamp"] == 7
        await ann.hang_up(1006)
        ann, ann_again = await come(port, "ann")
        assert (ann_again["id"], ann_again["joinedAt"]) == (
            ann_me["id"],
            ann_me["joinedAt"],
        )

        # Who goes, goes.
        await bob.say({"type": "leave"})
        assert await bob.closed() == 1000
        assert (await told(ann, "member_left"))["memberId"] == bob_me["id"]
        await host.say({"type": "kicked", "memberId": cat_me["id"]})
        assert await cat.closed() == 1000
        assert (await told(ann, "member_left"))["reason"] == "kicked"
        assert (
            await http(port, "DELETE", "/sessions/other", token=other)
        ).status == 204
        assert disk.free_bytes == 0

        first.send(signal.SIGKILL)
        first.wait()
        assert first.errors.count("state_full") == 1
        assert "Traceback" not in first.errors
        for peer in (host, ann, dan, eve):
            await peer.gone()

    with serve(disk) as second:
        port = port_of(second)
        shown = (await http(port, "GET", "/sessions/abc123")).json()
        assert shown["memberCount"] == 3, "the host, ann and dan"
        assert (await http(port, "GET", "/sessions/other")).status == 404
        ann, ann_again = await come(port, "ann")
        assert ann_again == ann_me
        cat, refusal = await ask(port, "cat")
        assert refusal["code"] == "unauthorized", "kicked stays kicked"
        bob, refusal = await ask(port, "bob")
        assert refusal["details"]["reason"] == STORAGE_FULL, "left is left"

        disk.make_room()
        await taken_again(port)
        await bob.say(join("bob"))
        assert (await bob.receive())["type"] == "welcome"
        metrics = (await http(port, "GET", "/metrics")).body.decode()
        assert "loudsync_state_has_room 1.0" in metrics
        second.send(signal.SIGTERM)
        assert second.wait() == 0
        assert second.errors.count("state_full") == 1
        assert second.errors.count("state_has_room") == 1
        for peer in (ann, bob, cat):
            await peer.gone()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_a_restart_on_a_full_disk_loses_nobody(
    disk: SmallDisk, end: signal.Signals
) -> None:
    with serve(disk) as first:
        port = port_of(first)
        assert (await create(port, "abc123")).status == 201
        ann, ann_me = await come(port, "ann")
        dan = await become_full(port, disk, "dan")
        first.send(end)
        first.wait()
        disk.fill()
        for peer in (ann, dan):
            await peer.gone()
    for _ in range(2):
        with serve(disk) as again:
            port = port_of(again)
            ann, ann_again = await come(port, "ann")
            assert ann_again == ann_me
            _, refusal = await ask(port, "eve")
            assert refusal["details"]["reason"] == STORAGE_FULL
            again.send(end)
            again.wait()
            await ann.gone()


async def test_a_new_file_on_a_full_disk_is_refused_with_what_to_do(
    disk: SmallDisk,
) -> None:
    disk.fill()
    with serve(disk) as server:
        assert server.wait() == 1
        assert server.errors.count("\n") == 1
        assert server.errors.startswith("loudsync: No space for the state file")
        assert "free 3 MB" in server.errors
    disk.make_room()
    with serve(disk) as server:
        assert (await create(port_of(server), "abc123")).status == 201


async def test_join_says_in_one_line_that_the_disk_is_full(disk: SmallDisk) -> None:
    with serve(disk) as server:
        port = port_of(server)
        await create(port, "abc123")
        dan = await become_full(port, disk, "dan")
        with loudsync(
            "join", "abc123", "--server", f"http://127.0.0.1:{port}", "--name", "Eve"
        ) as eve:
            assert eve.wait() == 1
            assert eve.errors == (
                "loudsync: The server can't save new seats now: its disk is full; "
                "try again later, or tell who runs the server\n"
            )
        await dan.gone()
