"""Traces of alerts and of their deliveries; see `ops.tracing`.

Each alert is a trace. Its first span lasts from the event time of its opening to its arrival here
and is linked to the traced samples of its evidence. Each attempt to deliver is a span below it,
linked to the other alerts of the same message; requests carry its `traceparent`.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from padit.alerting.effects import Handed
from padit.domain.timestamps import MICROS, parse_timestamp
from padit.domain.traces import TraceIds, alert_trace, is_sampled, sample_trace
from padit.ops.tracing import Traces

__all__ = ["AlertTraces"]


class _Latest(msgspec.Struct):
    time_us: list[int] = []


class _Evidence(msgspec.Struct):
    latest: _Latest = msgspec.field(default_factory=_Latest)


class _Alert(msgspec.Struct):
    id: str
    source_id: str
    metric_name: str
    severity: str = ""
    evidence: _Evidence = msgspec.field(default_factory=_Evidence)


class _Event(msgspec.Struct):
    type: str
    time: str
    data: _Alert


_decoder = msgspec.json.Decoder(_Event)


class AlertTraces:
    """Spans of alerts; of none where `traces` is None."""

    def __init__(self, traces: Traces | None) -> None:
        self._traces = traces

    def arrived(self, alerts: Iterable[bytes]) -> None:
        """Transitions have come, as CloudEvents."""
        if self._traces is None:
            return
        for data in alerts:
            try:
                event = _decoder.decode(data)
                time = parse_timestamp(event.time) / MICROS
            except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
                continue  # the log refuses it, with the reason
            self._transition(self._traces, event, time)

    def _transition(self, traces: Traces, event: _Event, time: float) -> None:
        alert, kind = event.data, event.type.rpartition(".")[2]
        ids = alert_trace(alert.id)
        about = {"alert": alert.id, "source_id": alert.source_id,
                 "metric_name": alert.metric_name, "severity": alert.severity}  # fmt: skip
        if kind != "opened":
            traces.begin(f"alert {kind}", parent=ids, start=time, about=about).end()
            return
        samples = (
            sample_trace(alert.source_id, alert.metric_name, at)
            for at in alert.evidence.latest.time_us
        )
        links = [one for one in samples if is_sampled(one[0], traces.share)]
        traces.begin("alert opened", ids, links=links, start=time, about=about).end()

    @contextmanager
    def delivering(self, message: Handed, receiver: str, attempt: int) -> Iterator[dict[str, Any]]:
        """An attempt to deliver; what is put into the mapping becomes attributes of its span."""
        found: dict[str, Any] = {}
        if self._traces is None:
            yield found
            return
        alerts = _alerts(message)
        span = self._traces.begin(
            f"deliver {message.kind}",
            parent=alerts[0] if alerts else None,
            links=alerts[1:],
            about={
                "receiver": receiver,
                "route": message.route,
                "message": message.id,
                "attempt": attempt,
            },
        )
        with self._traces.current(span):
            yield found
            for name, value in found.items():
                span.set_attribute(f"padit.{name}", value)

    def close(self) -> None:
        """Send what is left."""
        if self._traces is not None:
            self._traces.close()


def _alerts(message: Handed) -> list[TraceIds]:
    views = message.others if message.view is None else (message.view,)
    return [alert_trace(member.alert) for view in views for member in view.members]
