"""Deadlines: who is due, earliest first, and at no cost for who is not."""

import math

from hypothesis import given
from hypothesis import strategies as st

from core_builders import CountedInt, comparisons_of
from loudsync.core import Deadlines


def deadlines(**due_ns: int) -> Deadlines[str]:
    made: Deadlines[str] = Deadlines()
    for key, instant in due_ns.items():
        made.set(key, instant)
    return made


def test_nothing_is_due_where_there_are_no_deadlines() -> None:
    empty = deadlines()
    assert empty.next_due_ns() is None
    assert empty.pop_due(10**30) == []
    assert len(empty) == 0


def test_a_deadline_is_due_at_its_instant_and_not_one_nanosecond_before() -> None:
    due = deadlines(a=100)
    assert due.pop_due(99) == []
    assert due.pop_due(100) == ["a"]


def test_what_was_popped_is_not_due_again() -> None:
    due = deadlines(a=100)
    due.pop_due(100)
    assert due.pop_due(100) == []
    assert due.next_due_ns() is None


def test_the_due_come_earliest_first_whatever_order_they_were_set_in() -> None:
    due = deadlines(late=30, early=10, middle=20, not_yet=31)
    assert due.pop_due(30) == ["early", "middle", "late"]
    assert len(due) == 1
    assert due.next_due_ns() == 31


def test_a_later_deadline_replaces_the_earlier_one() -> None:
    due = deadlines(a=10)
    due.set("a", 20)
    assert len(due) == 1
    assert due.pop_due(19) == []
    assert due.pop_due(20) == ["a"]


def test_an_earlier_deadline_replaces_the_later_one() -> None:
    due = deadlines(a=20)
    due.set("a", 10)
    assert due.pop_due(10) == ["a"]
    assert due.pop_due(20) == []


def test_a_deadline_that_is_set_to_and_fro_is_due_once() -> None:
    due = deadlines(a=10)
    due.set("a", 20)
    due.set("a", 10)
    assert due.pop_due(30) == ["a"]
    assert due.pop_due(30) == []


def test_a_discarded_deadline_is_never_due() -> None:
    due = deadlines(a=10, b=20)
    due.discard("a")
    assert due.next_due_ns() == 20
    assert due.pop_due(20) == ["b"]


def test_discarding_a_key_without_a_deadline_is_no_error() -> None:
    due = deadlines(a=10)
    due.discard("nobody")
    assert len(due) == 1


def test_a_key_may_come_back_after_it_was_discarded() -> None:
    due = deadlines(a=10)
    due.discard("a")
    due.set("a", 10)
    assert due.pop_due(10) == ["a"]
    assert due.pop_due(10) == []


def test_finding_out_that_nobody_is_due_looks_at_one_deadline_only() -> None:
    due: Deadlines[str] = Deadlines()
    for number in range(10_000):
        due.set(f"key-{number}", CountedInt(1_000 + number))
    assert comparisons_of(lambda: due.pop_due(CountedInt(999))) <= 3


def test_popping_who_is_due_costs_nothing_for_everybody_else() -> None:
    size, due_count = 10_000, 5
    due: Deadlines[str] = Deadlines()
    for number in range(size):
        due.set(f"key-{number}", CountedInt(1_000 + number))
    last_due = CountedInt(1_000 + due_count - 1)
    # A heap asks at most four questions a level for each one that it gives out.
    limit = (due_count + 1) * (4 * math.ceil(math.log2(size)) + 4)
    assert comparisons_of(lambda: due.pop_due(last_due)) <= limit


def test_a_deadline_that_moves_all_the_time_does_not_pile_up_work() -> None:
    due: Deadlines[str] = Deadlines()
    for instant in range(10_000):
        due.set("restless", CountedInt(instant))
    # All but the last are stale; at most a few dozen may still lie around.
    assert comparisons_of(lambda: due.pop_due(CountedInt(9_998))) <= 1_500
    assert due.pop_due(9_999) == ["restless"]


def test_deadlines_that_come_and_go_do_not_pile_up_work() -> None:
    due: Deadlines[str] = Deadlines()
    for number in range(10_000):
        due.set(f"key-{number}", CountedInt(number))
        due.discard(f"key-{number}")
    assert len(due) == 0
    assert comparisons_of(lambda: due.pop_due(CountedInt(10_000))) <= 1_500


KEYS = st.sampled_from(["a", "b", "c", "d"])
INSTANTS = st.integers(min_value=0, max_value=20)
STEPS = st.one_of(
    st.tuples(st.just("set"), KEYS, INSTANTS),
    st.tuples(st.just("discard"), KEYS, st.just(0)),
    st.tuples(st.just("pop"), st.just(""), INSTANTS),
)


@given(st.lists(STEPS, max_size=200))
def test_deadlines_behave_like_a_dictionary_that_is_searched(
    steps: list[tuple[str, str, int]],
) -> None:
    due: Deadlines[str] = Deadlines()
    model: dict[str, int] = {}
    for step, key, instant in steps:
        if step == "set":
            due.set(key, instant)
            model[key] = instant
        elif step == "discard":
            due.discard(key)
            model.pop(key, None)
        else:
            expected = sorted((at, k) for k, at in model.items() if at <= instant)
            assert due.pop_due(instant) == [k for _, k in expected]
            for _, k in expected:
                del model[k]
        assert len(due) == len(model)
        assert due.next_due_ns() == min(model.values(), default=None)
