"""HTTP errors of the API: the error object, and what becomes one.

Source: contract, section 6.
"""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web

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
    Unavailable,
)
from loudsync.server.guesses import TOO_MANY_GUESSES


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


def json_answer(body: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """Answer with JSON."""
    return web.Response(
        body=msgspec.json.encode(body),
        status=status,
        headers={"Content-Type": "application/json; charset=utf-8"},
    )


def error_answer(error: HttpError) -> web.Response:
    """Answer with an error object."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.details is not None:
        body["details"] = error.details
    response = json_answer({"error": body}, error.status)
    if error.status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def too_many_guesses() -> HttpError:
    """Say that an address has named too many sessions that there are not."""
    return HttpError(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too_many_guesses",
        TOO_MANY_GUESSES,
        retry_after_s=60,
    )


def refused(refusal: web.HTTPException) -> web.Response:
    """Say in an error object what aiohttp refused."""
    status = HTTPStatus(refusal.status)
    code = _CODES.get(status, "invalid_request")
    response = error_answer(HttpError(status, code, status.description))
    if "Allow" in refusal.headers:
        response.headers["Allow"] = refusal.headers["Allow"]
    return response


def as_http(refusal: LoudSyncError) -> HttpError:
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
        case TooManySessions() | StorageFull() | Unavailable():
            code, retry_after_s = _UNAVAILABLE[type(refusal)]
            return HttpError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                code,
                str(refusal),
                retry_after_s=retry_after_s,
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


_UNAVAILABLE: Final[dict[type[LoudSyncError], tuple[str, int | None]]] = {
    TooManySessions: ("too_many_sessions", None),
    # As for too many connections; disks are not emptied in less.
    StorageFull: (STORAGE_FULL, 5),
    # What a cluster needs to elect a new leader, about.
    Unavailable: ("unavailable", 2),
}
"""What may be better later: its code, and after how many seconds, if that is known."""

_CODES = {
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
}

NOT_HTTP = HttpError(HTTPStatus.BAD_REQUEST, "invalid_request", "This is not HTTP/1.1")
OUR_FAULT = HttpError(
    HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "The server made a mistake"
)
