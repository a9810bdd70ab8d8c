"""One sample of one metric of one source, and the identity of its series."""

from typing import Any, Literal, NamedTuple, get_args

import msgspec

__all__ = ["METRIC_TYPES", "Metric", "MetricType", "Series"]

MetricType = Literal[
    "latency", "throughput", "error_rate", "availability", "counter", "gauge", "custom"
]
METRIC_TYPES: tuple[str, ...] = get_args(MetricType)


class Series(NamedTuple):
    """Identity of a series: a metric of a source, in one unit.

    Values in different units cannot be compared, so a metric whose unit changes becomes
    another series. Tuples compare field by field, so sorted series stand in the canonical order
    that every result follows.
    """

    source_id: str
    metric_name: str
    unit: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """(source_id, metric_name): the series as people name it."""
        return (self.source_id, self.metric_name)


class Metric(msgspec.Struct, frozen=True, omit_defaults=True):
    """One sample, as adapters emit it and as it is written to the topic.

    Attributes:
        timestamp: a number since 1970 (seconds, milli-, micro- or nanoseconds) or RFC 3339, in UTC.
        source_id: the probe, machine, service or host it comes from.
        metric_name: the measured quantity, in snake case with its unit, like `udp_echo_rtt_ms`.
        value: a finite number in `unit`.
        unit: for people; "ms", "Nm", "1".
        metric_type: the family of the metric.
        protocol: how it was measured.
        metadata: anything else; kept on the topic. Keys that a configuration names become labels.
    """

    timestamp: float | str
    source_id: str
    metric_name: str
    value: float
    unit: str = ""
    metric_type: MetricType = "custom"
    protocol: str = ""
    metadata: dict[str, Any] = {}
