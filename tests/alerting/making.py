"""Makes configurations, alerts and logs for the tests of alerting."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import yaml

from padit.alerting.compiled import Policy
from padit.alerting.effects import Effect, Handed, Outcome
from padit.alerting.engine import Engine
from padit.alerting.entries import AlertEvent, Command, Entry, Target, Tick
from padit.alerting.policy import AlertingConfig
from padit.alerting.state import State
from padit.domain.timestamps import MICROS, format_utc

START = 1_772_352_000 * MICROS  # 2026-03-01 08:00, a Sunday
MINUTE = 60 * MICROS
SIMPLE = """
receivers: {ops: {kind: webhook, url: "http://127.0.0.1:1/"}}
routes: [{name: all, receiver: ops}]
"""


def config_of(text: str = SIMPLE) -> AlertingConfig:
    """A configuration from YAML."""
    return AlertingConfig.model_validate(yaml.safe_load(text))


def policy_of(text: str = SIMPLE) -> Policy:
    """A policy from YAML."""
    return Policy(config_of(text))


def at(minutes: float) -> int:
    """Event time so many minutes after the start."""
    return START + round(minutes * MINUTE)


def event(
    kind: str,
    minutes: float,
    name: str = "a",
    *,
    source: str = "press-1",
    metric: str = "torque_nm",
    **others: Any,
) -> AlertEvent:
    """A transition of the alert `name`."""
    time = at(minutes)
    values: dict[str, Any] = {
        "severity": "WARNING", "score": 0.8, "summary": f"{metric} of {source}", "opened": time,
    } | others  # fmt: skip
    return AlertEvent(
        id=f"{name}-{kind}-{time}",
        kind=kind,  # type: ignore[arg-type]
        time=time,
        alert=name,
        source_id=source,
        metric_name=metric,
        **values,
    )


def command(kind: str, minutes: float, **others: Any) -> Command:
    """A command about press-1, if nothing else is said."""
    values: dict[str, Any] = {"by": "ann", "target": Target(source="press-1")} | others
    return Command(
        id=values.pop("id", f"{kind}-{minutes}"),
        time=at(minutes),
        kind=kind,  # type: ignore[arg-type]
        **values,
    )


def tick(minutes: float) -> Tick:
    """Time passes."""
    return Tick(at(minutes))


def run(entries: Iterable[Entry], policy: Policy | None = None) -> tuple[State, list[Effect]]:
    """State and effects of a log."""
    engine, state, effects = Engine(policy or policy_of()), State(), []
    for entry in entries:
        effects += engine.apply(state, entry)
    return state, effects


def sent(effects: Sequence[Effect]) -> list[tuple[str, str, float]]:
    """Route, kind and minute of each message."""
    return [
        (one.route, one.kind, (one.time - START) / MINUTE)
        for one in effects
        if isinstance(one, Handed)
    ]


def reasons(effects: Sequence[Effect], route: str = "all") -> dict[str, str]:
    """Reason by transition on a route."""
    return {
        one.transition: one.reason.value
        for one in effects
        if isinstance(one, Outcome) and one.route == route
    }


def cloud_event(one: AlertEvent) -> bytes:
    """The bytes that the job would have written for a transition."""
    stamp, opened = format_utc(one.time), format_utc(one.opened)
    content = {
        "specversion": "1.0",
        "id": one.id,
        "source": f"/padit/{one.source_id}",
        "type": f"io.padit.alert.{one.kind}",
        "subject": one.metric_name,
        "time": stamp,
        "data": {
            "id": one.alert,
            "source_id": one.source_id,
            "metric_name": one.metric_name,
            "severity": one.severity,
            "score": one.score,
            "summary": one.summary,
            "evidence": {},
            "detector": {"name": one.detector or "novelty", "version": 4},
            "event_time": stamp,
            "opened": opened,
            "labels": one.labels,
        },
    }
    return msgspec.json.encode(content)
