"""Answers and parameters that many routes share: JSON with ETags, problems, moments, cursors."""

import base64
import binascii
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Annotated, Any, Protocol, TypeVar

import msgspec
from fastapi import HTTPException, Query, Request, Response
from pydantic import BeforeValidator, WithJsonSchema

from padit.domain.timestamps import EARLIEST_US, LATEST_US, parse_timestamp
from padit.portal.context import Portal
from padit.portal.routing import known_already

__all__ = [
    "Moment",
    "Most",
    "answer",
    "begin_of",
    "by_name",
    "cursor_of",
    "example",
    "items",
    "json_answer",
    "kept",
    "ordered",
    "page",
    "portal_of",
    "problem",
    "put_cursor",
    "tag_of",
]

_encode = msgspec.json.Encoder().encode
_MOST_SCANNED = 20_000
PROBLEM = "application/problem+json"


def _moment(value: object) -> int:
    try:
        found = parse_timestamp(str(value)[:64])
    except (ValueError, OverflowError) as error:
        message = "it is no time; write 2026-11-28T08:00:00Z or seconds since 1970"
        raise ValueError(message) from error
    if not EARLIEST_US <= found <= LATEST_US:
        message = "it lies before 2000 or after 2200"
        raise ValueError(message)
    return found


Moment = Annotated[
    int,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "examples": ["2026-11-28T08:00:00Z"]}),
]
Most = Annotated[int, Query(ge=1, le=500, description="Entries of a page.")]


class _Opened(Protocol):
    id: str
    opened: int


Row = TypeVar("Row", bound=_Opened)


def portal_of(request: Request) -> Portal:
    """The portal of an application."""
    found: Portal = request.app.state.portal
    return found


def problem(status: int, title: str, detail: str, **others: Any) -> Response:
    """A problem (RFC 9457)."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **others}
    return Response(_encode(body), status, media_type=PROBLEM)


def answer(value: Any, status: int = 200) -> Response:
    """A value as JSON."""
    return Response(_encode(value), status, media_type="application/json")


def tag_of(data: bytes) -> str:
    """A tag that follows the content."""
    return sha256(data).hexdigest()[:16]


def json_answer(request: Request, data: bytes, tag: str) -> Response:
    """JSON that a client need not be sent again while its tag is the same."""
    etag = f'W/"{tag}"'
    if known_already(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    return Response(data, media_type="application/json", headers={"ETag": etag})


def ordered(start: int | None, end: int | None) -> None:
    """Refuse a range that goes backwards.

    Raises:
        HTTPException: it does.
    """
    if start is not None and end is not None and end < start:
        raise HTTPException(422, "`to` lies before `from`")


def put_cursor(time: int, name: str) -> str:
    """A place in a list, for the client to send back."""
    return base64.urlsafe_b64encode(f"{time} {name}".encode()).decode().rstrip("=")


def cursor_of(text: str | None) -> tuple[int, str] | None:
    """The place of a cursor.

    Raises:
        HTTPException: it is none of ours.
    """
    if not text:
        return None
    try:
        padded = text[:10_000] + "=" * (-len(text[:10_000]) % 4)
        time, _, name = base64.b64decode(padded, b"-_", validate=True).decode().partition(" ")
        place = int(time[:20])
    except (ValueError, binascii.Error) as error:
        raise HTTPException(422, "`cursor` is none that an answer gave") from error
    if not 0 <= place < 1 << 62:
        raise HTTPException(422, "`cursor` is none that an answer gave")
    return place, name


def page(
    rows: Iterable[Row], limit: int, wanted: Callable[[Row], bool]
) -> tuple[list[str], str | None]:
    """Ids of the rows that are wanted, and the cursor behind them, if there is more.

    Args:
        rows: from where the page begins, in the order of the list.
        limit: of the ids; at most 20,000 rows are looked at.
        wanted: whether a row belongs to the list.
    """
    names: list[str] = []
    last: Row | None = None
    for scanned, row in enumerate(rows):
        if len(names) == limit or scanned >= _MOST_SCANNED:
            return names, None if last is None else put_cursor(last.opened, last.id)
        last = row
        if wanted(row):
            names.append(row.id)
    return names, None


def by_name(
    names: Sequence[str], cursor: str | None, limit: int, *, falling: bool = False
) -> tuple[Sequence[str], str | None]:
    """A page of names in order, behind that of the cursor, and the next cursor, if there is more.

    Names that come or go between two pages make no other one come twice or be left out.

    Args:
        names: in rising order.
        cursor: of the page before.
        limit: of the page.
        falling: the last name comes first.

    Raises:
        HTTPException: the cursor is none of ours.
    """
    after = cursor_of(cursor)
    if falling:
        end = len(names) if after is None else bisect_left(names, after[1])
        chosen = names[max(end - limit, 0) : end][::-1]
        return chosen, put_cursor(0, chosen[-1]) if end > limit else None
    begin = 0 if after is None else bisect_right(names, after[1])
    chosen = names[begin : begin + limit]
    return chosen, put_cursor(0, chosen[-1]) if begin + limit < len(names) else None


def kept(request: Request, version: str, make: Callable[[], bytes]) -> Response:
    """A page that is the same for everybody until the version changes; made once for each query."""
    portal = portal_of(request)
    tag = f"{version}-{tag_of(request.scope['query_string'])}"
    name = f"{request.scope['path']} {tag}"
    data = portal.pages.get(name)
    if data is None:
        data = make()
        portal.keep(name, data)
    return json_answer(request, data, tag)


def begin_of(cursor: str | None, until: int | None) -> tuple[int, str] | None:
    """Where a page of rows by opening, the newest first, begins.

    Raises:
        HTTPException: the cursor is none of ours.
    """
    before = cursor_of(cursor)
    if before is None and until is not None:
        return until + 1, ""
    return before


def items(entries: bytes, cursor: str | None) -> bytes:
    """A page as JSON, of its entries as a JSON array."""
    return b'{"items":' + entries + b',"next":' + _encode(cursor) + b"}"


def example(
    value: Any, description: str = "", status: int = 200
) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route, with an example of its answer."""
    return {
        status: {
            "description": description or "Done.",
            "content": {"application/json": {"schema": {}, "example": value}},
        }
    }
