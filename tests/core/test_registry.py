"""All sessions of a server: created, found, listed, joined, expired, forgotten."""

import math

import pytest

from core_builders import (
    RULES,
    START_MS,
    CountedInt,
    a_join,
    a_spec,
    at,
    closed,
    comparisons_of,
    connection,
    left,
    member,
    welcomed,
)
from loudsync.core import NS_PER_S, Moment, Registry, Session
from loudsync.core.host import HOST_NEVER_CAME
from loudsync.errors import (
    SessionExists,
    SessionFull,
    SessionNotFound,
    StorageFull,
    TooManySessions,
    VersionMismatch,
)
from loudsync.protocol import LeaveReason, SessionId


def a_registry(*, max_sessions: int = 10_000) -> Registry:
    return Registry(RULES, max_sessions)


def end(registry: Registry, session: Session) -> None:
    session.close("over", at(1))
    registry.forget(session)


def test_a_created_session_can_be_found_by_its_id() -> None:
    registry = a_registry()
    session = registry.create(a_spec(session_id="party"), at(0))
    assert registry.find(SessionId("party")) is session
    assert SessionId("party") in registry
    assert list(registry) == [session]
    assert len(registry) == 1
    assert session.created_at_ms == START_MS


def test_a_taken_id_is_refused_and_the_session_that_has_it_stays() -> None:
    registry = a_registry()
    first = registry.create(a_spec(session_id="party"), at(0))
    with pytest.raises(SessionExists) as caught:
        registry.create(a_spec(session_id="party"), at(1))
    assert caught.value.session_id == "party"
    assert list(registry) == [first]


def test_the_last_session_a_server_may_have_is_created_and_no_further() -> None:
    registry = a_registry(max_sessions=2)
    registry.create(a_spec(session_id="one"), at(0))
    registry.create(a_spec(session_id="two"), at(0))
    with pytest.raises(TooManySessions) as caught:
        registry.create(a_spec(session_id="three"), at(0))
    assert caught.value.max_sessions == 2
    assert len(registry) == 2


def test_a_full_server_says_first_that_the_id_is_taken() -> None:
    registry = a_registry(max_sessions=1)
    registry.create(a_spec(session_id="one"), at(0))
    with pytest.raises(SessionExists):
        registry.create(a_spec(session_id="one"), at(0))


def test_without_room_no_session_is_created_and_the_id_stays_free() -> None:
    registry = a_registry()
    with pytest.raises(StorageFull):
        registry.create(a_spec(), at(0), has_room=False)
    assert len(registry) == 0
    registry.create(a_spec(), at(1))


def test_lack_of_room_is_said_after_what_no_room_would_change() -> None:
    registry = a_registry(max_sessions=1)
    registry.create(a_spec(session_id="one"), at(0))
    with pytest.raises(SessionExists):
        registry.create(a_spec(session_id="one"), at(0), has_room=False)
    with pytest.raises(TooManySessions):
        registry.create(a_spec(session_id="two"), at(0), has_room=False)


def test_a_join_without_room_is_the_sessions_to_refuse() -> None:
    registry = a_registry()
    session = registry.create(a_spec(), at(0))
    with pytest.raises(SessionFull) as caught:
        registry.join(a_join("ada"), connection(1), at(1), has_room=False)
    assert caught.value.is_storage_full
    assert session.member_count == 1


def test_a_forgotten_session_frees_its_place_and_its_id() -> None:
    registry = a_registry(max_sessions=1)
    end(registry, registry.create(a_spec(session_id="one"), at(0)))
    assert SessionId("one") not in registry
    registry.create(a_spec(session_id="one"), at(2))


def test_an_unknown_id_is_not_found() -> None:
    with pytest.raises(SessionNotFound):
        a_registry().find(SessionId("nowhere"))


def test_a_session_that_has_ended_is_not_found_though_its_id_is_still_taken() -> None:
    registry = a_registry()
    session = registry.create(a_spec(session_id="party", listed=True), at(0))
    session.close("over", at(1))
    with pytest.raises(SessionNotFound):
        registry.find(session.id)
    assert list(registry.listed()) == []
    with pytest.raises(SessionExists):
        registry.create(a_spec(session_id="party"), at(1))


def test_only_listed_sessions_are_listed_oldest_first() -> None:
    registry = a_registry()
    first = registry.create(a_spec(session_id="z", listed=True), at(0))
    registry.create(a_spec(session_id="secret"), at(1))
    second = registry.create(a_spec(session_id="a", listed=True), at(2))
    assert list(registry.listed()) == [first, second]


def test_sessions_may_be_forgotten_while_they_are_gone_through() -> None:
    registry = a_registry()
    for name in ("one", "two", "three"):
        registry.create(a_spec(session_id=name), at(0))
    for session in registry:
        end(registry, session)
    assert len(registry) == 0


# --- JOIN: version, then session, then what the session says --------------------


def test_a_join_is_answered_by_its_session() -> None:
    registry = a_registry()
    party = registry.create(a_spec(), at(0))
    session, effects = registry.join(a_join("ada"), connection(1), at(1))
    assert session is party
    assert effects == welcomed(party, 1, member(1, "Ada", 1), 1)


@pytest.mark.parametrize("version", ["1", "1.0", "1.1", "1.999", "1.0.7"])
def test_every_version_1_is_understood(version: str) -> None:
    registry = a_registry()
    registry.create(a_spec(), at(0))
    registry.join(a_join("ada", version=version), connection(1), at(1))


@pytest.mark.parametrize("version", ["0", "0.9", "2", "2.0", "10.0", "999999999"])
def test_another_major_version_is_refused_with_both_versions(version: str) -> None:
    registry = a_registry()
    session = registry.create(a_spec(), at(0))
    with pytest.raises(VersionMismatch) as caught:
        registry.join(a_join("ada", version=version), connection(1), at(1))
    assert caught.value.details == {"supported": "1.0", "requested": version}
    assert session.member_count == 1


def test_the_version_is_checked_before_the_session() -> None:
    with pytest.raises(VersionMismatch):
        a_registry().join(a_join("ada", version="2.0"), connection(1), at(0))


def test_a_join_to_no_session_is_not_found() -> None:
    with pytest.raises(SessionNotFound):
        a_registry().join(a_join("ada"), connection(1), at(0))


def test_what_the_session_refuses_is_refused() -> None:
    registry = a_registry()
    registry.create(a_spec(max_members=1), at(0))
    with pytest.raises(SessionFull):
        registry.join(a_join("ada"), connection(1), at(0))


# --- Expiry ---------------------------------------------------------------------


def a_session_with_a_lost_member(registry: Registry, name: str, lost_at: float) -> None:
    session = registry.create(a_spec(session_id=name), at(0))
    session.join(a_join("ada"), connection(1), at(0))
    session.drop(connection(1), at(lost_at).monotonic_ns, at(lost_at))
    registry.reschedule(session)


def test_a_lost_member_expires_at_the_timeout_and_not_one_nanosecond_before() -> None:
    registry = a_registry()
    a_session_with_a_lost_member(registry, "party", lost_at=3)
    assert registry.expire(at(18, plus_ns=-1)) == []
    session = registry.find(SessionId("party"))
    assert registry.expire(at(18)) == [(session, [left(1, LeaveReason.TIMEOUT, 18)])]


def test_only_sessions_with_something_due_are_touched_earliest_first() -> None:
    registry = a_registry()
    a_session_with_a_lost_member(registry, "late", lost_at=3)
    a_session_with_a_lost_member(registry, "early", lost_at=2)
    a_session_with_a_lost_member(registry, "not yet", lost_at=4)
    touched = [session.id for session, _ in registry.expire(at(18))]
    assert touched == ["early", "late"]
    assert [session.id for session, _ in registry.expire(at(19))] == ["not yet"]


def test_repeating_expire_touches_nobody() -> None:
    registry = a_registry()
    a_session_with_a_lost_member(registry, "party", lost_at=3)
    registry.expire(at(18))
    assert registry.expire(at(18)) == []


def test_a_session_whose_next_member_is_due_later_is_touched_again_then() -> None:
    registry = a_registry()
    session = registry.create(a_spec(), at(0))
    for number, name in ((1, "ada"), (2, "bob")):
        session.join(a_join(name), connection(number), at(0))
        session.drop(connection(number), at(number).monotonic_ns, at(number))
    registry.reschedule(session)
    assert registry.expire(at(16)) == [(session, [left(1, LeaveReason.TIMEOUT, 16)])]
    assert registry.expire(at(17)) == [(session, [left(2, LeaveReason.TIMEOUT, 17)])]


def test_a_member_that_came_back_in_time_does_not_expire() -> None:
    registry = a_registry()
    a_session_with_a_lost_member(registry, "abc123", lost_at=3)
    session, _ = registry.join(a_join("ada"), connection(2), at(5))
    registry.reschedule(session)
    assert registry.expire(at(1_000)) == []


def test_a_session_whose_host_never_came_expires_and_is_then_forgotten() -> None:
    registry = a_registry()
    session = registry.create(a_spec(remote_host=True), at(0))
    assert registry.expire(at(60, plus_ns=-1)) == []
    assert registry.expire(at(60)) == [(session, closed(HOST_NEVER_CAME, 60))]
    registry.forget(session)
    assert registry.expire(at(61)) == []


def test_forgetting_a_session_forgets_what_it_had_due() -> None:
    registry = a_registry()
    a_session_with_a_lost_member(registry, "party", lost_at=3)
    end(registry, registry.find(SessionId("party")))
    assert registry.expire(at(1_000)) == []


def test_expiring_costs_nothing_for_sessions_with_nothing_due() -> None:
    registry = a_registry()
    size = 5_000
    for number in range(size):
        created = Moment(0, CountedInt(number))
        registry.create(a_spec(session_id=f"s{number}", remote_host=True), created)
    wait_ns = 60 * NS_PER_S
    before = Moment(0, CountedInt(wait_ns - 1))
    assert comparisons_of(lambda: registry.expire(before)) <= 3
    first_two = Moment(0, CountedInt(wait_ns + 1))
    limit = 3 * (4 * math.ceil(math.log2(size)) + 20)
    assert comparisons_of(lambda: registry.expire(first_two)) <= limit
    assert len([s for s in registry if s.ended]) == 2
