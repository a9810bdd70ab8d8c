"""Compares two runs: the alerts that differ, and the reasons."""

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from padit.analysis.alert_files import Event
from padit.analysis.explain.alert_history import AlertHistory, Pairs, histories_of, pair
from padit.analysis.explain.alert_record import ParsedAlert
from padit.analysis.explain.recompute import best_score
from padit.analysis.explain.renamed import old_names_in, with_current_names
from padit.analysis.explain.settings import conditions_of, settings_of
from padit.domain.differences import Difference, differences
from padit.domain.errors import SourceError
from padit.domain.renamed import current_detector
from padit.domain.timestamps import MICROS, format_utc

__all__ = ["Change", "Comparison", "compare"]

_HOLDS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_MOST_FEATURES = 4
# Fields that repeat settings and scores of an alert: reported once, and not field by field.
_REPORTED_ELSEWHERE = (
    "data.detector", "data.evidence.detectors", "data.evidence.thresholds",
    "data.evidence.window", "data.evidence.features", "data.evidence.latest",
    "data.evidence.digest", "data.evidence.crossed", "data.evidence.text", "data.summary",
)  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One alert that differs; `left` or `right` is None where a run has no such alert."""

    left: AlertHistory | None
    right: AlertHistory | None
    why: list[str]


@dataclass(frozen=True)
class Comparison:
    """Differences between two runs.

    Attributes:
        only_left, only_right, changed: transitions, by their ids and bytes.
        alerts: how many each run has.
        settings: settings that differ, as far as the alerts record them.
        settings_only: how many alerts differ in nothing but the settings they record.
        removed, added, moved, altered: alerts.
        renamed: old names of detectors under which a run was written.
    """

    only_left: int
    only_right: int
    changed: int
    alerts: tuple[int, int]
    settings: list[Difference]
    settings_only: int
    removed: list[Change]
    added: list[Change]
    moved: list[Change]
    altered: list[Change]
    renamed: list[str]


def compare(left: Sequence[Event], right: Sequence[Event]) -> Comparison:
    """Differences between the alerts of two runs, with their reasons.

    Alerts that hold the old name of a detector are compared under its new one.
    """
    renamed = _renamed(left, right)
    left, right = ([with_current_names(one) for one in side] for side in (left, right))
    of_left, of_right = ({event.id: event for event in side} for side in (left, right))
    histories = histories_of(left), histories_of(right)
    pairs = pair(*histories)
    settings = _settings(pairs, histories)
    unlike = [both for both in pairs.same if _lines(both[0]) != _lines(both[1])]
    altered = [Change(*both, list(_altered(*both))) for both in unlike]
    return Comparison(
        only_left=sum(event.id not in of_right for event in left),
        only_right=sum(event.id not in of_left for event in right),
        changed=sum(
            event.id in of_right and of_right[event.id].line != event.line for event in left
        ),
        alerts=(len(histories[0]), len(histories[1])),
        settings=settings,
        settings_only=sum(not one.why for one in altered),
        removed=[
            Change(one, None, _gone(one, histories[1], settings, "B")) for one in pairs.removed
        ],
        added=[Change(None, one, _gone(one, histories[0], settings, "A")) for one in pairs.added],
        moved=[Change(*both, _moved(*both)) for both in pairs.moved],
        altered=[one for one in altered if one.why],
        renamed=renamed,
    )


def _renamed(left: Sequence[Event], right: Sequence[Event]) -> list[str]:
    return [
        f"{run} calls the detector {current_detector(old)} by its old name {old}; it is compared "
        "under the new one"
        for run, events in (("A", left), ("B", right))
        for old in old_names_in(events)
    ]


def _lines(life: AlertHistory) -> list[bytes]:
    return [event.line for event in life.events]


def _settings(
    pairs: Pairs, histories: tuple[list[AlertHistory], list[AlertHistory]]
) -> list[Difference]:
    """Differences between the settings of alerts of the same series, each path once."""
    found: dict[str, Difference] = {}
    together = [*pairs.same, *pairs.moved]
    if (
        not together
    ):  # no alert in common: compare any two alerts, for settings of the same detector
        together = [(one, other) for one in histories[0][:1] for other in histories[1][:1]]
    for one, other in together:
        if one.final is not None and other.final is not None:
            trees = settings_of(one.final), settings_of(other.final)
            if one.series != other.series:
                trees = tuple({k: v for k, v in tree.items() if k in trees[0] and k in trees[1]}
                              for tree in trees)  # type: ignore[assignment]  # fmt: skip
            for item in differences(*trees):
                found.setdefault(item.path, item)
    return [found[path] for path in sorted(found)]


def _altered(left: AlertHistory, right: AlertHistory) -> Iterator[str]:
    """Reasons why two alerts of one id differ, apart from their recorded settings."""
    yield from _steps(left, right)
    one, other = left.final, right.final
    typed = one is not None and other is not None
    if one is not None and other is not None:
        yield from _evidence(one, other)
    events = {event.id: event for event in right.events}
    seen: set[str] = set()
    for event in left.events:
        if event.id not in events or event.line == events[event.id].line:
            continue
        fields = list(differences(event.content, events[event.id].content))
        if not fields:
            yield "the bytes differ in spacing or in the order of fields"
        for item in fields:
            if item.path not in seen and not (typed and item.path.startswith(_REPORTED_ELSEWHERE)):
                seen.add(item.path)
                yield f"{item.path}: {item.left!r} in A, {item.right!r} in B"


def _steps(left: AlertHistory, right: AlertHistory) -> Iterator[str]:
    """Steps that only one run has, or that have another time."""
    of_left, of_right = _steps_without(left, right), _steps_without(right, left)
    for kind in dict.fromkeys([*of_left, *of_right]):
        if kind in of_left and kind in of_right:
            yield f"{kind} at {of_left[kind]} in A, at {of_right[kind]} in B"
        else:
            run = "A" if kind in of_left else "B"
            yield f"{kind} at {(of_left | of_right)[kind]} only in {run}"


def _steps_without(life: AlertHistory, other: AlertHistory) -> dict[str, str]:
    """Kind and time of the steps that the other run lacks."""
    known = {event.id for event in other.events}
    return {
        str(event.content["type"]).rpartition(".")[2]: f"{format_utc(event.time)[:19]}Z"
        for event in life.events
        if event.id not in known
    }


def _evidence(one: ParsedAlert, other: ParsedAlert) -> Iterator[str]:
    """Differences between two windows: rows, features, and crossed limits."""
    left, right = one.evidence, other.evidence
    if left.digest != right.digest and one.window == other.window:
        yield f"other rows in the window: {left.samples} in A, {right.samples} in B"
    yield from _features(one, other, _MOST_FEATURES)
    for parsed, against, run in ((one, other, "A"), (other, one, "B")):
        for place, limit in sorted(_crossed(parsed).items()):
            if place not in _crossed(against):
                yield f"{place[0]} {place[1]} {limit:g} is crossed in {run} only"


def _crossed(parsed: ParsedAlert) -> dict[tuple[str, str, int], float]:
    """Limits that were crossed, by feature, comparison and how many there were before."""
    found: dict[tuple[str, str, int], float] = {}
    for item in parsed.alert.evidence.get("crossed") or ():
        number = sum(key[:2] == (item["feature"], item["op"]) for key in found)
        found[item["feature"], item["op"], number] = float(item["limit"])
    return found


def _features(one: ParsedAlert, other: ParsedAlert, most: int) -> Iterator[str]:
    """The features that differ: those that crossed a limit first, then by difference."""
    crossed = {place[0] for parsed in (one, other) for place in _crossed(parsed)}
    ranked = []
    for name, value in one.evidence.features.items():
        new = other.evidence.features[name]
        if new != value:
            share = abs(new - value) / max(abs(value), abs(new))
            ranked.append((name not in crossed, -share, name, value, new))
    for _, share, name, value, new in sorted(ranked)[:most]:
        yield f"{name} {value:.6g} in A, {new:.6g} in B ({-share:.2%})"
    if len(ranked) > most:
        yield f"{len(ranked) - most} more features differ"


def _moved(left: AlertHistory, right: AlertHistory) -> list[str]:
    later = (right.opened - left.opened) / MICROS
    why = [f"opens {abs(later):g} s {'later' if later > 0 else 'earlier'} in B"]
    if later == 0:
        why = ["opened by another detector or in another unit"]
    one, other = left.opening, right.opening
    if one is None or other is None:
        return why
    if _shape(one) != _shape(other):
        crossed = {place[0] for parsed in (one, other) for place in _crossed(parsed)}
        return [*why, _windows(one, other), *_features(one, other, len(crossed) or 1)]
    earlier, late, run = (one, other, "B") if later > 0 else (other, one, "A")
    return [*why, *_judged(earlier, late, run)]


def _gone(
    life: AlertHistory, others: Sequence[AlertHistory], settings: list[Difference], run: str
) -> list[str]:
    """Reasons why a run has no such alert, from the settings in its other alerts."""
    parsed = life.opening or life.final
    candidates = [one for one in others if one.series == life.series] or list(others)
    other = next((one.final for one in candidates if one.final is not None), None)
    if parsed is None:
        return []
    if other is None:
        return [f"{run} holds no alert that records its settings"]
    if _shape(parsed) != _shape(other):
        return [_windows(parsed, other) if run == "B" else _windows(other, parsed)]
    why = list(_judged(parsed, other, run))
    if not why and not settings:
        why = [f"the settings are the same: {run} had other rows, or had them too late"]
    return why


def _judged(parsed: ParsedAlert, other: ParsedAlert, run: str) -> Iterator[str]:
    """Judge the recorded features of a window by the settings of another alert."""
    features = parsed.evidence.features
    theirs = {(item["feature"], item["op"], i): float(item["limit"])
              for i, item in _numbered(conditions_of(other.detectors, parsed.series))}  # fmt: skip
    for place, limit in sorted(_crossed(parsed).items()):
        new = theirs.get(place)
        name, op, _ = place
        if new is not None and not _HOLDS[op](features[name], new):
            yield (
                f"{name} {features[name]:.6g} crosses {op} {limit:g}, but not {op} {new:g} as in "
                f"{run}"
            )
        elif new is None and theirs:
            yield f"{run} has no limit {name} {op} for this series"
    try:
        score = best_score(other.detectors, parsed)
    except SourceError:
        return
    opens = other.evidence.thresholds.opens
    if score is None:
        names = ", ".join(one.name for one in other.detectors)
        yield f"{names} in {run} may have other state; `padit explain --input` replays it"
    elif score < opens:
        yield f"with the settings of {run} the window scores {score:.6g}, alerts open at {opens:g}"


def _numbered(conditions: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each condition with the number of earlier ones on its feature and comparison."""
    seen: dict[tuple[str, str], int] = {}
    for item in conditions:
        key = (item["feature"], item["op"])
        yield seen.setdefault(key, 0), item
        seen[key] += 1


def _shape(parsed: ParsedAlert) -> tuple[int, int, int]:
    start, end = parsed.window
    return end - start, parsed.interval, parsed.evidence.window.max_samples


def _windows(one: ParsedAlert, other: ParsedAlert) -> str:
    words = [
        f"{size / MICROS:g} s every {interval / MICROS:g} s, at most {most} samples"
        for size, interval, most in (_shape(one), _shape(other))
    ]
    return f"other windows, so other features: {words[0]} in A, {words[1]} in B"
