"""Examines the way from this machine to a party elsewhere."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Final
from urllib.parse import quote, urlsplit

from loudsync.address import SOCKET_PATH, Address, join_link
from loudsync.discovery.ping import open_http
from loudsync.discovery.resolving import resolve
from loudsync.doctor.asking import NO_ANSWER, Answer, Kind, ask, ask_kind
from loudsync.doctor.clock import judge_skew
from loudsync.doctor.finding import Finding, Level, note
from loudsync.doctor.reaching import (
    MAX_TRIED,
    Reached,
    Target,
    connect,
    judge_name,
    judge_reach,
    own_networks,
)
from loudsync.doctor.running import Check, in_order
from loudsync.doctor.securing import (
    TlsFault,
    judge_plain_server,
    judge_secure_server,
    judge_tls,
    shake_hands,
)
from loudsync.doctor.serving import (
    judge_kind,
    judge_mixed_content,
    judge_session,
    judge_silence,
    judge_stranger,
)
from loudsync.doctor.speaking import look_at_socket
from loudsync.reasons import why_unreachable

ANSWER_TIMEOUT_S: Final = 3.0
"""How long each step may take. Of those that can fail in silence one ends the
way, so all of it stays below fifteen seconds."""

_STEPS_IN_A_CHECK: Final = 3
"""A check that gets no answer looks for the reason, with other questions."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


async def examine_server(
    address: Address, *, timeout_s: float = ANSWER_TIMEOUT_S
) -> AsyncGenerator[Finding, None]:
    """Say why a guest on this machine could not join by a link.

    Each step of the way comes after the one before it, and a problem ends it:
    what lies behind can't be seen from here.

    Args:
        address: The link, as ``parse_address`` reads it.
        timeout_s: How long one answer may take.
    """
    way = _Way(address, timeout_s)
    limit_s = timeout_s * _STEPS_IN_A_CHECK + 1
    steps = [
        Check("name", "The name in the link", way.look_at_name),
        Check("reach", "The way to the server", way.look_at_reach),
        Check("tls", "The server's certificate", way.look_at_tls),
        Check("http", "The server", way.look_at_http),
    ]
    for step in steps:
        async for finding in in_order([step], limit_s):
            yield finding
            if finding.level is Level.PROBLEM:
                way.is_blocked = True
        if way.is_blocked:
            return
    last = [
        Check("websocket", "The server's WebSocket", way.look_at_socket),
        Check("session", "The party", way.look_at_session),
        Check("mixed-content", "Whether pages can use it", way.look_at_pages),
        Check("clock", "The two clocks", way.look_at_clocks),
    ]
    async for finding in in_order(last, limit_s):
        yield finding


class _Way:
    """What is known of the way so far.

    Attributes:
        is_blocked: Whether a problem has ended it.
    """

    def __init__(self, address: Address, timeout_s: float) -> None:
        parts = urlsplit(address.url)
        base = urlsplit(address.base_url)
        self.is_blocked = False
        self._address = address
        self._timeout_s = timeout_s
        self._path = parts.path + (f"?{parts.query}" if parts.query else "")
        self._target = Target(
            host=parts.hostname or "",
            port=parts.port or _DEFAULT_PORTS[base.scheme],
            has_port=parts.port is not None,
            is_secure=base.scheme == "https",
        )
        self._ips: list[str] = []
        self._health: Answer | None = None

    async def look_at_name(self) -> list[Finding]:
        """Find out what the host stands for."""
        target, reason = self._target, ""
        try:
            async with asyncio.timeout(self._timeout_s):
                infos = await resolve(target.host, target.port)
            self._ips = list(dict.fromkeys(str(info[4][0]) for info in infos))
        except TimeoutError:
            reason = f"no answer within {self._timeout_s:g} s"
        except OSError as fault:
            reason = fault.strerror or str(fault)
        return judge_name(target, self._ips, reason)

    async def look_at_reach(self) -> list[Finding]:
        """Open a TCP connection, at each of the addresses."""
        attempts = await asyncio.gather(
            *(
                connect(ip, self._target.port, self._timeout_s)
                for ip in self._ips[:MAX_TRIED]
            )
        )
        # From now on the one that answers stands for all.
        self._ips.sort(
            key=lambda ip: next(
                (a.reached.value for a in attempts if a.ip == ip),
                Reached.FAILED.value,
            )
        )
        return [judge_reach(self._target, attempts, own_networks())]

    async def look_at_tls(self) -> list[Finding]:
        """Shake hands, where the link is an https one."""
        target = self._target
        if not target.is_secure:
            return []
        facts = await shake_hands(target.host, target.port, timeout_s=self._timeout_s)
        if facts.fault is None:
            return [judge_tls(target.host, facts)]
        if facts.fault in (TlsFault.NO_TLS, TlsFault.SILENT):
            plain = self._address.base_url.replace("https", "http", 1)
            if await self._ask_health(plain) is not None:
                return [judge_plain_server(self._link(plain))]
            if facts.fault is TlsFault.SILENT:
                return [judge_silence(self._timeout_s)]
            return [judge_tls(target.host, facts)]
        health = await self._ask_health(self._address.base_url)
        skew_s = None if health is None else health.skew_s
        return [judge_tls(target.host, facts, skew_s=skew_s)]

    async def look_at_http(self) -> list[Finding]:
        """Ask for the server's health, and so for what it is."""
        base_url = self._address.base_url
        kind, failure = Kind.OTHER, ""
        try:
            async with open_http() as http:
                kind, self._health = await ask_kind(
                    http, base_url, timeout_s=self._timeout_s
                )
        except TimeoutError:
            failure = "silence"
        except NO_ANSWER as fault:
            failure = why_unreachable(fault)
        if kind is not Kind.LOUDSYNC and not self._target.is_secure:
            secure = await shake_hands(
                self._target.host,
                self._target.port,
                timeout_s=self._timeout_s,
                is_trusting=True,
            )
            if secure.fault is None:
                link = self._link(base_url.replace("http", "https", 1))
                return [judge_secure_server(link)]
        if self._path.partition("?")[0] != SOCKET_PATH and kind is not Kind.LOUDSYNC:
            # A proxy stands before it: what is at the root of that is another's.
            return []  # its own WebSocket tells, wherever it is
        if self._health is not None:
            return [judge_kind(kind, self._health)]
        if failure == "silence":
            return [judge_silence(self._timeout_s)]
        return [judge_stranger(failure)]

    async def look_at_socket(self) -> list[Finding]:
        """Do what a guest does, up to the seat."""
        return await look_at_socket(
            self._address.base_url, self._path, timeout_s=self._timeout_s
        )

    async def look_at_session(self) -> list[Finding]:
        """Ask for the party, where the link names one."""
        session_id = self._address.session_id
        if session_id is None or self._path.partition("?")[0] != SOCKET_PATH:
            return []
        url = f"{self._address.base_url}/sessions/{quote(session_id, safe='')}"
        try:
            async with open_http() as http:
                answer = await ask(http, url, timeout_s=self._timeout_s)
        except (TimeoutError, *NO_ANSWER):
            return [
                note(
                    "session",
                    "The server doesn't answer when it is asked for the party.",
                    "Try again; if it stays so, start the server again.",
                )
            ]
        return [judge_session(session_id, answer)]

    async def look_at_pages(self) -> list[Finding]:
        """Say which pages can use the server."""
        return judge_mixed_content(self._ips[0], is_secure=self._target.is_secure)

    async def look_at_clocks(self) -> list[Finding]:
        """Compare the server's clock with ours."""
        skew_s = None if self._health is None else self._health.skew_s
        return judge_skew(skew_s, is_secure=self._target.is_secure)

    def _link(self, base_url: str) -> str:
        session_id = self._address.session_id
        return base_url if session_id is None else join_link(base_url, session_id)

    async def _ask_health(self, base_url: str) -> Answer | None:
        """Ask whoever is there, without believing a word."""
        with suppress(TimeoutError, *NO_ANSWER):
            async with open_http() as http:
                return await ask(
                    http,
                    f"{base_url}/healthz",
                    timeout_s=self._timeout_s,
                    is_trusting=True,
                )
        return None
