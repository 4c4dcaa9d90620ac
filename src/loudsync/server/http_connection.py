"""aiohttp's protocol, for one connection and one request on it.

Nobody can hold a connection open to trickle in heads, an upgrade never comes
second on it, and it ends in time however slowly its peer sends or reads.
"""

import asyncio
import logging
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from loudsync.server.http_errors import NOT_HTTP, OUR_FAULT, error_answer, refused
from loudsync.server.lingering import LINGER_S
from loudsync.server.visitors import Visit

_http_log = logging.getLogger("loudsync.http")

_PEERS_FAULTS = (HttpProcessingError, web.RequestPayloadError, ConnectionError)
"""What a peer can make aiohttp raise: not HTTP, a bad body, gone half way."""


class OneRequest(RequestHandler):
    """Serves one request; what peers do wrong is no news.

    Args:
        timeout_s: How long the request and its answer may take in all.

    Attributes:
        visit: Whose connection it is; counted out at its end.
    """

    __slots__ = ("_deadline", "_timeout_s", "visit")

    def __init__(self, server: web.Server, visit: Visit, timeout_s: float) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # how aiohttp turns it off
            logger=_http_log,
            lingering_time=LINGER_S,
            auto_decompress=False,  # a body is 16 KiB at most: no bombs
        )
        self.visit = visit
        self._timeout_s = timeout_s
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, and see to the end."""
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        abort = cast("asyncio.Transport", transport).abort
        self._deadline = loop.call_later(self._timeout_s, abort)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Report the end."""
        super().connection_lost(exc)
        if self._deadline is not None:
            self._deadline.cancel()
        self.visit.end()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what went wrong outside of the handlers."""
        if isinstance(exc, _PEERS_FAULTS):
            return error_answer(NOT_HTTP)
        super().handle_error(request, status, exc, message)  # logs it
        return error_answer(OUR_FAULT)

    async def finish_response(
        self,
        request: web.BaseRequest,
        resp: web.StreamResponse,
        start_time: float | None,
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer, and close after it."""
        if isinstance(resp, web.HTTPException):  # no middleware has seen it
            resp = refused(resp)
        resp.force_close()
        resp.headers["Server"] = "loudsync"
        resp.headers.setdefault("X-Content-Type-Options", "nosniff")
        resp.headers.setdefault("Cache-Control", "no-store")
        return await super().finish_response(request, resp, start_time)
