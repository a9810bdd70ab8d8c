"""Two runs of `padit diff` side by side."""

import asyncio
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from padit.alerting.messages import shortened
from padit.analysis.alert_files import Event, read_events
from padit.analysis.explain.alert_history import AlertHistory
from padit.analysis.explain.compare import Change, compare
from padit.domain.timestamps import format_utc
from padit.portal.answers import Most, answer, by_name, example, portal_of
from padit.portal.routing import GuardedRoute, needs

__all__ = ["router"]

router = APIRouter(prefix="/api/compare", tags=["compare"], route_class=GuardedRoute)
_MOST, _LONGEST = 200, 200


@router.get("", openapi_extra=needs("viewer"),
            responses=example({"items": ["alerts.jsonl"], "next": None}))  # fmt: skip
async def runs(request: Request, cursor: str | None = None, limit: Most = 500) -> Response:
    """Files of alerts beside those that are shown, by their names."""
    found = await run_in_threadpool(_beside, portal_of(request).places.alerts)
    chosen, following = by_name(sorted(found), cursor, limit)
    return answer({"items": chosen, "next": following})


def _beside(alerts: Path | None) -> dict[str, Path]:
    """By name; only these can be compared, so no path is ever taken from a request."""
    found: dict[str, Path] = {}
    if alerts is None:
        return found
    for path in [*alerts.parent.glob("*.jsonl"), *alerts.parent.glob("*/alerts*.jsonl")]:
        name = path.relative_to(alerts.parent).as_posix()
        if "alerts" in path.name and "audit" not in path.name and path.is_file():
            found[name] = path
    return found


@router.get(
    "/{left}/{right}",
    openapi_extra=needs("viewer"),
    responses=example({"equal": False, "added": [], "removed": [], "moved": []}),
)
async def two_runs(request: Request, left: str, right: str) -> Response:
    """Alerts that two runs do not share, and why. A slash in a name is written as `~`.

    Each list has at most 200 entries; `counts` says how many there are.
    """
    places = await run_in_threadpool(_beside, portal_of(request).places.alerts)
    names = left.replace("~", "/"), right.replace("~", "/")
    for name in names:
        if name not in places:
            raise HTTPException(404, "there is no such run")
    return answer(await asyncio.to_thread(_compare, places[names[0]], places[names[1]]))


def _compare(left: Path, right: Path) -> dict[str, Any]:
    events = read_events(str(left)), read_events(str(right))
    if _lines(events[0]) == _lines(events[1]):
        return {"equal": True, "transitions": [len(one) for one in events]}
    found = compare(*events)
    return {
        "equal": False, "transitions": [len(one) for one in events], "alerts": found.alerts,
        "settings": [{"path": one.path, "left": shortened(repr(one.left), _LONGEST),
                      "right": shortened(repr(one.right), _LONGEST)}
                     for one in found.settings[:_MOST]],
        "removed": _changes(found.removed), "added": _changes(found.added),
        "moved": _changes(found.moved), "altered": _changes(found.altered),
        "counts": {"settings": len(found.settings), "removed": len(found.removed),
                   "added": len(found.added), "moved": len(found.moved),
                   "altered": len(found.altered)},
    }  # fmt: skip


def _lines(events: list[Event]) -> list[bytes]:
    return [event.line for event in events]


def _changes(changes: list[Change]) -> list[dict[str, Any]]:
    return [{"left": _life(one.left), "right": _life(one.right), "why": one.why}
            for one in changes[:_MOST]]  # fmt: skip


def _life(one: AlertHistory | None) -> dict[str, Any] | None:
    if one is None:
        return None
    data = one.events[-1].content["data"]
    return {"id": one.id, "opened": format_utc(one.opened), "severity": data["severity"],
            "summary": data["summary"]}  # fmt: skip
