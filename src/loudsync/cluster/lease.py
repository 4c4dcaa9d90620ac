"""A node's lease: what tells whether it may still believe what it knows.

A node that could not renew for 0.8 of the time its lease lasts is *unsure*, from
when the last renewal began: others may have taken its sessions over. It says
nothing more about them, refusals included, until it has looked.

The same holds from when it has lost its connection to NATS: that is what others
see first.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final

from loudsync.cluster.buckets import Bucket
from loudsync.cluster.bus import Unreachable
from loudsync.core import NS_PER_S
from loudsync.errors import StartFailed
from loudsync.server.logs import get_logger

log = get_logger("cluster")

TTLS_S: Final = (3, 15)
"""How long a lease lasts on a single NATS server, and in a cluster: there, writes
stand still for 6 to 7 s while a new leader is elected."""

_RENEWALS: Final = {True: 1.0, False: 2.0}
"""How often it is renewed on either, in s."""

_SURE_PART: Final = 0.8

_RETRY_S: Final = 0.2


class Lease:
    """Renews a node's key in ``loudsync_nodes`` for as long as it runs.

    Args:
        value: Returns what is to be under the key.
        verify: Looks whether the sessions are still this node's; called before
            it is sure again after a time in which it wasn't.

    Attributes:
        was_unsure_ns: When it last became sure after it wasn't; monotonic.
    """

    def __init__(
        self,
        bucket: Bucket,
        key: str,
        value: Callable[[], bytes],
        verify: Callable[[], Awaitable[None]],
    ) -> None:
        self.was_unsure_ns: int | None = None
        self._bucket = bucket
        self._key = key
        self._value = value
        self._verify = verify
        self._renewed_ns: int | None = None
        self._sure_ns = 0
        self._is_verified = False
        self._doubted_ns = 0
        self._verifying: asyncio.Task[None] | None = None
        self._sure = asyncio.Event()
        self._soon = asyncio.Event()

    @property
    def is_sure(self) -> bool:
        """Whether nobody can have taken this node's sessions without its knowing."""
        return self._is_verified and self._is_fresh

    @property
    def _is_fresh(self) -> bool:
        renewed_ns = self._renewed_ns
        return (
            renewed_ns is not None and time.monotonic_ns() - renewed_ns < self._sure_ns
        )

    @property
    def age_s(self) -> float:
        """How long ago it was renewed."""
        if self._renewed_ns is None:
            return 0.0
        return (time.monotonic_ns() - self._renewed_ns) / NS_PER_S

    async def until_sure(self) -> None:
        """Wait until the node is sure."""
        while not self.is_sure:
            self._sure.clear()
            await self._sure.wait()

    def doubt(self) -> None:
        """Be unsure until it was looked whether all is as it was."""
        self._is_verified = False
        self._doubted_ns = time.monotonic_ns()
        self._soon.set()

    async def start(self, patience_s: float) -> None:
        """Take the lease for the first time.

        Args:
            patience_s: How long NATS may take: it may just be electing a leader.

        Raises:
            Unreachable: NATS didn't take it.
        """
        self._sure_ns = int(_SURE_PART * self._bucket.ttl_s * NS_PER_S)
        self._is_verified = True  # there is nothing yet to be wrong about
        deadline_s = time.monotonic() + patience_s
        while True:
            try:
                return await self._renew()
            except Unreachable:
                if time.monotonic() > deadline_s:
                    raise
                await asyncio.sleep(_RETRY_S)

    async def keep(self) -> None:
        """Renew it again and again, until cancelled."""
        interval_s = _RENEWALS[self._bucket.replicas == 1]
        try:
            await self._keep(interval_s)
        finally:
            if self._verifying is not None:
                self._verifying.cancel()

    async def _keep(self, interval_s: float) -> None:
        has_renewed = True
        while True:
            try:
                async with asyncio.timeout(interval_s):
                    await self._soon.wait()
            except TimeoutError:
                pass
            self._soon.clear()
            if not self._is_fresh:
                self._is_verified = False
                self._doubted_ns = time.monotonic_ns()
            try:
                await self._renew()
            except Unreachable as fault:
                if has_renewed:
                    age_s = round(self.age_s, 1)
                    log.warning("lease_not_renewed", age_s=age_s, error=str(fault))
                has_renewed = False
                await asyncio.sleep(_RETRY_S)
                self._soon.set()
            else:
                has_renewed = True

    async def release(self) -> None:
        """Give it up: others need not wait for its end.

        Raises:
            Unreachable: NATS didn't take it; it ends by itself.
        """
        self._is_verified = False
        self._renewed_ns = None
        await self._bucket.put(self._key, b"")

    async def _renew(self) -> None:
        started_ns = time.monotonic_ns()
        try:
            await self._bucket.put(self._key, self._value())
        except Unreachable:
            # The server may have lost its disk, and the bucket with it.
            with contextlib.suppress(StartFailed):
                await self._bucket.prepare()
            raise
        self._renewed_ns = started_ns
        if self._verifying is None and not self._is_verified:
            loop = asyncio.get_running_loop()
            self._verifying = loop.create_task(self._become_sure())
        if self.is_sure:
            self._sure.set()

    async def _become_sure(self) -> None:
        """Look after the sessions while the lease goes on being renewed."""
        try:
            while not self._is_verified:
                started_ns = time.monotonic_ns()
                try:
                    await self._verify()
                except Unreachable as fault:
                    log.debug("not_verified", error=str(fault))
                    await asyncio.sleep(_RETRY_S)
                    continue
                except Exception:
                    log.exception("not_verified")
                    await asyncio.sleep(_RETRY_S)
                    continue
                # Only if it has lasted all the while, nobody came in between.
                self._is_verified = self._doubted_ns < started_ns and self._is_fresh
        finally:
            self._verifying = None
        self.was_unsure_ns = time.monotonic_ns()
        self._sure.set()
