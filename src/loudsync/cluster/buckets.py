"""Keys and values in NATS: written only by who knows the latest revision.

A *revision* is a number that grows with each write in a bucket; 0 stands for a
key that isn't there. Reads go to the stream's leader: a replica may be behind.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

import nats.errors
from nats.js import JetStreamContext, errors
from nats.js.api import StorageType

from loudsync.cluster.bus import Bus, Unreachable
from loudsync.errors import LoudSyncError, StartFailed
from loudsync.server.logs import get_logger

log = get_logger("cluster")

NODES: Final = "loudsync_nodes"
SESSIONS: Final = "loudsync_sessions"

_TIMEOUT_S: Final = 2.0
_SCAN_TIMEOUT_S: Final = 120.0
"""A million sessions are some gigabytes, or a minute; a stall is shorter."""
_RETRY_S: Final = 0.3

_MARKER_S: Final = "3600"
"""How long it is remembered that a key was ended, so that a writer that slept
meanwhile doesn't take it for one that NATS has lost."""

_NOT_CLUSTERED: Final = 10074
_WRONG_REVISION: Final = (10071, 10164)
_NO_SUCH_STREAM: Final = 10059
_IN_USE: Final = 10058
"""JetStream's error numbers."""

_OPERATION: Final = "KV-Operation"
_EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"


class WrongRevision(LoudSyncError):
    """Somebody else has written the key since."""


class Entry(NamedTuple):
    """What is under a key; a value of ``None`` marks one that was ended."""

    key: str
    revision: int
    value: bytes | None


class Bucket:
    """One bucket.

    Attributes:
        ttl_s: For how long a value stays that isn't written again; 0: for ever.
        replicas: How many servers keep it.
    """

    def __init__(
        self,
        name: str,
        bus: Bus,
        *,
        replicas: int = 0,
        ttls_s: tuple[int, int] = (0, 0),
    ) -> None:
        self.name = name
        self.ttl_s = 0
        self.replicas = 0
        self._bus = bus
        self._wanted_replicas = replicas
        self._ttls_s = ttls_s
        self._stream = f"KV_{name}"
        self._prefix = f"$KV.{name}."

    async def prepare(self, patience_s: float = 0) -> None:
        """Make the bucket where there is none; learn how it is kept.

        Args:
            patience_s: How long NATS may take to be ready: its servers may just
                be finding each other.

        Raises:
            StartFailed: It can't be made; the text says why.
        """
        deadline = asyncio.get_running_loop().time() + patience_s
        while True:
            try:
                await self._prepare()
            except (nats.errors.Error, OSError, TimeoutError) as fault:
                if asyncio.get_running_loop().time() > deadline:
                    raise StartFailed(
                        f"NATS can't keep the sessions ({_said(fault)}); it needs "
                        "JetStream (nats-server -js) and all of its servers"
                    ) from None
                await asyncio.sleep(_RETRY_S)
            else:
                return

    async def _prepare(self) -> None:
        jetstream = self._jetstream
        try:
            bucket = await jetstream.key_value(self.name)
        except errors.BucketNotFoundError:
            try:
                await self._create(self._wanted_replicas or 3)
            except errors.ServerError as fault:
                if fault.err_code != _NOT_CLUSTERED or self._wanted_replicas:
                    raise
                await self._create(1)
            except errors.BadRequestError as fault:
                if fault.err_code != _IN_USE:
                    raise
            bucket = await jetstream.key_value(self.name)
        config = (await bucket.status()).stream_info.config
        self.ttl_s = int(config.max_age or 0)
        self.replicas = config.num_replicas or 1

    async def _create(self, replicas: int) -> None:
        single_s, clustered_s = self._ttls_s
        await self._jetstream.create_key_value(
            bucket=self.name,
            replicas=replicas,
            # What is only in memory is gone with the server that has it.
            storage=StorageType.FILE,
            ttl=(single_s if replicas == 1 else clustered_s) or None,
        )
        log.info("bucket_created", bucket=self.name, replicas=replicas)

    async def read(self, key: str) -> Entry | None:
        """Return what is under a key, ``None`` where nothing ever was.

        Raises:
            Unreachable: NATS, the bucket or its leader is away.
        """
        try:
            message = await self._jetstream.get_msg(
                self._stream, subject=self._prefix + key
            )
        except errors.NotFoundError as fault:
            if fault.err_code == _NO_SUCH_STREAM:
                raise Unreachable(f"no bucket {self.name}") from None
            return None
        except (nats.errors.Error, OSError, TimeoutError) as fault:
            raise Unreachable(f"{self.name}: {fault}") from None
        is_ended = bool(message.headers) and _OPERATION in (message.headers or {})
        value = None if is_ended else message.data or b""
        return Entry(key, message.seq or 0, value)

    async def write(self, key: str, value: bytes, last: int) -> int:
        """Write if the key's revision is still ``last``; return the new one.

        Raises:
            WrongRevision: It is not.
            Unreachable: Nobody said so; it may be written all the same.
        """
        return await self._publish(key, value, {_EXPECTED: str(last)})

    async def end(self, key: str, last: int) -> None:
        """Delete a key if its revision is still ``last``; as ``write``."""
        await self._publish(
            key,
            b"",
            {
                _OPERATION: "PURGE",
                "Nats-Rollup": "sub",
                "Nats-TTL": _MARKER_S,
                _EXPECTED: str(last),
            },
        )

    async def put(self, key: str, value: bytes) -> None:
        """Write whatever was there before.

        Raises:
            Unreachable: Nobody said that it is done.
        """
        await self._publish(key, value, {})

    async def scan(self) -> AsyncIterator[Entry]:
        """Return every key that has a value; none where there is no bucket.

        Raises:
            Unreachable: NATS went away in between.
        """
        try:
            async with asyncio.timeout(_SCAN_TIMEOUT_S):
                try:
                    bucket = await self._jetstream.key_value(self.name)
                except errors.BucketNotFoundError:
                    return
                watcher = await bucket.watchall(ignore_deletes=True)
                try:
                    async for entry in watcher:
                        if entry is None:  # that was all
                            break
                        yield Entry(entry.key, entry.revision or 0, entry.value or b"")
                finally:
                    await watcher.stop()  # type: ignore[no-untyped-call]
        except (nats.errors.Error, OSError, TimeoutError) as fault:
            raise Unreachable(f"{self.name}: {fault}") from None

    async def _publish(self, key: str, value: bytes, headers: dict[str, str]) -> int:
        try:
            done = await self._jetstream.publish(
                self._prefix + key, value, headers=headers or None
            )
        except errors.APIError as fault:
            if fault.err_code in _WRONG_REVISION:
                raise WrongRevision(key) from None
            raise Unreachable(f"{self.name}: {fault}") from None
        except (nats.errors.Error, OSError, TimeoutError) as fault:
            raise Unreachable(f"{self.name}: {fault}") from None
        return done.seq

    @property
    def _jetstream(self) -> JetStreamContext:
        if not self._bus.is_connected:
            raise nats.errors.ConnectionClosedError
        return self._bus.jetstream(_TIMEOUT_S)


def _said(fault: Exception) -> str:
    """Return what JetStream said, without what only nats-py means by it."""
    if isinstance(fault, errors.Error):
        return fault.description or "no answer"
    return str(fault) or "no answer"
