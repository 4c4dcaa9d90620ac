"""The HTTP side of the port: page, health, metrics, sessions.

Every connection serves one request: nobody can hold one open to trickle in
heads, and an upgrade never comes second on it.

Source: contract, section 6.
"""

import asyncio
import hmac
import logging
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from loudsync.core import Session
from loudsync.errors import (
    STORAGE_FULL,
    InvalidMessage,
    InvalidSetting,
    LoudSyncError,
    MemberNotFound,
    SessionExists,
    SessionNotFound,
    StorageFull,
    TooManySessions,
    Unauthorized,
)
from loudsync.protocol import MemberId, SessionId
from loudsync.protocol.codec import FAULTS, explain_fault
from loudsync.server.creation import DEFAULT_HOST_NAME, new_token, session_spec
from loudsync.server.lingering import LINGER_S
from loudsync.server.links import join_link
from loudsync.server.metrics import Metrics
from loudsync.server.runner import Runner
from loudsync.server.settings import DEFAULT_MAX_MEMBERS, ServerSettings
from loudsync.web import PAGE_HEADERS, PageFile, page_files

_MAX_BODY_BYTES: Final = 16 * 1024
"""The only body there is describes a new session."""

_BodyT = TypeVar("_BodyT")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class NewSession(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True
):
    """The body of ``POST /sessions``."""

    name: str
    host_name: str = DEFAULT_HOST_NAME
    max_members: int = DEFAULT_MAX_MEMBERS
    id: str | msgspec.UnsetType = msgspec.UNSET
    listed: bool = False


class CreatedSession(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The answer to ``POST /sessions``; the token is told only here."""

    id: SessionId
    name: str
    host_id: MemberId
    host_token: str
    max_members: int
    listed: bool
    join_url: str


class ListedSession(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A session as ``GET /sessions`` shows it."""

    id: SessionId
    name: str
    host_name: str
    member_count: int
    max_members: int
    created_at: int


class HttpError(LoudSyncError):
    """A request that is answered with an error object."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        details: dict[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.retry_after_s = retry_after_s


class HttpApi:
    """Serves HTTP connections that the front door hands over.

    Args:
        is_ready: Whether new guests are welcome; false while shutting down.
        base_url: Where the server is reached, for requests that name no host.
    """

    def __init__(
        self,
        runner: Runner,
        metrics: Metrics,
        settings: ServerSettings,
        *,
        is_ready: Callable[[], bool],
        base_url: Callable[[], str],
        is_secure: bool,
    ) -> None:
        self._runner = runner
        self._metrics = metrics
        self._settings = settings
        self._is_ready = is_ready
        self._base_url = base_url
        self._is_secure = is_secure
        self._site: web.AppRunner | None = None

    async def start(self) -> None:
        """Get ready to serve."""
        app = web.Application(
            middlewares=[self._answer_errors], client_max_size=_MAX_BODY_BYTES
        )
        app.add_routes(
            [
                web.get("/healthz", self._health),
                web.get("/readyz", self._health),
                web.get("/metrics", self._show_metrics),
                web.get("/sessions", self._list_sessions),
                web.post("/sessions", self._create_session),
                web.get("/sessions/{id}", self._show_session),
                web.delete("/sessions/{id}", self._close_session),
                web.delete("/sessions/{id}/members/{member}", self._kick_member),
                *[web.get(path, _page(file)) for path, file in page_files().items()],
            ]
        )
        self._site = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._site.setup()

    async def stop(self) -> None:
        """End every request that is still running."""
        if self._site is not None:
            await self._site.cleanup()

    def protocol(self, on_end: Callable[[], None]) -> asyncio.Protocol:
        """Make the protocol of one connection; ``on_end`` is called at its end."""
        if self._site is None or self._site.server is None:
            raise RuntimeError("start comes before the first connection")
        return _OneRequest(self._site.server, on_end)

    # --- Requests, in the contract's order ------------------------------------

    async def _health(self, request: web.Request) -> web.StreamResponse:  # noqa: ARG002
        self._check_ready()
        return _json({"status": "ok"})

    async def _show_metrics(
        self,
        request: web.Request,  # noqa: ARG002
    ) -> web.StreamResponse:
        return web.Response(
            body=self._metrics.as_text(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def _list_sessions(
        self,
        request: web.Request,  # noqa: ARG002
    ) -> web.StreamResponse:
        sessions = self._runner.registry.listed()
        return _json({"sessions": [_shown(session) for session in sessions]})

    async def _create_session(self, request: web.Request) -> web.StreamResponse:
        self._check_api_key(request)
        wanted = await self._read_body(request, NewSession)
        self._check_ready()  # only now: the body may have come after the end
        token = new_token()
        spec = session_spec(
            self._runner.registry,
            wanted.name,
            host_name=wanted.host_name,
            max_members=wanted.max_members,
            session_id=None if wanted.id is msgspec.UNSET else wanted.id,
            listed=wanted.listed,
            token=token,
        )
        session = await self._runner.create(spec)
        created = CreatedSession(
            id=session.id,
            name=spec.name,
            host_id=spec.host_id,
            host_token=token,
            max_members=spec.max_members,
            listed=spec.listed,
            join_url=join_link(self._url_of(request), session.id),
        )
        return _json(created, HTTPStatus.CREATED)

    async def _show_session(self, request: web.Request) -> web.StreamResponse:
        return _json(_shown(self._find(request)))

    async def _close_session(self, request: web.Request) -> web.StreamResponse:
        session = self._find_as_host(request)
        await self._runner.close(session.id, "")
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _kick_member(self, request: web.Request) -> web.StreamResponse:
        session = self._find_as_host(request)
        member_id = MemberId(request.match_info["member"])
        await self._runner.kick(session.id, member_id, "")
        return web.Response(status=HTTPStatus.NO_CONTENT)

    # --- Parts of the above -------------------------------------------------

    def _check_ready(self) -> None:
        if not self._is_ready():
            raise HttpError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "shutting_down",
                "The server is shutting down",
            )

    def _find(self, request: web.Request) -> Session:
        return self._runner.registry.find(SessionId(request.match_info["id"]))

    def _check_api_key(self, request: web.Request) -> None:
        key = self._settings.api_key.encode()
        given = _bearer_token(request).encode(errors="surrogateescape")
        if key and not hmac.compare_digest(given, key):
            raise Unauthorized("This needs the server's API key as a bearer token")

    def _find_as_host(self, request: web.Request) -> Session:
        session = self._find(request)
        if not session.is_host_token(_bearer_token(request)):
            raise Unauthorized("This needs the session's host token as a bearer token")
        return session

    async def _read_body(self, request: web.Request, kind: type[_BodyT]) -> _BodyT:
        try:
            async with asyncio.timeout(self._settings.head_timeout_s):
                return msgspec.json.decode(await request.read(), type=kind)
        except TimeoutError:
            raise HttpError(
                HTTPStatus.REQUEST_TIMEOUT,
                "request_timeout",
                "The body took too long",
            ) from None
        except FAULTS as fault:
            raise explain_fault(fault) from None

    def _url_of(self, request: web.Request) -> str:
        host = request.headers.get("Host", "")
        if self._settings.public_url or not _HOST.fullmatch(host):
            return self._base_url()
        return f"{'https' if self._is_secure else 'http'}://{host}"

    @web.middleware
    async def _answer_errors(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPException as refusal:
            response = _refused(refusal)
        except LoudSyncError as refusal:
            response = _error(_as_http(refusal))
        response.headers.setdefault("Server", "loudsync")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Cache-Control", "no-store")
        return response


class _OneRequest(RequestHandler):
    """aiohttp's protocol for one connection; what peers do wrong is no news."""

    __slots__ = ("_on_end",)

    def __init__(self, server: web.Server, on_end: Callable[[], None]) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # how aiohttp turns it off
            logger=_http_log,
            lingering_time=LINGER_S,
            auto_decompress=False,  # a body is 16 KiB at most: no bombs
        )
        self._on_end = on_end

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._on_end()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if isinstance(exc, _PEERS_FAULTS):
            return _error(_NOT_HTTP)
        super().handle_error(request, status, exc, message)  # logs it
        return _error(_OUR_FAULT)

    async def finish_response(
        self,
        request: web.BaseRequest,
        resp: web.StreamResponse,
        start_time: float | None,
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, web.HTTPException):  # no middleware has seen it
            resp = _refused(resp)
        resp.force_close()
        return await super().finish_response(request, resp, start_time)


def _bearer_token(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _page(file: PageFile) -> Handler:
    async def show(request: web.Request) -> web.StreamResponse:  # noqa: ARG001
        return web.Response(
            body=file.body, headers={"Content-Type": file.content_type, **PAGE_HEADERS}
        )

    return show


def _shown(session: Session) -> ListedSession:
    return ListedSession(
        id=session.id,
        name=session.spec.name,
        host_name=session.host.name,
        member_count=session.member_count,
        max_members=session.spec.max_members,
        created_at=session.created_at_ms,
    )


def _json(body: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body),
        status=status,
        headers={"Content-Type": "application/json; charset=utf-8"},
    )


def _error(error: HttpError) -> web.Response:
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.details is not None:
        body["details"] = error.details
    response = _json({"error": body}, error.status)
    if error.status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _refused(refusal: web.HTTPException) -> web.Response:
    """Say in an error object what aiohttp refused."""
    status = HTTPStatus(refusal.status)
    code = _CODES.get(status, "invalid_request")
    response = _error(HttpError(status, code, status.description))
    if "Allow" in refusal.headers:
        response.headers["Allow"] = refusal.headers["Allow"]
    return response


def _as_http(refusal: LoudSyncError) -> HttpError:
    """Say in HTTP's words what the rules refused."""
    match refusal:
        case HttpError():
            return refusal
        case SessionNotFound():
            return HttpError(HTTPStatus.NOT_FOUND, refusal.code, refusal.message)
        case MemberNotFound():
            return HttpError(HTTPStatus.NOT_FOUND, "member_not_found", refusal.reason)
        case Unauthorized():
            return HttpError(HTTPStatus.UNAUTHORIZED, refusal.code, refusal.message)
        case SessionExists():
            return HttpError(HTTPStatus.CONFLICT, "session_exists", str(refusal))
        case TooManySessions():
            return HttpError(
                HTTPStatus.SERVICE_UNAVAILABLE, "too_many_sessions", str(refusal)
            )
        case StorageFull():
            return HttpError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                STORAGE_FULL,
                str(refusal),
                retry_after_s=_STORAGE_RETRY_S,
            )
        case InvalidSetting(name=name, reason=reason):
            details = {"path": f"$.{name}", "reason": reason}
            return HttpError(
                HTTPStatus.BAD_REQUEST, "invalid_request", str(refusal), details
            )
        case InvalidMessage():
            return HttpError(
                HTTPStatus.BAD_REQUEST,
                "invalid_request",
                refusal.message,
                refusal.details,
            )
        case _:
            raise refusal


_http_log = logging.getLogger("loudsync.http")

_STORAGE_RETRY_S: Final = 5
"""As for too many connections; disks are not emptied in less."""

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")
"""A host header that may stand in a link."""

_CODES = {
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
}

_PEERS_FAULTS = (HttpProcessingError, web.RequestPayloadError, ConnectionError)
"""What a peer can make aiohttp raise: not HTTP, a bad body, gone half way."""

_NOT_HTTP = HttpError(HTTPStatus.BAD_REQUEST, "invalid_request", "This is not HTTP/1.1")
_OUR_FAULT = HttpError(
    HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "The server made a mistake"
)
