"""Looking for parties: ``discover``, as long as somebody wants to know."""

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import msgspec

from loudsync.address import parse_address
from loudsync.discovery.browser import Browser
from loudsync.discovery.directory import (
    MDNS,
    Answer,
    Changes,
    Directory,
    Sighting,
    Target,
)
from loudsync.discovery.listing import ask_age, list_parties
from loudsync.discovery.multicast import MULTICAST_FAULTS
from loudsync.discovery.party import (
    AnyDiscoveryEvent,
    Party,
    PartyEvent,
    PartyFound,
    SourceFailed,
)
from loudsync.discovery.ping import ANSWER_TIMEOUT_S, measure_round_trip, open_http
from loudsync.errors import ConnectionFailed, InvalidSetting

log = logging.getLogger("loudsync.discovery")

MAX_ASKED_AT_ONCE: Final = 16
"""Servers that are asked for an answer at the same time."""


class DiscoverySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers a search works with.

    Attributes:
        ask_interval_s: How often each server is asked for an answer, and each
            of ``servers`` for its listing; PINGs have the same pace.
        answer_timeout_s: How long an answer may take.
    """

    ask_interval_s: float = 5.0
    answer_timeout_s: float = ANSWER_TIMEOUT_S

    def __post_init__(self) -> None:
        for name in ("ask_interval_s", "answer_timeout_s"):
            if not getattr(self, name) > 0:
                raise InvalidSetting(name, "must be a number of seconds above 0")


_DEFAULTS: Final = DiscoverySettings()


def discover(
    servers: Iterable[str] = (),
    *,
    mdns: bool = True,
    interfaces: Iterable[str] = (),
    timeout_s: float | None = None,
    wanted: Callable[[Party], bool] | None = None,
    settings: DiscoverySettings = _DEFAULTS,
) -> "Discovery":
    """Look for parties on this network, and on servers.

    ::

        async for event in loudsync.discover():
            match event:
                case loudsync.PartyFound(party=party):
                    print(party.name, party.join_url)

    Args:
        servers: Addresses of servers whose listings are merged in.
        mdns: Whether to listen for parties that are announced.
        interfaces: Addresses of the interfaces to listen at; none: all.
        timeout_s: How long to look; ``None``: until the iteration is left.
        wanted: Whose servers are asked for an answer; ``None``: everybody's.

    Raises:
        InvalidSetting: A server's address is none, or an interface's.
    """
    interfaces = tuple(interfaces)
    for address in interfaces:
        try:
            ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            raise InvalidSetting(
                "interfaces", f"must be addresses, as 192.168.1.5, not {address!r}"
            ) from None
    return Discovery(
        tuple(dict.fromkeys(parse_address(server).base_url for server in servers)),
        mdns,
        interfaces,
        timeout_s,
        wanted,
        settings,
    )


class Discovery:
    """A search for parties; ``discover`` makes one.

    An async iterator of ``PartyFound``, ``PartyUpdated`` and ``PartyLost``, and
    of ``SourceFailed`` where one of the ways to look doesn't work. Each party is
    asked for an answer when it is found and then every five seconds:
    ``PartyUpdated`` tells whether it can be reached from here, and how long a
    PING took.

    As an async context manager it looks from the beginning of the block, and
    stops at its end; iterating without one does both by itself. A slow reader
    gets of each party only what has become of it.

    Attributes:
        settings: As given.
    """

    def __init__(
        self,
        servers: tuple[str, ...],
        mdns: bool,
        interfaces: tuple[str, ...],
        timeout_s: float | None,
        wanted: Callable[[Party], bool] | None,
        settings: DiscoverySettings,
    ) -> None:
        self.settings = settings
        self._servers = servers
        self._mdns = mdns
        self._interfaces = interfaces
        self._timeout_s = timeout_s
        self._wanted = wanted
        self._directory = Directory()
        self._changes = Changes()
        self._failures: dict[str, SourceFailed] = {}
        self._told_failures: set[str] = set()
        self._news = asyncio.Event()
        self._asking: dict[str, asyncio.Task[None]] = {}
        # Of this round: many parties may be on one server.
        self._tries: dict[tuple[str, str], asyncio.Task[Answer]] = {}
        self._room = asyncio.Semaphore(MAX_ASKED_AT_ONCE)
        self._tasks: list[asyncio.Task[None]] = []
        self._http: aiohttp.ClientSession | None = None
        self._is_over = False

    @property
    def parties(self) -> tuple[Party, ...]:
        """All that are known now, in the order they were found in."""
        return self._directory.parties(self._now_s())

    async def __aenter__(self) -> Self:
        """Begin to look.

        Raises:
            RuntimeError: Entered before; ``discover`` makes another one.
        """
        if self._http is not None:
            raise RuntimeError("A search runs once; call discover() for another")
        self._http = open_http()
        self._start("answers", self._ask_all())
        if self._mdns:
            self._start(MDNS, self._listen())
        for server in self._servers:
            self._start(server, self._follow(server))
        if self._timeout_s is not None:
            self._start("time", self._end_after(self._timeout_s))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop looking; nothing of it is left afterwards."""
        self._is_over = True
        self._news.set()
        ending = [*self._tasks, *self._asking.values(), *self._tries.values()]
        for task in ending:
            task.cancel()
        try:
            await asyncio.gather(*ending, return_exceptions=True)
        finally:
            if self._http is not None:
                await self._http.close()

    async def __aiter__(self) -> AsyncGenerator[AnyDiscoveryEvent, None]:
        async with contextlib.AsyncExitStack() as stack:
            if self._http is None:
                await stack.enter_async_context(self)
            while (event := await self._next()) is not None:
                yield event

    async def _next(self) -> AnyDiscoveryEvent | None:
        """Wait for the next event; ``None`` at the end."""
        while True:
            if self._failures:
                return self._failures.pop(next(iter(self._failures)))
            if self._changes:
                return self._changes.pop()
            if self._is_over:
                return None
            self._news.clear()
            await self._news.wait()

    # --- Sources ----------------------------------------------------------------

    async def _listen(self) -> None:
        """Follow mDNS; where it can't be used, try again at every interval."""
        while True:
            try:
                browser = Browser(self._saw, self._lost, self._interfaces)
            except MULTICAST_FAULTS as fault:
                self._failed(MDNS, _why_no_mdns(fault))
                await asyncio.sleep(self.settings.ask_interval_s)
                continue
            self._works(MDNS)
            try:
                while True:
                    await asyncio.sleep(self.settings.ask_interval_s)
                    browser.confirm()
                    with contextlib.suppress(*MULTICAST_FAULTS):
                        await browser.follow_interfaces()
            finally:
                await browser.close()

    async def _follow(self, server: str) -> None:
        """Ask a server for its listing, again and again."""
        while True:
            try:
                listing = await list_parties(
                    self._open_http,
                    server,
                    timeout_s=self.settings.answer_timeout_s,
                )
            except ConnectionFailed as fault:
                self._failed(server, fault.reason)
            else:
                self._works(server)
                self._tell(self._directory.take_listing(listing, self._now_s()))
            await asyncio.sleep(self.settings.ask_interval_s)

    def _saw(self, sighting: Sighting) -> None:
        self._tell(self._directory.see(sighting, self._now_s()))

    def _lost(self, name: str) -> None:
        self._tell(self._directory.unsee(name, self._now_s()))

    def _tell(self, events: list[PartyEvent]) -> None:
        """Pass events on; ask whom was found for an answer."""
        self._changes.put(events)
        for event in events:
            if isinstance(event, PartyFound):
                target = self._directory.target(event.party.key)
                if target is not None:
                    self._ask(target, event.party)
        if events:
            self._news.set()

    # --- Answers ----------------------------------------------------------------

    async def _ask_all(self) -> None:
        while True:
            await asyncio.sleep(self.settings.ask_interval_s)
            self._tries = {k: t for k, t in self._tries.items() if not t.done()}
            parties = self._directory.parties(self._now_s())
            for target, party in zip(self._directory.targets(), parties, strict=True):
                self._ask(target, party)

    def _ask(self, target: Target, party: Party) -> None:
        if self._wanted is not None and not self._wanted(party):
            return
        if target.key not in self._asking and not self._is_over:
            task = asyncio.create_task(self._ask_one(target))
            self._asking[target.key] = task
            task.add_done_callback(lambda _: self._asking.pop(target.key, None))

    async def _ask_one(self, target: Target) -> None:
        async with self._room:
            answer = await self._answer(target)
            self._take(target, answer)
            if answer.problem or target.knows_age:
                return
            with contextlib.suppress(ConnectionFailed):
                age_s = await ask_age(
                    self._open_http,
                    answer.url,
                    target.id,
                    timeout_s=self.settings.answer_timeout_s,
                )
                self._take(target, answer._replace(age_s=age_s))

    def _take(self, target: Target, answer: Answer) -> None:
        self._tell(self._directory.answered(target.key, answer, self._now_s()))

    async def _answer(self, target: Target) -> Answer:
        """Try all its addresses at once; the first that answers is the best."""
        answer = Answer(problem="it has no address")
        tries = [
            self._try(url, target.path)
            for url in target.urls[: 1 if target.is_settled else None]
        ]
        for done in asyncio.as_completed(tries):
            answer = await done
            if not answer.problem:
                break
        return answer

    def _try(self, url: str, path: str) -> asyncio.Task[Answer]:
        trying = self._tries.get((url, path))
        if trying is None:
            trying = asyncio.create_task(self._measure(url, path))
            self._tries[url, path] = trying
        return trying

    async def _measure(self, url: str, path: str) -> Answer:
        try:
            round_trip_ms = await measure_round_trip(
                self._open_http,
                url,
                path=path,
                timeout_s=self.settings.answer_timeout_s,
            )
        except ConnectionFailed as fault:
            return Answer(problem=fault.reason)
        return Answer(url, round_trip_ms)

    # --- Parts of the above -----------------------------------------------------

    @property
    def _open_http(self) -> aiohttp.ClientSession:
        if self._http is None:
            raise RuntimeError("The search has not begun")
        return self._http

    def _start(self, source: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(self._watch(source, work)))

    async def _watch(self, source: str, work: Coroutine[Any, Any, None]) -> None:
        """Do some work; what should not happen is told, not lost."""
        try:
            await work
        except Exception as bug:
            log.exception("A search has a bug")
            self._failed(source, f"it ended with an error, {type(bug).__name__}")

    async def _end_after(self, timeout_s: float) -> None:
        await asyncio.sleep(timeout_s)
        self._is_over = True
        self._news.set()

    def _failed(self, source: str, reason: str) -> None:
        if source not in self._told_failures:
            self._told_failures.add(source)
            self._failures[source] = SourceFailed(source=source, reason=reason)
            self._news.set()

    def _works(self, source: str) -> None:
        self._told_failures.discard(source)

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()


def _why_no_mdns(fault: Exception) -> str:
    reason = getattr(fault, "strerror", None) or str(fault)
    return f"this machine can't use multicast ({reason})"
