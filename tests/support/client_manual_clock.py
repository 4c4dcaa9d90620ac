"""A clock that stands still until a test moves it."""

import asyncio
from dataclasses import dataclass, field

NS_PER_S = 1_000_000_000


@dataclass(eq=False)
class Sleeper:
    seconds: float
    deadline_ns: int
    woken: asyncio.Future[None]


@dataclass
class ManualClock:
    now_ns: int = 5 * NS_PER_S
    wall_ms: int = 1_706_889_600_000
    sleepers: list[Sleeper] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def monotonic_ns(self) -> int:
        return self.now_ns

    def unix_ms(self) -> int:
        return self.wall_ms

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        sleeper = Sleeper(seconds, self.now_ns + round(seconds * NS_PER_S), future)
        self.sleepers.append(sleeper)
        self._changed.set()
        try:
            if seconds > 0:
                await future
        finally:
            self.sleepers.remove(sleeper)
            self._changed.set()

    def advance(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS_PER_S)
        self.wall_ms += round(seconds * 1_000)
        for sleeper in self.sleepers:
            if sleeper.deadline_ns <= self.now_ns and not sleeper.woken.done():
                sleeper.woken.set_result(None)

    async def sleeping(self, seconds: float) -> None:
        """Wait until somebody waits for just this long."""
        while not any(
            abs(sleeper.seconds - seconds) < 1e-6 and not sleeper.woken.done()
            for sleeper in self.sleepers
        ):
            await self.changed()

    async def slept(self) -> None:
        """Wait until everybody who was woken has gone on."""
        while any(sleeper.woken.done() for sleeper in self.sleepers):
            await self.changed()

    async def changed(self) -> None:
        """Wait until somebody begins or ends a wait."""
        self._changed.clear()
        await self._changed.wait()

    async def pass_by(self, seconds: float) -> None:
        """Wait until somebody waits for just this long, then let it pass."""
        await self.sleeping(seconds)
        self.advance(seconds)
