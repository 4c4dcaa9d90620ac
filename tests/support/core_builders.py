"""Short ways to say who joins what when; tests read as behaviour."""

from collections.abc import Callable
from typing import Any

import pytest

from loudsync.core import (
    NS_PER_S,
    Attach,
    Broadcast,
    Close,
    ConnectionId,
    Effects,
    End,
    Moment,
    Send,
    Session,
    SessionRules,
    SessionSpec,
    hash_token,
)
from loudsync.errors import Refused
from loudsync.protocol import (
    ClientInfo,
    CloseCode,
    ConnectionStatus,
    DeviceId,
    DeviceType,
    Join,
    Kicked,
    LeaveReason,
    MemberId,
    MemberInfo,
    MemberJoined,
    MemberLeft,
    SessionClosed,
    SessionId,
    Welcome,
)

START_MS = 1_706_889_600_000
START_NS = 7_000 * NS_PER_S

TOKEN = "the-host-token"
HOST_ID = MemberId("host-1")
RULES = SessionRules()


def at(seconds: float, *, plus_ns: int = 0) -> Moment:
    """The moment this long after the session was created."""
    return Moment(
        unix_ms=START_MS + round(seconds * 1_000),
        monotonic_ns=START_NS + round(seconds * NS_PER_S) + plus_ns,
    )


def connection(number: int) -> ConnectionId:
    return ConnectionId(number)


def a_spec(
    *,
    session_id: str = "abc123",
    max_members: int = 10,
    remote_host: bool = False,
    listed: bool = False,
) -> SessionSpec:
    return SessionSpec(
        id=SessionId(session_id),
        name="The Party",
        host_name="Hanna",
        max_members=max_members,
        listed=listed,
        token_hash=hash_token(TOKEN) if remote_host else None,
    )


def a_session(
    *,
    max_members: int = 10,
    remote_host: bool = False,
    rules: SessionRules = RULES,
) -> Session:
    """A session created at 0 s; its host is this process unless told otherwise."""
    spec = a_spec(max_members=max_members, remote_host=remote_host)
    return Session(spec, rules, at(0))


def a_join(
    device: str,
    *,
    name: str | None = None,
    session_id: str = "abc123",
    version: str = "1.0",
) -> Join:
    return Join(
        timestamp_ms=1,
        session_id=SessionId(session_id),
        device_info=ClientInfo(
            id=DeviceId(device), name=name or device.title(), type=DeviceType.CLIENT
        ),
        version=version,
    )


def a_host_join(device: str = "laptop", *, token: str = TOKEN) -> Join:
    return Join(
        timestamp_ms=1,
        session_id=SessionId("abc123"),
        device_info=ClientInfo(
            id=DeviceId(device), name=device.title(), type=DeviceType.HOST
        ),
        token=token,
    )


def member(
    number: int,
    name: str,
    joined_at: float,
    status: ConnectionStatus = ConnectionStatus.CONNECTED,
) -> MemberInfo:
    return MemberInfo(
        id=MemberId(f"client-{number}"),
        name=name,
        is_host=False,
        connection_status=status,
        joined_at_ms=at(joined_at).unix_ms,
    )


def host_member(
    name: str = "Hanna", status: ConnectionStatus = ConnectionStatus.CONNECTED
) -> MemberInfo:
    return MemberInfo(
        id=HOST_ID,
        name=name,
        is_host=True,
        connection_status=status,
        joined_at_ms=START_MS,
    )


# --- Effects, as they read in a sentence ----------------------------------------


def welcomed(
    session: Session, number: int, who: MemberInfo, seconds: float
) -> list[Any]:
    """What a successful JOIN brings, in the specification's order."""
    stamp = at(seconds).unix_ms
    link = connection(number)
    welcome = Welcome(timestamp_ms=stamp, client_id=who.id, session_info=session.info)
    return [
        Attach(link, who.id),
        Send(link, welcome),
        Send(link, session.member_list(at(seconds))),
        Broadcast(MemberJoined(timestamp_ms=stamp, member=who), omit=link),
    ]


def left(number: int, reason: LeaveReason, seconds: float) -> Broadcast:
    return Broadcast(
        MemberLeft(
            timestamp_ms=at(seconds).unix_ms,
            member_id=MemberId(f"client-{number}"),
            reason=reason,
        )
    )


def kicked(number: int, reason: str, seconds: float) -> Send:
    message = Kicked(timestamp_ms=at(seconds).unix_ms, reason=reason)
    return Send(connection(number), message)


def closed(reason: str, seconds: float, *numbers: int) -> list[Any]:
    """What the end of a session brings to these connections."""
    message = SessionClosed(timestamp_ms=at(seconds).unix_ms, reason=reason)
    return [
        Broadcast(message),
        *[Close(connection(number), CloseCode.NORMAL) for number in numbers],
        End(),
    ]


# --- What must hold around a call -----------------------------------------------


def refusal_of(session: Session, call: Callable[[], Effects]) -> Refused:
    """Make a call that is refused; it must leave the session as it was."""
    before = (session.members(), session.next_due_ns, session.ended)
    with pytest.raises(Refused) as caught:
        call()
    assert (session.members(), session.next_due_ns, session.ended) == before
    return caught.value


def refusal_in(effects: Effects, index: int) -> Refused:
    """The refusal in a ``Refuse``: exceptions don't compare, so look at it."""
    refusal = getattr(effects[index], "refusal", None)
    assert isinstance(refusal, Refused)
    return refusal


class CountedInt(int):
    """An instant that counts how often one like it is compared."""

    comparisons = 0

    def __add__(self, other: int) -> "CountedInt":
        return CountedInt(int(self) + int(other))

    def __lt__(self, other: int) -> bool:
        CountedInt.comparisons += 1
        return int(self) < int(other)

    def __le__(self, other: int) -> bool:
        CountedInt.comparisons += 1
        return int(self) <= int(other)

    def __eq__(self, other: object) -> bool:
        CountedInt.comparisons += 1
        return isinstance(other, int) and int(self) == int(other)

    __hash__ = int.__hash__


def comparisons_of(call: Callable[[], object]) -> int:
    """How often instants were compared in a call."""
    CountedInt.comparisons = 0
    call()
    return CountedInt.comparisons
