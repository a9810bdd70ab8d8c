"""What the evidence of alerts holds: its windows, and the values of a series without readings."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from padit.alerting.alert_rows import AlertState
from padit.alerting.reading import LogReader
from padit.domain.timestamps import parse_timestamp

__all__ = ["EvidenceWindows", "from_evidence"]

_MOST_KNOWN = 20_000
_MOST_READ = 400
_MOST_STEPS = 10_000
_MOST_SAMPLED = 2_000
_DAY = 86_400_000_000  # longer than a window, whose samples lie before their transition


class _Window(msgspec.Struct):
    start: str
    end: str


class _Evidence(msgspec.Struct):
    window: _Window | None = None


class _Data(msgspec.Struct):
    id: str
    evidence: _Evidence | None = None


class _Event(msgspec.Struct):
    data: _Data


_Known = tuple[int, list[list[int]]]
"""The entry of the log up to which an alert has been read, and its windows."""
_decode = msgspec.json.Decoder(_Event).decode


class EvidenceWindows:
    """The windows that alerts were judged by, each read once; for several threads.

    Args:
        opened: opens a reader of the log, to be closed.
    """

    def __init__(self, opened: Callable[[], LogReader]) -> None:
        self._opened = opened
        self._known: dict[str, _Known] = {}

    def of(self, alerts: Sequence[AlertState]) -> dict[str, list[list[int]]]:
        """Spans [begin, end] by the id of the alert, in order.

        They are read out of 10,000 transitions at most: of older alerts beyond these, there is no
        entry here.

        Raises:
            SinkError: the store is away.
        """
        chosen = _latest(alerts, _MOST_STEPS)
        asked = {
            one.id: [step.n for step in one.steps if step.kind != "resolved"] for one in chosen
        }
        known = self._known  # another thread may begin a new one meanwhile
        latest = {one.id: one.steps[-1].n for one in chosen if one.steps}
        missing = {
            name: steps for name, steps in asked.items() if _read_to(known.get(name)) < latest[name]
        }
        fresh = self._read(missing, latest) if missing else {}
        return {name: (fresh.get(name) or known[name])[1] for name in asked}

    def _read(self, asked: dict[str, list[int]], latest: dict[str, int]) -> dict[str, _Known]:
        """The windows of some alerts, which are known from then on."""
        numbers = sorted(n for steps in asked.values() for n in steps)
        found: dict[str, list[list[int]]] = {name: [] for name in asked}
        reader = self._opened()
        try:
            for at in range(0, len(numbers), _MOST_READ):
                for payload in reader.payloads(numbers[at : at + _MOST_READ]):
                    data = _span(payload)
                    if data is not None and data[1] not in found[data[0]]:
                        found[data[0]].append(data[1])
        finally:
            reader.close()
        fresh = {name: (latest[name], sorted(spans)) for name, spans in found.items()}
        kept = self._known if len(self._known) + len(fresh) <= _MOST_KNOWN else {}
        self._known = kept | fresh
        return fresh


def _read_to(known: _Known | None) -> int:
    return -1 if known is None else known[0]


def _latest(alerts: Sequence[AlertState], most: int) -> list[AlertState]:
    """The latest of these alerts that have so many transitions together, in their order."""
    found: list[AlertState] = []
    for one in reversed(alerts):
        most -= len(one.steps)
        if most < 0:
            break
        found.append(one)
    return found[::-1]


def _span(payload: bytes) -> tuple[str, list[int]] | None:
    """The alert of a transition, and the window of its evidence; None: it has none."""
    try:
        data = _decode(payload).data
        window = data.evidence.window if data.evidence else None
        if window is None:
            return None
        return data.id, [parse_timestamp(window.start), parse_timestamp(window.end)]
    except (msgspec.DecodeError, ValueError, OverflowError):
        return None  # written by another program


def from_evidence(
    opened: Callable[[], LogReader], alerts: Sequence[AlertState], start: int, end: int
) -> dict[str, Any]:
    """The latest samples of each alert's windows in [start, end], each once.

    Args:
        opened: opens a reader of the log, to be closed.
        alerts: of a series, the oldest first.
        start: of the span.
        end: of the span.

    Returns:
        The columns of the answer. 2,000 transitions are read at most, those of the latest alerts;
        `alerts_unread` is how many others there are.
    """
    near = [one for one in alerts if one.opened <= end + _DAY and _last(one) >= start]
    chosen_alerts = _latest(near, _MOST_SAMPLED)
    points: dict[int, float] = {}
    unit = ""
    reader = opened()
    try:
        for one in chosen_alerts:
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
        "from_evidence": True, "alerts_unread": len(near) - len(chosen_alerts),
    }  # fmt: skip


def _last(one: AlertState) -> int:
    """Event time of the latest transition, before which all of its evidence lies."""
    return one.steps[-1].time if one.steps else one.opened
