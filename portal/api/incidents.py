"""Incidents: lists, and one with its story."""

from typing import Annotated, Literal, NamedTuple

import msgspec
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from padit.alerting.claims import evidence_of
from padit.alerting.overview import order_of
from padit.alerting.reading import MessageState
from padit.alerting.state import Incident
from padit.alerting.store.attempts import Attempt, attempts_of
from padit.alerting.story import story_of
from padit.alerting.topology import topology_of
from padit.domain.errors import SinkError
from padit.domain.timestamps import format_utc
from padit.portal.answers import (
    Moment,
    Most,
    answer,
    begin_of,
    cursor_of,
    example,
    items,
    json_answer,
    kept,
    ordered,
    page,
    portal_of,
    put_cursor,
    tag_of,
)
from padit.portal.api.incident_lists import members_next, timeline_of
from padit.portal.context import Portal
from padit.portal.present import joined
from padit.portal.routing import GuardedRoute, needs
from padit.portal.texts.desk import Story

__all__ = ["incident_row", "router"]

router = APIRouter(prefix="/api/incidents", tags=["incidents"], route_class=GuardedRoute)
_MOST_HIDING = 20
_MOST = 500  # of members, alerts and messages; what is beyond is counted in `left_out`
_MOST_TIMES = 200
_EXAMPLE = {
    "id": "5fb1…", "title": "torque_nm of machine-01: median 64.7 > 61.5", "severity": "CRITICAL",
    "firing": True, "opened": "2026-01-05T06:29:00.000000Z", "sources": ["machine-01"],
    "suppressed": [], "causes": [{"source": "machine-01", "score": 1.0, "why": "…"}],
}  # fmt: skip


@router.get("", responses=example({"items": [_EXAMPLE], "next": None}),
            openapi_extra=needs("viewer"))  # fmt: skip
async def list_incidents(
    request: Request,
    state: Literal["open", "over"] | None = None,
    source: str | None = None,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
    cursor: str | None = None,
    limit: Most = 50,
) -> Response:
    """Incidents; open ones by severity and age, else by opening, the newest first."""
    ordered(since, until)
    portal = portal_of(request)
    overview = portal.overview
    worst_first = state == "open"
    place = _place(cursor) if worst_first else None
    begin = None if worst_first else begin_of(cursor, until)

    def make() -> bytes:
        if worst_first:
            rows = [
                one
                for one in overview.open_incidents(place)
                if (since or 0) <= one.opened <= (until or one.opened)
                and _matches(one, state, source)
            ]
            names = [one.id for one in rows[:limit]]
            following = _after(rows[limit - 1]) if len(rows) > limit else None
        else:
            newest = overview.newest_incidents(begin, since or 0)
            names, following = page(newest, limit, lambda one: _matches(one, state, source))
        return items(joined(map(portal.presenter.incident, names)), following)

    return kept(request, f"{portal.boot}-{overview.version}", make)


def _after(one: Incident) -> str:
    """The cursor behind an open incident, in the order of the worst."""
    rank, opened, name = order_of(one)
    return put_cursor(opened, f"{rank} {name}")


def _place(cursor: str | None) -> tuple[int, int, str] | None:
    found = cursor_of(cursor)
    if found is None:
        return None
    rank, _, name = found[1].partition(" ")
    try:
        return int(rank[:9]), found[0], name
    except ValueError as error:
        raise HTTPException(422, "`cursor` is of another list") from error


def _matches(one: Incident, state: str | None, source: str | None) -> bool:
    if state is not None and (state == "open") != (one.firing > 0):
        return False
    return source is None or any(m.event.source_id == source for m in one.members.values())


def incident_row(portal: Portal, name: str) -> Incident:
    """The incident of an id.

    Raises:
        HTTPException: there is none.
    """
    found = portal.overview.incidents.get(name)
    if found is None:
        raise HTTPException(404, "there is no such incident")
    return found


@router.get("/{incident}", openapi_extra=needs("viewer"),
            responses=example(_EXAMPLE | {"story": {"cause": "…"}, "timeline": []}))  # fmt: skip
async def one_incident(request: Request, incident: str) -> Response:
    """An incident with its story, timeline, alerts, judgements, and messages with each attempt.

    Of more than 500 members the worst, of alerts the first, of messages the latest, of the timeline
    the latest 200 entries; `left_out` says how many are missing, `more` how many members. The rest
    of the members and of the timeline are lists of their own, of which `members_next` and
    `timeline_next` are cursors; all alerts are `/api/alerts?incident=`.
    """
    portal = portal_of(request)
    incident_row(portal, incident)
    told, lacks = _Told([], 0), ""
    try:
        told = _Told(*await portal.read(lambda reader: reader.messages_of(incident, _MOST)))
    except SinkError as error:
        lacks = str(error)
    number = portal.overview.touched.get(incident, 0)
    tag = f"{portal.boot}-{incident}-{number}-{told.digest()}"
    data = portal.pages.get(tag)
    if data is None:
        tries: list[Attempt] = []
        try:
            tries = await portal.read(lambda reader: attempts_of(reader, incident))
        except SinkError as error:
            lacks = str(error)
        data = _page(portal, incident, told, tries, lacks)
        if lacks:
            return Response(data, media_type="application/json")
        portal.keep(tag, data)
    return json_answer(request, data, tag)


class _Told(NamedTuple):
    """The latest messages of an incident, and how many there are."""

    messages: list[MessageState]
    all: int

    def digest(self) -> str:
        """Changes with how far any of them has come."""
        states = [(one.state, one.attempts, one.reason) for one in self.messages]
        return tag_of(msgspec.json.encode((self.all, states)))


@router.get(
    "/{incident}/text",
    openapi_extra=needs("viewer"),
    responses=example({"state": "written", "sentences": [{"text": "…", "alerts": ["3da2…"]}]}),
)
async def text(request: Request, incident: str) -> Response:
    """The statistical explanation, and what a language model wrote of it that checks.

    The first request asks for it: `state` is then `writing`, sentences come one by one, and each
    is announced as an event `text` of `/api/events`. It ends as `written`, `away` or `capped`.
    """
    portal = portal_of(request)
    incident_row(portal, incident)
    view = portal.presenter.incident_of(incident)
    rows = [portal.overview.alerts[one] for one in portal.overview.by_incident.get(incident, [])]
    found = Story("off", [])
    if portal.texts is not None:
        evidence = evidence_of(view, rows)
        found = await run_in_threadpool(portal.texts.look, incident, evidence, rows)
    kept = [one for one in found.checked if not one.why]
    return answer({
        "story": story_of(view, rows), "state": found.state, "why": found.why,
        "sentences": [{"text": one.text, "alerts": one.alerts} for one in kept],
        "struck": [one.why for one in found.checked if one.why],
    })  # fmt: skip


def _page(portal: Portal, incident: str, told: _Told, tries: list[Attempt], lacks: str) -> bytes:
    overview = portal.overview
    alerts = overview.by_incident.get(incident, [])
    rows = [overview.alerts[name] for name in alerts]
    view = portal.presenter.incident_of(incident, _MOST)
    tried: dict[str, list[dict[str, str]]] = {}
    for each in tries:
        row = {"time": format_utc(each.time), "state": each.state, "reason": each.reason}
        tried.setdefault(each.message, []).append(row)
    view["messages"] = [
        {"id": one.id, "route": one.route, "receiver": one.receiver, "kind": one.kind,
         "time": format_utc(one.time), "state": one.state if portal.deliver else "page",
         "attempts": one.attempts, "reason": one.reason, "tried": tried.get(one.id, [])}
        for one in told.messages
    ]  # fmt: skip
    view["timeline"], view["timeline_next"] = timeline_of(portal, incident, _MOST_TIMES)
    view["members_next"] = members_next(portal, incident, view)
    view["delivers"], view["lacks"] = portal.deliver, lacks
    view["story"] = story_of(view, rows)
    view["topology"] = topology_of(
        overview.policy.config.incidents, overview.incidents[incident],
        [one["source"] for one in view["causes"]],
    )  # fmt: skip
    hiding = portal.silences.hiding(alerts)  # often one a series
    view["hidden_by"] = [{"id": one.id, "by": one.by, "what": one.what}
                         for one in hiding[:_MOST_HIDING]]  # fmt: skip
    view["left_out"] = {
        "alerts": max(len(alerts) - _MOST, 0), "messages": told.all - len(told.messages),
        "timeline": sum(row.left_out for row in rows),
        "hidden_by": max(len(hiding) - _MOST_HIDING, 0),
    }  # fmt: skip
    data = msgspec.json.encode(view)[:-1]
    return data + b',"alerts":' + joined(map(portal.presenter.alert, alerts[:_MOST])) + b"}"
