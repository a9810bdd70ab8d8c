"""Every route states the role that it needs; one that states none is refused to everybody.

Before a handler runs: who asks, whether the role suffices, whether the request comes from our own
page (cookies), and whether the principal is within its limit. Behind it: what was done is noted.
"""

from collections.abc import Callable, Coroutine, Iterable, Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute

from padit.portal.accounts import Accounts, Principal
from padit.portal.limiting import Limiter

__all__ = [
    "COOKIE",
    "FILES",
    "REFUSES",
    "ROLE",
    "Gate",
    "GuardedRoute",
    "RouteRow",
    "all_routes",
    "known_already",
    "needs",
    "principal_of",
    "same_origin",
]

COOKIE = "padit_session"
ROLE = "x-role"
REFUSES = "x-refuses"
FILES = "/static/"  # files of the page, whose path begins so
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def needs(role: str, *refuses: int) -> dict[str, Any]:
    """For `openapi_extra` of a route.

    Args:
        role: public, ingest, viewer, operator or admin.
        refuses: statuses with which its own code refuses and that do not follow from the rest of
            its definition: 404 of what a query names, 409.
    """
    return {ROLE: role, REFUSES: [str(one) for one in refuses]} if refuses else {ROLE: role}


class Gate(NamedTuple):
    """What guards the routes: accounts, limits, and whether the page is served over TLS."""

    accounts: Accounts
    limiter: Limiter
    secure: bool


def principal_of(connection: HTTPConnection, accounts: Accounts) -> Principal | None:
    """Who asks, by header or cookie; a header that is wrong is not made good by a cookie."""
    header = connection.headers.get("authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        return accounts.by_bearer(token.strip()) if scheme.lower() == "bearer" else None
    token = connection.cookies.get(COOKIE, "")
    return accounts.by_session(token) if token else None


def same_origin(connection: HTTPConnection) -> bool:
    """Whether a browser sent it from our own page; programs send no such header."""
    site = connection.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = connection.headers.get("origin")
    return origin is None or origin.partition("://")[2] == connection.headers.get("host")


class GuardedRoute(APIRoute):
    """A route behind the gate; the gate is found at `app.state.gate`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with its guard."""
        handler = super().get_route_handler()
        role = (self.openapi_extra or {}).get(ROLE)
        template = self.path_format

        async def guarded(request: Request) -> Response:
            gate: Gate = request.app.state.gate
            noted = request.method not in _SAFE and role != "ingest"
            status = 500
            try:
                request.state.principal = _admit(request, gate, role)
                response = _tagged(request, await handler(request))
                status = response.status_code
            except StarletteHTTPException as error:
                status = error.status_code
                raise
            except RequestValidationError:
                status = 422
                raise
            finally:
                if noted:
                    _note(request, gate, template, status)
            return response

        return guarded


def known_already(request: Request, etag: str) -> bool:
    """Whether the client has the answer of this tag (`If-None-Match`)."""
    given = request.headers.get("if-none-match", "")
    return given == etag or etag in (one.strip() for one in given.split(","))


def _tagged(request: Request, response: Response) -> Response:
    """An answer to GET with an ETag, out of its bytes where its route gives none; or 304."""
    body = getattr(response, "body", None)  # streams have none
    if (
        request.method != "GET"
        or response.status_code != 200
        or not isinstance(body, bytes)
        or "etag" in response.headers
    ):
        return response
    etag = f'W/"{blake2b(body, digest_size=12).hexdigest()}"'
    if known_already(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return response


def _note(request: Request, gate: Gate, template: str, status: int) -> None:
    """Write down what was done, or refused."""
    who = getattr(request.state, "asked_by", None)
    place = request.client.host if request.client else ""
    target = template.format(**request.path_params) if request.path_params else template
    about = getattr(request.state, "about", "")
    target = f"{target} {about}".strip()
    gate.accounts.note(
        who.name if who else "", f"{request.method} {template}", target, status, place
    )


def _admit(request: Request, gate: Gate, role: str | None) -> Principal | None:
    """Who may go on.

    Raises:
        HTTPException: 401, 403 or 429.
    """
    if request.method not in _SAFE and not same_origin(request):
        raise HTTPException(403, "the request comes from another site")
    who = request.state.asked_by = principal_of(request, gate.accounts)
    address = request.client.host if request.client else "?"
    # only who may send log records is limited by records there, all others by requests
    limited = role if role == "ingest" and who is not None and who.may(role) else ""
    if request.url.path.startswith(FILES):
        allowed = gate.limiter.allows_file(address)
    else:
        allowed = gate.limiter.allows(f"address {address}" if who is None else who.name, limited)
    if not allowed:
        raise HTTPException(429, "too many requests", headers={"Retry-After": "1"})
    if role == "public":
        return who
    if who is None:
        raise HTTPException(
            401, "log in, or send a key or token", headers={"WWW-Authenticate": "Bearer"}
        )
    if role is None or not who.may(role):
        raise HTTPException(403, f"this needs the role {role or 'of nobody'}; you are {who.role}")
    if who.how == "session" and request.method not in _SAFE and "x-padit" not in request.headers:
        raise HTTPException(403, "a request with a cookie needs the header X-Padit")
    return who


class RouteRow(NamedTuple):
    """A route for people: method, path, role and the first line of what it does."""

    method: str
    path: str
    role: str
    what: str


def all_routes(routes: Iterable[BaseRoute]) -> Iterator[RouteRow]:
    """Every route of an application; a WebSocket checks by itself that its client may view.

    Raises:
        TypeError: a route is not guarded; the application must not start.
    """
    for one in routes:
        inner = getattr(one, "original_router", None)
        if inner is not None:
            yield from all_routes(inner.routes)
        elif isinstance(one, APIWebSocketRoute):
            yield RouteRow("WS", one.path, "viewer", _first_line(one.endpoint))
        elif isinstance(one, GuardedRoute):
            role = (one.openapi_extra or {}).get(ROLE, "nobody")
            for method in sorted((one.methods or set()) - {"HEAD"}):
                yield RouteRow(method, one.path, role, _first_line(one.endpoint))
        else:
            message = f"the route {one!r} is not guarded"
            raise TypeError(message)


def _first_line(function: Callable[..., Any]) -> str:
    return (function.__doc__ or "").strip().partition("\n")[0]
