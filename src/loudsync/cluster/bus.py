"""The connection to NATS: what nodes say to each other goes through it.

Nothing of nats-py is seen outside of here and ``buckets``: its exceptions are
translated, and what it would buffer while NATS is away is not sent at all.
"""

import asyncio
import contextlib
import logging
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from loudsync.cluster.ending import end_tasks
from loudsync.cluster.settings import ClusterSettings
from loudsync.errors import LoudSyncError, StartFailed
from loudsync.server.logs import get_logger

log = get_logger("cluster")

MAX_WAITING_BYTES: Final = 64 * 1024**2
"""What may wait to be sent; beyond it messages are dropped, and edges notice the
gap."""

_FLUSH_TIMEOUT_S: Final = 2

_TELLING: Final = (nats.errors.AuthorizationError, ssl.SSLError)
"""Errors that say why a connection fails; the next try may just find it closed."""


class Unreachable(LoudSyncError):
    """NATS, or what keeps a bucket there, didn't answer; what was asked may be done."""


class NoResponder(LoudSyncError):
    """Nobody listens at a subject: that process is gone, or never was."""


class Bus:
    """One connection to NATS that comes back by itself.

    Args:
        on_connected: Called each time the connection is there again.
        on_lost: Called each time it is lost.
    """

    def __init__(
        self,
        settings: ClusterSettings,
        name: str,
        on_connected: Callable[[], None] = lambda: None,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._name = name
        self._on_connected = on_connected
        self._on_lost = on_lost
        self._client = Client()
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._writer: asyncio.Task[None] | None = None
        self._has_begun = False
        self._is_refused = asyncio.Event()
        self._last_error: Exception | None = None
        self._is_closing = False

    # --- Its life -----------------------------------------------------------

    async def connect(self) -> None:
        """Connect; from then on it reconnects by itself.

        Raises:
            StartFailed: NATS can't be reached; the text says what to do.
        """
        where = ", ".join(map(without_password, self._settings.servers))
        try:
            await self._connect()
        except (TimeoutError, OSError, nats.errors.Error) as fault:
            await self._close_client()
            reason = str(self._last_error or fault) or "no answer"
            raise StartFailed(
                f"Can't reach NATS at {where} ({reason}); start it, or check --nats"
            ) from None
        except ImportError:
            raise StartFailed(
                "Credentials need nkeys: pip install 'loudsync[cluster]'"
            ) from None
        except BaseException:
            await self._close_client()
            raise
        self._writer = asyncio.create_task(self._write(), name="loudsync bus")

    async def _connect(self) -> None:
        options = self._options()
        self._has_begun = True
        connecting = asyncio.create_task(self._client.connect(**options))
        refused = asyncio.create_task(self._is_refused.wait())
        try:
            # To an absent server, or with a wrong password, it would try for ever.
            await asyncio.wait(
                {connecting, refused},
                timeout=self._settings.connect_timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not connecting.done():
                raise TimeoutError
            connecting.result()
        finally:
            await end_tasks({connecting, refused})

    def _options(self) -> dict[str, Any]:
        settings = self._settings
        options: dict[str, Any] = {
            "servers": list(settings.servers),
            "name": self._name,
            "error_cb": self._failed,
            "disconnected_cb": self._lost,
            "reconnected_cb": self._back,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": 0.2,
            "connect_timeout": 2,
            "ping_interval": 1,
            "max_outstanding_pings": 2,
            # What was not sent at once would arrive after its sender gave up.
            "pending_size": 0,
        }
        if settings.credentials is not None:
            options["user_credentials"] = str(settings.credentials)
        if settings.uses_tls:
            options["tls"] = _tls(settings)
        return options

    async def _failed(self, error: Exception) -> None:
        if not isinstance(self._last_error, _TELLING):
            self._last_error = error
        if isinstance(error, nats.errors.AuthorizationError):
            self._is_refused.set()
        log.debug("nats_error", error=str(error))

    async def _lost(self) -> None:
        if not self._is_closing:
            log.warning("nats_lost")
            self._on_lost()

    async def _back(self) -> None:
        url = self._client.connected_url
        log.info("nats_back", server=url and without_password(url.netloc))
        self._on_connected()

    async def close(self) -> None:
        """Send what waits, if it can be sent, and end. A second call does nothing."""
        self._is_closing = True
        if self._writer is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FLUSH_TIMEOUT_S):
                    await self._idle.wait()
                    if self.is_connected:
                        await self._client.flush(_FLUSH_TIMEOUT_S)
            await end_tasks({self._writer})
            self._writer = None
        await self._close_client()

    async def _close_client(self) -> None:
        if self._has_begun:
            with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
                await self._client.close()

    @property
    def is_connected(self) -> bool:
        """Whether NATS can be talked to now."""
        return self._client.is_connected

    @property
    def max_payload_bytes(self) -> int:
        """The largest message that the NATS server takes."""
        return self._client.max_payload

    def jetstream(self, timeout_s: float) -> JetStreamContext:
        """Return the way to the buckets."""
        return self._client.jetstream(timeout=timeout_s)

    # --- Messages -----------------------------------------------------------

    async def subscribe(
        self, subject: str, take: Callable[[bytes, Callable[[bytes], None]], None]
    ) -> None:
        """Give each message, and the way to answer it, to a function, in order."""

        async def received(message: Msg) -> None:
            def answer(payload: bytes) -> None:
                if message.reply:
                    self.publish(message.reply, payload)

            try:
                take(message.data, answer)
            except Exception:
                # One message that can't be understood must not end the rest.
                log.exception("message_failed", subject=subject)

        await self._client.subscribe(subject, cb=received)

    def publish(self, subject: str, payload: bytes) -> None:
        """Send a message, in the order of the calls; none while NATS is away."""
        if self._waiting_bytes + len(payload) > MAX_WAITING_BYTES:
            return
        self._waiting.append((subject, payload))
        self._waiting_bytes += len(payload)
        self._idle.clear()
        self._wake.set()

    async def request(self, subject: str, payload: bytes, timeout_s: float) -> bytes:
        """Ask and return the answer.

        Raises:
            NoResponder: Nobody listens there.
            Unreachable: NATS is away, or doesn't take as much; or the answer took
                too long.
        """
        # nats-py would keep the question for ever, and with it each of its tries.
        if not self.is_connected or len(payload) > self.max_payload_bytes:
            raise Unreachable(f"{subject}: not sent")
        try:
            message = await self._client.request(subject, payload, timeout=timeout_s)
        except nats.errors.NoRespondersError:
            raise NoResponder(subject) from None
        except (nats.errors.Error, OSError, TimeoutError) as fault:
            raise Unreachable(f"{subject}: {fault}") from None
        return message.data

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                subject, payload = self._waiting.popleft()
                self._waiting_bytes -= len(payload)
                try:
                    await self._client.publish(subject, payload)
                except (nats.errors.Error, OSError) as fault:
                    level = logging.WARNING if self.is_connected else logging.DEBUG
                    log.log(level, "not_sent", subject=subject, error=str(fault))
            self._idle.set()


def without_password(server: str) -> str:
    """Return a server's address as it may be shown."""
    scheme, _, rest = server.rpartition("://")
    host = rest.rpartition("@")[2]
    return f"{scheme}://{host}" if scheme else host


def _tls(settings: ClusterSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca)
        if settings.tls_cert is not None:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ValueError) as fault:
        raise StartFailed(f"Can't use the NATS certificates: {fault}") from None
    return context
