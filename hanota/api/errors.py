"""How an error is told over HTTP: one body for all, and never a traceback."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import compile_path

from hanota.api.refused import RequestRefusedError
from hanota.dcc import codes
from hanota.dcc.errors import RequestRejectedError
from hanota.errors import (
    ConfigError,
    HanotaError,
    LocalProtocolError,
    RadioError,
    RemoteProtocolError,
    StoreError,
    UnverifiableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

logger = logging.getLogger(__name__)

RETRY_AFTER: Final = 5
"""Seconds after which a client may come again that was told that something is not there at the moment."""
_LONGEST_LIST: Final = 5
"""Faults of one body that are told."""
_PREFIX: Final = "Value error, "
"""What pydantic puts before the words of a ValueError."""
_LONGEST_PATH: Final = 200
"""Characters of a path that are told back."""


class NotFoundError(HanotaError):
    """The path names nothing that is there."""


def install(app: FastAPI) -> None:
    """Have every error told in the one form; by coroutines, or each would take a thread."""
    app.add_exception_handler(HanotaError, _tell_hanota_error)
    app.add_exception_handler(RequestValidationError, _tell_invalid)
    app.add_exception_handler(HTTPException, _tell_http_exception)


def answer(
    status: int,
    error: str,
    hint: str | None = None,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return an error response."""
    body = {"error": error, "hint": hint, "code": code}
    return JSONResponse(body, int(status), headers=dict(headers or {}))


def status_of(error: HanotaError) -> HTTPStatus:
    """Return the HTTP status that says whose fault an error is."""
    match error:
        case RequestRefusedError():
            return error.status
        case NotFoundError():
            return HTTPStatus.NOT_FOUND
        case RequestRejectedError(code=codes.UNKNOWN_DEVICE):
            return HTTPStatus.NOT_FOUND
        case RequestRejectedError(__cause__=HanotaError() as cause):
            return status_of(cause)
        case RequestRejectedError(code=codes.NOT_NOW) | RadioError() | StoreError():
            return HTTPStatus.SERVICE_UNAVAILABLE
        case RemoteProtocolError():
            return HTTPStatus.UNPROCESSABLE_ENTITY
        case LocalProtocolError() | UnverifiableError() | ConfigError():
            return HTTPStatus.CONFLICT
        case _:
            return HTTPStatus.INTERNAL_SERVER_ERROR


async def _tell_hanota_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, HanotaError):
        raise error
    status = status_of(error)
    headers = {}
    retry_after = error.retry_after if isinstance(error, RequestRefusedError) else None
    if retry_after is None and status is HTTPStatus.SERVICE_UNAVAILABLE:
        retry_after = RETRY_AFTER
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if isinstance(error, RequestRefusedError):
        headers["Connection"] = "close"  # on which a body may still be arriving that nobody reads
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("an error that has no HTTP status", exc_info=error)
    code = str(error.code) if isinstance(error, RequestRejectedError) else None
    return answer(status, str(error), error.hint, code, headers)


async def _tell_invalid(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    return answer(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        describe(error),
        "see /openapi.json for what it takes",
    )


def describe(error: RequestValidationError) -> str:
    """Return in one line what is wrong with a request."""
    faults = error.errors()
    told = [
        f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg'].removeprefix(_PREFIX)}"
        for fault in faults
    ]
    more = [f"and {len(told) - _LONGEST_LIST} more"] if len(told) > _LONGEST_LIST else []
    return "; ".join([*told[:_LONGEST_LIST], *more])


async def _tell_http_exception(request: Request, error: Exception) -> Response:
    """Tell what the router or the dashboard's files found no answer to; nothing else raises these."""
    if not isinstance(error, HTTPException):
        raise error
    path = request.url.path[:_LONGEST_PATH]
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return answer(error.status_code, f"there is nothing at {path}", "/openapi.json has the paths")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = ", ".join(_methods(request))
            return answer(
                error.status_code,
                f"{request.method} is not for {path}",
                f"it takes {allowed}; see /openapi.json",
                headers={"Allow": allowed},
            )
        case _:
            return answer(error.status_code, str(error.detail), headers=error.headers)


def _methods(request: Request) -> list[str]:
    """Return the methods of a path; the router knows those of one of its operations alone."""
    paths = request.app.openapi()["paths"]
    methods = {
        method.upper()
        for path, operations in paths.items()
        if compile_path(path)[0].match(request.url.path)
        for method in operations
    }
    return sorted(methods) or ["GET", "HEAD"]  # of the dashboard's files
