"""Episodes: from anomalous windows to alerts that open, rise and resolve, each reported once.

An alert of a series opens with the first window whose score reaches `open_at`, is updated when
its severity rises, and resolves when `resolve_after` of event time has passed since the last
such window. All of that is decided by event time, so it is the same in every run.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from padit.domain.alert import (
    CRITICAL_FROM,
    WARNING_FROM,
    Alert,
    DetectionScore,
    Transition,
    alert_id,
    severity_of,
)
from padit.domain.attributes import UNSTATED
from padit.domain.config import AlertSettings
from padit.domain.errors import StateError
from padit.domain.metric import Series
from padit.domain.timestamps import MICROS, format_utc
from padit.transforms.detect import ANOMALY_ABOVE, Detection, DetectionResult
from padit.transforms.windows import WindowOptions

__all__ = ["Alerts", "Episode", "Episodes", "rows_digest"]

_VERSION = 1
_ROWS_IN_EVIDENCE = 64
_EVICTED = "series_limit: its state was dropped to make room for a new series"


class Episode(msgspec.Struct, array_like=True):
    """An open alert. `last` is the end of its latest alerting window, microseconds."""

    alert: Alert
    last: int


class _Saved(msgspec.Struct, array_like=True):
    version: int
    episodes: list[tuple[Series, Episode]]


Episodes = dict[Series, Episode]
"""Open alerts by series."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Saved)


class Alerts:
    """The life cycle of alerts as a pure machine; its state holds the open episodes only.

    Args:
        detection: describes a window when an alert needs it.
        open_at: score in [0, 1] from which on a window alerts.
        resolve_after: event time without an alerting window after which an alert resolves,
            microseconds.
        windows: their shape, for the evidence.
        close_at: level in [0, 1] down to which an alert stays open; None: as `open_at`.
    """

    def __init__(
        self,
        detection: Detection,
        open_at: float,
        resolve_after: int,
        windows: WindowOptions,
        close_at: float | None = None,
    ) -> None:
        self._detection = detection
        self._open_at = open_at
        self._close_at = open_at if close_at is None else close_at
        self._resolve_after = resolve_after
        self._windows = windows
        self._thresholds = {
            "open_at": open_at,
            "resolve_after_sec": resolve_after / MICROS,
            "anomaly_above": ANOMALY_ABOVE,
            "warning_from": WARNING_FROM,
            "critical_from": CRITICAL_FROM,
        }

    @property
    def resolve_after(self) -> int:
        """As given, microseconds."""
        return self._resolve_after

    @classmethod
    def of(cls, detection: Detection, settings: AlertSettings, windows: WindowOptions) -> "Alerts":
        """Alerts with the settings of a configuration."""
        resolve_after = windows.size
        if settings.resolve_after_sec is not None:
            resolve_after = round(settings.resolve_after_sec * MICROS)
        return cls(detection, settings.open_at, resolve_after, windows, settings.close_at)

    def initial(self) -> Episodes:
        """No open alerts."""
        return {}

    def step(
        self, episodes: Episodes, detected: DetectionResult
    ) -> tuple[Episodes, list[Transition]]:
        """Follow the scores of closed windows; transitions are sorted by (time, series)."""
        table = detected.table
        transitions: list[Transition] = []
        with np.errstate(invalid="ignore"):
            news = detected.composite >= self._open_at
            alerting = np.flatnonzero(news | (detected.level >= self._close_at))
        for row in alerting.tolist():
            key = table.series[table.code[row]]
            end = int(table.window_end[row])
            episode = episodes.get(key)
            if episode is not None and end > episode.last + self._resolve_after:
                transitions.append(self._resolve(episodes.pop(key)))
                episode = None
            if episode is None and not news[row]:
                continue
            if episode is None:
                episodes[key] = episode = self._open(detected, row)
                transitions.append(
                    Transition("opened", end, msgspec.structs.replace(episode.alert))
                )
            elif news[row]:
                transitions += self._update(episode, detected, row)
            episode.last = end + int(detected.hold[row])
        for key in sorted(episodes):
            if table.closed_until >= episodes[key].last + self._resolve_after:
                transitions.append(self._resolve(episodes.pop(key)))
        transitions.sort(key=_order)
        return episodes, transitions

    def evict(
        self, episodes: Episodes, gone: Iterable[Series], end: int
    ) -> tuple[Episodes, list[Transition]]:
        """Resolve the alerts of series whose state is dropped, with the reason.

        Args:
            episodes: the open ones.
            gone: series that made room for others.
            end: event time of the eviction, microseconds; an alert due earlier resolves then.
        """
        transitions = []
        for key in sorted(gone):
            episode = episodes.pop(key, None)
            if episode is None:
                continue
            if episode.last + self._resolve_after <= end:
                transitions.append(self._resolve(episode))
            else:
                alert = msgspec.structs.replace(episode.alert, metadata={"resolved": _EVICTED})
                transitions.append(self._resolve(Episode(alert, end - self._resolve_after)))
        transitions.sort(key=_order)
        return episodes, transitions

    def next_due(self, episodes: Episodes) -> int | None:
        """When the next alert resolves by itself, microseconds; None without open alerts."""
        if not episodes:
            return None
        return min(episode.last for episode in episodes.values()) + self._resolve_after

    def dump(self, episodes: Episodes) -> bytes:
        """Open episodes as versioned bytes."""
        saved = [(key, episodes[key]) for key in sorted(episodes)]
        return _encoder.encode(_Saved(_VERSION, saved))

    def load(self, data: bytes) -> Episodes:
        """Open episodes from bytes.

        Raises:
            StateError: damaged, or of another version.
        """
        try:
            saved = _decoder.decode(data)
        except msgspec.DecodeError as error:
            message = f"the saved alerts ({len(data)} bytes) are damaged: {error}"
            raise StateError(message) from error
        if saved.version != _VERSION:
            message = f"the saved alerts have version {saved.version}, this code reads {_VERSION}"
            raise StateError(message)
        return dict(saved.episodes)

    def _open(self, detected: DetectionResult, row: int) -> Episode:
        end = int(detected.table.window_end[row])
        score = self._detection.describe(detected, row)
        detector, evidence = self._evidence(detected, row, score.evidence)
        name = detector["name"]
        alert = Alert(
            id=alert_id(detected.table.series[detected.table.code[row]], name, end),
            source_id=score.source_id,
            metric_name=score.metric_name,
            severity=severity_of(score.composite),
            score=score.composite,
            summary=_summary(score.metric_name, score.source_id, score.evidence),
            evidence=evidence,
            detector=detector,
            event_time=score.event_time,
            opened=score.event_time,
        )
        _describe(alert, score)
        return Episode(alert, end)

    def _update(self, episode: Episode, detected: DetectionResult, row: int) -> list[Transition]:
        """A transition if the severity rose; none for a higher score within the same severity."""
        alert = episode.alert
        score = float(detected.composite[row])
        if score <= alert.score or severity_of(score) == alert.severity:
            alert.score = max(alert.score, score)
            return []
        described = self._detection.describe(detected, row)
        alert.score = score
        alert.severity = severity_of(score)
        alert.summary = _summary(alert.metric_name, alert.source_id, described.evidence)
        alert.detector, alert.evidence = self._evidence(detected, row, described.evidence)
        alert.event_time = described.event_time
        _describe(alert, described)
        end = int(detected.table.window_end[row])
        return [Transition("updated", end, msgspec.structs.replace(alert))]

    def _resolve(self, episode: Episode) -> Transition:
        time = episode.last + self._resolve_after
        stamp = format_utc(time)
        alert = msgspec.structs.replace(
            episode.alert, event_time=stamp, resolved=True, resolved_by="padit", resolved_at=stamp
        )
        return Transition("resolved", time, alert)

    def _evidence(
        self, detected: DetectionResult, row: int, seen: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The detector that decided, and all that is needed to decide again."""
        table = detected.table
        series = table.series[table.code[row]]
        end = int(table.window_end[row])
        time, value = table.window(row)
        detector, detectors = self._detection.account(detected, row)
        return (
            detector,
            {
                "unit": series.unit,
                **self._stated(series),
                "window": {
                    "start": format_utc(end - self._windows.size),
                    "end": format_utc(end),
                    "interval_sec": self._windows.interval / MICROS,
                    "max_samples": self._windows.max_samples,
                },
                "samples": len(time),
                "digest": rows_digest(time, value),
                "latest": {  # newest last; microseconds since 1970 compare exactly
                    "time_us": time[-_ROWS_IN_EVIDENCE:].tolist(),
                    "value": value[-_ROWS_IN_EVIDENCE:].tolist(),
                },
                **seen,
                "detectors": detectors,
                "thresholds": self._thresholds,
            },
        )

    def _stated(self, series: Series) -> dict[str, Any]:
        """What the configuration states about a series, so that the alert can be made again."""
        stated = self._detection.rules.stated(*series.key).plain()
        return {"stated": stated} if stated else {}


def _describe(alert: Alert, score: DetectionScore) -> None:
    """Give an alert the family and labels of a window; what is not stated is left out."""
    alert.metric_type = UNSET if score.metric_type == UNSTATED.metric_type else score.metric_type
    alert.labels = score.labels or UNSET


def rows_digest(time: NDArray[np.int64], value: NDArray[np.float64]) -> str:
    """SHA-256 of a window's rows, sorted by (time, value): all times, then all values.

    Args:
        time: int64 (n,), microseconds; little-endian in the digest.
        value: float64 (n,), likewise.
    """
    return hashlib.sha256(
        time.astype("<i8", copy=False).tobytes() + value.astype("<f8", copy=False).tobytes()
    ).hexdigest()


def _summary(metric_name: str, source_id: str, evidence: dict[str, Any]) -> str:
    return f"{metric_name} of {source_id}: {evidence['text']}"


def _order(transition: Transition) -> tuple[int, str, str, str, str]:
    alert = transition.alert
    return (transition.time, alert.source_id, alert.metric_name, alert.id, transition.kind)
