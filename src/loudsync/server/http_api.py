"""The HTTP side of the port: page, health, metrics, sessions.

Source: contract, section 6.
"""

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from loudsync.address import join_link
from loudsync.core import SessionSummary
from loudsync.discovery import qr_svg
from loudsync.errors import (
    LoudSyncError,
    SessionNotFound,
    Unauthorized,
    Unavailable,
)
from loudsync.protocol import MemberId, SessionId
from loudsync.protocol.codec import FAULTS, explain_fault
from loudsync.server.access import SessionAccess
from loudsync.server.connection import Surroundings
from loudsync.server.creation import (
    DEFAULT_HOST_NAME,
    new_token,
    open_session,
    session_spec,
)
from loudsync.server.http_connection import OneRequest
from loudsync.server.http_errors import (
    HttpError,
    as_http,
    error_answer,
    json_answer,
    refused,
    too_many_guesses,
)
from loudsync.server.links import names_this_machine
from loudsync.server.metrics import Metrics
from loudsync.server.settings import DEFAULT_MAX_MEMBERS
from loudsync.server.visitors import Visit
from loudsync.web import PageFile, page_files

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


class HttpApi:
    """Serves HTTP connections that the front door hands over.

    Making it reads the page's files; only ``start`` needs the loop.

    Args:
        sessions: Who knows the sessions and opens new ones.
        around: What connections share: limits and time.
        trouble: Says why new guests are not welcome; empty where they are.
        is_ending: Whether the server shuts down.
        base_url: Where the server is reached, for requests that name no host.
    """

    def __init__(
        self,
        sessions: SessionAccess,
        around: Surroundings,
        metrics: Metrics,
        *,
        is_ending: Callable[[], bool],
        trouble: Callable[[], str],
        base_url: Callable[[], str],
        is_secure: bool,
    ) -> None:
        self._sessions = sessions
        self._clock = around.clock
        self._settings = around.settings
        self._guesses = around.guesses
        self._metrics = metrics
        self._is_ending = is_ending
        self._trouble = trouble
        self._base_url = base_url
        self._is_secure = is_secure
        self._page_files = page_files()
        self._site: web.AppRunner | None = None

    async def start(self) -> None:
        """Get ready to serve."""
        app = web.Application(
            middlewares=[self._answer_errors], client_max_size=_MAX_BODY_BYTES
        )
        app.add_routes(
            [
                web.get("/healthz", self._health),
                web.get("/readyz", self._readiness),
                web.get("/metrics", self._show_metrics),
                web.get("/sessions", self._list_sessions),
                web.post("/sessions", self._create_session),
                web.get("/sessions/{id}", self._show_session),
                web.get("/sessions/{id}/qr.svg", self._draw_link),
                web.delete("/sessions/{id}", self._close_session),
                web.delete("/sessions/{id}/members/{member}", self._kick_member),
                *[
                    web.get(path, _page(file))
                    for path, file in self._page_files.items()
                ],
            ]
        )
        self._site = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._site.setup()

    async def stop(self) -> None:
        """End every request that is still running."""
        if self._site is not None:
            await self._site.cleanup()

    def protocol(self, visit: Visit) -> asyncio.Protocol:
        """Make the protocol of one connection; it ends the visit at its end."""
        if self._site is None or self._site.server is None:
            raise RuntimeError("start comes before the first connection")
        return OneRequest(self._site.server, visit, self._settings.http_timeout_s)

    # --- Requests, in the contract's order ------------------------------------

    async def _health(self, request: web.Request) -> web.StreamResponse:  # noqa: ARG002
        self._check_running()
        return json_answer({"status": "ok"})

    async def _readiness(self, request: web.Request) -> web.StreamResponse:  # noqa: ARG002
        self._check_running()
        if trouble := self._trouble():
            raise Unavailable(trouble)
        return json_answer({"status": "ok"})

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
        sessions = await self._sessions.listed()
        return json_answer({"sessions": [_shown(session) for session in sessions]})

    async def _create_session(self, request: web.Request) -> web.StreamResponse:
        self._check_api_key(request)
        wanted = await self._read_body(request, NewSession)
        self._check_running()  # only now: the body may have come after the end
        token = new_token()
        is_given = wanted.id is not msgspec.UNSET
        spec = session_spec(
            wanted.name,
            host_name=wanted.host_name,
            max_members=wanted.max_members,
            session_id=None if wanted.id is msgspec.UNSET else wanted.id,
            listed=wanted.listed,
            token=token,
        )
        spec = await open_session(self._sessions, spec, id_was_drawn=not is_given)
        created = CreatedSession(
            id=spec.id,
            name=spec.name,
            host_id=spec.host_id,
            host_token=token,
            max_members=spec.max_members,
            listed=spec.listed,
            join_url=join_link(self._url_of(request), spec.id),
        )
        return json_answer(created, HTTPStatus.CREATED)

    async def _show_session(self, request: web.Request) -> web.StreamResponse:
        return json_answer(_shown(await self._find(request)))

    async def _draw_link(self, request: web.Request) -> web.StreamResponse:
        session = await self._find(request)
        link = join_link(self._url_of(request), session.id)
        # In a thread: the longest links take as long as many messages.
        drawing = await asyncio.to_thread(qr_svg, link, f"Join {session.spec.name}")
        return web.Response(body=drawing, headers=_DRAWING_HEADERS)

    async def _close_session(self, request: web.Request) -> web.StreamResponse:
        session = await self._find_as_host(request)
        await self._sessions.close(session.id, "")
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _kick_member(self, request: web.Request) -> web.StreamResponse:
        session = await self._find_as_host(request)
        member_id = MemberId(request.match_info["member"])
        await self._sessions.kick(session.id, member_id, "")
        return web.Response(status=HTTPStatus.NO_CONTENT)

    # --- Parts of the above -------------------------------------------------

    def _check_running(self) -> None:
        if self._is_ending():
            raise HttpError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "shutting_down",
                "The server is shutting down",
            )

    async def _find(self, request: web.Request, token: str = "") -> SessionSummary:
        """Find the session that a path names.

        Where an address has guessed too much, only for who has the host's token.
        """
        address, now_ns = _address(request), self._clock.monotonic_ns()
        are_used_up = self._guesses.are_used_up(address, now_ns)
        try:
            session = await self._sessions.find(SessionId(request.match_info["id"]))
        except SessionNotFound:
            if not are_used_up:
                self._guesses.wrong(address, now_ns)
                raise
            raise too_many_guesses() from None
        if are_used_up and not session.is_host_token(token):
            raise too_many_guesses()
        return session

    def _check_api_key(self, request: web.Request) -> None:
        key = self._settings.api_key.encode()
        given = _bearer_token(request).encode(errors="surrogateescape")
        if key and not hmac.compare_digest(given, key):
            raise Unauthorized("This needs the server's API key as a bearer token")

    async def _find_as_host(self, request: web.Request) -> SessionSummary:
        token = _bearer_token(request)
        session = await self._find(request, token)
        if not session.is_host_token(token):
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
        except RuntimeError:
            # aiohttp's word for a peer that hung up before its body was asked for.
            raise ConnectionResetError from None

    def _url_of(self, request: web.Request) -> str:
        host = request.headers.get("Host", "")
        name = _HOST.fullmatch(host)
        if self._settings.public_url or not name or names_this_machine(name[1]):
            return self._base_url()  # a link is for other devices
        return f"{'https' if self._is_secure else 'http'}://{host}"

    @web.middleware
    async def _answer_errors(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as refusal:
            return refused(refusal)
        except LoudSyncError as refusal:
            return error_answer(as_http(refusal))


def _bearer_token(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _address(request: web.Request) -> str:
    """Return where a request comes from, as limits count it."""
    protocol = request.protocol
    return protocol.visit.address if isinstance(protocol, OneRequest) else ""


def _page(file: PageFile) -> Handler:
    async def show(request: web.Request) -> web.StreamResponse:  # noqa: ARG001
        return web.Response(body=file.body, headers=file.headers)

    return show


def _shown(session: SessionSummary) -> ListedSession:
    return ListedSession(
        id=session.id,
        name=session.spec.name,
        host_name=session.host_name,
        member_count=session.member_count,
        max_members=session.spec.max_members,
        created_at=session.created_at_ms,
    )


_DRAWING_HEADERS: Final = {
    "Content-Type": "image/svg+xml",
    # Opened by itself it is a document: it gets nothing to run or load.
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "no-cache",
}

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(:[0-9]{1,5})?")
"""A host header that may stand in a link."""
