"""Training of models: one at a time, from what the server was given."""

import secrets
import time
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ConfigDict, Field

from padit.domain.errors import ConfigurationError
from padit.domain.timestamps import MICROS, format_utc
from padit.portal.answers import Moment, Most, answer, by_name, example, ordered, portal_of
from padit.portal.api.bodies import Body
from padit.portal.present import moment
from padit.portal.routing import GuardedRoute, needs
from padit.portal.training import Busy, Job

__all__ = ["router"]

router = APIRouter(tags=["training"], route_class=GuardedRoute)
_AHEAD = 3600 * MICROS
_EXAMPLE = {"jobId": "5f0c…", "state": "running", "from": "sensor_log",
            "validFrom": "2026-11-28T09:00:00.000000Z"}  # fmt: skip
Pattern = Annotated[str, Field(max_length=500)]


class Wanted(Body):
    """What to learn from, and from when on the model counts."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"source": "machine-*", "from": "sensor_log"}}
    )

    source: Pattern = Field("*", examples=["machine-*"], description="Pattern of the sources.")
    metric: Pattern = Field("*", description="Pattern of the metrics.")
    learn_from: str = Field(
        "", max_length=40, alias="from", examples=["sensor_log"],
        description="sensor_log, archive or readings; by default the first that there is.",
    )  # fmt: skip
    start: Moment | None = Field(None, description="Event time from which on to learn.")
    end: Moment | None = Field(None, description="Event time up to which to learn.")
    valid_from: Moment | None = Field(
        None, alias="validFrom",
        description="Event time from which on the model counts; by default in an hour.",
    )  # fmt: skip


def _row(job: Job) -> dict[str, Any]:
    return {
        "jobId": job.id, "state": job.state, "from": job.source, "by": job.by,
        "validFrom": moment(job.valid_from), "asked": format_utc(int(job.asked * MICROS)),
        "ended": moment(int(job.ended * MICROS)), "summary": job.summary, "why": job.why,
    }  # fmt: skip


@router.post("/train-model", openapi_extra=needs("operator", 409), status_code=202,
             responses=example(_EXAMPLE, "It goes on.", 202))  # fmt: skip
async def train(request: Request, wanted: Wanted) -> Response:
    """Train a model in the background; 409 while another training goes on."""
    ordered(wanted.start, wanted.end)
    portal = portal_of(request)
    now = portal.recorder.now
    valid_from = now + _AHEAD if wanted.valid_from is None else wanted.valid_from
    if valid_from <= now:
        raise HTTPException(422, "`validFrom` has to lie ahead: what was scored stays as it is")
    trainer = portal.trainer
    chosen = wanted.learn_from or next(iter(trainer.sources), "")
    if not chosen:
        raise HTTPException(422, "there are no readings to learn from")
    job = Job(secrets.token_hex(8), chosen, request.state.principal.name, valid_from, time.time())
    try:
        trainer.train(job, wanted.source, wanted.metric, wanted.start or 0, wanted.end or 0)
    except Busy as error:
        raise HTTPException(
            409, "another training goes on", headers={"Retry-After": "10"}
        ) from error
    except ConfigurationError as error:
        raise HTTPException(422, str(error)) from error
    return answer(_row(job), 202)


@router.get("/api/trainings", openapi_extra=needs("viewer"),
            responses=example({"items": [_EXAMPLE], "sources": ["sensor_log"]}))  # fmt: skip
async def trainings(request: Request, cursor: str | None = None, limit: Most = 100) -> Response:
    """Trainings since the start of the portal, the latest first, and what can be learnt from."""
    trainer = portal_of(request).trainer
    jobs = {f"{round(one.asked * MICROS):020} {one.id}": one for one in list(trainer.jobs.values())}
    chosen, following = by_name(sorted(jobs), cursor, limit, falling=True)
    rows = [_row(jobs[one]) for one in chosen]
    return answer({"items": rows, "sources": trainer.sources, "next": following})


@router.get("/api/trainings/{job}", openapi_extra=needs("viewer"), responses=example(_EXAMPLE))
async def training(request: Request, job: str) -> Response:
    """How far a training is, and its result."""
    found = portal_of(request).trainer.jobs.get(job)
    if found is None:
        raise HTTPException(404, "there is no such training")
    return answer(_row(found))


@router.get(
    "/api/models",
    openapi_extra=needs("viewer"),
    responses=example({"items": [{"name": "model-….json", "valid_from": "2026-11-28T09:00:00Z"}]}),
)
async def models(request: Request, cursor: str | None = None, limit: Most = 100) -> Response:
    """Models of the folder, the latest to count first; a file that is no model is left out."""
    trainer = portal_of(request).trainer
    names = await run_in_threadpool(trainer.files)
    chosen, following = by_name(names, cursor, limit, falling=True)
    rows = await run_in_threadpool(trainer.models, chosen)
    return answer({
        "items": [row | {"valid_from": moment(row["valid_from"])} for row in rows],
        "next": following,
    })  # fmt: skip
