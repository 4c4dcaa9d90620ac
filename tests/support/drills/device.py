"""One device of the crowd: a v1.0 client that wants to stay in its session.

It joins through one node, sends HEARTBEAT and PING, and when its connection ends in
any other way than with 1000 it comes back through another node, as from behind a
load balancer.
"""

import asyncio
import contextlib
import time
from enum import Enum
from typing import TYPE_CHECKING, Final

import msgspec

from cluster_nodes import Node
from drills.ledger import Hearing, Ledger
from light_socket import LightSocket
from loudsync.protocol import (
    CloseCode,
    Error,
    Kicked,
    MemberInfo,
    MemberJoined,
    MemberLeft,
    MemberList,
    Pong,
    SessionClosed,
    Welcome,
    decode_server_message,
)
from raw_peer import TEXT, frame
from stage import join

if TYPE_CHECKING:
    from drills.crowd import Crowd

_HEARTBEAT: Final = frame(TEXT, b'{"type":"heartbeat","timestamp":1}')
_LIST_REQUEST: Final = b'{"type":"member_list","timestamp":1}'
_LEAVE: Final = b'{"type":"leave","timestamp":1}'

_PONGS_MISSED: Final = 2
"""So many PINGs without a PONG tell an attentive device that its connection is dead."""


class Phase(Enum):
    """Where a device is."""

    AWAY = "away"
    CONNECTING = "connecting"
    ASKING = "waiting for WELCOME"
    LISTING = "waiting for MEMBER_LIST"
    IN = "in the session"
    OVER = "not coming back"


class Device:
    """A guest and its connection, one after another.

    Args:
        through: The only node it goes to; ``None``: any, and never the same twice
            in a row where there is another.
        is_attentive: It gives up a connection that answers no PING. One that is
            not stays with it for as long as it is open.

    Attributes:
        node: Where it is, or was last.
        hearing: What its open connection was told; ``None`` without one.
        newest_list: The last MEMBER_LIST it got.
        pongs: How many PONGs it got.
    """

    def __init__(
        self,
        crowd: "Crowd",
        ledger: Ledger,
        device: str,
        *,
        through: Node | None = None,
        is_attentive: bool = True,
    ) -> None:
        self.ledger = ledger
        self.id = device
        self.name = f"{device} of {ledger.session_id}"
        self.phase = Phase.AWAY
        self.node: Node | None = None
        self.hearing: Hearing | None = None
        self.newest_list: tuple[MemberInfo, ...] = ()
        self.pongs = 0
        self.last_trouble = "none"
        self._crowd = crowd
        self._through = through
        self._is_attentive = is_attentive
        self._socket: LightSocket | None = None
        self._asked_s = 0.0
        self._pings_out = 0
        self._holds_off = asyncio.Event()
        self._holds_off.set()
        self._over = asyncio.Event()  # of the connection
        self._changed = asyncio.Event()

    # --- What a drill may ask of it -----------------------------------------

    @property
    def is_in(self) -> bool:
        return self.phase is Phase.IN

    @property
    def is_wanted(self) -> bool:
        """Whether it wants to be in the session."""
        return self.phase is not Phase.OVER

    def go_away(self) -> None:
        """Lose the connection and stay away until ``come_back``."""
        self._holds_off.clear()
        self._cut()

    def come_back(self) -> None:
        self._holds_off.set()

    async def leave(self) -> None:
        """Give the seat up; return when the connection is closed."""
        self.ledger.may_go(self.id)
        self.phase = Phase.OVER
        over = self._over
        if self._socket is not None:
            self._socket.say(_LEAVE)
            await over.wait()

    async def list_now(self) -> tuple[MemberInfo, ...]:
        """Ask for MEMBER_LIST; return what comes next, () where it has no seat."""
        self._changed.clear()
        before = self.newest_list
        if self._socket is not None and self.is_in:
            self._socket.say(_LIST_REQUEST)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                while self.newest_list is before and not self._over.is_set():
                    await self._changed.wait()
                    self._changed.clear()
        return self.newest_list if self.is_in else ()

    # --- Its life -----------------------------------------------------------

    async def live(self) -> None:
        """Be in the session until it is over; cancelling cuts the connection."""
        try:
            while self.is_wanted:
                await self._holds_off.wait()
                self.node = self._through or self._crowd.pick(self.node)
                await self._be_at(self.node)
                await asyncio.sleep(self._crowd.delay_s())
        finally:
            self._cut()

    async def _be_at(self, node: Node) -> None:
        """Try one connection; return when it has ended."""
        self._over = asyncio.Event()
        self.phase = Phase.CONNECTING
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._crowd.attempt_s()) as attempt:
                _, self._socket = await loop.create_connection(
                    lambda: LightSocket(self), "127.0.0.1", node.port
                )
                while self.phase is not Phase.IN and not self._over.is_set():
                    await self._changed.wait()
                    self._changed.clear()
        except OSError as fault:
            self.last_trouble = f"{node.name}: {fault!r} while {self.phase.value}"
        if self._socket is not None:
            if attempt.expired():
                self._cut()
            await self._stay()
        if self.is_wanted:
            self.phase = Phase.AWAY

    async def _stay(self) -> None:
        self._pings_out = 0
        while not self._over.is_set():
            if self.is_in:
                self._beat()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._crowd.beat_s):
                    await self._over.wait()
        self._socket = None
        self.hearing = None

    def _beat(self) -> None:
        if self._socket is None:
            return
        if self._is_attentive and self._pings_out >= _PONGS_MISSED:
            self._crowd.events["gave up a connection without PONG"] += 1
            self._cut()
            return
        self._pings_out += 1
        stamp = b'{"type":"ping","timestamp":%d}' % (time.monotonic_ns() // 1000)
        self._socket.send(_HEARTBEAT + frame(TEXT, stamp))

    def _cut(self) -> None:
        if self._socket is not None:
            self._socket.cut()

    # --- What the socket reports --------------------------------------------

    def socket_opened(self, socket: LightSocket) -> None:
        self.phase = Phase.ASKING
        self._asked_s = time.monotonic()
        self.hearing = self.ledger.asked(self.id, self.name)
        request = {
            "timestamp": 1,
            **join(self.id, self.name, self.ledger.session_id),
        }
        socket.say(msgspec.json.encode(request))

    def text_received(self, socket: LightSocket, payload: bytes) -> None:
        message = decode_server_message(payload)
        hearing = self.hearing
        match message:
            case Pong():
                self._pings_out = 0
                self.pongs += 1
            case Welcome() if self.phase is Phase.ASKING:
                self.ledger.welcomed(self.id, message.client_id)
                self._crowd.welcomed(self, self._asked_s)
                self.phase = Phase.LISTING
            case MemberList() | MemberJoined() | MemberLeft() if (
                hearing is not None and self.phase is not Phase.ASKING
            ):
                self.ledger.told(hearing, message)
                if isinstance(message, MemberList):
                    self.newest_list = message.members
                    if self.phase is Phase.LISTING:
                        self.phase = Phase.IN
            case Error() if self.phase is Phase.ASKING:
                self.last_trouble = f"{self._where}: {message.code}, {message.message}"
                self.ledger.refused(self.id, message)
                socket.hang_up(CloseCode.NORMAL)
            case Kicked() | SessionClosed() if self.id in self.ledger.devices:
                if not self.ledger.devices[self.id].may_be_gone:
                    self.ledger.fault(f"{self.id} was told {message}")
                self.phase = Phase.OVER
            case _:
                told = f"{message} while {self.phase.value}"
                self.ledger.fault(f"{self.id} was told {told} by {self._where}")
        self._changed.set()

    def socket_ended(self, socket: LightSocket) -> None:
        code = socket.close_code
        if self._crowd.is_over:
            pass
        elif socket.fault:
            self.ledger.fault(f"{self.id} got {socket.fault} from {self._where}")
        if self.phase in (Phase.IN, Phase.LISTING) and not self._crowd.is_over:
            self._crowd.events[f"a connection ended with {code}"] += 1
            self.last_trouble = f"{self._where}: closed with {code}"
            if code == CloseCode.NORMAL:
                self.ledger.fault(f"{self.id} was closed with 1000 by {self._where}")
        elif self.phase is Phase.CONNECTING:
            self.last_trouble = f"{self._where}: HTTP {socket.status}"
        self._over.set()
        self._changed.set()

    @property
    def _where(self) -> str:
        return self.node.name if self.node is not None else "nowhere"
