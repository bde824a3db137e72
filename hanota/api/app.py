"""The ASGI app: DUIS gateway, REST, event stream, health, metrics, and the dashboard where there is one."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from starlette.requests import Request  # noqa: TC002  # FastAPI reads the annotations
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Mount
from starlette.staticfiles import StaticFiles

from hanota.api import errors
from hanota.api.access import Role, check_role
from hanota.api.gateway import gateway_router
from hanota.api.guard import Guard
from hanota.api.rest import operations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.routing import BaseRoute
    from starlette.types import Scope

    from hanota.api.context import ApiContext

DASHBOARD: Final = Path(__file__).parent / "dashboard"
"""Where the dashboard's files are."""
_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class _Dashboard(StaticFiles):
    """Files that browsers ask about each time: modules of two versions never run together."""

    def file_response(self, *args: Any, **more: Any) -> Response:
        """Return a file, or that the browser has it already."""
        response = super().file_response(*args, **more)
        response.headers["Cache-Control"] = "no-cache"
        return response


class _Elsewhere(Mount):
    """Has the paths that no other route has: one asked by a wrong method is not a file that is missing."""

    def __init__(self, path: str, app: StaticFiles, name: str, others: Sequence[BaseRoute]) -> None:
        super().__init__(path, app, name=name)
        self._others = others

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match what the other routes do not match even in part."""
        if any(route.matches(scope)[0] is not Match.NONE for route in self._others):
            return Match.NONE, {}
        return super().matches(scope)


def create_app(context: ApiContext, dashboard: Path | None = DASHBOARD) -> FastAPI:
    """Return the app; `dashboard` is the folder of static files at `/`, served if it is there."""
    app = FastAPI(
        title="hanota",
        summary="A GB smart-metering Communications Hub for the lab bench",
        version=context.version,
        license_info={"name": "GPL-3.0-or-later"},
        # The pages FastAPI has for these load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    errors.install(app)
    app.add_middleware(Guard, host_names=context.settings.host_names)
    app.include_router(gateway_router(context))
    app.include_router(operations.router(context))
    _add_watching(app, context)
    if dashboard is not None and dashboard.is_dir():
        files = _Dashboard(directory=dashboard, html=True)
        app.router.routes.append(_Elsewhere("/", files, "dashboard", tuple(app.routes)))
    return app


def _add_watching(app: FastAPI, context: ApiContext) -> None:
    async def health() -> Response:
        return JSONResponse({"status": "ok", "version": context.version})

    async def ready() -> Response:
        readiness = context.readiness()
        status = HTTPStatus.OK if readiness.is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse({"ready": readiness.is_ready, "faults": list(readiness.faults)}, status)

    async def metrics(request: Request) -> Response:
        if not context.settings.open_metrics:
            check_role(context.access.principal_of(request), Role.OBSERVER)
        return Response(context.metrics(), media_type=_METRICS_TYPE)

    def add(endpoint: Callable[..., Any], summary: str) -> None:
        name = endpoint.__name__
        app.add_api_route(
            f"/{name}",
            endpoint,
            tags=["watching"],
            operation_id=name,
            summary=summary,
            response_class=Response,
        )

    add(health, "Whether the process answers")
    add(ready, "Whether the daemon does its work, and 503 with what speaks against it")
    add(metrics, "Figures in the Prometheus text format")
