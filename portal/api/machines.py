"""Machines (sources): what is watched, raw readings, live features."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from padit.domain.timestamps import format_utc
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
from padit.portal.context import Portal
from padit.portal.present import moment
from padit.portal.routing import GuardedRoute, needs

__all__ = ["router"]

router = APIRouter(prefix="/api/machines", tags=["machines"], route_class=GuardedRoute)
_MOST_MACHINES = 10_000
_END = 1 << 61


@router.get(
    "",
    openapi_extra=needs("viewer"),
    responses=example({"items": [{"id": "machine-01", "series": 5, "open": 2}]}),
)
async def machines(request: Request) -> Response:
    """Sources with their series and open alerts."""
    portal = portal_of(request)
    found: dict[str, dict[str, Any]] = {}
    for (source, _), info in list(portal.series.series.items()):
        row = found.setdefault(source, {"id": source, "series": 0, "last": 0, "open": 0})
        row["series"] += 1
        row["last"] = max(row["last"], info.last)
    for fingerprint_alert in portal.overview.state.series.values():
        one = portal.overview.alerts.get(fingerprint_alert)
        if one is not None:
            row = found.setdefault(
                one.source_id, {"id": one.source_id, "series": 0, "last": 0, "open": 0}
            )
            row["open"] += 1
    rows = [found[name] for name in sorted(found)[:_MOST_MACHINES]]
    return answer({"items": [row | {"last": moment(row["last"])} for row in rows],
                   "left_out": max(len(found) - _MOST_MACHINES, 0)})  # fmt: skip


def known(portal: Portal, source: str) -> None:
    """Refuse a source that nothing is known of.

    Raises:
        HTTPException: 404.
    """
    if source not in portal.sources():
        raise HTTPException(404, "there is no such machine")


@router.get("/{machine:path}/logs", openapi_extra=needs("viewer"), responses=example(
    {"items": [{"metric_name": "rpm", "time": "2026-01-05T06:00:00.000000Z", "value": 1365.0}],
     "next": "MTAw"}))  # fmt: skip
async def readings(
    request: Request,
    machine: str,
    metric: str | None = None,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
    cursor: str | None = None,
    limit: Most = 100,
) -> Response:
    """Raw readings, the newest first."""
    ordered(since, until)
    portal = portal_of(request)
    known(portal, machine)
    after, _ = cursor_of(cursor) or (0, "")
    rows = await run_in_threadpool(
        portal.series.readings, machine, metric, since or 0, until or _END, after, limit
    )
    return answer({
        "items": [{"metric_name": name, "time": format_utc(time), "value": value}
                  for name, time, value in rows],
        "next": put_cursor(after + limit, "") if len(rows) == limit else None,
    })  # fmt: skip


@router.get(
    "/{machine:path}/status",
    openapi_extra=needs("viewer"),
    responses=example(
        {"id": "machine-01", "metrics": [{"metric_name": "rpm", "features": {"mean": 1347.1}}]}
    ),
)
async def status(request: Request, machine: str) -> Response:
    """Latest features of each metric, and open alerts."""
    portal = portal_of(request)
    known(portal, machine)
    version, n = portal.series.version, portal.overview.version
    second = int(time.monotonic()) if portal.parts.remote else 0  # live features change unseen
    tag = f"{portal.boot}-{version}-{n}-{second}-status-{machine}"
    data = portal.pages.get(tag)
    if data is None:
        rows = await run_in_threadpool(portal.series.status, machine)
        for row in rows:
            row["last"], row["window_end"] = moment(row["last"]), moment(row["window_end"])
        alerts = [
            one.id
            for name in portal.overview.state.series.values()
            if (one := portal.overview.alerts.get(name)) is not None and one.source_id == machine
        ]
        body = answer({"id": machine, "metrics": rows, "open_alerts": alerts}).body
        data = bytes(body)
        portal.keep(tag, data)
    return Response(data, media_type="application/json")
