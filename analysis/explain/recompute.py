"""Recomputes an alert from its evidence alone: no broker, no other file."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.analysis.explain.alert_record import DecidingDetector, DetectorScore, ParsedAlert
from padit.domain.alert import Transition, alert_id, severity_of
from padit.domain.attributes import UNSTATED, AttributeColumn
from padit.domain.differences import differences
from padit.domain.errors import PaditError, SourceError
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.domain.renamed import current_detector
from padit.transforms.alerts import rows_digest
from padit.transforms.detectors import (
    Detector,
    create_detector,
    detector_class,
    plugged,
    plugin_digests,
    registry,
)
from padit.transforms.features import compute_features

__all__ = ["Check", "best_score", "recompute", "versions"]

_MOST_FEATURES = 20
_ROUNDING = 1e-9  # of the size of the values and their number


class Check(NamedTuple):
    """Result of recomputing one part of an alert.

    Attributes:
        what: the part.
        state: unknown if the data for it is missing.
        text: for a person; if it differs, the computed and the recorded value.
    """

    what: str
    state: Literal["equal", "different", "unknown"]
    text: str


def recompute(parsed: ParsedAlert, *, window: bool = True) -> list[Check]:
    """Check all parts of a transition that its own evidence suffices for.

    Args:
        parsed: the transition.
        window: False leaves out parts that repeat the evidence of an earlier transition.

    Raises:
        SourceError: the parameters in it are refused by this code.
    """
    if not window:
        return [*_identity(parsed), _severity(parsed)]
    complete = len(parsed.evidence.latest.time_us) == parsed.evidence.samples
    return [
        *_identity(parsed),
        *(_rows(parsed) if complete else _some_rows(parsed)),
        *_scores(parsed),
        _severity(parsed),
    ]


def versions(parsed: ParsedAlert) -> list[str]:
    """Detectors that this code lacks, or has in another version than the alert."""
    found = []
    for one in parsed.evidence.detectors:
        kind = _kind(one.name)
        if kind is None:
            found.append(f"this code has no detector {one.name}, which scored this alert")
        elif kind.name != one.name:
            found.append(
                f"detector {one.name} is called {kind.name} now, version {kind.version}; the alert "
                f"was made with version {one.version}, and ids of new alerts differ"
            )
        elif _changed_source(one):
            found.append(f"the source of the plug-in detector {one.name} is another one now")
        elif kind.version not in (one.version, None):
            found.append(
                f"detector {one.name} had version {one.version} when the alert was made, "
                f"this code has version {kind.version}"
            )
    return found


def _kind(name: str) -> Any:
    """What makes a detector; None where there is none of this name."""
    name = current_detector(name)
    if name in registry():
        return registry()[name]
    return detector_class(name) if name in plugged() else None


def _changed_source(one: DetectorScore) -> bool:
    return one.plugin is not None and plugin_digests([one.name]) != {one.name: one.plugin}


def best_score(detectors: Sequence[DecidingDetector], parsed: ParsedAlert) -> float | None:
    """The highest score of detectors over the recorded features; None if one needs history."""
    if not parsed.evidence.samples:
        return None  # a window without samples: its score depends on what came before
    table = _table(parsed)
    scores = []
    for one in detectors:
        detector = _create(one)
        if not _is_stateless(detector):
            return None
        scores.append(float(detector.step(detector.initial(), table)[1].score[0]))
    return max(scores, default=None)


def _identity(parsed: ParsedAlert) -> list[Check]:
    alert = parsed.alert
    kind: Any = parsed.kind
    checks = [_same("transition id", parsed.id, Transition(kind, parsed.time, alert).id)]
    if parsed.kind == "opened":
        expected = alert_id(parsed.series, alert.detector["name"], parsed.time)
        checks.append(_same("alert id", alert.id, expected))
    return checks


def _rows(parsed: ParsedAlert) -> list[Check]:
    start, end = parsed.window
    time = np.array(parsed.evidence.latest.time_us, np.int64)
    value = np.array(parsed.evidence.latest.value, np.float64)
    checks = [_same("digest of rows", parsed.evidence.digest, rows_digest(time, value))]
    if not len(time):
        return checks
    if int(time.min()) < start or int(time.max()) >= end:
        checks.append(Check("rows", "different", "some lie outside the window"))
    found = compute_features(value, np.array([0]), np.array([len(value)]))
    wrong = [
        f"{name}: {float(column[0])!r} from the rows, {parsed.evidence.features.get(name)!r} in "
        "the alert"
        for name, column in found.items()
        if parsed.evidence.features.get(name) != float(column[0])
    ]
    from_rows = f"from {len(time)} rows"
    if not wrong:
        return [*checks, Check("features", "equal", f"all {len(found)}, {from_rows}")]
    if all(_rounded(parsed, name, float(column[0]), value) for name, column in found.items()):
        text = (
            f"all {len(found)}, {from_rows}; {len(wrong)} to nine digits, as of an earlier version"
        )
        return [*checks, Check("features", "equal", text)]
    return [*checks, *(Check("features", "different", one) for one in wrong[:_MOST_FEATURES])]


def _rounded(parsed: ParsedAlert, name: str, found: float, value: NDArray[np.float64]) -> bool:
    """Whether a feature differs by rounding only, as of an alert before they were compiled."""
    size = 1.0 if name == "seasonality" else len(value) * float(np.abs(value).max())
    known = parsed.evidence.features.get(name)
    return known is not None and abs(known - found) <= _ROUNDING * size


def _some_rows(parsed: ParsedAlert) -> list[Check]:
    kept = len(parsed.evidence.latest.time_us)
    text = f"the evidence holds {kept} of {parsed.evidence.samples} rows; --input checks them"
    return [Check("rows and features", "unknown", text)]


def _scores(parsed: ParsedAlert) -> list[Check]:
    table = _table(parsed)
    checks = []
    for one, said in zip(parsed.detectors, parsed.evidence.detectors, strict=True):
        what = f"score of {one.name}"
        kind = _kind(one.name)
        if kind is None:
            checks.append(Check(what, "unknown", f"this code has no detector {one.name}"))
            continue
        detector = _create(one)
        if not _is_stateless(detector):
            text = f"{one.name} has state from earlier samples; --input replays it"
            checks.append(Check(what, "unknown", text))
            continue
        if not parsed.evidence.samples:  # the window has no row, so only no_data scores it
            checks.append(_same(what, said.score, None))
            continue
        _, scores = detector.step(detector.initial(), table)
        score = float(scores.score[0])
        checks.append(_same(what, said.score, score))
        if said.parameters is None and score == said.score:
            seen = msgspec.to_builtins(detector.explain(table, scores, 0))
            checks += _reasons(parsed, seen)
    return checks


def _reasons(parsed: ParsedAlert, seen: dict[str, Any]) -> list[Check]:
    recorded = {name: parsed.alert.evidence.get(name) for name in seen}
    wrong = list(differences(seen, recorded))
    if not wrong:
        return [Check("reason", "equal", parsed.evidence.text)]
    return [
        Check("reason", "different", f"{path}: {left!r} computed, {right!r} in the alert")
        for path, left, right in wrong
    ]


def _severity(parsed: ParsedAlert) -> Check:
    scores = [one.score for one in parsed.evidence.detectors if one.score is not None]
    best, alert, lines = max(scores, default=0.0), parsed.alert, parsed.evidence.thresholds
    # Within its severity an alert takes a higher score unreported, so it may end higher.
    fits = alert.score == best if parsed.kind != "resolved" else alert.score >= best
    if not fits:
        text = f"the highest score is {best!r}, the alert has {alert.score!r}"
        return Check("severity", "different", text)
    # Limits that somebody stated are under no budget.
    under = any(
        getattr(registry().get(current_detector(one.name)), "budgeted", True)
        for one in parsed.evidence.detectors
        if one.score == best
    )
    opens = lines.opens if under else lines.open_at
    critical = lines.critical if under else lines.critical_from
    # The lines of a series may have moved after the step that the evidence is of.
    fits = parsed.kind == "resolved" or severity_of(alert.score, critical) == alert.severity
    if alert.score < opens or not fits:
        text = f"{alert.severity} does not follow from {alert.score!r}, open_at {opens:g}"
        return Check("severity", "different", text)
    text = f"{alert.score:.6g} is {alert.severity}; alerts open at {opens:g}"
    return Check("severity", "equal", text)


def _same(what: str, recorded: object, computed: object) -> Check:
    if recorded == computed:
        shown = f"{computed:.6g}" if isinstance(computed, float) else str(computed)
        return Check(what, "equal", shown)
    return Check(what, "different", f"{computed!r} computed, {recorded!r} in the alert")


def _table(parsed: ParsedAlert) -> FeatureTable:
    """A table of one row, from the features of the evidence."""
    series: Series = parsed.series
    end = parsed.window[1]
    known, code = parsed.attributes, np.zeros(1, np.int32)
    features = {name: np.array([value]) for name, value in parsed.evidence.features.items()}
    return FeatureTable(
        (series,),
        np.array([end]),
        code,
        features,
        np.zeros(2, np.int64),
        np.empty(0, np.int64),
        np.empty(0),
        end,
        attributes=None if known == UNSTATED else AttributeColumn((known,), code, True),
    )


def _create(one: DecidingDetector) -> Detector[Any]:
    try:
        return create_detector(one.name, one.parameters)
    except PaditError as error:
        message = f"this code refuses the parameters that the alert was made with: {error}"
        raise SourceError(message) from error


def _is_stateless(detector: Detector[Any]) -> bool:
    return not detector.dump(detector.initial())
