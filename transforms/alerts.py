"""Alerts: from anomalous windows to episodes that open, rise and resolve, each reported once.

An alert of a series opens with the first window whose score reaches `open_at`, is updated when its
severity rises, and stays open as long as windows have that score again or a level of at least
`close_at`. It resolves when `resolve_after` of event time has passed since the last such window, or
once it has stood `accept_after`: what goes on is the new normal then. All of that is decided by
event time, so it is the same in every run.
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
    ResolveReason,
    Transition,
    alert_id,
    severity_rank,
)
from padit.domain.attributes import UNSTATED
from padit.domain.config import NEVER_ACCEPT, AlertSettings, Budget, Levels
from padit.domain.metric import Series
from padit.domain.timestamps import MICROS, format_utc
from padit.transforms import episodes
from padit.transforms.alert_windows import Windows, flags_of
from padit.transforms.budget import BudgetLines, Lines
from padit.transforms.detect import ANOMALY_ABOVE, Detection, DetectionResult
from padit.transforms.episodes import Durations, Episode, Followed
from padit.transforms.usual_range import UsualRange
from padit.transforms.warmup import RETENTION
from padit.transforms.windows import WindowOptions

__all__ = ["Alerts", "rows_digest"]

_ROWS_IN_EVIDENCE = 64
_EVICTED = "series_limit: its state was dropped to make room for a new series"


class Alerts:
    """The life cycle of alerts as a pure machine; its state holds what is open, and incidents.

    Args:
        detection: describes a window when an alert needs it; its levels say when alerts open and
            are accepted.
        resolve_after: event time after which an alert resolves without a window that keeps it
            open, microseconds.
        windows: their shape, for the evidence; alerts of a source that open within its size are one
            incident.
        budget: raises the score at which a series opens alerts by its own past; None: it is the
            same for all.
    """

    def __init__(
        self,
        detection: Detection,
        resolve_after: int,
        windows: WindowOptions,
        budget: BudgetLines | None = None,
    ) -> None:
        levels = detection.levels
        self._detection = detection
        self._levels = levels
        self._windows = windows
        self._budget = budget
        self._ranges = UsualRange()
        unknown_after = max(resolve_after, min(levels.accept_after, RETENTION))
        self._after = Durations(resolve_after, unknown_after, levels.accept_after, windows.size)
        accept = None if levels.accept_after == NEVER_ACCEPT else levels.accept_after / MICROS
        self._thresholds: dict[str, Any] = {
            "open_at": levels.open_at,
            "close_at": levels.close_at,
            "resolve_after_sec": resolve_after / MICROS,
            "accept_after_sec": accept,
            "anomaly_above": ANOMALY_ABOVE,
            "warning_from": WARNING_FROM,
            "critical_from": CRITICAL_FROM,
        }
        if budget is not None:
            self._thresholds["budget"] = budget.budget.text
            self._thresholds["critical_budget"] = budget.critical.text

    @property
    def resolve_after(self) -> int:
        """As given, microseconds."""
        return self._after.resolve_after

    @property
    def remembers(self) -> int:
        """The longest that an alert stays open without a sample, microseconds."""
        return self._after.unknown_after

    @classmethod
    def of(cls, detection: Detection, settings: AlertSettings, windows: WindowOptions) -> "Alerts":
        """Alerts with the settings of a configuration.

        Raises:
            ValueError: the detectors were made for other levels.
        """
        if Levels.of(settings) != detection.levels:
            message = f"alerts with {Levels.of(settings)} need detectors made for these levels"
            raise ValueError(message)
        resolve_after = windows.size
        if settings.resolve_after_sec is not None:
            resolve_after = round(settings.resolve_after_sec * MICROS)
        budget = None
        if settings.budget is not None:
            rates = Budget.parse(settings.budget), Budget.parse(settings.critical_budget)
            budget = BudgetLines(*rates, settings.open_at)
        return cls(detection, resolve_after, windows, budget)

    def initial(self) -> Followed:
        """No open alerts."""
        return Followed(calibration=None if self._budget is None else self._budget.initial())

    def step(
        self, followed: Followed, detected: DetectionResult
    ) -> tuple[Followed, list[Transition]]:
        """Follow the scores of closed windows; transitions are sorted by (time, series)."""
        table = detected.table
        found = self._judge(followed, detected)
        for row in _watched(followed, found).tolist():
            key = table.series[table.code[row]]
            episode = followed.episodes.get(key)
            if episode is not None and found.end(row) > episode.due(self._after):
                self._end(followed, key, episode, found)
                episode = None
            if episode is not None and not self._go_on(followed, key, episode, found, row):
                episode = None
            if episode is None and found.news[row]:
                self._open(followed, key, found, row)
        for key in sorted(followed.episodes):
            episode = followed.episodes[key]
            if table.closed_until >= episode.due(self._after):
                self._end(followed, key, episode, found)
        episodes.purge(followed, table.closed_until, self._after)
        found.transitions.sort(key=_order)
        return followed, found.transitions

    def evict(
        self, followed: Followed, gone: Iterable[Series], end: int
    ) -> tuple[Followed, list[Transition]]:
        """Resolve the alerts of series whose state is dropped, with the reason.

        Args:
            followed: the open ones.
            gone: series that made room for others.
            end: event time of the eviction, microseconds; an alert due earlier resolves then.
        """
        transitions: list[Transition] = []
        gone = sorted(gone)
        if self._budget is not None and followed.calibration is not None:
            followed.calibration = self._budget.forget(followed.calibration, gone)
        followed.ranges = self._ranges.forget(followed.ranges, gone)
        for key in gone:
            episode = followed.drop(key)
            if episode is None or episode.accepted:
                continue
            due = episode.due(self._after)
            reason: ResolveReason = episode.reason if due <= end else "series_limit"
            transitions.append(_resolved(episode.alert, min(due, end), reason))
        transitions.sort(key=_order)
        return followed, transitions

    def next_due(self, followed: Followed) -> int | None:
        """When time alone changes something, microseconds; None without open alerts."""
        return episodes.next_due(followed, self._after)

    def dump(self, followed: Followed) -> bytes:
        """State as versioned bytes."""
        state = b""
        if self._budget is not None and followed.calibration is not None:
            state = self._budget.dump(followed.calibration)
        return episodes.dump(followed, state, self._ranges.dump(followed.ranges))

    def load(self, data: bytes) -> Followed:
        """State from bytes.

        Raises:
            StateError: damaged, or of another version.
        """
        followed, state, ranges = episodes.load(data)
        followed.ranges = self._ranges.load(ranges)
        if self._budget is not None:
            followed.calibration = self._budget.load(state)
        return followed

    def _judge(self, followed: Followed, detected: DetectionResult) -> Windows:
        """Which windows are news, keep an alert open, and are critical."""
        least = self._levels.open_at
        if self._budget is not None and followed.calibration is not None:
            followed.calibration, lines = self._budget.step(followed.calibration, detected)
            followed.spent.hours += lines.hours
            followed.spent.more += lines.more
        else:
            rows = len(detected.table)
            lines = Lines(np.full(rows, least), np.full(rows, CRITICAL_FROM))
        news, keeps, critical = flags_of(detected, lines, self._levels)
        followed.ranges, usual = self._ranges.step(followed.ranges, detected.table)
        return Windows(detected, lines, news, keeps, critical, usual, [])

    def _end(self, followed: Followed, key: Series, episode: Episode, found: Windows) -> None:
        """An episode is due."""
        followed.drop(key)
        if not episode.accepted:
            time = episode.due(self._after)
            found.transitions.append(_resolved(episode.alert, time, episode.reason))

    def _go_on(
        self, followed: Followed, key: Series, episode: Episode, found: Windows, row: int
    ) -> bool:
        """What a window makes of an episode; False: another may open."""
        states, end = found.detected.states, found.end(row)
        outside = found.outside(episode, row)
        keeps = found.keeps[row] or outside >= self._levels.close_at
        low = not keeps and (states.level[row] < self._levels.close_at or outside == outside)
        if states.accepted[row] and low:
            followed.drop(key)
            if not episode.accepted:
                found.transitions.append(_resolved(episode.alert, end, "accepted"))
            return False
        if not keeps:
            if episode.over is None and (low or episode.missing):
                episode.over = end
            return True
        found.keep(episode, row)
        if episode.accepted:
            worse = severity_rank(found.severity(row)) > severity_rank(episode.alert.severity)
            return not worse
        self._update(episode, found, row)
        if states.held[row]:
            episode.since = end
        elif end >= episode.since + self._after.accept_after:
            followed.leave(key)
            found.transitions.append(_resolved(episode.alert, end, "accepted"))
            episode.alert = msgspec.structs.replace(episode.alert, evidence={}, metadata={})
            episode.accepted = True
        return True

    def _open(self, followed: Followed, key: Series, found: Windows, row: int) -> None:
        end = found.end(row)
        score = self._detection.describe(found.detected, row)
        detector, evidence = self._evidence(found, row, score.evidence)
        alert = Alert(
            id=alert_id(key, detector["name"], end),
            source_id=score.source_id,
            metric_name=score.metric_name,
            severity=found.severity(row),
            score=score.composite,
            summary=_summary(score.metric_name, score.source_id, score.evidence),
            evidence=evidence,
            detector=detector,
            event_time=score.event_time,
            opened=score.event_time,
            metadata={"incident": episodes.join(followed, key.source_id, end, self._after)},
        )
        _describe(alert, score, found.detected, row)
        episode = Episode(alert, end, end, usual=found.usual_of(row))
        found.keep(episode, row)
        followed.put(key, episode)
        followed.spent.alerts += bool(found.detected.calibrated[row] >= found.lines.open_at[row])
        found.transitions.append(Transition("opened", end, msgspec.structs.replace(alert)))

    def _update(self, episode: Episode, found: Windows, row: int) -> None:
        """A transition if the severity rose; none for a higher score within the same severity."""
        alert, severity = episode.alert, found.severity(row)
        score = float(found.detected.composite[row])
        if not score > alert.score:  # NaN too: the level alone keeps it open
            return
        alert.score = score
        if severity_rank(severity) <= severity_rank(alert.severity):
            return
        described = self._detection.describe(found.detected, row)
        alert.severity = severity
        alert.summary = _summary(alert.metric_name, alert.source_id, described.evidence)
        alert.detector, alert.evidence = self._evidence(found, row, described.evidence)
        alert.event_time = described.event_time
        _describe(alert, described, found.detected, row)
        step = Transition("updated", found.end(row), msgspec.structs.replace(alert))
        found.transitions.append(step)

    def _evidence(
        self, found: Windows, row: int, seen: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The detector that decided, and all that is needed to decide again."""
        detected, table = found.detected, found.detected.table
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
                **detected.states.level_facts(row),
                **seen,
                "detectors": detectors,
                "thresholds": self._thresholds
                if self._budget is None
                else {**self._thresholds, **found.calibrated(row)},
            },
        )

    def _stated(self, series: Series) -> dict[str, Any]:
        """What the configuration states about a series, so that the alert can be made again."""
        stated = self._detection.rules.stated(*series.key).plain()
        return {"stated": stated} if stated else {}


def _describe(alert: Alert, score: DetectionScore, detected: DetectionResult, row: int) -> None:
    """Give an alert what is known of a window beside its evidence; the rest is left out."""
    baseline, shift = detected.states.baseline_of(row), detected.states.shift_of(row)
    alert.metric_type = UNSET if score.metric_type == UNSTATED.metric_type else score.metric_type
    alert.labels = score.labels or UNSET
    alert.baseline = UNSET if baseline is None else baseline
    alert.shift = UNSET if shift is None else shift


def _watched(followed: Followed, found: Windows) -> NDArray[np.int64]:
    """Rows of series that have an episode, or news."""
    table = found.detected.table
    if not followed.episodes and not np.count_nonzero(found.news):
        return np.empty(0, np.int64)
    watched = np.array([key in followed.episodes for key in table.series], bool)
    watched[table.code[found.news]] = True
    return watched[table.code].nonzero()[0]


def _resolved(alert: Alert, time: int, reason: ResolveReason) -> Transition:
    stamp = format_utc(time)
    metadata = {**alert.metadata, "reason": reason}
    if reason == "series_limit":
        metadata["resolved"] = _EVICTED
    done = msgspec.structs.replace(
        alert,
        event_time=stamp,
        resolved=True,
        resolved_by="padit",
        resolved_at=stamp,
        metadata=metadata,
    )
    return Transition("resolved", time, done)


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
