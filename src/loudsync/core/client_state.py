"""A client's connection state, and when it tries again."""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from loudsync.protocol import (
    RECONNECT_ATTEMPTS,
    ConnectionState,
    ErrorCode,
)

_DISCONNECTED = ConnectionState.DISCONNECTED
_CONNECTING = ConnectionState.CONNECTING
_CONNECTED = ConnectionState.CONNECTED
_RECONNECTING = ConnectionState.RECONNECTING
_FAILED = ConnectionState.FAILED


class ClientTrigger(StrEnum):
    """What can happen to a client's connection."""

    CONNECT = "the program connects"
    WELCOME = "WELCOME"
    ENDED = "left, kicked, session closed, or refused for good"
    LOST = "connection lost or attempt failed"
    GIVEN_UP = "no attempts left"


CLIENT_TRANSITIONS: Final = MappingProxyType(
    {
        (_DISCONNECTED, ClientTrigger.CONNECT): _CONNECTING,
        (_FAILED, ClientTrigger.CONNECT): _CONNECTING,
        (_CONNECTING, ClientTrigger.WELCOME): _CONNECTED,
        (_CONNECTING, ClientTrigger.LOST): _DISCONNECTED,
        (_CONNECTING, ClientTrigger.ENDED): _DISCONNECTED,
        (_CONNECTED, ClientTrigger.LOST): _RECONNECTING,
        (_CONNECTED, ClientTrigger.ENDED): _DISCONNECTED,
        (_CONNECTED, ClientTrigger.GIVEN_UP): _FAILED,
        (_RECONNECTING, ClientTrigger.WELCOME): _CONNECTED,
        (_RECONNECTING, ClientTrigger.LOST): _RECONNECTING,
        (_RECONNECTING, ClientTrigger.ENDED): _DISCONNECTED,
        (_RECONNECTING, ClientTrigger.GIVEN_UP): _FAILED,
    }
)
"""Every change of state; what is not here can't happen."""

ENDING_CODES: Final = frozenset(
    {
        ErrorCode.SESSION_NOT_FOUND,
        ErrorCode.UNAUTHORIZED,
        ErrorCode.VERSION_MISMATCH,
        ErrorCode.INVALID_MESSAGE,
    }
)
"""Refusals that another attempt can't change (contract, section 5).

``invalid_message`` is among them because the same JOIN would be sent again.
``already_joined`` and ``session_full`` may pass: they count as failed attempts.
"""


class ClientState:
    """The five states and the attempts (specification, "Reconnection Logic").

    Attributes:
        state: Where the client is.
        attempt: The reconnection attempt under way, from 1; 0 outside them.
        max_attempts: How many there may be in a row.
    """

    def __init__(self, max_attempts: int = RECONNECT_ATTEMPTS) -> None:
        self.state = ConnectionState.DISCONNECTED
        self.attempt = 0
        self.max_attempts = max_attempts

    def connect(self) -> None:
        """Note that the program asked for a connection."""
        self._apply(ClientTrigger.CONNECT)

    def welcomed(self) -> None:
        """Note WELCOME; attempts are counted afresh from here."""
        self._apply(ClientTrigger.WELCOME)
        self.attempt = 0

    def ended(self) -> None:
        """Note an end after which there is nothing to come back to."""
        if self.state is not ConnectionState.DISCONNECTED:
            self._apply(ClientTrigger.ENDED)
        self.attempt = 0

    def lost(self) -> bool:
        """Note a lost connection or a failed attempt.

        Returns:
            Whether to wait and try again. Without a success before there is
            nothing to get back to, and the first attempt is the only one.
        """
        if self.state is ConnectionState.CONNECTING:
            self._apply(ClientTrigger.LOST)
            return False
        if self.attempt >= self.max_attempts:
            self._apply(ClientTrigger.GIVEN_UP)
            return False
        self._apply(ClientTrigger.LOST)
        self.attempt += 1
        return True

    def _apply(self, trigger: ClientTrigger) -> None:
        self.state = CLIENT_TRANSITIONS[self.state, trigger]
