"""Owners killed, again and again: how long their sessions welcome nobody.

All the time guests come, at a fixed rate, through the nodes that stay. From the
SIGKILL on, each of the dead node's sessions is timed to the first WELCOME for a JOIN
that was sent after it. In the end each session is asked, through each node, whether
everybody is there who was ever welcomed.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from bench.cluster_places import node_processes
from bench.errors import RunFailed
from cluster_nodes import Node, Nodes, Party
from light_socket import LightSocket
from loudsync.protocol import Error, MemberList, Welcome, decode_server_message
from stage import join

SEATS: Final = 1000
NODES: Final = 3

_WARM_UP_S: Final = 0.8
_AFTERWARDS_S: Final = 0.3
_PATIENCE_S: Final = 20.0
_RETRY_S: Final = 0.05
_REQUESTS_AT_ONCE: Final = 8


@dataclass(frozen=True)
class Plan:
    """How large it is.

    Attributes:
        joins_per_s: How many guests come, over all sessions.
    """

    kills: int = 20
    sessions: int = 100
    joins_per_s: float = 900


@dataclass
class Failovers:
    """What was found.

    Attributes:
        took_s: For each kill, for each session, seconds from the one to the other.
        welcomed_per_s: For each kill, how many got in a second before it.
        welcomed: How many got a WELCOME in all.
        lost: Those of them whom the lists don't have, in words.
        refused: ERRORs that guests got, and tried again.
        load_busy: The part of the time that this process had a core.
    """

    took_s: list[list[float]] = field(default_factory=list)
    welcomed_per_s: list[float] = field(default_factory=list)
    welcomed: int = 0
    lost: list[str] = field(default_factory=list)
    refused: int = 0
    load_busy: float = 0.0


class _Room:
    """One session of the node that is killed.

    Attributes:
        members: The ids that were given out, by device.
    """

    def __init__(self, party: Party) -> None:
        self.party = party
        self.members: dict[str, str] = {}
        self.failover_s: float | None = None


class _Crowd:
    """All who come to the rooms of one kill."""

    def __init__(
        self, rooms: Sequence[_Room], doors: Sequence[Node], found: Failovers
    ) -> None:
        self.rooms = rooms
        self.doors = doors
        self.found = found
        self.killed_s = math.inf
        self.waiting: set[_Guest] = set()
        self.open: set[LightSocket] = set()
        self.is_over = False
        self.welcomed = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0

    async def keep_coming(self, joins_per_s: float) -> None:
        """Let guests come; who is late because this process was, comes at once."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            while due_s <= loop.time():
                due_s += 1 / joins_per_s
                room = self.rooms[self._number % len(self.rooms)]
                guest = _Guest(self, room, self._number)
                self._number += 1
                self.waiting.add(guest)
                self.soon(guest)
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    def soon(self, guest: "_Guest", delay_s: float = 0) -> None:
        """Let a guest come to a door, another one than last time."""

        async def come() -> None:
            await asyncio.sleep(delay_s)
            guest.tries += 1
            # Over all rooms, each door gets its part of each of them.
            at = guest.number + guest.number // len(self.rooms) + guest.tries
            door = self.doors[at % len(self.doors)]
            with contextlib.suppress(OSError):
                await LightSocket.connect(door.port, guest)
                return
            self.again(guest)

        task = asyncio.get_running_loop().create_task(come())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def again(self, guest: "_Guest") -> None:
        """Let a guest who got no seat try once more."""
        if not self.is_over:
            self.soon(guest, _RETRY_S)

    def let_in(self, guest: "_Guest", member_id: str) -> None:
        """Note a WELCOME: from now on the member must be there."""
        now_s = time.monotonic()
        self.waiting.discard(guest)
        self.welcomed += 1
        room = guest.room
        room.members[guest.device] = member_id
        if room.failover_s is None and guest.asked_s >= self.killed_s:
            room.failover_s = now_s - self.killed_s

    async def end(self) -> None:
        """Cut every connection."""
        self.is_over = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for socket in list(self.open):
            socket.cut()
        await _until(lambda: not self.open, "connections don't end")


class _Guest:
    """A device that wants a seat, and keeps it."""

    __slots__ = ("_crowd", "asked_s", "device", "is_in", "number", "room", "tries")

    def __init__(self, crowd: _Crowd, room: _Room, number: int) -> None:
        self._crowd = crowd
        self.room = room
        self.number = number
        self.device = f"guest-{number}"
        self.asked_s = 0.0
        self.tries = 0
        self.is_in = False

    def socket_opened(self, socket: LightSocket) -> None:
        self.asked_s = time.monotonic()
        self._crowd.open.add(socket)
        socket.say(_join(self.device, self.room))

    def text_received(self, socket: LightSocket, payload: bytes) -> None:
        if self.is_in:
            return  # of others
        match decode_server_message(payload):
            case Welcome(client_id=member_id):
                self.is_in = True
                self._crowd.let_in(self, member_id)
            case Error():
                self._crowd.found.refused += 1
                socket.cut()

    def socket_ended(self, socket: LightSocket) -> None:
        self._crowd.open.discard(socket)
        if not self.is_in:
            self._crowd.again(self)
        elif not self._crowd.is_over:
            told = f"{self.device} was let in and then closed ({socket.close_code})"
            self._crowd.found.lost.append(told)


class _Witness:
    """Who comes last, and reads the list."""

    def __init__(self, room: _Room, door: Node) -> None:
        self.device = f"witness-of-{door.name}"
        self.listed: asyncio.Future[MemberList] = (
            asyncio.get_running_loop().create_future()
        )
        self._room = room

    def socket_opened(self, socket: LightSocket) -> None:
        socket.say(_join(self.device, self._room))

    def text_received(self, socket: LightSocket, payload: bytes) -> None:
        message = decode_server_message(payload)
        if isinstance(message, MemberList) and not self.listed.done():
            self.listed.set_result(message)
            socket.cut()

    def socket_ended(self, socket: LightSocket) -> None:  # noqa: ARG002  # its name is SocketOwner's
        if not self.listed.done():
            self.listed.set_exception(RunFailed("a witness got no list"))


async def failovers(plan: Plan, say: Callable[[str], None]) -> Failovers:
    """Kill one owner after the other, each with all the sessions.

    Raises:
        RunFailed: A session was not served again in time, or somebody was lost.
    """
    found = Failovers()
    own_s, began_s = time.process_time(), time.monotonic()
    with node_processes(NODES) as (nodes, _):
        for number in range(plan.kills):
            victim = nodes[number % NODES]
            await _kill_once(plan, nodes, victim, found)
            took_s = sorted(found.took_s[-1])
            say(
                f"kill {number + 1}/{plan.kills}: again after {took_s[0]:.2f} to "
                f"{took_s[-1]:.2f} s, {found.welcomed_per_s[-1]:.0f} joins/s before"
            )
            if found.lost:
                raise RunFailed("\n".join(["members were lost", *found.lost[:20]]))
        if crashes := nodes.crashes():
            raise RunFailed("\n".join(crashes))
    found.load_busy = (time.process_time() - own_s) / (time.monotonic() - began_s)
    return found


async def _kill_once(plan: Plan, nodes: Nodes, victim: Node, found: Failovers) -> None:
    rooms = [_Room(party) for party in await _opened(victim, plan.sessions)]
    survivors = [node for node in nodes if node is not victim]
    crowd = _Crowd(rooms, survivors, found)
    coming = asyncio.create_task(crowd.keep_coming(plan.joins_per_s))
    try:
        await asyncio.sleep(_WARM_UP_S)
        before = crowd.welcomed
        await asyncio.sleep(_WARM_UP_S)
        found.welcomed_per_s.append((crowd.welcomed - before) / _WARM_UP_S)
        crowd.killed_s = time.monotonic()
        victim.signal_kill()
        await _until(
            lambda: all(room.failover_s is not None for room in rooms),
            "sessions welcome nobody after their owner was killed",
        )
        await asyncio.sleep(_AFTERWARDS_S)
        coming.cancel()
        await _until(lambda: not crowd.waiting, "guests wait in vain")
        found.took_s.append([r.failover_s for r in rooms if r.failover_s is not None])
        found.welcomed += crowd.welcomed
        await asyncio.to_thread(victim.kill)  # it is dead: only its output is read
        restarting = asyncio.create_task(asyncio.to_thread(victim.start))
        try:
            for door in survivors:
                await _look_for_lost(rooms, door, found)
        finally:
            await restarting
    finally:
        coming.cancel()
        await crowd.end()
    await _closed(survivors[0], rooms)
    await _ready(nodes)


async def _look_for_lost(rooms: Sequence[_Room], door: Node, found: Failovers) -> None:
    """Compare what was promised with the lists that a node gives out."""
    for room in rooms:
        witness = _Witness(room, door)
        await LightSocket.connect(door.port, witness)
        async with asyncio.timeout(_PATIENCE_S):
            listed = {member.id for member in (await witness.listed).members}
        found.lost += [
            f"{device} ({member_id}) is not in the list of {room.party.id}"
            for device, member_id in room.members.items()
            if member_id not in listed
        ]
        if len(set(room.members.values())) != len(room.members):
            found.lost.append(f"a seat of {room.party.id} was given to two")


async def _opened(owner: Node, count: int) -> list[Party]:
    at_once = asyncio.Semaphore(_REQUESTS_AT_ONCE)

    async def opened() -> Party:
        async with at_once:
            return await owner.create(maxMembers=SEATS)

    return list(await asyncio.gather(*(opened() for _ in range(count))))


async def _closed(node: Node, rooms: Sequence[_Room]) -> None:
    for room in rooms:
        party = room.party
        path = f"/sessions/{party.id}"
        answer = await node.request("DELETE", path, token=party.token)
        if answer.status != 204:
            raise RunFailed(f"DELETE {path}: {answer.status}")


async def _ready(nodes: Nodes) -> None:
    for node in nodes:
        async with asyncio.timeout(_PATIENCE_S):
            while not await node.is_ready():  # noqa: ASYNC110  # it has no event
                await asyncio.sleep(0.02)


async def _until(condition: Callable[[], bool], otherwise: str) -> None:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while not condition():  # noqa: ASYNC110  # many things, no one event
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise RunFailed(otherwise) from None


def _join(device: str, room: _Room) -> bytes:
    request = {"timestamp": 1, **join(device, session_id=room.party.id)}
    return msgspec.json.encode(request)
