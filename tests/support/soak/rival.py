"""A second connection of a device whose first one lives: it must not get in."""

from typing import TYPE_CHECKING

from light_socket import LightSocket
from loudsync.protocol import CloseCode, Error, ErrorCode, Welcome
from soak.guest import SHORTEST_AWAY_S, Guest

if TYPE_CHECKING:
    from soak.crowd import Crowd

_FINE = {
    ErrorCode.ALREADY_JOINED,
    ErrorCode.UNAUTHORIZED,  # kicked meanwhile
    ErrorCode.SESSION_NOT_FOUND,  # closed meanwhile
}


class Rival:
    """Joins with a guest's device id while the guest is in.

    On a slow machine the guest's pong may come too late: the rival gets the seat
    by the rules then, and drops it; the guest comes back.
    """

    def __init__(self, guest: Guest, crowd: "Crowd") -> None:
        self._join = guest.join_message()
        self._port = guest.place.port
        self._book = guest.book
        self._crowd = crowd

    async def try_to_get_in(self) -> None:
        """Connect; the rest happens by itself."""
        self._crowd.rivals.add(self)
        try:
            await LightSocket.connect(self._port, self)
        except OSError:
            self._crowd.rivals.discard(self)

    def socket_opened(self, socket: LightSocket) -> None:
        self._crowd.tally.joins_asked += 1
        socket.say(self._join)

    def text_received(self, socket: LightSocket, payload: bytes) -> None:
        if self._book is None:
            return
        match self._book.read(payload):
            case Welcome():
                self._crowd.tally.welcomes += 1
                self._crowd.tally.events["rival got the seat"] += 1
                self._crowd.agenda.later(SHORTEST_AWAY_S, socket.reset)
            case Error(code=code):
                self._crowd.tally.events[f"rival refused: {code}"] += 1
                if code not in _FINE:
                    self._book.fault(f"a rival got {code}")
                socket.hang_up(CloseCode.NORMAL)
            case _:
                pass

    def socket_ended(self, socket: LightSocket) -> None:
        self._crowd.rivals.discard(self)
