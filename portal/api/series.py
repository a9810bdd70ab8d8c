"""Series: what there is, values with bands and scores, what moved in a span, swim lanes."""

from hashlib import sha256
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from padit.alerting.alert_rows import AlertState
from padit.analysis.series_extent import SeriesInfo
from padit.domain.errors import SinkError
from padit.domain.timestamps import MICROS
from padit.portal.answers import (
    Moment,
    Most,
    answer,
    cursor_of,
    example,
    json_answer,
    ordered,
    portal_of,
    put_cursor,
)
from padit.portal.context import Portal
from padit.portal.evidence import from_evidence
from padit.portal.present import moment
from padit.portal.routing import GuardedRoute, needs

__all__ = ["router"]

router = APIRouter(prefix="/api/series", tags=["series"], route_class=GuardedRoute)
_MOST_POINTS = 100_000
_MOST_ALERTS, _MOST_SHOWN = 5_000, 1_000
_RANK = {"CRITICAL": 3, "WARNING": 2, "INFO": 1}
_DAY = 86_400 * MICROS
Points = Annotated[int, Query(ge=10, le=_MOST_POINTS, description="Points at most.")]
Since = Annotated[Moment | None, Query(alias="from")]
Until = Annotated[Moment | None, Query(alias="to")]
_EXAMPLE = {"source_id": "machine-01", "metric_name": "torque_nm", "unit": "Nm", "exact": True,
            "time_us": [1767594476000000], "value": [64.7], "windows": {"time_us": []}}  # fmt: skip


def _row(info: SeriesInfo) -> dict[str, Any]:
    return {
        "source_id": info.source_id, "metric_name": info.metric_name, "unit": info.unit,
        "readings": info.readings, "windows": info.windows, "first": moment(info.first),
        "last": moment(info.last),
    }  # fmt: skip


@router.get("", openapi_extra=needs("viewer"),
            responses=example({"items": [{"source_id": "machine-01"}], "count": 40}))  # fmt: skip
async def list_series(
    request: Request, q: str = "", cursor: str | None = None, limit: Most = 100
) -> Response:
    """Series whose name has a text, in the order of their names."""
    portal = portal_of(request)
    found, count = await run_in_threadpool(portal.find, q, _behind(cursor), limit + 1)
    chosen, more = found[:limit], len(found) > limit
    rows = [_row(portal.series.info(*key) or SeriesInfo(-1, *key)) for key in chosen]
    following = put_cursor(0, msgspec.json.encode(chosen[-1]).decode()) if more else None
    return answer({"items": rows, "count": count, "next": following})


def _behind(cursor: str | None) -> tuple[str, str] | None:
    place = cursor_of(cursor)
    if place is None:
        return None
    try:
        return msgspec.json.decode(place[1], type=tuple[str, str])
    except msgspec.DecodeError as error:
        raise HTTPException(422, "`cursor` is of another list") from error


def _span(portal: Portal, since: int | None, until: int | None) -> tuple[int, int]:
    ordered(since, until)
    latest = max(portal.series.last, portal.overview.latest_alert)
    end = until if until is not None else latest or portal.recorder.now
    start = since if since is not None else end - _DAY
    return min(start, end), end


@router.get("/moved", openapi_extra=needs("viewer"),
            responses=example({"items": [{"metric_name": "rpm", "shift": -4.2}]}))  # fmt: skip
async def moved(request: Request, since: Since = None, until: Until = None,
                limit: Most = 20) -> Response:  # fmt: skip
    """Series whose median moved most in a span, in units of their usual spread before it."""
    portal = portal_of(request)
    start, end = _span(portal, since, until)
    rows = await run_in_threadpool(portal.series.moved, start, end, limit)
    return answer({"items": [one._asdict() for one in rows]})


@router.get(
    "/lanes",
    openapi_extra=needs("viewer"),
    responses=example({"lanes": {"machine-01": [["2026-01-05T06:29:00Z", 0.9]]}, "count": 8}),
)
async def lanes(request: Request, since: Since = None, until: Until = None,
                slices: Annotated[int, Query(ge=1, le=2000)] = 200,
                limit: Most = 300) -> Response:  # fmt: skip
    """The worst score of sources over time, and their alerts: those that are worst.

    First come sources with alerts, the open and severe before others, then those with the worst
    scores; `count` is how many there are. Of more than 5,000 alerts the latest are given, and
    `alerts_left_out` says how many others there are.
    """
    portal = portal_of(request)
    start, end = _span(portal, since, until)
    if since is None and start < portal.series.first < end:
        start = portal.series.first  # no empty lanes where there is less than a day
    alerts, left_out = _alerts_by_source(portal, start, end)
    order = sorted(alerts, key=lambda one: (_weight(alerts[one]), one))
    chosen = order[:limit]
    found = await run_in_threadpool(portal.series.lanes, start, end, slices, chosen, limit)
    shown = [one for one in found.scores if one not in alerts][: limit - len(chosen)]
    more = sum(one not in found.scores for one in order) if len(order) <= limit else 0
    return answer({
        "from": start, "to": end, "count": max(found.total + more, len(order)),
        "alerts_left_out": left_out,
        "lanes": {one: found.scores.get(one, []) for one in [*chosen, *shown]},
        "alerts": {one: alerts[one] for one in chosen},
    })  # fmt: skip


def _weight(rows: list[dict[str, Any]]) -> tuple[int, int, int]:
    """What comes first: the worst that is open, the worst that is over, then how many."""
    ranks = [_RANK.get(one["severity"], 0) for one in rows]
    open_ranks = [rank for one, rank in zip(rows, ranks, strict=True) if not one["to"]]
    return -max(open_ranks, default=0), -max(ranks), -sum(ranks)


def _alerts_by_source(
    portal: Portal, start: int, end: int
) -> tuple[dict[str, list[dict[str, Any]]], int]:
    """Alerts of a span by source, the newest 5,000, and how many others there are."""
    alerts: dict[str, list[dict[str, Any]]] = {}
    left_out = 0
    for n, row in enumerate(portal.overview.alerts_between(start, end)):
        if n >= _MOST_ALERTS:
            left_out += 1
            continue
        alerts.setdefault(row.source_id, []).append({
            "id": row.id, "incident": row.incident, "metric_name": row.metric_name,
            "severity": row.severity, "from": row.opened, "to": row.closed or None,
        })  # fmt: skip
    return alerts, left_out


@router.get("/values", openapi_extra=needs("viewer", 404), responses=example(_EXAMPLE))
async def values(
    request: Request,
    source: str,
    metric: str,
    since: Since = None,
    until: Until = None,
    points: Points = 2000,
) -> Response:
    """The same as `/{source}/{metric}`, for names that hold a slash."""
    return await one_series(request, source, metric, since, until, points)


@router.get("/{source}/{metric}", openapi_extra=needs("viewer"), responses=example(_EXAMPLE))
async def one_series(request: Request, source: str, metric: str, since: Since = None,
                     until: Until = None, points: Points = 2000) -> Response:  # fmt: skip
    """Values, windows with bands and scores, and alerts of a series.

    Up to `points` values are all given (`exact`); of more, the least and the greatest of each slice
    of time. Times are microseconds since 1970. Without readings, what alerts hold as evidence.
    `windows` of an alert are those it was judged by: at the opening, and whenever it got worse. Of
    more than 1,000 alerts in the span the latest are given, and `left_out` says how many others
    there are (`alerts`), and of how many the windows were not read (`windows`).
    """
    portal = portal_of(request)
    info = portal.series.info(source, metric)
    alerts = portal.alerts_of(source, metric)
    if info is None and not alerts:
        raise HTTPException(404, "there is no such series")
    start, end = _span(portal, since, until)
    if since is None and info is not None and start < info.first < end:
        start = info.first  # no empty half of a chart where there is less than a day
    version = (portal.series.version, portal.overview.version)
    key = msgspec.json.encode(
        (portal.boot, version, source, metric, start, end, points, since is None)
    )
    tag = sha256(key).hexdigest()
    known = portal.pages.get(tag)
    if known is not None:
        return json_answer(request, known, tag)
    data, whole = await run_in_threadpool(
        _page, portal, source, metric, start, end, points, since is None
    )
    if not whole:
        return Response(data, media_type="application/json")
    portal.keep(tag, data)
    return json_answer(request, data, tag)


def _page(portal: Portal, source: str, metric: str, start: int, end: int, points: int,
          open_begin: bool) -> tuple[bytes, bool]:  # fmt: skip
    """The answer, and whether nothing that it shows was away."""
    info = portal.series.info(source, metric)
    alerts = portal.alerts_of(source, metric)
    body: dict[str, Any] = {"source_id": source, "metric_name": metric, "unit": "",
                            "from": start, "to": end, "from_evidence": False}  # fmt: skip
    if info is not None and info.readings:
        line = portal.series.line(info, start, end, points)
        body |= {"unit": info.unit, "time_us": line.time.tolist(), "value": line.value.tolist(),
                 "count": line.total, "exact": line.exact}  # fmt: skip
    else:
        body |= from_evidence(portal.parts.open_reader, alerts, start, end)
        if open_begin and body["time_us"]:
            body["from"] = min(body["time_us"][0], end)
    if info is not None and info.windows:
        found = portal.series.windows(info, start, end, min(points, 5000))
        columns = {name: column.tolist() for name, column in found.columns.items()}
        body["windows"] = {"time_us": found.time.tolist(), "exact": found.exact, **columns}
        body["unit"] = body["unit"] or info.unit
    else:
        body["windows"] = {"time_us": [], "exact": True}
    body["alerts"], body["left_out"], whole = _alerts_between(portal, alerts, start, end)
    return msgspec.json.encode(body), whole


def _alerts_between(
    portal: Portal, alerts: list[AlertState], start: int, end: int
) -> tuple[list[dict[str, Any]], dict[str, int], bool]:
    """Alerts of a span with their windows, what is left out, and whether these could be read."""
    there = [one for one in alerts if one.opened <= end and (not one.closed or one.closed >= start)]
    shown = there[-_MOST_SHOWN:]
    windows: dict[str, list[list[int]]] = {}
    whole = True
    try:
        windows = portal.evidence.of(shown)
    except SinkError:
        whole = False  # it is named at the head of the page
    return [
        {"id": one.id, "incident": one.incident, "severity": one.severity, "summary": one.summary,
         "from": one.opened, "to": one.closed or None, "windows": windows.get(one.id, [])}
        for one in shown
    ], {
        "alerts": len(there) - len(shown),
        "windows": len(shown) - len(windows) if whole else 0,
    }, whole  # fmt: skip
