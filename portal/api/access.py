"""Log in and out, tokens, API keys, users, and the audit log."""

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ConfigDict, Field

from padit.domain.errors import ConfigurationError
from padit.domain.timestamps import LATEST_US, MICROS, format_utc
from padit.portal.accounts import SESSION_SECONDS, TOKEN_SECONDS
from padit.portal.answers import (
    Moment,
    Most,
    answer,
    by_name,
    cursor_of,
    example,
    ordered,
    put_cursor,
)
from padit.portal.api.bodies import Body
from padit.portal.routing import COOKIE, Gate, GuardedRoute, needs

__all__ = ["router"]

router = APIRouter(prefix="/api", tags=["access"], route_class=GuardedRoute)
Name = Annotated[str, Field(min_length=1, max_length=80)]
Password = Annotated[str, Field(max_length=200)]


class Login(Body):
    """Name and password."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "ann", "password": "correct horse battery"}}
    )

    name: Name
    password: Password


class FirstLogin(Login):
    """The token of a one-time link, and the name and password to make."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"token": "Zk3…", "name": "ann", "password": "correct horse battery"}
        }
    )

    token: str = Field(max_length=100)


class NewKey(Body):
    """A key for a program."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "grafana", "role": "viewer", "days": 90}}
    )

    name: Name = Field(examples=["grafana"])
    role: Literal["ingest", "viewer", "operator", "admin"]
    days: float = Field(90, gt=0, le=3650)


class Invitation(Body):
    """Role of the user that a link makes."""

    model_config = ConfigDict(json_schema_extra={"example": {"role": "operator"}})

    role: Literal["viewer", "operator", "admin"]


def _gate(request: Request) -> Gate:
    gate: Gate = request.app.state.gate
    return gate


def _with_cookie(gate: Gate, name: str, role: str) -> Response:
    response = answer({"name": name, "role": role})
    response.set_cookie(
        COOKIE, gate.accounts.session(name), max_age=SESSION_SECONDS, httponly=True,
        secure=gate.secure, samesite="strict", path="/",
    )  # fmt: skip
    return response


def _slowly(request: Request) -> None:
    address = request.client.host if request.client else "?"
    if not _gate(request).limiter.allows_login(address):
        raise HTTPException(429, "too many attempts", headers={"Retry-After": "1"})


@router.post("/session", openapi_extra=needs("public"),
             responses=example({"name": "ann", "role": "operator"}))  # fmt: skip
async def log_in(request: Request, body: Login) -> Response:
    """Log in; the answer sets a cookie."""
    request.state.about = body.name
    _slowly(request)
    gate = _gate(request)
    who = await run_in_threadpool(gate.accounts.check, body.name, body.password)
    if who is None:
        raise HTTPException(401, "name or password is wrong")
    request.state.asked_by = who
    return _with_cookie(gate, who.name, who.role)


@router.post("/first", openapi_extra=needs("public"),
             responses=example({"name": "ann", "role": "admin"}))  # fmt: skip
async def first(request: Request, body: FirstLogin) -> Response:
    """Make the user of a one-time link, and log in."""
    request.state.about = body.name
    _slowly(request)
    gate = _gate(request)
    role = await run_in_threadpool(gate.accounts.redeem, body.token, body.name, body.password)
    if role is None:
        raise HTTPException(401, "this link was used already, or is too old")
    return _with_cookie(gate, body.name, role)


@router.get("/session", openapi_extra=needs("viewer"),
            responses=example({"name": "ann", "role": "operator"}))  # fmt: skip
async def who_am_i(request: Request) -> Response:
    """Who is logged in."""
    who = request.state.principal
    return answer({"name": who.name, "role": who.role})


@router.delete("/session", openapi_extra=needs("viewer"), responses=example({"done": True}))
async def log_out(request: Request) -> Response:
    """End the session."""
    _gate(request).accounts.end_session(request.cookies.get(COOKIE, ""))
    response = answer({"done": True})
    response.delete_cookie(COOKIE, path="/")
    return response


@router.post("/tokens", openapi_extra=needs("viewer"),
             responses=example({"token": "eyJ…", "seconds": TOKEN_SECONDS}))  # fmt: skip
async def token(request: Request) -> Response:
    """A short-lived token (JWT) for whoever asks with a session or a key: none begets another."""
    if request.state.principal.how == "token":
        raise HTTPException(403, "a token is given for a session or a key, not for a token")
    return answer({"token": _gate(request).accounts.token(request.state.principal),
                   "seconds": TOKEN_SECONDS})  # fmt: skip


@router.get(
    "/keys",
    openapi_extra=needs("admin"),
    responses=example({"items": [{"prefix": "padit_AbC123", "name": "grafana"}]}),
)
async def keys(request: Request, cursor: str | None = None, limit: Most = 500) -> Response:
    """API keys by their visible beginning."""
    known = _gate(request).accounts.keys()
    rows = {
        prefix: {"prefix": prefix, "name": name, "role": role,
                 "ends": format_utc(int(ends * MICROS)), "made_by": by}
        for prefix, name, role, ends, by in known
    }  # fmt: skip
    chosen, following = by_name(sorted(rows), cursor, limit)
    return answer({"items": [rows[one] for one in chosen], "next": following})


@router.post("/keys", openapi_extra=needs("admin"),
             responses=example({"key": "padit_…", "prefix": "padit_AbC123"}))  # fmt: skip
async def new_key(request: Request, body: NewKey) -> Response:
    """Make a key; it is shown this once."""
    who = request.state.principal.name
    request.state.about = f"{body.name} as {body.role}"
    key, prefix = _gate(request).accounts.new_key(body.name, body.role, body.days, who)
    return answer({"key": key, "prefix": prefix})


@router.delete("/keys/{prefix}", openapi_extra=needs("admin"), responses=example({"done": True}))
async def revoke(request: Request, prefix: str) -> Response:
    """End a key."""
    if not _gate(request).accounts.revoke(prefix):
        raise HTTPException(404, "there is no such key")
    return answer({"done": True})


@router.get("/users", openapi_extra=needs("admin"),
            responses=example({"items": [{"name": "ann", "role": "admin"}]}))  # fmt: skip
async def users(request: Request, cursor: str | None = None, limit: Most = 500) -> Response:
    """Users and their roles."""
    roles = dict(_gate(request).accounts.users())
    chosen, following = by_name(sorted(roles), cursor, limit)
    return answer({"items": [{"name": one, "role": roles[one]} for one in chosen],
                   "next": following})  # fmt: skip


@router.post(
    "/users/links", openapi_extra=needs("admin"), responses=example({"link": "/#/first/…"})
)
async def invite(request: Request, body: Invitation) -> Response:
    """A one-time link that makes a user."""
    request.state.about = f"as {body.role}"
    return answer({"link": f"/#/first/{_gate(request).accounts.link(body.role)}"})


@router.delete(
    "/users/{name}", openapi_extra=needs("admin", 409), responses=example({"done": True})
)
async def remove(request: Request, name: str) -> Response:
    """Remove a user."""
    try:
        found = _gate(request).accounts.remove_user(name)
    except ConfigurationError as error:
        raise HTTPException(409, str(error)) from error
    if not found:
        raise HTTPException(404, "there is no such user")
    return answer({"done": True})


@router.get(
    "/audit",
    openapi_extra=needs("admin"),
    responses=example(
        {"items": [{"who": "ann", "what": "POST /api/silences", "result": 200}], "next": None}
    ),
)
async def audit(
    request: Request,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
    cursor: str | None = None,
    limit: Most = 100,
) -> Response:
    """What was done, by whom, the latest first."""
    ordered(since, until)
    before, _ = cursor_of(cursor) or (1 << 61, "")
    end = LATEST_US if until is None else until
    rows = _gate(request).accounts.noted(before, limit, (since or 0) / MICROS, end / MICROS)
    return answer({
        "items": [{"n": n, "time": format_utc(int(time * MICROS)), "who": who, "what": what,
                   "target": target, "result": result, "place": place}
                  for n, time, who, what, target, result, place in rows],
        "next": put_cursor(rows[-1][0], "") if len(rows) == limit else None,
    })  # fmt: skip
