"""Tells the network which sessions are listed here.

Off unless asked for: a program that embeds a server may not want it.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from loudsync.core import Session
from loudsync.discovery.records import PartyRecord
from loudsync.server.logs import get_logger
from loudsync.server.runner import Runner

if TYPE_CHECKING:
    from loudsync.discovery.announcer import Announcer

log = get_logger("server")


class Advertiser:
    """Announces the listed sessions of a runner over mDNS until it is stopped.

    Args:
        runner: Says when something has changed, through its ``on_change``.
        host: Where the server listens.
        port: Its port.
        is_secure: Whether guests need TLS.
        public_url: Where guests reach it, as its operator says; may be empty.
    """

    def __init__(
        self, runner: Runner, host: str, port: int, *, is_secure: bool, public_url: str
    ) -> None:
        self._runner = runner
        self._host = host
        self._port = port
        self._is_secure = is_secure
        self._public_url = public_url
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; what doesn't work is logged, and holds nothing up."""
        self._task = asyncio.create_task(self._run(), name="loudsync advertising")

    async def stop(self) -> None:
        """Say goodbye, for a second at most."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        # In a thread: loading zeroconf takes as long as fifty joins.
        announcer_type = await asyncio.to_thread(_load_announcer)
        async with announcer_type(
            self._host, self._port, self._records, _failed
        ) as announcer:
            self._runner.on_change = announcer.changed
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.get_running_loop().create_future()
            self._runner.on_change = None

    def _records(self) -> Iterator[PartyRecord]:
        return map(self._record, self._runner.registry.listed())

    def _record(self, session: Session) -> PartyRecord:
        return PartyRecord(
            id=session.id,
            name=session.spec.name,
            host_name=session.host.name,
            member_count=session.member_count,
            max_members=session.spec.max_members,
            is_secure=self._is_secure,
            url=self._public_url,
        )


def _load_announcer() -> type["Announcer"]:
    from loudsync.discovery.announcer import Announcer

    return Announcer


def _failed(reason: str) -> None:
    log.warning("mdns_failed", reason=reason)
