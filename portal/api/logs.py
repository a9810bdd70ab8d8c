"""Log records: ingest, search, statistics."""

from collections import Counter
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from padit.alerting.messages import shortened
from padit.analysis.log_store import LEVELS, Level, LogRecord
from padit.codecs.logs.levels import level_by_word
from padit.domain.timestamps import EARLIEST_US, LATEST_US, format_utc, parse_timestamp
from padit.portal.answers import (
    Moment,
    Most,
    answer,
    cursor_of,
    example,
    ordered,
    portal_of,
    put_cursor,
)
from padit.portal.routing import GuardedRoute, needs

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/logs", tags=["logs"], route_class=GuardedRoute)
_MOST_BYTES = 16 << 20
_MOST_RECORDS = 10_000
_LONGEST_MESSAGE = 32_768
_LONGEST_NAME = 4096
_LONGEST_LEVEL = 64
_MOST_SAID = 20
_LEVELS = {one.upper(): one for one in LEVELS} | dict.fromkeys(
    ("FATAL", "ALERT", "EMERGENCY", "PANIC"), "critical"
)
_MOST_WORDS = 20
Words = Annotated[str, Query(max_length=500)]


class _Log(msgspec.Struct):
    message: str
    timestamp: str | float | None = None
    source: str = ""
    level: str = "info"


_one = msgspec.json.Decoder(_Log)
_many = msgspec.json.Decoder(list[_Log])
_BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {
        "type": "object", "required": ["message"], "properties": {
            "message": {"type": "string"}, "source": {"type": "string"},
            "level": {"type": "string"}, "timestamp": {"type": "string"}}},
        "example": {"timestamp": "2026-11-28T08:00:00Z", "source": "shop", "level": "error",
                    "message": "payment timed out after 3.2 s"}}}}
}  # fmt: skip


@router.post("", openapi_extra=needs("ingest") | _BODY, status_code=201,
             responses={201: {"description": "Kept.", "content": {"application/json": {
                 "schema": {}, "example": {"logId": 42}}}}})  # fmt: skip
async def ingest(request: Request) -> Response:
    """Keep one record, a JSON array of records, or one record a line (application/x-ndjson).

    A message of more than 32,768 characters ends in `…` there. A level in any usual spelling is one
    of six, `info` where none is stated; any other is kept as it is, and `unknownLevels` names it.
    """
    portal = portal_of(request)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > _MOST_BYTES:
        raise HTTPException(413, f"a request has at most {_MOST_BYTES} bytes")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BYTES:
            raise HTTPException(413, f"a request has at most {_MOST_BYTES} bytes")
    kind = request.headers.get("content-type", "")
    records, single = await run_in_threadpool(_records, body, "ndjson" in kind, portal.recorder.now)
    who = request.state.principal.name
    if not request.app.state.gate.limiter.allows_records(who, len(records)):
        raise HTTPException(429, "too many records", headers={"Retry-After": "1"})
    ids = await run_in_threadpool(portal.logs.add, records)
    unknown = Counter(one.level for one in records if one.level not in LEVELS)
    said = {"unknownLevels": dict(unknown.most_common(_MOST_SAID))} if unknown else {}
    return answer(({"logId": ids[0]} if single else {"logIds": ids, "count": len(ids)}) | said, 201)


def _records(body: bytes, lines: bool, now: int) -> tuple[list[LogRecord], bool]:
    try:
        if lines:
            found = [_one.decode(line) for line in body.split(b"\n") if line.strip()]
        elif body.lstrip()[:1] == b"[":
            found = _many.decode(body)
        else:
            return [_record(_one.decode(body), now)], True
        if not 0 < len(found) <= _MOST_RECORDS:
            raise HTTPException(422, f"a request has 1 to {_MOST_RECORDS} records")
        return [_record(one, now) for one in found], False
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
        raise HTTPException(422, f"it is no log record: {str(error)[:300]}") from error


def _record(one: _Log, now: int) -> LogRecord:
    time = now or EARLIEST_US if one.timestamp is None else parse_timestamp(one.timestamp)
    if not EARLIEST_US <= time <= LATEST_US:
        message = f"the timestamp {one.timestamp!r} lies before 2000 or after 2200"
        raise ValueError(message)
    stated = shortened(one.level.strip(), _LONGEST_LEVEL)
    level = _LEVELS.get(level_by_word(stated), stated) or "info"
    source, text = shortened(one.source, _LONGEST_NAME), shortened(one.message, _LONGEST_MESSAGE)
    return LogRecord(time, source, level, text)


def _check(words: str) -> None:
    """Refuse a search of which the store would leave words out."""
    if len(words.split()) > _MOST_WORDS:
        raise HTTPException(422, f"a search has at most {_MOST_WORDS} words")


@router.get(
    "",
    openapi_extra=needs("viewer"),
    responses=example(
        {"items": [{"id": 42, "level": "error", "message": "payment timed out"}], "next": None}
    ),
)
async def search(
    request: Request,
    q: Words = "",
    source: str = "",
    level: Level | Literal["unknown"] | None = None,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
    cursor: str | None = None,
    limit: Most = 100,
) -> Response:
    """Records that have all words, the newest first; `unknown` is each level but the six."""
    ordered(since, until)
    portal = portal_of(request)
    _check(q)
    before, _ = cursor_of(cursor) or (1 << 61, "")
    rows = await run_in_threadpool(
        lambda: portal.logs.search(
            q, source=source, level=level or "", start=since or 0, end=until or 1 << 61,
            before=before, most=limit,
        )
    )  # fmt: skip
    last = rows[-1]["id"] if len(rows) == limit else 0
    for row in rows:
        row["time"] = format_utc(row["time"])
    return answer({"items": rows, "next": put_cursor(last, "") if last else None})


@router.get(
    "/statistics",
    openapi_extra=needs("viewer"),
    responses=example(
        {"count": 1200, "levels": {"error": 12}, "templates": [{"template": "…", "count": 7}]}
    ),
)
async def statistics(
    request: Request,
    q: Words = "",
    source: str = "",
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
) -> Response:
    """Counts by level, source and template, and over time.

    Levels are the six, and `unknown` for all others. Of sources the 50 and of templates the 30 that
    are commonest.
    """
    ordered(since, until)
    portal = portal_of(request)
    _check(q)
    found = await run_in_threadpool(
        lambda: portal.logs.statistics(q, source=source, start=since or 0, end=until or 1 << 61)
    )
    found["over_time"] = [[format_utc(time), n] for time, n in found["over_time"] if time]
    return answer(found)
