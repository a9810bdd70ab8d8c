"""An alert as it was written, typed, so that errors name the missing or damaged field."""

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import msgspec
from msgspec import UNSET

from padit.analysis.alert_files import Event
from padit.domain.alert import Alert
from padit.domain.attributes import UNSTATED, Attributes, BadEnd
from padit.domain.config import AlertSettings, Levels, SeriesSetting
from padit.domain.errors import SourceError
from padit.domain.features import FEATURES
from padit.domain.metric import Series
from padit.domain.series_rules import SeriesRules
from padit.domain.timestamps import MICROS, parse_timestamp

__all__ = ["DecidingDetector", "Evidence", "DetectorScore", "ParsedAlert", "find", "parse_alert"]

_SHORTEST = 4


class Window(msgspec.Struct, frozen=True):
    """Window of the evidence; times in RFC 3339."""

    start: str
    end: str
    interval_sec: float
    max_samples: int


class Latest(msgspec.Struct, frozen=True):
    """The newest rows of the window, oldest first."""

    time_us: list[int]
    value: list[float]


class DetectorScore(msgspec.Struct, frozen=True):
    """Score of one detector; without parameters if those stand in the alert's `detector`.

    `plugin` is the digest of the source of a plug-in, None of a built-in detector.
    """

    name: str
    version: int
    score: float | None
    parameters: dict[str, Any] | None = None
    plugin: str | None = None


class DecidingDetector(msgspec.Struct, frozen=True):
    """The detector that decided."""

    name: str
    version: int
    parameters: dict[str, Any]


class Thresholds(msgspec.Struct, frozen=True):
    """Lines that a score may cross, and durations.

    `opened_at` and `critical_at` are those of the series at the time, under a budget of alerts;
    without a budget they are `open_at` and `critical_from`. Older alerts have neither `close_at`,
    which was `open_at` then, nor `accept_after_sec`, since nothing was accepted.
    """

    open_at: float
    resolve_after_sec: float
    anomaly_above: float
    warning_from: float
    critical_from: float
    close_at: float | None = None
    accept_after_sec: float | None = None
    budget: str | None = None
    critical_budget: str | None = None
    opened_at: float | None = None
    critical_at: float | None = None

    @property
    def opens(self) -> float:
        """Score from which on the series opened an alert."""
        return self.open_at if self.opened_at is None else self.opened_at

    @property
    def critical(self) -> float:
        """Score from which on the alert was critical."""
        return self.critical_from if self.critical_at is None else self.critical_at

    @property
    def alerts(self) -> AlertSettings:
        """The settings of the job, as a configuration has them."""
        after = self.accept_after_sec
        given = {} if self.critical_budget is None else {"critical_budget": self.critical_budget}
        return AlertSettings(
            open_at=self.open_at,
            close_at=self.open_at if self.close_at is None else self.close_at,
            resolve_after_sec=self.resolve_after_sec,
            accept_after=None if after is None else f"{after:.6f}s",
            budget=self.budget,
            **given,
        )

    @property
    def levels(self) -> Levels:
        """Where alerts opened and closed."""
        return Levels.of(self.alerts)


class Stated(msgspec.Struct, frozen=True):
    """What the configuration stated about the series; see `domain.config.SeriesSetting`."""

    unit: str | None = None
    metric_type: str | None = None
    bounds: tuple[float | None, float | None] | None = None
    bad: BadEnd | None = None
    labels: dict[str, str] = {}


class Evidence(msgspec.Struct, frozen=True):
    """Evidence of the window that opened or raised the alert."""

    unit: str
    window: Window
    samples: int
    digest: str
    latest: Latest
    features: dict[str, float]
    detectors: list[DetectorScore]
    thresholds: Thresholds
    text: str = ""
    stated: Stated = Stated()


class _CloudEvent(msgspec.Struct):
    id: str
    type: str
    time: str
    data: Alert


@dataclass(frozen=True)
class ParsedAlert:
    """One transition.

    Attributes:
        id: of the transition.
        kind: opened, updated or resolved.
        time: event time, microseconds.
        alert: as of this transition.
        evidence: of the window that opened or raised the alert.
        line: the bytes of the record.
    """

    id: str
    kind: str
    time: int
    alert: Alert
    evidence: Evidence
    line: bytes

    @property
    def series(self) -> Series:
        """The series of the alert."""
        return Series(self.alert.source_id, self.alert.metric_name, self.evidence.unit)

    @property
    def settings(self) -> tuple[SeriesSetting, ...]:
        """What the configuration stated about the series, as an entry for it alone."""
        stated = msgspec.to_builtins(self.evidence.stated)
        if stated == msgspec.to_builtins(Stated()):
            return ()
        source, metric = (glob.escape(name) for name in self.series.key)
        return (SeriesSetting(source=source, metric=metric, **stated),)

    @property
    def attributes(self) -> Attributes:
        """Family, labels and bounds as of this transition."""
        alert = self.alert
        labels = {} if alert.labels is UNSET else alert.labels
        kind = UNSTATED.metric_type if alert.metric_type is UNSET else alert.metric_type
        found = Attributes(kind, tuple(sorted(labels.items())))
        return SeriesRules(self.settings).over(self.series, found)

    @property
    def window(self) -> tuple[int, int]:
        """Start and end of the window in microseconds."""
        window = self.evidence.window
        return parse_timestamp(window.start), parse_timestamp(window.end)

    @property
    def interval(self) -> int:
        """Time between two windows in microseconds."""
        return round(self.evidence.window.interval_sec * MICROS)

    @property
    def detectors(self) -> list[DecidingDetector]:
        """All detectors that look at the series, with their parameters."""
        decided: dict[str, Any] = self.alert.detector["parameters"]
        return [
            DecidingDetector(
                one.name, one.version, decided if one.parameters is None else one.parameters
            )
            for one in self.evidence.detectors
        ]


def parse_alert(event: Event) -> ParsedAlert:
    """Check and type one transition.

    Raises:
        SourceError: something in it is missing or damaged.
    """
    try:
        found = msgspec.json.decode(event.line, type=_CloudEvent)
        evidence = msgspec.convert(found.data.evidence, Evidence)
        msgspec.convert(found.data.detector, DecidingDetector)
        parsed = ParsedAlert(
            found.id,
            found.type.rpartition(".")[2],
            parse_timestamp(found.time),
            found.data,
            evidence,
            event.line,
        )
        start, end = parsed.window
    except (msgspec.ValidationError, ValueError) as error:
        message = (
            f"the evidence of {event.key} at {event.content['time']} is incomplete or damaged "
            f"({error}): it cannot be recomputed. If the alert is older than "
            "evidence with parameters and thresholds, `padit replay` makes it again"
        )
        raise SourceError(message) from error
    missing = set(FEATURES) - evidence.features.keys()
    if (
        missing
        or not start < end
        or parsed.interval <= 0
        or len(evidence.latest.time_us) != len(evidence.latest.value)
    ):
        message = f"the evidence of {event.key} at {event.content['time']} contradicts itself: "
        message += f"{', '.join(sorted(missing))} missing" if missing else "window or rows"
        raise SourceError(message)
    return parsed


def find(events: Sequence[Event], wanted: str, place: str) -> list[Event]:
    """All transitions of one alert, in order.

    Args:
        events: of a file or a topic.
        wanted: id of the alert or of one of its transitions, or the beginning of one.
        place: file or topic, for the message.

    Raises:
        SourceError: no alert or several alerts match the id.
    """
    alert_of = {event.id: str(event.content["data"].get("id", "")) for event in events}
    ids = list(dict.fromkeys(alert_of.values()))
    if wanted in ids:
        return [event for event in events if alert_of[event.id] == wanted]
    if wanted in alert_of:
        return find(events, alert_of[wanted], place)
    begins = sorted(
        {alert for alert in ids if alert.startswith(wanted)}
        | {alert for transition, alert in alert_of.items() if transition.startswith(wanted)}
    )
    if len(begins) == 1 and len(wanted) >= _SHORTEST:
        return find(events, begins[0], place)
    if begins and len(wanted) >= _SHORTEST:
        message = f"{wanted!r} begins the ids of {len(begins)} alerts: {', '.join(begins[:5])}"
        raise SourceError(message)
    raise SourceError(_unknown(events, wanted, place, ids, alert_of))


def _unknown(
    events: Sequence[Event], wanted: str, place: str, ids: list[str], alert_of: dict[str, str]
) -> str:
    if not ids:
        return f"there is no alert {wanted!r} in {place}: it holds no alerts"
    near = get_close_matches(wanted, ids, 3, 0.3) or ids[:3]
    lines = []
    for one in near:
        event = next(event for event in events if alert_of[event.id] == one)
        lines.append(f"\n  {one}  {event.content['time'][:19]}Z {event.content['data']['summary']}")
    count = f"{len(ids)} {'alert' if len(ids) == 1 else 'alerts'}"
    return f"there is no alert {wanted!r} in {place}, which holds {count}; closest:{''.join(lines)}"
