"""Scores and alerts, as they leave the job."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from padit.domain.attributes import UNSTATED
from padit.domain.message import Kind, Message, digest_of, key_of
from padit.domain.metric import Series
from padit.domain.timestamps import format_utc
from padit.domain.traces import alert_trace, traceparent

__all__ = [
    "CRITICAL_FROM",
    "WARNING_FROM",
    "Alert",
    "DetectionScore",
    "ResolveReason",
    "Severity",
    "Transition",
    "alert_id",
    "severity_of",
    "severity_rank",
]

WARNING_FROM = 0.7
CRITICAL_FROM = 0.9
Severity = Literal["INFO", "WARNING", "CRITICAL"]
TransitionKind = Literal["opened", "updated", "resolved"]
ResolveReason = Literal[
    "level", "accepted", "no_data_ended", "no_level", "series_limit", "run_lost"
]
"""Why an alert resolved. Level: it is over. Accepted: what goes on is the new normal. No level: no
window says that it is over, since the series sends no samples. Run lost: a later run, which began
without the state, did not find it again; the job itself never writes it."""
_SEVERITIES: tuple[Severity, ...] = ("INFO", "WARNING", "CRITICAL")


def severity_of(score: float, critical_from: float = CRITICAL_FROM) -> Severity:
    """Severity of a score in [0, 1]; a budget of alerts may raise where CRITICAL begins.

    >>> severity_of(0.9), severity_of(0.7), severity_of(0.69)
    ('CRITICAL', 'WARNING', 'INFO')
    """
    if score >= critical_from:
        return "CRITICAL"
    return "WARNING" if score >= WARNING_FROM else "INFO"


def severity_rank(severity: Severity) -> int:
    """0 for INFO up to 2 for CRITICAL."""
    return _SEVERITIES.index(severity)


class DetectionScore(msgspec.Struct, omit_defaults=True):
    """Scores of all detectors for one series in one window.

    Attributes:
        source_id: as in `Metric`.
        metric_name: as in `Metric`.
        event_time: end of the window, RFC 3339.
        scores: score in [0, 1] by detector; a detector that is warming up is absent.
        composite: the combined score in [0, 1].
        is_anomaly: whether the composite score exceeds the anomaly threshold.
        confidence: of `is_anomaly`, in [0, 1].
        detector: name and version of the detector with the highest score.
        evidence: the reasons of that detector, as plain JSON values.
        metric_type, labels: of the series at the latest sample of the window.
    """

    source_id: str
    metric_name: str
    event_time: str
    scores: dict[str, float]
    composite: float
    is_anomaly: bool
    confidence: float
    detector: dict[str, Any]
    evidence: dict[str, Any]
    metric_type: str = UNSTATED.metric_type
    labels: dict[str, str] = {}


class Alert(msgspec.Struct):
    """What the job says of an episode of anomalous windows of one series, as of its latest step.

    Nothing in it depends on arrival or on people, so that every run over the same data writes the
    same bytes: no offsets, no clock. What people do to an alert is known behind the log of
    alerting, and stands in what that hands out (docs/alerts.md).

    Attributes:
        id: hash of series, detector and opening event time; the same in every run.
        severity: by the highest score so far.
        score: the highest score so far, in [0, 1].
        summary: one sentence for a person.
        event_time: end of the window of this transition, RFC 3339.
        opened: end of the window that opened the alert, RFC 3339.
        evidence: window, features, detectors and their reasons at this transition.
        metadata: `incident`, which the alerts of one source that open together share; of a resolved
            alert also `reason`, a `ResolveReason`.
        metric_type: family of the metric; left out where none is stated.
        baseline: `median`, `iqr` (unit of the metric) and `n` (samples) of what the window was
            compared with; left out where no detector has one.
        shift: distance of the window from the baseline in IQRs of it; likewise.
        labels: where the series belongs, as of the window of the evidence; left out without any.
            They are no part of the alert's identity.
    """

    id: str
    source_id: str
    metric_name: str
    severity: Severity
    score: float
    summary: str
    evidence: dict[str, Any]
    detector: dict[str, Any]
    event_time: str
    opened: str
    tags: list[str] = []
    metadata: dict[str, Any] = {}
    resolved: bool = False
    resolved_by: str | None = None
    resolved_at: str | None = None
    metric_type: str | UnsetType = UNSET
    labels: dict[str, str] | UnsetType = UNSET
    baseline: dict[str, float] | UnsetType = UNSET
    shift: float | UnsetType = UNSET


class Transition(msgspec.Struct):
    """One step in the life of an alert; sinks deliver transitions.

    Attributes:
        kind: opened, updated or resolved.
        time: event time of the step, microseconds.
        alert: the alert as of this step.
    """

    kind: TransitionKind
    time: int
    alert: Alert

    @property
    def id(self) -> str:
        """Identity of the step; a sink that has seen it drops it."""
        return digest_of(self.alert.id, self.kind, str(self.time))

    def to_cloud_event(self) -> bytes:
        """Encode as a CloudEvents 1.0 JSON event (structured mode)."""
        event = {
            "specversion": "1.0",
            "id": self.id,
            "source": f"/padit/{self.alert.source_id}",
            "type": f"io.padit.alert.{self.kind}",
            "subject": self.alert.metric_name,
            "time": format_utc(self.time),
            "datacontenttype": "application/json",
            "data": _contract(self.alert),
        }
        return msgspec.json.encode(event)

    def to_message(self) -> Message:
        """The CloudEvent on its way to a sink, under the id that stands in it."""
        key = key_of(self.alert.source_id, self.alert.metric_name)
        trace = (("traceparent", traceparent(alert_trace(self.alert.id))),)
        return Message(Kind.ALERT, self.id, key, self.time, self.to_cloud_event(), trace)


_PEOPLE = {"acknowledged": False, "acknowledged_by": None, "acknowledged_at": None}
"""Fields that readers of alerts expect; the job knows no people, so they are always the same."""
_BEFORE_PEOPLE = Alert.__struct_fields__[: Alert.__struct_fields__.index("resolved")]
_BEHIND_PEOPLE = Alert.__struct_fields__[len(_BEFORE_PEOPLE) :]


def _contract(alert: Alert) -> dict[str, Any]:
    """An alert with all fields of the contract, in its order; what is not stated is left out."""
    before = {name: getattr(alert, name) for name in _BEFORE_PEOPLE}
    behind = {name: getattr(alert, name) for name in _BEHIND_PEOPLE}
    stated = {name: value for name, value in behind.items() if value is not UNSET}
    return before | _PEOPLE | stated


def alert_id(series: Series, detector: str, opened: int) -> str:
    """Deterministic identity of an alert; `opened` in microseconds."""
    return digest_of(*series, detector, str(opened))
