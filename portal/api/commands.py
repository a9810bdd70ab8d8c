"""What people do, as commands: acknowledge, resolve, silence, feedback, on alerts and incidents."""

import asyncio
import re
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ConfigDict, Field

from padit.alerting.entries import Target
from padit.alerting.silences import muted, open_alerts, preview_of
from padit.alerting.state import SilenceSet
from padit.domain.timestamps import format_utc, parse_duration, parse_timestamp
from padit.portal.answers import Most, answer, by_name, example, portal_of
from padit.portal.api.alerts import alert_row
from padit.portal.api.bodies import Body
from padit.portal.api.incidents import incident_row
from padit.portal.context import Given, Portal
from padit.portal.present import moment
from padit.portal.routing import GuardedRoute, needs

__all__ = ["router"]

router = APIRouter(prefix="/api", tags=["commands"], route_class=GuardedRoute)
_DONE = example({"commands": ["0b7f…"]}, "Taken effect.") | example(
    {"commands": ["0b7f…"], "waiting": ["0b7f…"]}, "Given; alerting has still to read it.", 202
)
_ACTED = example({"commands": ["9d1c…-6dca…"], "action": "9d1c…"}, "Taken effect.") | example(
    {"commands": ["9d1c…-6dca…"], "action": "9d1c…", "waiting": ["9d1c…-6dca…"]},
    "Given; alerting has still to read it.", 202,
)  # fmt: skip
_What = Literal["acknowledge", "unacknowledge", "resolve", "silence"]
_Key = Annotated[str, Header(alias="Idempotency-Key", max_length=100)]
_KEY = re.compile(r"[\x21-\x7e]*")
_MOST_TARGETS = 2000
_ONE_OF_SEVERAL = re.compile(r"(.+)-\d+-of-\d+")
Text = Annotated[str, Field(max_length=2000)]
Name = Annotated[str, Field(max_length=4096)]


class Done(Body):
    """What is done: for how long, and a note."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"until": "1h", "note": "the spindle is changed"}}
    )

    until: str = Field("", max_length=64, examples=["1h"], description="A time, or a duration.")
    note: Text = ""
    undoes: str = Field(
        "", max_length=100, examples=["9d1c…"],
        description="Of `unacknowledge`: the `action` that the answer to an acknowledgement named. "
        "Only what it took is given back; without it whatever anybody has.",
    )  # fmt: skip


class Verdict(Body):
    """A person's judgement."""

    model_config = ConfigDict(json_schema_extra={"example": {"verdict": "real"}})

    verdict: Literal["real", "noise", "duplicate", "routine"]


class Which(Body):
    """Which alerts a silence is about: all that is given has to match."""

    fingerprint: Name = ""
    source: Name = Field("", examples=["press-*"])
    metric: Name = ""
    labels: dict[Name, Name] = Field(default_factory=dict, max_length=50)

    def target(self) -> Target:
        """As commands have it.

        Raises:
            HTTPException: it names nothing.
        """
        target = Target(self.fingerprint, self.source, self.metric, self.labels)
        if target.empty:
            raise HTTPException(422, "name a fingerprint, or patterns of source, metric or labels")
        return target


class Silence(Which):
    """A silence, or the preview of one."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"source": "press-*", "until": "1h", "note": "maintenance"}}
    )

    any: list[Which] = Field(
        default_factory=list, max_length=_MOST_TARGETS,
        description="Instead of one: what matches any of these; a silence for each, all of one "
        "`action`.",
    )  # fmt: skip
    until: str = Field("1h", max_length=64, examples=["1h", "2026-11-28T09:00:00Z"])
    note: Text = ""

    def targets(self) -> list[Target]:
        """What each silence is about.

        Raises:
            HTTPException: one of them names nothing, or `any` stands beside something else.
        """
        if not self.any:
            return [self.target()]
        if self.fingerprint or self.source or self.metric or self.labels:
            raise HTTPException(422, "what is named stands in `any`, or there is no `any`")
        return [one.target() for one in self.any]


def end_of(portal: Portal, text: str) -> int:
    """Event time at which something ends; 0 where nothing is said.

    Raises:
        HTTPException: it is neither a time nor a duration, or past.
    """
    if not text:
        return 0
    now = portal.recorder.now
    try:
        end = now + parse_duration(text)
    except ValueError:
        try:
            end = parse_timestamp(text)
        except (ValueError, OverflowError) as error:
            message = "`until` is neither a duration (30min, 2h, 1d) nor a time"
            raise HTTPException(422, message) from error
    if not now < end < 1 << 53:
        raise HTTPException(422, "`until` is not in the future")
    return end


async def _give(
    request: Request, kind: str, prints: Mapping[str, int], done: Done, key: str
) -> Response:
    """Give a command about each series; of its alerts those that had opened by a time, 0: all.

    Their ids are that of the action and the fingerprint, so an undo of the action can name each.
    """
    portal = portal_of(request)
    if not prints:
        raise HTTPException(409, "it is over already")
    if not (_KEY.fullmatch(key) and _KEY.fullmatch(done.undoes)):
        message = "`Idempotency-Key` or `undoes` has characters that are not printable ASCII"
        raise HTTPException(422, message)
    if done.undoes and kind != "unacknowledge":
        raise HTTPException(422, "`undoes` belongs to `unacknowledge`")
    action = key or secrets.token_hex(12)
    who = request.state.principal.name
    request.state.about = f"{kind} {done.until} {done.note}".strip()
    end = end_of(portal, done.until)
    given = await asyncio.gather(*(
        portal.command(
            kind, Target(fingerprint=one, time=format_utc(seen) if seen else ""), who, until=end,
            note=done.note, name=f"{action}-{one}",
            undoes=f"{done.undoes}-{one}" if done.undoes else "",
        )
        for one, seen in prints.items()
        if not done.undoes or portal.overview.may_hold(f"{done.undoes}-{one}", one)
    ))  # fmt: skip
    return _given(given, action=action)


def _given(given: list[Given], **others: str) -> Response:
    """200 for commands that have taken effect; 202 for those that alerting has still to read."""
    waiting = [one.id for one in given if not one.taken]
    body: dict[str, Any] = {"commands": [one.id for one in given], **others}
    return answer(body | {"waiting": waiting} if waiting else body, 202 if waiting else 200)


def _of_incident(portal: Portal, name: str, *, only_open: bool) -> dict[str, int]:
    members = incident_row(portal, name).members
    return {one: 0 for one, member in members.items() if not (only_open and member.closed)}


@router.post("/alerts/{alert}/{what}", responses=_ACTED, openapi_extra=needs("operator", 409))
async def act_on_alert(
    request: Request,
    alert: str,
    what: _What,
    done: Done,
    key: _Key = "",
) -> Response:
    """Acknowledge, resolve or silence the series of an alert."""
    row = alert_row(portal_of(request), alert)
    prints = {row.fingerprint: 0} if what == "silence" or not row.closed else {}
    done.until = done.until or ("1h" if what == "silence" else "")
    return await _give(request, what, prints, done, key)


@router.post("/incidents/{incident}/{what}", responses=_ACTED, openapi_extra=needs("operator", 409))
async def act_on_incident(
    request: Request,
    incident: str,
    what: _What,
    done: Done,
    key: _Key = "",
) -> Response:
    """Acknowledge or resolve an incident, or silence its series."""
    prints = _of_incident(portal_of(request), incident, only_open=what != "silence")
    done.until = done.until or ("1h" if what == "silence" else "")
    return await _give(request, what, prints, done, key)


@router.post("/feedback/{incident}", responses=_ACTED, openapi_extra=needs("operator", 409))
async def judge(request: Request, incident: str, verdict: Verdict, key: _Key = "") -> Response:
    """Mark an incident, also one that is over: real, noise, duplicate or routine."""
    members = incident_row(portal_of(request), incident).members
    prints = {one: member.event.opened for one, member in members.items()}
    return await _give(
        request, "feedback", prints, Done(until="", note=verdict.verdict, undoes=""), key
    )


@router.get(
    "/silences",
    openapi_extra=needs("viewer"),
    responses=example({"items": [{"id": "0b7f…", "source": "press-*"}], "next": None}),
)
async def silences(request: Request, cursor: str | None = None, limit: Most = 500) -> Response:
    """Silences by command that have not ended and those of the configuration, by their begin."""
    portal = portal_of(request)
    named = portal.overview.series_of
    rows: list[dict[str, Any]] = [
        {"id": one.id, "fingerprint": one.target.fingerprint,
         "series": " ".join(named.get(one.target.fingerprint, ())), "source": one.target.source,
         "metric": one.target.metric, "labels": one.target.labels, "start": moment(one.start),
         "end": moment(one.end) if one.end < 1 << 53 else None, "by": one.by,
         "action": _action_of(one)}
        for one in portal.overview.state.silences.values()
    ]  # fmt: skip
    rows += [
        {"id": one.id, "match": one.match.model_dump(), "start": moment(one.start),
         "end": moment(one.end), "by": "configuration"}
        for one in portal.config.silences
    ]  # fmt: skip
    by_begin = {f"{row['start']} {row['id']}": row for row in rows}
    chosen, following = by_name(sorted(by_begin), cursor, limit)
    return answer({"items": [by_begin[one] for one in chosen], "next": following})


@router.post("/silences", responses=_ACTED, openapi_extra=needs("operator"))
async def silence(request: Request, body: Silence, key: _Key = "") -> Response:
    """Silence what matches, until a time; `action` names all that is made by it."""
    portal = portal_of(request)
    who = request.state.principal.name
    named = body.model_dump(exclude_defaults=True, exclude={"note", "any"})
    if body.any:
        named = {"any": len(body.any)} | named
    request.state.about = " ".join(f"{name}={value}" for name, value in named.items())
    if not _KEY.fullmatch(key):
        raise HTTPException(422, "`Idempotency-Key` has characters that are not printable ASCII")
    action, end = key or secrets.token_hex(12), end_of(portal, body.until)
    given = await asyncio.gather(*(
        portal.command("silence", one, who, until=end, note=body.note,
                       name=f"{action}-{n}-of-{len(body.any)}" if body.any else action)
        for n, one in enumerate(body.targets(), 1)
    ))  # fmt: skip
    return _given(given, action=action)


@router.post("/silences/preview", openapi_extra=needs("viewer"),
             responses=example({"open": [], "past_alerts": 3, "past_real": 1}))  # fmt: skip
async def preview(request: Request, body: Silence) -> Response:
    """What silences would mute now, and what they would have muted in the last seven days."""
    portal = portal_of(request)
    end, aims = end_of(portal, body.until), body.targets()
    entries = await run_in_threadpool(portal.past.entries)
    found = await run_in_threadpool(preview_of, aims, portal.recorder.now, entries)
    # The state belongs to this thread, and thousands of patterns over all that is open take long.
    open_now = await run_in_threadpool(muted, aims, open_alerts(portal.overview.state))
    return answer({
        "until": moment(end), "open": open_now, "past_alerts": len(found.alerts),
        "past_real": found.real, "series": found.series, "examples": [
            {"alert": one.id, "summary": one.summary, "opened": moment(one.opened)}
            for one in found.alerts[-5:]
        ],
    })  # fmt: skip


@router.delete("/silences/{name}", responses=_DONE, openapi_extra=needs("operator"))
async def unsilence(request: Request, name: str) -> Response:
    """End a silence, or all that one action made."""
    portal = portal_of(request)
    made = portal.overview.state.silences
    names = [name] if name in made else [one.id for one in made.values() if _action_of(one) == name]
    if not names:
        raise HTTPException(404, "there is no such silence by command")
    who = request.state.principal.name
    done = await asyncio.gather(*(
        portal.command("unsilence", Target(), who, note=one) for one in names
    ))  # fmt: skip
    return _given(done)


def _action_of(silence: SilenceSet) -> str:
    """The action that made a silence: its id without its place, or the series, behind it.

    Programs name actions and commands as they like, also `maintenance-1` and `maintenance-2`, which
    are two.
    """
    several = _ONE_OF_SEVERAL.fullmatch(silence.id)
    if several is not None:
        return several[1]
    series = silence.target.fingerprint
    return silence.id.removesuffix(f"-{series}") if series else silence.id
