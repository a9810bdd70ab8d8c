"""What another configuration would have sent, and why something was not sent."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ConfigDict, Field

from padit.alerting.entries import AlertEvent, Entry
from padit.alerting.policy import AlertingConfig
from padit.alerting.preview import compare, preview
from padit.domain.timestamps import MICROS, format_utc
from padit.portal.answers import (
    Moment,
    Most,
    answer,
    cursor_of,
    example,
    portal_of,
    put_cursor,
)
from padit.portal.api.alerts import outcomes_of
from padit.portal.api.bodies import Body
from padit.portal.context import DEFAULT_CONFIG, Portal, parse_config
from padit.portal.present import moment
from padit.portal.routing import GuardedRoute, needs
from padit.portal.unalerted import unalerted

__all__ = ["router"]

router = APIRouter(prefix="/api", tags=["what if"], route_class=GuardedRoute)
_WEEK = 7 * 86_400 * MICROS
_DAY = 86_400 * MICROS
_MOST = 200
_NEAR = 3600 * MICROS


class Trial(Body):
    """A configuration to try over the recorded past."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"config": "receivers: {…}\nroutes: […]\n"}}
    )

    config: str = Field(
        max_length=200_000,
        description="YAML of alerting, whole.",
        examples=["receivers: {…}\nroutes: [{name: all, receiver: ops, min_duration: 2m}]\n"],
    )


@router.get("/config", openapi_extra=needs("viewer"),
            responses=example({"config": "receivers: …", "delivers": False, "given": True,
                               "receivers": [{"name": "ops", "kind": "slack"}],
                               "routes": [{"name": "all", "receiver": "ops"}]}))  # fmt: skip
async def config(request: Request) -> Response:
    """The present configuration of alerting; it holds places of secrets, never secrets.

    `receivers` and `routes` are those of it by name; `given` is whether it came by --config.
    """
    portal = portal_of(request)
    return answer({
        "config": portal.config_text, "delivers": portal.deliver,
        "given": portal.config_text != DEFAULT_CONFIG,
        "receivers": [{"name": name, "kind": one.get("kind", "")}
                      for name, one in portal.config.receivers.items()],
        "routes": [{"name": name, "receiver": one.receiver}
                   for name, one in portal.overview.policy.by_name.items()],
    })  # fmt: skip


@router.post("/whatif", openapi_extra=needs("viewer"), responses=example(
    {"transitions": 19, "pages": {"page": [4, 2]}, "missed": [], "hidden": []}))  # fmt: skip
async def whatif(request: Request, trial: Trial) -> Response:
    """Pages before and after by route and day, and what would have been missed or come later."""
    return answer(await run_in_threadpool(_whatif, portal_of(request), trial.config))


def _end_of(entries: list[Entry]) -> int:
    return max((one.time for one in entries), default=0) + _WEEK


def _whatif(portal: Portal, text: str) -> dict[str, Any]:
    new = parse_config(text, "the configuration to try")
    with portal.past.trial():
        return _tried(portal, new)


def _tried(portal: Portal, new: AlertingConfig) -> dict[str, Any]:
    entries, end, before = portal.past.with_preview(_end_of)
    after = preview(new, entries, end, brief=True)
    found = compare(before, after, entries)
    alerts = portal.overview.alerts
    later = sorted(found.later.items(), key=lambda one: -abs(one[1]))
    return {
        "transitions": sum(isinstance(one, AlertEvent) for one in entries),
        "pages": found.pages,
        "days": {format_utc(day * _DAY)[:10]: both for day, both in sorted(found.days.items())},
        "total": [len(before.pages), len(after.pages)],
        "hidden": [one._asdict() for one in found.hidden[:_MOST]],
        "hidden_count": len(found.hidden),
        "missed": [
            {"alert": name, "incident": alerts[name].incident, "summary": alerts[name].summary,
             "severity": alerts[name].severity, "opened": moment(alerts[name].opened)}
            for name in found.missed[:_MOST] if name in alerts
        ],
        "missed_count": len(found.missed),
        "later": [
            {"alert": name, "seconds": seconds, "summary": alerts[name].summary}
            for name, seconds in later[:_MOST] if name in alerts
        ],
        "later_count": len(later),
    }  # fmt: skip


@router.get(
    "/why-not",
    openapi_extra=needs("viewer"),
    responses=example(
        {"items": [{"kind": "opened", "outcomes": [{"route": "page", "reason": "silenced"}]}]}
    ),
)
async def why_not(
    request: Request,
    source: str,
    metric: str,
    at: Annotated[Moment | None, Query()] = None,
    cursor: str | None = None,
    limit: Most = 200,
) -> Response:
    """What became of each transition of a series on each route, and why.

    With `at` of those within an hour of it. Where there is none, `hint` says why, and `seen` has
    the facts of it.
    """
    portal = portal_of(request)
    after, _ = cursor_of(cursor) or (0, "")
    found = sorted(
        ((row.id, step) for row in portal.alerts_of(source, metric) for step in row.steps
         if step.n > after and (at is None or abs(step.time - at) <= _NEAR)),
        key=lambda one: one[1].n,
    )  # fmt: skip
    steps = found[:limit]
    outcomes = await portal.read(lambda reader: outcomes_of(reader, [one.id for _, one in steps]))
    items = [
        {"alert": name, "time": format_utc(step.time), "kind": step.kind,
         "severity": step.severity, "score": step.score, "outcomes": outcomes[step.id]}
        for name, step in steps
    ]  # fmt: skip
    body: dict[str, Any] = {
        "items": items, "hint": "", "seen": None,
        "next": put_cursor(steps[-1][1].n, "") if len(found) > limit else None,
    }  # fmt: skip
    if not items and not after:
        info = portal.series.info(source, metric)
        seen = await run_in_threadpool(unalerted, portal.series, info, at, _NEAR)
        body |= {"hint": seen.text, "seen": {"kind": seen.kind, **seen.values}}
    return answer(body)
