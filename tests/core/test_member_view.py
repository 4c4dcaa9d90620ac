"""An onlooker's view of the members, fed by messages in their order."""

from collections.abc import Mapping

import pytest

from loudsync.core import MemberView
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
    LeaveReason,
    MemberId,
    MemberInfo,
    MemberJoined,
    MemberLeft,
    MemberList,
    SessionId,
)

PARTY = SessionId("abc123")


def someone(
    member_id: str,
    *,
    name: str = "Ada",
    status: ConnectionStatus = ConnectionStatus.CONNECTED,
    latency_ms: int | None = None,
) -> MemberInfo:
    return MemberInfo(
        id=MemberId(member_id),
        name=name,
        is_host=False,
        connection_status=status,
        joined_at_ms=1,
        latency_ms=latency_ms,
    )


def a_list(*members: MemberInfo) -> MemberList:
    return MemberList(timestamp_ms=1, members=members)


def a_view(*members: MemberInfo) -> MemberView:
    return MemberView(PARTY, members)


def ids(members: Mapping[MemberId, MemberInfo]) -> list[str]:
    return list(members)


ADA, BOB = someone("client-1"), someone("client-2", name="Bob")


def test_a_view_starts_with_the_members_it_is_given() -> None:
    assert a_view(ADA, BOB).members == {ADA.id: ADA, BOB.id: BOB}
    assert a_view().members == {}


def test_a_newcomer_joined() -> None:
    view = a_view(ADA)
    events = view.apply(MemberJoined(timestamp_ms=1, member=BOB))
    assert events == [Joined(session_id=PARTY, member=BOB)]
    assert ids(view.members) == ["client-1", "client-2"]


def test_a_known_id_that_joins_returned_and_keeps_its_place() -> None:
    view = a_view(ADA, BOB)
    renamed = someone("client-1", name="Ada L.")
    events = view.apply(MemberJoined(timestamp_ms=1, member=renamed))
    assert events == [Returned(session_id=PARTY, member=renamed)]
    assert list(view.members.values()) == [renamed, BOB]


def test_who_left_is_gone_and_the_event_tells_who_it_was_and_why() -> None:
    view = a_view(ADA, BOB)
    goodbye = MemberLeft(timestamp_ms=1, member_id=ADA.id, reason=LeaveReason.TIMEOUT)
    assert view.apply(goodbye) == [
        Left(session_id=PARTY, member=ADA, reason=LeaveReason.TIMEOUT)
    ]
    assert ids(view.members) == ["client-2"]


def test_nothing_happens_when_somebody_unknown_leaves() -> None:
    view = a_view(ADA)
    assert view.apply(MemberLeft(timestamp_ms=1, member_id=BOB.id)) == []
    assert ids(view.members) == ["client-1"]


def test_a_list_that_says_nothing_new_brings_no_events() -> None:
    assert a_view(ADA, BOB).apply(a_list(ADA, BOB)) == []


def test_a_list_tells_who_is_gone_before_who_is_new() -> None:
    view = a_view(ADA)
    assert view.apply(a_list(BOB)) == [
        Left(session_id=PARTY, member=ADA),
        Joined(session_id=PARTY, member=BOB),
    ]


def test_a_list_sets_the_order() -> None:
    view = a_view(ADA, BOB)
    view.apply(a_list(BOB, ADA))
    assert ids(view.members) == ["client-2", "client-1"]


LOST = someone("client-1", status=ConnectionStatus.RECONNECTING)
AWAY = someone("client-1", status=ConnectionStatus.DISCONNECTED)
SLOW = someone("client-1", latency_ms=400)
RENAMED = someone("client-1", name="Ada L.")


@pytest.mark.parametrize(
    ("before", "after", "event"),
    [
        (ADA, LOST, Reconnecting),
        (AWAY, LOST, Reconnecting),
        (LOST, ADA, Returned),
        (AWAY, ADA, Returned),
        (ADA, AWAY, Updated),
        (LOST, AWAY, Updated),
        (ADA, SLOW, Updated),
        (ADA, RENAMED, Updated),
        (LOST, someone("client-1", name="A", status=LOST.connection_status), Updated),
    ],
)
def test_a_list_tells_what_changed_about_a_member(
    before: MemberInfo,
    after: MemberInfo,
    event: type[Reconnecting | Returned | Updated],
) -> None:
    view = a_view(before)
    expected: list[MemberEvent] = [event(session_id=PARTY, member=after)]
    assert view.apply(a_list(after)) == expected
    assert view.members[after.id] == after


def test_who_holds_the_members_goes_on_seeing_who_is_here() -> None:
    view = a_view(ADA)
    members = view.members
    view.apply(a_list(BOB))
    assert ids(members) == ["client-2"]


def test_the_members_can_not_be_changed_from_outside() -> None:
    members = a_view(ADA).members
    with pytest.raises(TypeError):
        members[BOB.id] = BOB  # type: ignore[index]
