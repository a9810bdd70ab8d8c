"""Runs the configured detectors over closed windows and combines their scores."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.domain.alert import DetectionScore
from padit.domain.attributes import Attributes
from padit.domain.canary import covers
from padit.domain.config import DetectorSetting, Levels
from padit.domain.errors import FRESH_START, StateError
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.domain.series_rules import SeriesRules
from padit.domain.timestamps import format_utc
from padit.transforms.attributes import complete, with_rules
from padit.transforms.detectors import (
    Detector,
    Forgetting,
    Levelled,
    Scores,
    TimeDriven,
    create_detector,
    plugin_digests,
)
from padit.transforms.detectors.columns import Columns
from padit.transforms.detectors.directions import at_bad_end
from padit.transforms.levels import RowStates, combine, highest
from padit.transforms.no_data_rows import with_no_data_rows
from padit.transforms.of_names import OfNames

__all__ = ["ANOMALY_ABOVE", "Detection", "DetectionResult"]

ANOMALY_ABOVE = 0.5
Create = Callable[[str, Mapping[str, Any]], Detector[Any]]


class DetectionResult(msgspec.Struct, frozen=True):
    """Scores of all detectors over a table of n rows.

    Attributes:
        table: the windows that were judged, with rows of count 0 for windows without a sample that
            a detector reports.
        scores: of each detector, in the order of the configuration.
        matrix: float64 (detectors, n); NaN where a detector warms up or does not apply.
        composite: float64 (n,), the highest score; NaN while every detector warms up.
        anomaly: bool (n,), composite above 0.5, unless it only goes on (`Scores.ongoing`).
        calibrated: float64 (n,), the highest score of the detectors under the budget of alerts;
            NaN where none has one.
        stated: float64 (n,), the highest score of the others, which judge by stated limits.
        needs_level: bool (detectors,), whether a detector under the budget has no level of its own.
        states: how the series are at the end of the windows, which keeps alerts open.
    """

    table: FeatureTable
    scores: tuple[Scores, ...]
    matrix: NDArray[np.float64]
    composite: NDArray[np.float64]
    anomaly: NDArray[np.bool_]
    calibrated: NDArray[np.float64]
    stated: NDArray[np.float64]
    needs_level: NDArray[np.bool_]
    states: RowStates


class Detection:
    """The detectors of a configuration as one pure machine; its state is a tuple of theirs.

    Args:
        settings: of the configuration.
        create: makes a detector; a sweep shares work between those it makes.
        rules: what the configuration states about series.
        levels: where alerts open and close.
    """

    def __init__(
        self,
        settings: Sequence[DetectorSetting],
        create: Create = create_detector,
        rules: SeriesRules | None = None,
        levels: Levels | None = None,
    ) -> None:
        self.rules = rules or SeriesRules()
        self.levels = levels or Levels()
        self.settings = tuple(settings)
        self.detectors: tuple[Detector[Any], ...] = tuple(
            _at(create(setting.name, setting.parameters), self.levels) for setting in settings
        )
        self._budgeted = np.array(
            [getattr(detector, "budgeted", True) for detector in self.detectors], bool
        )
        self._unbudgeted = ~self._budgeted
        self._no_budget, self._no_limits = not self._budgeted.any(), not self._unbudgeted.any()
        # Protocols are looked at once: that is slow, and happens at every close.
        self._timed = tuple(one if isinstance(one, TimeDriven) else None for one in self.detectors)
        self._applies = lru_cache(maxsize=1 << 18)(self._find_applicable)
        self._applicable = OfNames(self._find_all_applicable)

    def initial(self) -> tuple[Any, ...]:
        """State before the first window."""
        return tuple(detector.initial() for detector in self.detectors)

    def step(
        self,
        states: tuple[Any, ...],
        table: FeatureTable,
        known: Mapping[Series, Attributes] | None = None,
    ) -> tuple[tuple[Any, ...], DetectionResult]:
        """Score the table with every detector, then let each learn from it.

        Args:
            states: of the detectors.
            table: the windows that closed, with the attributes that their samples state.
            known: attributes of series before the table, for windows without a sample.
        """
        table = with_rules(table, self.rules)
        after: list[Any] = []
        scored: list[Scores] = []
        for detector, state in zip(self.detectors, states, strict=True):
            new_state, score = detector.step(state, table)
            after.append(new_state)
            scored.append(score)
        table, scores = with_no_data_rows(table, scored, self._applies)
        table = complete(table, known or {}, self.rules)
        matrix = np.empty((len(scores), len(table)))
        for number, score in enumerate(scores):
            matrix[number] = score.score
        applies, all_apply = self._applicable(table.series)
        looks = None if all_apply else applies[table.code].T
        if looks is not None:
            matrix = np.where(looks, matrix, np.nan)
        composite = highest(matrix)
        anomaly = composite > ANOMALY_ABOVE
        # News are some of the scores, so where none is high none of the news is.
        if np.count_nonzero(anomaly) and any(one.ongoing is not None for one in scores):
            news = [np.where(one.ongoing is not None and one.ongoing, np.nan, row)
                    for one, row in zip(scores, matrix, strict=True)]  # fmt: skip
            anomaly = highest(np.array(news)) > ANOMALY_ABOVE
        detected = DetectionResult(
            table,
            tuple(scores),
            matrix,
            composite,
            anomaly,
            *self._two_kinds(matrix, composite),
            self._budgeted
            if self._no_budget
            else self._budgeted & np.array([one.level is None for one in scores], bool),
            combine(scores, looks, self.levels.close_at, at_bad_end(table)),
        )
        return tuple(after), detected

    def _two_kinds(
        self, matrix: NDArray[np.float64], composite: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The highest scores of the detectors under the budget, and of the others.

        Mostly all detectors are of one kind.
        """
        if self._no_budget:
            return np.full(len(composite), np.nan), composite
        if self._no_limits:
            return composite, np.full(len(composite), np.nan)
        return highest(matrix[self._budgeted]), highest(matrix[self._unbudgeted])

    def forget(self, states: tuple[Any, ...], gone: Collection[Series]) -> tuple[Any, ...]:
        """States as if these series had never been."""
        return tuple(
            _without(detector, state, gone)
            for detector, state in zip(self.detectors, states, strict=True)
        )

    def next_due(self, states: tuple[Any, ...]) -> int | None:
        """Event time from which on time alone can change a result, microseconds; None: never."""
        due = [
            detector.next_due(state)
            for detector, state in zip(self._timed, states, strict=True)
            if detector is not None
        ]
        return min((one for one in due if one is not None), default=None)

    def samples(self, detected: DetectionResult) -> NDArray[np.float64]:
        """float64 (m,): the highest score of each sample; NaN where no detector judges it.

        Detectors that judge only windows are left out.
        """
        table = detected.table
        highest = np.full(len(table.value), np.nan)
        applies = np.array([self._applies(series) for series in table.series], bool)
        owner = np.repeat(table.code, np.diff(table.offset))
        for number, scores in enumerate(detected.scores):
            if scores.sample is not None:
                looks = applies[owner, number]
                highest = np.fmax(highest, np.where(looks, scores.sample, np.nan))
        return highest

    def describe(self, detected: DetectionResult, row: int) -> DetectionScore:
        """Describe one row in words and plain values."""
        table = detected.table
        series = table.series[table.code[row]]
        column = detected.matrix[:, row]
        best = int(np.nanargmax(column))
        detector = self.detectors[best]
        anomaly = bool(detected.anomaly[row])
        known = table.attributes_of(row)
        evidence = detector.explain(table, detected.scores[best], row)
        evidence["features"] = table.features_of(row)
        return DetectionScore(
            source_id=series.source_id,
            metric_name=series.metric_name,
            event_time=format_utc(int(table.window_end[row])),
            scores={
                other.name: float(score)
                for other, score in zip(self.detectors, column, strict=True)
                if not np.isnan(score)
            },
            composite=float(detected.composite[row]),
            is_anomaly=anomaly,
            confidence=detector.confidence(float(detected.composite[row]), anomaly),
            detector={"name": detector.name, "version": detector.version},
            evidence=evidence,
            metric_type=known.metric_type,
            labels=dict(known.labels),
        )

    @cached_property
    def resolved(self) -> tuple[dict[str, Any], ...]:
        """Name, version and all parameters, defaults too, of every detector as plain values.

        Of a plug-in also the digest of its source.
        """
        digests = plugin_digests(detector.name for detector in self.detectors)
        return tuple(
            {
                "name": detector.name,
                "version": detector.version,
                "parameters": _parameters(detector, setting),
                **({"plugin": digests[detector.name]} if detector.name in digests else {}),
            }
            for setting, detector in zip(self.settings, self.detectors, strict=True)
        )

    def account(
        self, detected: DetectionResult, row: int
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The detector that decided about a row, and the scores of all that look at its series.

        The list is enough to run them again: each entry has a name, version, score (None: warming
        up) and parameters, except that those of the deciding detector are not repeated.
        """
        column = detected.matrix[:, row].tolist()
        best = int(np.nanargmax(column))
        looking = self._applies(detected.table.series[detected.table.code[row]])
        detectors = []
        for number in np.flatnonzero(looking).tolist():
            score = None if math.isnan(column[number]) else column[number]
            one = {**self.resolved[number], "score": score}
            if number == best:
                del one["parameters"]
            detectors.append(one)
        return self.resolved[best], detectors

    def dump(self, states: tuple[Any, ...]) -> list[tuple[str, int, bytes]]:
        """State of every detector with its name and version."""
        return [
            (detector.name, detector.version, detector.dump(state))
            for detector, state in zip(self.detectors, states, strict=True)
        ]

    def load(self, saved: Sequence[tuple[str, int, bytes]]) -> tuple[Any, ...]:
        """States from bytes.

        Raises:
            StateError: they belong to other detectors or to other versions of these.
        """
        have = [(name, version) for name, version, _ in saved]
        want = [(detector.name, detector.version) for detector in self.detectors]
        if have != want:
            message = (
                f"the saved state belongs to the detectors {have}, the configuration has {want}: "
                f"{FRESH_START}"
            )
            raise StateError(message)
        return tuple(
            detector.load(data)
            for detector, (_, _, data) in zip(self.detectors, saved, strict=True)
        )

    def _find_all_applicable(self, series: tuple[Series, ...]) -> tuple[NDArray[np.bool_], bool]:
        """Which detector looks at which series, bool (series, detectors); whether all at all."""
        found = np.array([self._applies(one) for one in series], bool)
        found = found.reshape(len(series), len(self.detectors))
        return found, bool(found.all())

    def _find_applicable(self, series: Series) -> tuple[bool, ...]:
        return tuple(
            covers(setting.source, series.source_id)
            and fnmatchcase(series.metric_name, setting.metric)
            for setting in self.settings
        )


def _at(detector: Detector[Any], levels: Levels) -> Detector[Any]:
    return detector.at(levels) if isinstance(detector, Levelled) else detector


def _parameters(detector: Detector[Any], setting: DetectorSetting) -> dict[str, Any]:
    """All parameters; those of a plug-in without a model are as they were given."""
    model = getattr(detector, "Parameters", None)
    if model is None:
        return dict(setting.parameters)
    found: dict[str, Any] = model(**setting.parameters).model_dump(mode="json")
    return found


def _without(detector: Detector[Any], state: Any, gone: Collection[Series]) -> Any:
    if isinstance(state, Columns):
        return state.without(gone)
    return detector.forget(state, gone) if isinstance(detector, Forgetting) else state
