"""An alert as of its latest transition, with the transitions that led there."""

import msgspec

from padit.alerting.entries import AlertEvent, fingerprint_of
from padit.alerting.matching import RANK
from padit.domain.alert import Severity

__all__ = ["AlertState", "Step", "row_of"]

_MOST_STEPS = 200


class Step(msgspec.Struct, frozen=True, array_like=True):
    """One transition of an alert: its entry in the log, id, kind, event time and severity."""

    n: int
    id: str
    kind: str
    time: int
    severity: Severity
    score: float


class AlertState(msgspec.Struct):
    """An alert as of its latest transition; times in microseconds, `closed` 0: open.

    Attributes:
        id, source_id, metric_name, severity, score, summary, detector, labels, shift: of it.
        fingerprint: of its series.
        opened, closed: event times.
        incident: that it belongs to.
        steps: its transitions; of more than 200 the first hundred and the latest ones.
        left_out: transitions between these.
        reason: why it ended.
    """

    id: str
    fingerprint: str
    source_id: str
    metric_name: str
    severity: Severity
    score: float
    summary: str
    detector: str
    labels: dict[str, str]
    shift: float
    opened: int
    incident: str
    closed: int = 0
    reason: str = ""
    steps: list[Step] = []
    left_out: int = 0

    def follow(self, n: int, event: AlertEvent) -> None:
        """Bring it up to date with a transition, the entry `n` of the log."""
        if event.kind == "resolved":
            self.closed, self.reason = event.time, event.reason or "level"
        elif RANK[event.severity] >= RANK[self.severity]:
            self.severity, self.score, self.summary = event.severity, event.score, event.summary
        if len(self.steps) == _MOST_STEPS:
            del self.steps[_MOST_STEPS // 2]
            self.left_out += 1
        step = Step(n, event.id, event.kind, event.time, event.severity, event.score)
        self.steps.append(step)


def row_of(event: AlertEvent, incident: str) -> AlertState:
    """The row of an alert of which this is the first transition."""
    return AlertState(
        event.alert, fingerprint_of(event.source_id, event.metric_name), event.source_id,
        event.metric_name, event.severity, event.score, event.summary, event.detector,
        event.labels, event.shift, event.opened, incident,
    )  # fmt: skip
