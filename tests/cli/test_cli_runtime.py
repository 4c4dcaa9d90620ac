"""Signals on every event loop there is."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from loudsync._systems import new_event_loop
from loudsync.cli import runtime
from loudsync.cli.problems import WrongUsage

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="no signals to itself there"
)

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def handlers_come_back() -> Iterator[None]:
    numbers = (*NUMBERS, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    factory: Callable[[], asyncio.AbstractEventLoop] = new_event_loop
    if request.param == "asyncio":
        factory = asyncio.new_event_loop
    monkeypatch.setattr(runtime, "new_event_loop", factory)


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("number", [*NUMBERS, signal.SIGHUP])
def test_the_first_signal_asks_to_stop_and_the_second_is_the_systems(
    number: signal.Signals,
) -> None:
    async def command(stop: asyncio.Event) -> int:
        # From a timer, so that the loop is asleep when the signal comes.
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, os.kill, os.getpid(), number)
        async with asyncio.timeout(20):
            await stop.wait()
        return 7

    assert runtime.run(command) == 7
    assert [signal.getsignal(n) for n in NUMBERS] == [signal.SIG_DFL] * 2


@pytest.mark.usefixtures("loop")
def test_without_a_signal_everything_is_as_before() -> None:
    before = [signal.getsignal(n) for n in NUMBERS]

    async def command(stop: asyncio.Event) -> int:
        return int(stop.is_set())

    assert runtime.run(command) == 0
    assert [signal.getsignal(n) for n in NUMBERS] == before


@pytest.mark.usefixtures("loop")
def test_nohup_is_respected() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def command(_stop: asyncio.Event) -> int:
        return int(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)

    assert runtime.run(command) == 1


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("number", [*NUMBERS, signal.SIGHUP])
def test_signals_reach_a_party_beside_a_screen(number: signal.Signals) -> None:
    async def command(stop: asyncio.Event) -> int:
        assert threading.current_thread() is not threading.main_thread()
        os.kill(os.getpid(), number)
        async with asyncio.timeout(20):
            await stop.wait()
        return 7

    assert runtime.run_beside_screen(command) == 7
    assert [signal.getsignal(n) for n in NUMBERS] == [signal.SIG_DFL] * 2


@pytest.mark.usefixtures("loop")
def test_what_a_party_beside_a_screen_raises_is_raised() -> None:
    async def command(_stop: asyncio.Event) -> int:
        raise WrongUsage("no")

    before = [signal.getsignal(n) for n in NUMBERS]
    with pytest.raises(WrongUsage):
        runtime.run_beside_screen(command)
    assert [signal.getsignal(n) for n in NUMBERS] == before


@pytest.mark.usefixtures("loop")
def test_a_party_can_have_the_main_thread_do_something() -> None:
    threads: list[threading.Thread] = []

    async def command(_stop: asyncio.Event) -> int:
        screen = runtime.screen_thread.get()
        is_done = threading.Event()

        def work() -> None:
            threads.append(threading.current_thread())
            is_done.set()

        runtime.in_main_thread(work)
        await asyncio.to_thread(is_done.wait, 20)
        return int(screen is None)

    assert runtime.run_beside_screen(command) == 0
    assert runtime.run(command) == 1
    assert threads == [threading.main_thread()] * 2
    assert runtime.screen_thread.get() is None


STUCK = """
import asyncio, sys, time
from loudsync.cli import runtime
from loudsync.cli.problems import WrongUsage
from loudsync.cli.problems import WrongUsage

async def command(_stop):
    screen = runtime.screen_thread.get()
    screen.loop.call_soon_threadsafe(time.sleep, 60)
    if sys.argv[1] == "2":
        raise WrongUsage("no")
    return int(sys.argv[1])

runtime.run_beside_screen(command)
"""


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_stuck_main_thread_does_not_hold_up_the_end(code: int) -> None:
    """Exit code 2 is that of an error."""
    ended = subprocess.run(
        [sys.executable, "-c", STUCK, str(code)],
        timeout=20,
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (code, b"")
