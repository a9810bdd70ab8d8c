"""Health of the portal and of what it watches; readiness and liveness for a cluster."""

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from padit.alerting.report import residues
from padit.alerting.silence_review import Silenced
from padit.domain.errors import SinkError
from padit.domain.timestamps import MICROS
from padit.portal.answers import answer, example, portal_of, problem
from padit.portal.context import Portal
from padit.portal.present import moment
from padit.portal.routing import GuardedRoute, needs

__all__ = ["router", "summary"]

_MOST = 100
_MOST_HID = 20

router = APIRouter(prefix="/api/health", tags=["health"], route_class=GuardedRoute)


@router.get("/live", openapi_extra=needs("public"), responses=example({"status": "live"}))
async def live(request: Request) -> Response:
    """Whether the process answers."""
    return answer({"status": "live"})


@router.get("/ready", openapi_extra=needs("public"), responses=example({"status": "ready"}))
async def ready(request: Request) -> Response:
    """Whether the run was read and the engine works."""
    portal = portal_of(request)
    if portal.recorder.trouble and not portal.parts.remote:
        return problem(503, "not ready", "the alerting engine waits for its store")
    if not (portal.feeder.caught_up.is_set() and portal.recorder.caught_up.is_set()):
        return problem(503, "not ready", "the run is still being read")
    return answer({"status": "ready"})


def summary(portal: Portal) -> bytes:
    """What the head of the page shows, as JSON; made at most twice a second for all streams."""
    key = portal.overview.version, time.monotonic() // 0.5
    if portal.head is None or portal.head[0] != key:
        portal.head = key, msgspec.json.encode(_summary(portal))
    return portal.head[1]


def _summary(portal: Portal) -> dict[str, Any]:
    """The clock, the latest record, what is watched and open."""
    overview = portal.overview
    silent, behind = portal.silence()
    latest = max(portal.series.last, overview.latest_alert)
    extra = portal.parts.extra()
    trouble = [portal.recorder.trouble, portal.feeder.trouble, *extra.get("trouble", ())]
    return {
        "now": moment(portal.recorder.now), "recording": portal.recorder.recording,
        "last_record": moment(latest), "series": portal.count_series(),
        "silent": silent._asdict(), "behind": behind, "catching_up": portal.catches_up(),
        "open_alerts": len(overview.state.alerts),
        "open_incidents": sum(one.firing > 0 for one in overview.state.incidents.values()),
        "clear_since": moment(overview.latest_end), "n": overview.version,
        "lacks": [*portal.places.lacks, *extra.get("lacks", ())], "delivers": portal.deliver,
        "pending": extra.get("pending", []), "pending_count": extra.get("pending_count", 0),
        "team": extra.get("team", False),
        "reading": not (portal.feeder.caught_up.is_set() and portal.recorder.caught_up.is_set()),
        "trouble": list(dict.fromkeys(one for one in trouble if one)),
    }  # fmt: skip


@router.get("", openapi_extra=needs("viewer"), responses=example(
    {"now": "2026-11-28T08:00:00Z", "series": 40, "open_alerts": 0}))  # fmt: skip
async def health(request: Request) -> Response:
    """The state of everything that is known here."""
    portal = portal_of(request)
    limits = request.app.state.gate.limiter.trouble
    state = portal.overview.state
    lines, refused = await _account(portal)
    readings, windows = portal.series.totals()
    now = portal.recorder.now
    latest = max(portal.series.last, portal.overview.latest_alert)
    return answer(_summary(portal) | {
        "routes": lines,
        "log_entries": portal.overview.version, "refused": refused,
        "out_of_order": state.out_of_order, "commands_unmatched": state.unmatched,
        "readings": readings, "windows": windows,
        "readings_rejected": portal.feeder.rejected, "windows_rejected": portal.series.refused,
        "series_left_out": portal.series.left_out,
        "lag_seconds": (now - latest) / MICROS if latest else None,
        "streams": portal.hub.clients, "uptime_seconds": time.time() - portal.started,
        "watch": portal.watch.figures, "breakers": _breakers(portal),
        "limits": limits, "texts": portal.texts.figures if portal.texts is not None else None,
        "silences": _silences(portal, now),
    })  # fmt: skip


async def _account(portal: Portal) -> tuple[list[dict[str, Any]], int | None]:
    """What became of every transition on each route, and how many records were refused."""
    state = portal.overview.state
    left = residues(state, portal.overview.policy.by_name)
    try:
        counts, refused = await portal.read(lambda reader: (reader.counts(), reader.refused()))
    except SinkError:
        return [], None
    lines = []
    for route, found in sorted(counts.items()):
        reasons = {key: n for key, n in found.items() if not key.startswith("message ")}
        messages = {key[8:]: n for key, n in found.items() if key.startswith("message ")}
        lines.append({"route": route or "no route", "transitions": sum(reasons.values()),
                      "reasons": reasons, "messages": messages,
                      "residue": left.get(route, 0)})  # fmt: skip
    return lines, refused


def _breakers(portal: Portal) -> list[dict[str, Any]]:
    """Receivers, and whether they are left alone."""
    mine = [{"name": name, "open": is_open} for name, is_open in portal.parts.breakers()]
    return mine or list(portal.watch.figures.get("breakers", ()))


def _silences(portal: Portal, now: int) -> dict[str, Any]:
    """Silences to look at: of very many the latest, and how many there are."""
    never, hid = portal.silences.never_matched(now), portal.silences.hid_real()
    title = cache(
        portal.overview.title
    )  # many silences, one a series, may have hidden one incident
    return {
        "never_matched": [_silence(portal, one, title) for one in reversed(never[-_MOST:])],
        "never_matched_count": len(never),
        "hid_real": [_silence(portal, one, title) for one in reversed(hid[-_MOST:])],
        "hid_real_count": len(hid),
    }  # fmt: skip


def _silence(portal: Portal, one: Silenced, title: Callable[[str], str]) -> dict[str, Any]:
    """A silence, and the incidents of what it hid: the latest, and of how many alerts."""
    alerts, overview = portal.overview.alerts, portal.overview
    known = dict.fromkeys(alerts[name].incident for name in reversed(one.real) if name in alerts)
    there = one.by == "configuration" or one.id in overview.state.silences
    return {"id": one.id, "by": one.by, "what": one.what, "start": moment(one.start),
            "end": moment(one.end) if one.end < 1 << 53 else None, "muted": one.muted,
            "holds": there, "real": list(one.real[-_MOST_HID:]), "real_count": len(one.real),
            "incidents": [{"id": name, "title": title(name)}
                          for name in list(known)[:_MOST_HID]],
            "incidents_count": len(known)}  # fmt: skip
