"""Who is here, as one onlooker knows it: a member, a guest's page, a program."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from loudsync.core.events import (
    Joined,
    Left,
    MemberEvent,
    Reconnecting,
    Returned,
    Updated,
)
from loudsync.protocol import (
    ConnectionStatus,
    MemberId,
    MemberInfo,
    MemberJoined,
    MemberLeft,
    MemberList,
    SessionId,
)


class MemberView:
    """The members by id, kept up to date from messages in their order.

    Source: protocol v1.0, "State Synchronization".
    """

    def __init__(
        self, session_id: SessionId, members: Iterable[MemberInfo] = ()
    ) -> None:
        self._session_id = session_id
        self._members = {member.id: member for member in members}

    @property
    def members(self) -> Mapping[MemberId, MemberInfo]:
        """Everybody here, in the order of the last list and of arrivals since."""
        return MappingProxyType(self._members)

    def apply(
        self, message: MemberList | MemberJoined | MemberLeft
    ) -> list[MemberEvent]:
        """Take a message in; return what it means.

        A MEMBER_JOINED of somebody known is a ``Returned`` even where it says
        nothing new; a list that says nothing new means nothing.
        """
        match message:
            case MemberList(members=members):
                return self._replace(members)
            case MemberJoined(member=member):
                return self._put(member)
            case _:
                return self._take_out(message)

    def _replace(self, members: tuple[MemberInfo, ...]) -> list[MemberEvent]:
        before = self._members.copy()
        # In place: whoever holds ``members`` goes on seeing who is here.
        self._members.clear()
        self._members.update((member.id, member) for member in members)
        events: list[MemberEvent] = [
            Left(session_id=self._session_id, member=gone)
            for gone in before.values()
            if gone.id not in self._members
        ]
        for member in self._members.values():
            known = before.get(member.id)
            if known is None:
                events.append(Joined(session_id=self._session_id, member=member))
            elif known != member:
                events.append(self._changed(known, member))
        return events

    def _put(self, member: MemberInfo) -> list[MemberEvent]:
        known = self._members.get(member.id)
        self._members[member.id] = member
        if known is None:
            return [Joined(session_id=self._session_id, member=member)]
        return [Returned(session_id=self._session_id, member=member)]

    def _take_out(self, message: MemberLeft) -> list[MemberEvent]:
        gone = self._members.pop(message.member_id, None)
        if gone is None:
            return []
        left = Left(session_id=self._session_id, member=gone, reason=message.reason)
        return [left]

    def _changed(self, known: MemberInfo, member: MemberInfo) -> MemberEvent:
        was, now = known.connection_status, member.connection_status
        if was != now and now is ConnectionStatus.RECONNECTING:
            return Reconnecting(session_id=self._session_id, member=member)
        if was != now and now is ConnectionStatus.CONNECTED:
            return Returned(session_id=self._session_id, member=member)
        return Updated(session_id=self._session_id, member=member)
