"""Alerts: lists, evidence, recomputation, commands."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from padit.alerting.alert_rows import AlertState
from padit.alerting.matching import RANK
from padit.alerting.reading import LogReader
from padit.analysis.alert_files import Event
from padit.analysis.explain.alert_record import parse_alert
from padit.analysis.explain.recompute import recompute, versions
from padit.domain.alert import Severity
from padit.domain.errors import PaditError
from padit.domain.message import key_of
from padit.domain.timestamps import parse_timestamp
from padit.portal.answers import (
    Moment,
    Most,
    answer,
    begin_of,
    example,
    items,
    json_answer,
    kept,
    ordered,
    page,
    portal_of,
    tag_of,
)
from padit.portal.context import Portal
from padit.portal.present import alert_of, joined
from padit.portal.routing import GuardedRoute, needs

__all__ = ["alert_row", "outcomes_of", "router"]

router = APIRouter(prefix="/api/alerts", tags=["alerts"], route_class=GuardedRoute)
_EXAMPLE = {
    "id": "3da2dea67c9c1ce3a1dc61a784f4221d", "source_id": "machine-01",
    "metric_name": "torque_nm", "severity": "CRITICAL", "score": 0.95,
    "summary": "torque_nm of machine-01: median 64.7 > 61.5", "state": "open",
    "opened": "2026-01-05T06:29:00.000000Z", "closed": None, "incident": "5fb1…",
}  # fmt: skip


def _matches(
    row: AlertState, state: str | None, least: int, source: str | None, metric: str | None
) -> bool:
    if state is not None and (state == "open") != (not row.closed):
        return False
    if source is not None and row.source_id != source:
        return False
    if metric is not None and row.metric_name != metric:
        return False
    return RANK[row.severity] >= least


@router.get("", responses=example({"items": [_EXAMPLE], "next": "MTc2…"}),
            openapi_extra=needs("viewer"))  # fmt: skip
async def list_alerts(
    request: Request,
    state: Literal["open", "resolved"] | None = None,
    severity: Severity = "INFO",
    source: str | None = None,
    metric: str | None = None,
    incident: str | None = None,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
    cursor: str | None = None,
    limit: Most = 50,
) -> Response:
    """Alerts by opening, the newest first; `severity` is the least."""
    ordered(since, until)
    portal = portal_of(request)
    overview = portal.overview
    begin = begin_of(cursor, until)

    def make() -> bytes:
        rows = overview.newest_alerts(begin, since or 0, source, incident)
        names, following = page(
            rows, limit, lambda row: _matches(row, state, RANK[severity], source, metric)
        )
        return items(joined(map(portal.presenter.alert, names)), following)

    return kept(request, f"{portal.boot}-{overview.version}", make)


def alert_row(portal: Portal, name: str) -> AlertState:
    """The alert of an id.

    Raises:
        HTTPException: there is none.
    """
    row = portal.overview.alerts.get(name)
    if row is None:
        raise HTTPException(404, "there is no such alert")
    return row


async def _payloads(portal: Portal, row: AlertState) -> list[dict[str, Any]]:
    numbers = [one.n for one in row.steps]
    found = await portal.read(lambda reader: reader.payloads(numbers))
    return [msgspec.json.decode(data) for data in found]


def outcomes_of(reader: LogReader, steps: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """What became of transitions on each route, and why."""
    return {
        step: [
            {"route": route, "reason": reason, "detail": detail}
            for route, reason, detail, _ in reader.outcomes(step)
        ]
        for step in steps
    }


@router.get("/{alert}", responses=example(_EXAMPLE | {"evidence": {"samples": 120}}),
            openapi_extra=needs("viewer"))  # fmt: skip
async def one_alert(request: Request, alert: str) -> Response:
    """An alert with the evidence of its latest transition, settings and outcomes on each route."""
    portal = portal_of(request)
    row = alert_row(portal, alert)
    events = await _payloads(portal, row)
    data = events[-1]["data"] if events else {}
    opening = next((one["data"] for one in events if one["data"].get("evidence")), data)
    steps = [step.id for step in row.steps]
    outcomes = await portal.read(lambda reader: outcomes_of(reader, steps))
    body = alert_of(row, portal.overview.suppressed(row.incident)) | {
        "evidence": data.get("evidence") or opening.get("evidence") or {},
        "provenance": {
            "detector": data.get("detector", {}),
            "metadata": data.get("metadata", {}),
            "event": events[-1].get("source", "") if events else "",
        },
        "outcomes": outcomes,
    }
    data = msgspec.json.encode(body)
    return json_answer(request, data, tag_of(data))


@router.get("/{alert}/recomputed", openapi_extra=needs("viewer"),
            responses=example({"verdict": "equal", "checks": []}))  # fmt: skip
async def recomputed(request: Request, alert: str) -> Response:
    """An alert computed again from its own evidence: every id, digest, feature and score."""
    portal = portal_of(request)
    events = await _payloads(portal, alert_row(portal, alert))
    return answer(await run_in_threadpool(_recompute, events))


def _recompute(events: list[dict[str, Any]]) -> dict[str, Any]:
    checks: list[dict[str, str]] = []
    notes: list[str] = []
    seen: list[object] = []
    try:
        for one in events:
            parsed = parse_alert(_event_of(one))
            notes = notes or versions(parsed)
            found = recompute(parsed, window=parsed.evidence not in seen)
            seen.append(parsed.evidence)
            checks += [
                {"what": f"{parsed.kind}: {each.what}", "state": each.state, "text": each.text}
                for each in found
            ]
    except PaditError as error:
        return {"verdict": "cannot be recomputed", "why": str(error), "checks": checks,
                "notes": notes}  # fmt: skip
    states = {one["state"] for one in checks}
    verdict = "different" if "different" in states else "equal"
    return {"verdict": verdict, "why": "", "checks": checks, "notes": notes}


def _event_of(content: dict[str, Any]) -> Event:
    alert = content["data"]
    key = key_of(alert["source_id"], alert["metric_name"])
    return Event(parse_timestamp(content["time"]), key, content["id"], msgspec.json.encode(content))
