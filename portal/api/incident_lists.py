"""The lists of an incident that may be long, page by page: its timeline and its members."""

import heapq
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from fastapi import APIRouter, HTTPException, Query, Request, Response

from padit.alerting.alert_rows import AlertState, Step
from padit.alerting.deeds import Deed
from padit.alerting.incidents import place_of
from padit.domain.timestamps import MICROS, format_utc
from padit.portal.answers import Most, cursor_of, example, items, kept, portal_of, put_cursor
from padit.portal.context import Portal
from padit.portal.routing import GuardedRoute, needs

__all__ = ["members_next", "router", "timeline_of"]

router = APIRouter(prefix="/api/incidents", tags=["incidents"], route_class=GuardedRoute)
_TAKEN = ("acknowledge", "unacknowledge")
_AT_ONCE = 2 * MICROS
_MOST_NAMED = 20
_Cursor = Annotated[str | None, Query(description="`next` of the page before.")]
Place = tuple[bool, int, int, str, str]


class _Act(NamedTuple):
    """What somebody did at once, and the alerts that it met."""

    deed: Deed
    alerts: dict[str, None]


class _Change(NamedTuple):
    """A transition of an alert."""

    row: AlertState
    step: Step


@router.get("/{incident}/timeline", openapi_extra=needs("viewer"),
            responses=example({"items": [{"time": "2026-01-05T06:29:00.000000Z", "n": 7,
                                          "kind": "opened"}], "next": None}))  # fmt: skip
async def timeline(
    request: Request, incident: str, cursor: _Cursor = None, limit: Most = 100
) -> Response:
    """What happened in an incident and what people did, the latest first."""
    portal = portal_of(request)
    _check(portal, incident)
    place = cursor_of(cursor)
    before = None if place is None else (place[0], _number(place[1]))

    def make() -> bytes:
        rows, following = timeline_of(portal, incident, limit, before)
        return items(msgspec.json.encode(rows[::-1]), following)

    return kept(request, _version(portal, incident), make)


@router.get("/{incident}/members", openapi_extra=needs("viewer"),
            responses=example({"items": [{"source_id": "machine-01", "metric_name": "torque_nm",
                                          "severity": "CRITICAL"}], "next": None}))  # fmt: skip
async def members(
    request: Request, incident: str, cursor: _Cursor = None, limit: Most = 100
) -> Response:
    """Series of an incident, the worst first; `silences` are those that mean one of them."""
    portal = portal_of(request)
    _check(portal, incident)
    behind = _place(cursor)

    def make() -> bytes:
        view = portal.presenter.incident_of(incident, limit, behind)
        found = {
            "items": view["members"], "next": members_next(portal, incident, view),
            "silences": [one for one in view["silences"] if one["series"]],
        }  # fmt: skip
        return msgspec.json.encode(found)

    return kept(request, _version(portal, incident), make)


def _check(portal: Portal, incident: str) -> None:
    if incident not in portal.overview.incidents:
        raise HTTPException(404, "there is no such incident")


def _version(portal: Portal, incident: str) -> str:
    return f"{portal.boot}-{portal.overview.touched.get(incident, 0)}"


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise HTTPException(422, "`cursor` is of another list")
    return int(text)


def _place(cursor: str | None) -> Place | None:
    found = cursor_of(cursor)
    if found is None:
        return None
    try:
        closed, rank, source, metric = msgspec.json.decode(
            found[1], type=tuple[bool, int, str, str]
        )
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise HTTPException(422, "`cursor` is of another list") from error
    return closed, rank, found[0], source, metric


def members_next(portal: Portal, incident: str, view: dict[str, Any]) -> str | None:
    """The cursor behind the members of a view, if there are more."""
    if not (view["more"] and view["members"]):
        return None
    last = portal.overview.incidents[incident].members[view["members"][-1]["fingerprint"]]
    closed, rank, opened, source, metric = place_of(last)
    return put_cursor(opened, msgspec.json.encode((closed, rank, source, metric)).decode())


def timeline_of(
    portal: Portal, incident: str, limit: int, before: tuple[int, int] | None = None
) -> tuple[list[dict[str, Any]], str | None]:
    """The latest entries of a timeline in their order, and the cursor to those before them.

    Args:
        portal: whose.
        incident: its id.
        limit: of the entries.
        before: time and number of an entry; only what comes before it counts.
    """
    latest = heapq.nlargest(limit + 1, _entries(portal, incident, before), key=lambda one: one[:2])
    more, shown = len(latest) > limit, latest[:limit]
    following = put_cursor(shown[-1][0], str(shown[-1][1])) if more else None
    return [_row(one[2]) for one in reversed(shown)], following


def _entries(
    portal: Portal, incident: str, before: tuple[int, int] | None
) -> Iterator[tuple[int, int, _Act | _Change]]:
    overview = portal.overview
    for name in overview.by_incident.get(incident, ()):
        row = overview.alerts[name]
        for step in row.steps:
            if before is None or (step.time, step.n) < before:
                yield step.time, step.n, _Change(row, step)
    for act in _together(overview.deeds.of(incident)):
        if before is None or (act.deed.time, act.deed.n) < before:
            yield act.deed.time, act.deed.n, act


def _together(done: Sequence[Deed]) -> list[_Act]:
    """What somebody took, or gave back, at once: of a command about each series one entry."""
    found: list[_Act] = []
    for one in sorted(done):
        last = found[-1] if found else None
        if last is not None and one.kind in _TAKEN and _alike(last.deed, one):
            last.alerts.update(dict.fromkeys(one.alerts))
        else:
            found.append(_Act(one, dict.fromkeys(one.alerts)))
    return found


def _alike(one: Deed, other: Deed) -> bool:
    return (one.kind, one.by, one.note) == (other.kind, other.by, other.note) and (
        abs(other.time - one.time) <= _AT_ONCE
    )


def _row(one: _Act | _Change) -> dict[str, Any]:
    """An entry as JSON has it; of the alerts that an act met the first, and how many they are."""
    if isinstance(one, _Act):
        deed = one.deed
        return {"time": format_utc(deed.time), "n": deed.n, "kind": deed.kind, "by": deed.by,
                "note": deed.note, "alerts": list(one.alerts)[:_MOST_NAMED],
                "count": len(one.alerts)}  # fmt: skip
    row, step = one
    return {"time": format_utc(step.time), "n": step.n, "kind": step.kind,
            "source_id": row.source_id, "metric_name": row.metric_name,
            "severity": step.severity, "alert": row.id}  # fmt: skip
