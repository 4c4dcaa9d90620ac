"""How fast an edge passes on what an owner says: frames a second, CPU for each.

Listeners hang on the edge; through the owner, guests come and go without end, and
every coming and every going is told to all who listen.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from bench.cluster_places import NATS, Place
from bench.errors import RunFailed
from bench.results import Figures
from light_socket import LightSocket
from stage import join

_PATIENCE_S: Final = 20.0
_WARM_UP_S: Final = 0.5
_AT_ONCE: Final = 16
"""Guests who are coming or going at any time."""

_LEAVE: Final = b'{"type":"leave","timestamp":1}'
_TOLD: Final = (b'"member_joined"', b'"member_left"')


class _Listener(LightSocket):
    """Once it is in, it only counts what it is told: no frame is looked at.

    What says which message it is may lie across two reads, one in thousands.
    """

    __slots__ = ("frames", "guest", "is_in")

    def __init__(self, guest: "_Guest") -> None:
        super().__init__(guest)
        self.guest = guest
        self.frames = 0
        self.is_in = False

    def data_received(self, data: bytes) -> None:
        if self.is_in:
            for part in _TOLD:
                self.frames += data.count(part)
        else:
            super().data_received(data)


class _Guest:
    """Who wants a seat; ``listens`` or not, it is in once its list has come."""

    def __init__(self, session_id: str, device: str) -> None:
        self._join = msgspec.json.encode(
            {"timestamp": 1, **join(device, session_id=session_id)}
        )
        self.is_in = asyncio.Event()
        self.is_over = asyncio.Event()
        self.trouble = ""

    def socket_opened(self, socket: LightSocket) -> None:
        socket.say(self._join)

    def text_received(self, socket: LightSocket, payload: bytes) -> None:
        if b'"member_list"' in payload:
            self.is_in.set()
        elif b'"error"' in payload:
            self.trouble = payload.decode()
            socket.cut()

    def socket_ended(self, socket: LightSocket) -> None:  # noqa: ARG002  # its name is SocketOwner's
        self.is_in.set()
        self.is_over.set()


class _Comer(_Guest):
    """Who leaves as soon as it is in."""

    def text_received(self, socket: LightSocket, payload: bytes) -> None:
        super().text_received(socket, payload)
        if self.is_in.is_set():
            socket.say(_LEAVE)


class _Comers:
    """Several who come and go, again and again, until they are told to stop."""

    def __init__(self, port: int, session_ids: Sequence[str]) -> None:
        self._port = port
        self._session_ids = session_ids
        self._is_over = False
        self._tasks = [
            asyncio.create_task(self._keep_coming(number)) for number in range(_AT_ONCE)
        ]

    async def end(self) -> None:
        """Let all of them go.

        Raises:
            RunFailed: One could not come, or go.
        """
        self._is_over = True
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _keep_coming(self, number: int) -> None:
        turn = 0
        while not self._is_over:
            at = (number + turn) % len(self._session_ids)
            comer = _Comer(self._session_ids[at], f"comer-{number}-{turn}")
            await LightSocket.connect(self._port, comer)
            await _get_in(comer)
            async with asyncio.timeout(_PATIENCE_S):
                await comer.is_over.wait()
            turn += 1


async def passed_on(
    place: Place, session_ids: Sequence[str], listeners: int, seconds: float
) -> Figures:
    """Count what so many listeners, evenly in these sessions, are told.

    Returns:
        ``per_s`` frames; ``events_per_s`` of which they are copies; ``cpu_us`` of a
        frame, of all processes and as ``cpu_us NAME`` of each; ``busy NAME``: the
        part of the time that it had a core; ``load_busy``: this process.

    Raises:
        RunFailed: Somebody didn't get in.
    """
    sockets = await _listening(place.edge, session_ids, listeners)
    comers = _Comers(place.owner, session_ids)
    try:
        await asyncio.sleep(_WARM_UP_S)
        before, used_s = sum(it.frames for it in sockets), place.cpu_s()
        own_s, started_s = time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        took_s = time.monotonic() - started_s
        own_s = time.process_time() - own_s
        used_s = {name: s - used_s[name] for name, s in place.cpu_s().items()}
        frames = sum(it.frames for it in sockets) - before
    finally:
        try:
            await comers.end()
        finally:
            for listener in sockets:
                listener.cut()
            for listener in sockets:
                await listener.guest.is_over.wait()
    if not frames:
        raise RunFailed("nobody was told anything")
    each = {f"cpu_us {name}": s * 1e6 / frames for name, s in used_s.items()}
    each.setdefault(f"cpu_us {NATS}", 0.0)
    busy = {f"busy {name}": s / took_s for name, s in used_s.items()}
    return {
        "per_s": frames / took_s,
        "events_per_s": frames / took_s / (listeners / len(session_ids)),
        "cpu_us": sum(each.values()),
        **each,
        **busy,
        "load_busy": own_s / took_s,
    }


async def _listening(
    port: int, session_ids: Sequence[str], count: int
) -> list[_Listener]:
    loop = asyncio.get_running_loop()
    sockets = []
    for number in range(count):
        guest = _Guest(session_ids[number % len(session_ids)], f"listener-{number}")
        listener = _Listener(guest)
        await loop.create_connection(
            lambda listener=listener: listener,  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
        await _get_in(guest)
        sockets.append(listener)
    for listener in sockets:
        listener.is_in = True
    return sockets


async def _get_in(guest: _Guest) -> None:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await guest.is_in.wait()
    except TimeoutError:
        raise RunFailed("a member waits in vain") from None
    if guest.trouble:
        raise RunFailed(f"a member can't join: {guest.trouble}")
