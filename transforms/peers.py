"""Peers in a key group: which openings the fleet may silence, and what the fleet may learn.

The same metric of other sources (same name and unit, and the same value of a label if one is
stated) may show that a value is no news. What flows in: scores of closed windows and the
transitions they caused. What flows out: for the fleet (`transforms.fleet`) the three farthest
values of a day a side and metric, openings, and alerts that peers may silence. Ordinary windows
give nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.domain.alert import CRITICAL_FROM, Transition
from padit.domain.metric import Series
from padit.domain.saved import read_saved
from padit.transforms.detect import Detection, DetectionResult
from padit.transforms.detectors.columns import Columns
from padit.transforms.peer_ranges import DAY, PeerRanges, Ranges
from padit.transforms.peer_report import Extreme, Kin, Opening, Question, Report, Step
from padit.transforms.windows import WindowOptions

__all__ = ["ALL", "Heard", "PeerState", "Peers", "insert", "kin_of"]

ALL = "*"
_MOST = 3  # sources a side and day: one's own, and two others
_VERSION = 1
_WORDS = frozenset(
    ("above its usual", "below its usual", "higher than usual", "lower than usual")
)  # of `usual`, where it tells a level
_NEVER_SILENT = frozenset(("availability", "error_rate"))
_NAN = float("nan")


@dataclass(slots=True)
class PeerState:
    """All that is remembered.

    Attributes:
        ranges: state of `PeerRanges`.
        day: the latest day of an extreme.
        farthest: extremes of that day, by metric, end and class of length, the farthest first.
        asked: ids of open alerts that the fleet was asked about.
    """

    ranges: Columns
    day: int = 0
    farthest: dict[tuple[Kin, bool, int], tuple[Extreme, ...]] = field(default_factory=dict)
    asked: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class Heard:
    """What a pass has for the fleet so far; see `Report`."""

    direct: list[Transition] = field(default_factory=list)
    extremes: list[tuple[int, Kin, Extreme]] = field(default_factory=list)
    openings: list[tuple[Kin, Opening]] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def report(self, group: int, groups: int, passed: tuple[int | None, int]) -> Report:
        """All of it, for the fleet; `passed` as in the outcome of a key group."""
        direct = [one.to_message() for one in self.direct]
        return Report(
            group, groups, *passed, direct, self.extremes, self.openings, self.questions, self.steps
        )


class Peers:
    """A pure machine behind the alerts of a key group.

    Args:
        label: name of the label whose value peers share; `ALL`: all sources are peers.
        usual: number of the detector `usual` in the configuration; None: it is not there, and
            nothing is ever asked.
        interval: between two windows, microseconds.
    """

    def __init__(self, label: str, usual: int | None, interval: int) -> None:
        self._label = label
        self._usual = usual
        self._interval = interval
        self._ranges = PeerRanges()

    @classmethod
    def of(cls, label: str, detection: Detection, windows: WindowOptions) -> "Peers":
        """Peers of a job with these detectors and windows."""
        names = [one.name for one in detection.detectors]
        usual = names.index("usual") if "usual" in names else None
        return cls(label, usual, windows.interval)

    def initial(self) -> PeerState:
        """Nothing remembered."""
        return PeerState(self._ranges.initial())

    def step(
        self,
        state: PeerState,
        detected: DetectionResult,
        transitions: Sequence[Transition],
        heard: Heard,
    ) -> None:
        """Take closed windows and what they caused; changes the state."""
        table = detected.table
        usual = self._usual_values(detected)
        state.ranges, ranges = self._ranges.step(
            state.ranges, table, usual, self._interval, transitions
        )
        self._learn(state, detected, ranges, heard)
        opened = [one for one in transitions if one.kind == "opened"]
        rows = _rows_of(opened, detected) if opened else {}
        for one in transitions:
            row = rows.get(one.id)
            if row is not None:
                self._open(state, one, row, (detected, ranges, usual), heard)
            else:
                _go_on(state, one, heard)

    def evict(
        self,
        state: PeerState,
        gone: Collection[Series],
        transitions: Iterable[Transition],
        heard: Heard,
    ) -> None:
        """Forget series that made room; their alerts resolve."""
        state.ranges = self._ranges.forget(state.ranges, gone)
        for one in transitions:
            _go_on(state, one, heard)

    def dump(self, state: PeerState) -> bytes:
        """State as versioned bytes, the same for the same state."""
        farthest = [(*key, some) for key, some in sorted(state.farthest.items())]
        ranges = self._ranges.dump(state.ranges)
        return _encoder.encode(_Saved(_VERSION, ranges, state.day, farthest, sorted(state.asked)))

    def load(self, data: bytes) -> PeerState:
        """State from bytes.

        Raises:
            StateError: damaged, or of another version.
        """
        saved = read_saved(_decoder, data, _VERSION, "what is saved of peers")
        farthest = {(kin, high, length): some for kin, high, length, some in saved.farthest}
        ranges = self._ranges.load(saved.ranges)
        return PeerState(ranges, saved.day, farthest, dict.fromkeys(saved.asked))

    def _usual_values(self, detected: DetectionResult) -> NDArray[np.float64]:
        """float64 (n,): what is usual for each row; NaN of counters, whose value only grows."""
        n = len(detected.table)
        if self._usual is None:
            return np.full(n, _NAN)
        scores = detected.scores[self._usual]
        if scores.baseline is None or scores.detail is None:
            return np.full(n, _NAN)
        return np.where(scores.detail["counter"] > 0, _NAN, scores.baseline["median"])

    def _learn(
        self, state: PeerState, detected: DetectionResult, ranges: Ranges, heard: Heard
    ) -> None:
        """Series that have been farther than before today; the fleet hears of the farthest."""
        table = detected.table
        for row in ranges.grown.tolist():
            series = table.series[table.code[row]]
            kin = kin_of(series, table.attributes_of(row).labels, self._label)
            if kin is None:
                continue
            end = int(table.window_end[row])
            if end // DAY != state.day:
                state.day, state.farthest = end // DAY, {}
            value, other = ranges.peak[row].tolist()
            span, high = abs(int(ranges.span[row])), bool(ranges.span[row] > 0)
            least, longest = ranges.classes[row].tolist()
            for length in range(least, longest + 1):
                key = kin, high, length
                one = Extreme(series.source_id, high, length, state.day, value, other, end, span)
                before = state.farthest.get(key, ())
                after = insert(before, one)
                if after != before:
                    state.farthest[key] = after
                    heard.extremes += [(end, kin, x) for x in after if x.source == one.source]

    def _open(
        self,
        state: PeerState,
        one: Transition,
        row: int,
        seen: tuple[DetectionResult, Ranges, NDArray[np.float64]],
        heard: Heard,
    ) -> None:
        """An alert opens: the fleet hears of it, and is asked where peers may silence it."""
        detected, ranges, usual = seen
        table = detected.table
        series, known = table.series[table.code[row]], table.attributes_of(row)
        kin = kin_of(series, known.labels, self._label)
        if kin is not None:
            heard.openings.append((kin, Opening(series.source_id, one.time)))
        level = _level(detected, one, row) if kin is not None and _may_be_silenced(one) else None
        if kin is None or level is None or known.bounds is not None:
            heard.direct.append(one)
            return
        high, value = level
        centre, begun = float(table.features["median"][row]), (0, one.time)
        if (centre > usual[row]) if high else (centre < usual[row]):
            begun = int(ranges.length[row]), int(ranges.began[row])
        state.asked[one.alert.id] = None
        heard.questions.append(
            Question(
                kin, series.source_id, series.metric_name, one.alert.id, one.time, high, value,
                *begun, float(usual[row]), int(ranges.since[row]), ranges.past[one.id][high],
                one.to_message(),
            )
        )  # fmt: skip


def _level(detected: DetectionResult, one: Transition, row: int) -> tuple[bool, float] | None:
    """Whether the value that was told lies above or below the usual range, and how far.

    That is the median of the samples of the window outside of the range, so that a few wild ones
    are not taken for what most of the window is. None: it is not outside.
    """
    low, high = float(detected.states.expected_low[row]), float(detected.states.expected_high[row])
    told = one.alert.evidence.get("value", _NAN)
    above = bool(told > high)
    if not (above or told < low):
        return None
    _, window = detected.table.window(row)
    outside = np.sort(window[window > high] if above else window[window < low])
    return (above, float(outside[len(outside) // 2])) if len(outside) else None


def kin_of(series: Series, labels: Iterable[tuple[str, str]], label: str) -> Kin | None:
    """The metric of a series, among the sources it is compared with; None: it has no peers."""
    if label == ALL:
        return Kin(series.metric_name, series.unit)
    value = dict(labels).get(label)
    return None if value is None else Kin(series.metric_name, series.unit, value)


def insert(some: tuple[Extreme, ...], one: Extreme) -> tuple[Extreme, ...]:
    """The farthest of one day and end, at most three sources; one that is not farther stays.

    >>> a = Extreme("a", True, 0, 5.0, 1.0, 10, 1)
    >>> insert((a,), a._replace(value=4.0, time=20)) == (a,)
    True
    """
    if one.value != one.value:
        return some
    side = 1.0 if one.high else -1.0
    for old in some:
        if old.source == one.source:
            if side * (one.value - old.value) <= 0:
                one = old._replace(other=one.other)
            break
    rest = [old for old in some if old.source != one.source]
    return tuple(sorted([*rest, one], key=lambda x: (-side * x.value, x.source))[:_MOST])


def _may_be_silenced(one: Transition) -> bool:
    """Whether an opening tells a level, and is not critical."""
    alert = one.alert
    if alert.severity == "CRITICAL" or alert.score >= CRITICAL_FROM:
        return False
    told = alert.detector["name"] == "usual" and alert.evidence.get("what") in _WORDS
    return told and alert.metric_type not in _NEVER_SILENT


def _rows_of(opened: Sequence[Transition], detected: DetectionResult) -> Mapping[str, int]:
    """The row of each opening, by the id of the transition."""
    table = detected.table
    wanted = {
        (one.time, one.alert.source_id, one.alert.metric_name, one.alert.evidence["unit"]): one.id
        for one in opened
    }
    series = {(name, metric, unit) for _, name, metric, unit in wanted}
    codes = [code for code, key in enumerate(table.series) if tuple(key) in series]
    times = np.array(sorted({one.time for one in opened}), np.int64)
    mask = np.zeros(len(table.series), bool)
    mask[codes] = True
    rows = (mask[table.code] & np.isin(table.window_end, times)).nonzero()[0]
    found: dict[str, int] = {}
    for row in rows.tolist():
        place = (int(table.window_end[row]), *table.series[table.code[row]])
        if place in wanted:
            found[wanted[place]] = row
    return found


def _go_on(state: PeerState, one: Transition, heard: Heard) -> None:
    """A later transition goes the way of its opening."""
    alert = one.alert.id
    if alert not in state.asked:
        heard.direct.append(one)
        return
    ends = one.kind == "resolved"
    heard.steps.append(Step(alert, one.time, ends, one.to_message()))
    if ends:
        del state.asked[alert]


class _Saved(msgspec.Struct, array_like=True):
    version: int
    ranges: bytes
    day: int
    farthest: list[tuple[Kin, bool, int, tuple[Extreme, ...]]]
    asked: list[str]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Saved)
