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
_END = 1 << 61


@router.get(
    "",
    openapi_extra=needs("viewer"),
    responses=example(
        {"items": [{"id": "machine-01", "series": 5, "open": 2}], "count": 8, "next": None}
    ),
)
async def machines(request: Request, cursor: str | None = None, limit: Most = 100) -> Response:
    """Sources with their series and open alerts, in the order of their names."""
    portal = portal_of(request)
    place = cursor_of(cursor)
    found, count = await run_in_threadpool(
        portal.sources, None if place is None else place[1], limit + 1
    )
    chosen = found[:limit]
    following = put_cursor(0, chosen[-1]) if len(found) > limit else None
    rows: dict[str, dict[str, Any]] = {}
    for name in chosen:
        series, last = portal.series.extent(name)
        rows[name] = {"id": name, "series": series, "last": moment(last), "open": 0}
    for alert in portal.overview.state.series.values():
        one = portal.overview.alerts.get(alert)
        if one is not None and one.source_id in rows:
            rows[one.source_id]["open"] += 1
    return answer({"items": list(rows.values()), "count": count, "next": following})


def known(portal: Portal, source: str) -> None:
    """Refuse a source that nothing is known of.

    Raises:
        HTTPException: 404.
    """
    if not portal.knows(source):
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
    after, bound = cursor_of(cursor) or (0, "")
    # Pages end where the first one did: what comes meanwhile moves no row to another page.
    end = (
        int(bound) if bound.isdecimal() and len(bound) < 20 else until or portal.series.last or _END
    )
    rows = await run_in_threadpool(
        portal.series.readings, machine, metric, since or 0, min(end, _END), after, limit
    )
    return answer({
        "items": [{"metric_name": name, "time": format_utc(time), "value": value}
                  for name, time, value in rows],
        "next": put_cursor(after + limit, str(end)) if len(rows) == limit else None,
    })  # fmt: skip


@router.get(
    "/{machine:path}/status",
    openapi_extra=needs("viewer"),
    responses=example(
        {
            "id": "machine-01",
            "metrics": [{"metric_name": "rpm", "features": {"mean": 1347.1}}],
            "count": 5,
            "next": None,
        }
    ),
)
async def status(
    request: Request, machine: str, cursor: str | None = None, limit: Most = 500
) -> Response:
    """Latest features of metrics, in the order in which they came, and open alerts."""
    portal = portal_of(request)
    known(portal, machine)
    version, n = portal.series.version, portal.overview.version
    second = int(time.monotonic()) if portal.parts.remote else 0  # live features change unseen
    after, _ = cursor_of(cursor) or (0, "")
    tag = f"{portal.boot}-{version}-{n}-{second}-status-{after}-{limit}-{machine}"
    data = portal.pages.get(tag)
    if data is None:
        rows = await run_in_threadpool(portal.series.status, machine, after, limit)
        for row in rows:
            row["last"], row["window_end"] = moment(row["last"]), moment(row["window_end"])
        alerts = [
            one.id
            for name in portal.overview.state.series.values()
            if (one := portal.overview.alerts.get(name)) is not None and one.source_id == machine
        ]
        count, _ = portal.series.extent(machine)
        following = put_cursor(after + limit, "") if after + limit < count else None
        body = answer({"id": machine, "metrics": rows, "open_alerts": alerts, "count": count,
                       "next": following}).body  # fmt: skip
        data = bytes(body)
        portal.keep(tag, data)
    return Response(data, media_type="application/json")
