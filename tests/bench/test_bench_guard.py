"""The guard's decision: noise goes away, a regression stays."""

from collections.abc import Callable, Iterator

import pytest

from bench.guard import MOST_TURNS, WORSE, YARDSTICKS, check_up, is_worse, settle
from bench.servers import OURS

RECORDED = {"limit": 3.0, "aiohttp": 0.3}
LIMIT_US, AIOHTTP_US = 10.0, 100.0


def costs(ours: Iterator[float], limit: float = LIMIT_US) -> Callable[[str], float]:
    def cost(server: str) -> float:
        return {"limit": limit, "aiohttp": AIOHTTP_US}.get(server) or next(ours)

    return cost


def always(cost: float) -> Iterator[float]:
    while True:
        yield cost


def test_what_is_good_is_measured_no_oftener_than_needed() -> None:
    ours = always(30)
    assert settle(costs(ours), "limit", turns=3, bound=4) == 3
    few = iter([30.0, 30.0, 30.0])
    assert settle(costs(few), "limit", turns=3, bound=4) == 3
    assert list(few) == []


def test_noise_goes_away() -> None:
    noisy = iter([90.0, 60.0, 50.0, 31.0])
    ratios = check_up(costs(noisy), turns=2, recorded=RECORDED)
    assert ratios == {"limit": 3.1}
    assert not is_worse(ratios, RECORDED)


def test_a_regression_stays_and_both_yardsticks_see_it() -> None:
    slow = iter([30 * WORSE + 0.1] * MOST_TURNS * len(YARDSTICKS))
    ratios = check_up(costs(slow), turns=1, recorded=RECORDED)
    assert list(ratios) == list(YARDSTICKS)
    assert list(slow) == []
    assert is_worse(ratios, RECORDED)


def test_a_third_is_not_yet_a_regression() -> None:
    ratios = check_up(costs(always(30 * WORSE)), turns=1, recorded=RECORDED)
    assert not is_worse(ratios, RECORDED)


def test_a_machine_with_a_quicker_kernel_is_no_regression() -> None:
    ratios = check_up(costs(always(28), limit=5), turns=1, recorded=RECORDED)
    assert ratios == {"limit": 5.6, "aiohttp": 0.28}
    assert not is_worse(ratios, RECORDED)


@pytest.mark.parametrize("server", [OURS, *YARDSTICKS])
def test_a_run_that_fails_is_not_a_ratio(server: str) -> None:
    def cost(key: str) -> float:
        if key == server:
            raise RuntimeError
        return 1e9 if key == OURS else 1

    with pytest.raises(RuntimeError):
        check_up(cost, turns=1, recorded=RECORDED)
