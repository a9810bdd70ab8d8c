"""Health of the portal and of what it watches; readiness and liveness for a cluster."""

import time
from typing import Any

from fastapi import APIRouter, Request, Response

from padit.domain.timestamps import MICROS
from padit.portal.answers import answer, example, portal_of, problem
from padit.portal.context import Portal
from padit.portal.present import moment
from padit.portal.routing import GuardedRoute, needs

__all__ = ["router", "summary"]

router = APIRouter(prefix="/api/health", tags=["health"], route_class=GuardedRoute)


@router.get("/live", openapi_extra=needs("public"), responses=example({"status": "live"}))
async def live(request: Request) -> Response:
    """Whether the process answers."""
    return answer({"status": "live"})


@router.get("/ready", openapi_extra=needs("public"), responses=example({"status": "ready"}))
async def ready(request: Request) -> Response:
    """Whether the run was read and the engine works."""
    portal = portal_of(request)
    if portal.recorder.trouble:
        return problem(503, "not ready", "the alerting engine waits for its store")
    if not (portal.feeder.caught_up.is_set() and portal.recorder.caught_up.is_set()):
        return problem(503, "not ready", "the run is still being read")
    return answer({"status": "ready"})


def summary(portal: Portal) -> dict[str, Any]:
    """What the head of the page shows: the clock, the latest record, what is watched and open."""
    overview = portal.overview
    latest = max(portal.series.last, overview.latest_alert)
    last_end = max((one.closed for one in list(overview.alerts.values())[-500:]), default=0)
    return {
        "now": moment(portal.recorder.now), "recording": portal.recorder.recording,
        "last_record": moment(latest), "series": len(portal.series_names()),
        "open_alerts": len(overview.state.alerts),
        "open_incidents": sum(one.firing > 0 for one in overview.state.incidents.values()),
        "clear_since": moment(last_end), "n": overview.version,
        "lacks": list(portal.places.lacks), "delivers": portal.deliver,
        "reading": not (portal.feeder.caught_up.is_set() and portal.recorder.caught_up.is_set()),
        "trouble": [one for one in (portal.recorder.trouble, portal.feeder.trouble) if one],
    }  # fmt: skip


@router.get("", openapi_extra=needs("viewer"), responses=example(
    {"now": "2026-11-28T08:00:00Z", "series": 40, "open_alerts": 0}))  # fmt: skip
async def health(request: Request) -> Response:
    """The state of everything that is known here."""
    portal = portal_of(request)
    state = portal.overview.state
    counts = portal.reader.counts()
    lines = []
    for route, found in sorted(counts.items()):
        reasons = {key: n for key, n in found.items() if not key.startswith("message ")}
        messages = {key[8:]: n for key, n in found.items() if key.startswith("message ")}
        lines.append({"route": route or "no route", "transitions": sum(reasons.values()),
                      "reasons": reasons, "messages": messages})  # fmt: skip
    now = portal.recorder.now
    latest = max(portal.series.last, portal.overview.latest_alert)
    return answer(summary(portal) | {
        "routes": lines,
        "log_entries": portal.overview.version, "refused": portal.reader.refused(),
        "out_of_order": state.out_of_order, "commands_unmatched": state.unmatched,
        "readings": sum(one.readings for one in list(portal.series.series.values())),
        "windows": sum(one.windows for one in list(portal.series.series.values())),
        "readings_rejected": portal.feeder.rejected, "windows_rejected": portal.series.refused,
        "series_left_out": portal.series.left_out,
        "lag_seconds": (now - latest) / MICROS if latest else None,
        "streams": portal.hub.clients, "uptime_seconds": time.time() - portal.started,
    })  # fmt: skip
