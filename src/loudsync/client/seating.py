"""From an address to a seat: one attempt to connect and join."""

import logging
from typing import NamedTuple

from loudsync.client.connection import Connection
from loudsync.errors import ConnectionFailed, refusal_of
from loudsync.protocol import (
    Error,
    Join,
    Kicked,
    MemberInfo,
    MemberList,
    SessionClosed,
    Welcome,
)

log = logging.getLogger("loudsync.client")


class Seat(NamedTuple):
    """What a successful join gives."""

    connection: Connection
    welcome: Welcome
    members: tuple[MemberInfo, ...]


class EndedWhileJoining(ConnectionFailed):
    """KICKED or SESSION_CLOSED came where WELCOME or MEMBER_LIST should.

    Attributes:
        end: The message.
    """

    def __init__(self, url: str, end: Kicked | SessionClosed) -> None:
        what = "removed this client" if isinstance(end, Kicked) else "ended the session"
        super().__init__(url, f"the server {what} while it joined: {end.reason!r}")
        self.end = end


async def take_seat(connection: Connection, join: Join) -> Seat:
    """Connect, JOIN, and wait for WELCOME and MEMBER_LIST.

    Without a limit of its own. Whatever it raises, and cancelled, it leaves
    the connection to its owner to drop.

    Raises:
        Refused: The server's ERROR in place of WELCOME.
        ConnectionFailed: No connection, or none any more.

    Source: protocol v1.0, "Successful Join Flow".
    """
    await connection.open()
    connection.awaited = "WELCOME"
    await connection.send(join)
    welcome = await _wait_for_welcome(connection)
    connection.awaited = "MEMBER_LIST"
    connection.start_beating()
    members = await _wait_for_members(connection)
    return Seat(connection, welcome, members)


async def _wait_for_welcome(connection: Connection) -> Welcome:
    while True:
        match await connection.receive():
            case Welcome() as welcome:
                return welcome
            case Error() as error:
                raise refusal_of(error.code, error.message, error.details)
            case Kicked() | SessionClosed() as end:
                raise EndedWhileJoining(connection.url, end)
            case other:
                _ignore(connection, other)


async def _wait_for_members(connection: Connection) -> tuple[MemberInfo, ...]:
    while True:
        match await connection.receive():
            case MemberList(members=members):
                return members
            case Kicked() | SessionClosed() as end:
                raise EndedWhileJoining(connection.url, end)
            case other:
                # Who comes or goes meanwhile is in the list that follows.
                _ignore(connection, other)


def _ignore(connection: Connection, message: object) -> None:
    log.debug(
        "Ignored %s from %s before %s",
        type(message).__name__,
        connection.url,
        connection.awaited,
    )
