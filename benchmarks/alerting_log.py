"""Alerts and commands for `benchmarks.alerting`: the same ones in every run."""

from collections.abc import Iterator

import msgspec
import yaml

from padit.alerting.compiled import Policy
from padit.alerting.engine import Engine
from padit.alerting.entries import AlertEvent
from padit.alerting.policy import AlertingConfig
from padit.alerting.state import State
from padit.domain.timestamps import MICROS, format_utc

__all__ = ["alert_lines", "alerts", "commands", "config_of", "open_episodes"]

_START = 1_772_352_000 * MICROS
_SOURCES = 500
_METRICS = ("torque_nm", "latency_ms", "cpu_percent", "errors")
_CONFIG = """
receivers: {r: {kind: webhook, url: "http://127.0.0.1:9/"}}
routes:
  - {name: critical, receiver: r, match: {severity: CRITICAL}, go_on: true}
  - {name: presses, receiver: r, match: {source: "press-1*"}, min_duration: 1m, go_on: true}
  - {name: all, receiver: r}
silences:
  - id: night
    match: {source: "press-?7"}
    start: "2026-03-01T10:00:00Z"
    end: "2026-03-02T10:00:00Z"
inhibit:
  - {name: torque, cause: {metric: torque_nm}, effect: {metric: latency_ms}, same: [source]}
"""


def config_of(min_score: float = 0.0) -> AlertingConfig:
    """Three routes, a silence and an inhibition."""
    return AlertingConfig.model_validate(yaml.safe_load(_CONFIG) | {"min_score": min_score})


def alerts(count: int) -> list[AlertEvent]:
    """So many transitions in order of time: each alert opens, and ends twenty steps later."""
    return [event for event, _ in _transitions(count)]


def _transitions(count: int) -> Iterator[tuple[AlertEvent, int]]:
    step = 3 * MICROS
    for number in range(count):
        ends = number % 2 and number >= 40
        opening = number - 39 if ends else number
        which = opening // 2
        time, opened = _START + number * step, _START + opening * step
        metric = _METRICS[which // _SOURCES % len(_METRICS)]
        score = 0.7 + (which * 7 % 30) / 100
        yield AlertEvent(
            id=f"e{number}", kind="resolved" if ends else "opened", time=time,
            alert=f"a{opening}", source_id=f"press-{which * 37 % _SOURCES}", metric_name=metric,
            severity="CRITICAL" if which % 5 == 0 else "WARNING", score=score,
            summary=f"{metric} is far from its usual", opened=opened, labels={"site": "hall-2"},
            shift=float(which % 37),
        ), number  # fmt: skip


def alert_lines(count: int) -> list[bytes]:
    """The same as the job writes them."""
    return [_cloud_event(one) for one in alerts(count)]


def _cloud_event(one: AlertEvent) -> bytes:
    stamp = format_utc(one.time)
    content = {
        "specversion": "1.0", "id": one.id, "source": f"/padit/{one.source_id}",
        "type": f"io.padit.alert.{one.kind}", "subject": one.metric_name, "time": stamp,
        "data": {
            "id": one.alert, "source_id": one.source_id, "metric_name": one.metric_name,
            "severity": one.severity, "score": one.score, "summary": one.summary, "evidence": {},
            "detector": {"name": "novelty", "version": 4}, "event_time": stamp,
            "opened": format_utc(one.opened), "labels": dict(one.labels), "shift": one.shift,
        },
    }  # fmt: skip
    return msgspec.json.encode(content)


def commands(count: int) -> list[bytes]:
    """Acknowledgements, silences and feedback, one a minute."""
    found = []
    for number in range(count):
        kind = ("acknowledge", "silence", "feedback")[number % 3]
        time = _START + number * 60 * MICROS
        one = {
            "id": f"c{number}", "time": format_utc(time), "by": "ann", "kind": kind,
            "target": {"source": f"press-{number % _SOURCES}"},
        }  # fmt: skip
        if kind == "silence":
            one["until"] = format_utc(time + 3600 * MICROS)
        if kind == "feedback":
            one["note"] = "real"
        found.append(msgspec.json.encode(one))
    return found


def open_episodes(count: int) -> State:
    """A state in which so many alerts are open, each an incident of its own."""
    engine, state = Engine(Policy(config_of())), State()
    for number in range(count):
        engine.apply(
            state,
            AlertEvent(
                id=f"e{number}", kind="opened", time=_START + number * MICROS, alert=f"a{number}",
                source_id=f"cell-{number}", metric_name="torque_nm", severity="WARNING", score=0.8,
                summary="torque_nm is far from its usual", opened=_START + number * MICROS,
                labels={"site": f"hall-{number % 50}", "line": f"{number % 7}"}, shift=9.0,
            ),
        )  # fmt: skip
    return state
