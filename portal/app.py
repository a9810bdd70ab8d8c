"""The application: routes, headers, problems; every route behind the gate."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from padit.alerting.messages import shortened
from padit.domain.errors import PaditError, SinkError, SourceError
from padit.portal.answers import problem
from padit.portal.api import (
    access,
    alerts,
    commands,
    compare,
    health,
    incident_lists,
    incidents,
    logs,
    machines,
    page,
    series,
    streams,
    training,
    whatif,
)
from padit.portal.context import Portal
from padit.portal.description import described
from padit.portal.limiting import Limiter
from padit.portal.routing import Gate, GuardedRoute, all_routes, needs

__all__ = ["create_app"]

_ROUTERS = (page, alerts, incidents, incident_lists, commands, machines, series, whatif, compare,
            logs, health, training, streams, access)  # fmt: skip
_MOST_BODY = 17 << 20
_MOST_FAULTS, _LONGEST_DETAIL = 20, 2000
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    b"content-security-policy": _POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"geolocation=(), camera=(), microphone=()",
}
_HSTS = (b"strict-transport-security", b"max-age=31536000")


def create_app(make: Callable[[], Portal], limiter: Limiter, *, secure: bool = False) -> FastAPI:
    """The application.

    Args:
        make: opens the portal, when the application starts.
        limiter: of requests.
        secure: whether browsers reach it over TLS.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        portal = make()
        app.state.portal = portal
        app.state.gate = Gate(portal.accounts, limiter, secure)
        portal.start()
        limiter.start()
        try:
            yield
        finally:
            limiter.stop()
            portal.stop()

    app = FastAPI(
        title="PADIT", version="1", lifespan=lifespan, docs_url=None, redoc_url=None,
        openapi_url=None, description="Alerts, incidents, series and logs of PADIT.",
    )  # fmt: skip
    app.router.route_class = GuardedRoute
    app.state.assets = page.assets()
    for module in _ROUTERS:
        app.include_router(module.router)

    @app.get("/api/openapi.json", openapi_extra=needs("viewer"), include_in_schema=False)
    async def openapi(request: Request) -> dict[str, object]:
        """The description of this API."""
        return description()

    description = cache(lambda: described(app.openapi()))
    list(all_routes(app.routes))  # none is without a guard
    _handle_errors(app)
    app.add_middleware(_Headers, extra=[_HSTS] if secure else [])
    return app


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(StarletteHTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        response = problem(error.status_code, _title(error.status_code), str(error.detail))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        faults = [
            {"where": ".".join(str(part) for part in one["loc"]), "what": one["msg"]}
            for one in error.errors()
        ]
        detail = "; ".join(f"{one['where']}: {one['what']}" for one in faults[:_MOST_FAULTS])
        if len(faults) > _MOST_FAULTS:
            detail += f"; and {len(faults) - _MOST_FAULTS} more"
        faults, detail = faults[:_MOST_FAULTS], shortened(detail, _LONGEST_DETAIL)
        return problem(422, _title(422), detail, faults=faults)

    @app.exception_handler(PaditError)
    async def padit(request: Request, error: PaditError) -> Response:
        status = 503 if isinstance(error, SinkError | SourceError) else 422
        return problem(status, _title(status), shortened(str(error), _LONGEST_DETAIL))

    @app.exception_handler(TimeoutError)
    async def late(request: Request, error: TimeoutError) -> Response:
        return problem(503, _title(503), "the alerting engine does not answer")


def _title(status: int) -> str:
    return {
        400: "Bad request", 401: "Who are you?", 403: "Not allowed", 404: "Not found",
        405: "Not allowed here", 409: "Conflict", 413: "Too large", 422: "Cannot be used",
        429: "Too many", 503: "Not now",
    }.get(status, "Error")  # fmt: skip


class _Headers:
    """Adds the headers to every answer, and refuses bodies that are too large."""

    def __init__(self, app: ASGIApp, extra: list[tuple[bytes, bytes]]) -> None:
        self._app = app
        self._headers = [*_HEADERS.items(), *extra]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > _MOST_BODY:
            await problem(413, _title(413), "the body is too large")(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
                if not any(name == b"cache-control" for name, _ in message["headers"]):
                    message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        await self._app(scope, _limited(receive), with_headers)


def _limited(receive: Receive) -> Receive:
    """What a client sends, up to the limit also where it states no length."""
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > _MOST_BODY:
            raise HTTPException(413, "the body is too large")
        return message

    return counted
