"""Values of a series out of the evidence of its alerts, where there are no readings."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from padit.alerting.overview import AlertState
from padit.alerting.reading import LogReader

__all__ = ["from_evidence"]

_MOST_ALERTS = 100


def from_evidence(
    opened: Callable[[], LogReader], alerts: Sequence[AlertState], start: int, end: int
) -> dict[str, Any]:
    """The latest samples of each alert's windows in [start, end], each once."""
    points: dict[int, float] = {}
    unit = ""
    reader = opened()
    try:
        for one in alerts[-_MOST_ALERTS:]:
            for payload in reader.payloads([step.n for step in one.steps]):
                evidence = msgspec.json.decode(payload)["data"].get("evidence") or {}
                unit = unit or str(evidence.get("unit", ""))
                latest = evidence.get("latest") or {}
                points.update(zip(latest.get("time_us", ()), latest.get("value", ()), strict=False))
    finally:
        reader.close()
    chosen = sorted((time, value) for time, value in points.items() if start <= time <= end)
    return {
        "unit": unit, "time_us": [time for time, _ in chosen],
        "value": [value for _, value in chosen], "count": len(chosen), "exact": True,
        "from_evidence": True,
    }  # fmt: skip
