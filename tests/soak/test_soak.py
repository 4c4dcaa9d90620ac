"""A short soak, part of ``make test``; ``make soak`` runs a long one."""

from loudsync._systems import new_event_loop
from soak.plan import Plan
from soak.trial import run

PLAN = Plan(seed=0, members=2000, seconds=8.0, ramp_s=3.0)


def test_a_crowd_leaves_nothing_behind_and_all_see_the_same() -> None:
    outcome = run(new_event_loop, PLAN)
    print(*outcome.lines, sep="\n")  # noqa: T201
    assert outcome.wrong == []
