"""No data: a series that stopped, judged by its own usual gap between samples."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Option

from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.domain.timestamps import MICROS, format_utc
from padit.domain.watermark import WATERMARK_NONE
from padit.ops.compiled import kernel
from padit.transforms.detectors.base import NoDataRows, Parameters, Scores
from padit.transforms.detectors.calibration import measured_confidence
from padit.transforms.detectors.columns import Columns
from padit.transforms.detectors.gaps import FIELDS, Moments, follow
from padit.transforms.detectors.gaps_kernel import NEVER, RECENT, Rules
from padit.transforms.detectors.per_series import PerSeries

__all__ = ["DETECTOR", "NoDataDetector", "NoDataParameters"]

Ints = NDArray[np.int64]
_WARNING = 0.7
_SCALE = 3 / 7


class NoDataParameters(Parameters):
    """How long a gap must be before it is reported."""

    minimum_sec: float = Option(
        60.0, gt=0, le=1e9, description="Shortest gap that is reported, seconds."
    )
    factor: float = Option(
        5.0, ge=1, le=1e3, description="A series has no data after this many times its usual gap."
    )
    warm_up: int = Option(
        10, ge=3, le=RECENT, description="Gaps between samples before a series is judged."
    )
    lived_sec: float = Option(
        0.0,
        ge=0,
        le=1e9,
        description="A series that had data for a shorter time is not reported, seconds.",
    )
    retention_sec: float = Option(
        7 * 86400.0,
        gt=0,
        le=1e9,
        description="Seconds without a sample until a series is forgotten.",
    )


class _Ends(NamedTuple):
    """Window ends at which series are judged: of the rows of a table, or of windows without one.

    Attributes:
        end: int64 (n,), microseconds.
        moment: int64 (n,), the latest moment before the end.
        limit: int64 (n,), microseconds; 0 while the series warms up.
    """

    end: Ints
    moment: Ints
    limit: Ints


class NoDataDetector(PerSeries):
    """Reports a gap between samples that is longer than a limit of the series' own.

        limit = max(minimum_sec, factor * u * sqrt(u / m), 2 * v)

    Of the last 64 gaps, m is the median, u the 90 % quantile and v the second longest, so one
    outage does not move the limit. Gaps above the limit are pauses. If three or more of the last
    eight pauses take a tenth of the time since the first of them, and that was six hours ago or
    half of the series' life, they are a habit (nights, bursts, irregular events), and the limit is
    at least factor times the median pause.

    The gap is measured at the end of each window, by event time. With r = gap / limit the score
    is r / 2 below the limit, then r / (r + 3/7), which is 0.7 at the limit and 0.9 at 3.86 times
    it. While a series has no data, a window without samples gets a row, so that the alert stays
    open; only the first such row is an anomaly. Missing samples are known up to the watermark
    that all partitions have passed; the end of a bounded input is not a gap.

    >>> from padit.domain.features import Passed
    >>> passed = Passed(0, 600_000_000, 60_000_000, 60_000_000)
    >>> time = np.arange(100) * 1_000_000
    >>> table = FeatureTable(
    ...     (Series("probe", "rtt_ms"),), np.array([60, 120]) * 1_000_000, np.zeros(2, np.int32),
    ...     {}, np.array([0, 60, 100]), time, np.ones(100), 600_000_000, passed=passed)
    >>> detector = NoDataDetector(NoDataParameters())
    >>> _, scores = detector.step(detector.initial(), table)
    >>> scores.score.round(3), scores.absent.window_end[:2] // 1_000_000
    (array([0.008, 0.175]), array([180, 240]))
    >>> scores.absent.score.round(3)[:2], scores.absent.ongoing[:2]
    (array([0.759, 0.846]), array([False,  True]))
    """

    name: ClassVar[str] = "no_data"
    version: ClassVar[int] = 3
    fields = FIELDS
    Parameters: ClassVar[type[Parameters]] = NoDataParameters
    budgeted: ClassVar[bool] = False
    confidence = staticmethod(measured_confidence)

    def __init__(self, parameters: NoDataParameters) -> None:
        self.parameters = parameters
        self._retention = round(parameters.retention_sec * MICROS)
        self._rules = Rules(
            round(parameters.minimum_sec * MICROS),
            float(parameters.factor),
            parameters.warm_up,
            self._retention,
            round(parameters.lived_sec * MICROS),
        )

    def step(self, state: Columns, table: FeatureTable) -> tuple[Columns, Scores]:
        """Learn the gaps of all samples, and judge each window by those before its end."""
        rows = _admit(state, table.series)
        until = _known_until(table)
        moments = follow(state, rows, table, self._rules, until)
        interval = 0 if table.passed is None else table.passed.interval
        ends = _Ends(table.window_end, moments.of_row, moments.limit.take(moments.of_row))
        absent = self._absent(moments, table)
        if len(absent.end):
            ends = _Ends(*(np.concatenate(pair) for pair in zip(ends, absent, strict=True)))
        score, ongoing, last = _judge(*ends, moments.time, until, self._retention, interval)
        missing = score >= _WARNING
        without_data = missing.nonzero()[0]
        keys = list(state.row) if len(without_data) else []  # of most tables nobody asks for them
        detail = _detail(ends, moments, last, without_data)
        if len(without_data):
            detail |= _company(ends, moments, keys, without_data, self._retention)
        state = self._forget(state, until)
        added = None
        if len(absent.end):
            there = slice(len(table), None)
            added = _named(
                keys, moments.owner(absent.moment), absent.end, score[there], ongoing[there],
                {name: column[there] for name, column in detail.items()},
            )  # fmt: skip
            here = slice(len(table))
            score, ongoing, missing = score[here], ongoing[here], missing[here]
            detail = {name: column[here] for name, column in detail.items()}
        return state, Scores(score, None, detail, ongoing, added, missing=missing)

    def explain(self, table: FeatureTable, scores: Scores, row: int) -> dict[str, Any]:
        """Length of the gap, the usual gap, and the last sample."""
        if not np.isfinite(scores.score[row]):
            return {"text": "warming up"}
        detail = {name: column[row] for name, column in (scores.detail or {}).items()}
        series = table.series[table.code[row]]
        gap = int(table.window_end[row]) - int(detail["last"])
        last = format_utc(int(detail["last"]))
        value = f"{float(detail['value']):.6g} {series.unit}".rstrip()
        text = (
            f"no sample for {_span(gap)}; usual gap {_span(int(detail['usual']))}, longest of "
            f"the last {int(detail['count'])} {_span(int(detail['longest']))}; "
            f"last value {value} at {last}"
        )
        without, known = int(detail["without_data"]), int(detail["known"])
        if without > 1:
            share = "all" if without == known else f"{without} of"
            text += f"; {share} {known} series of the source have no data"
        return {
            "text": text,
            "no_data_sec": gap / MICROS,
            "limit_sec": int(detail["limit"]) / MICROS,
            "usual_gap_sec": int(detail["usual"]) / MICROS,
            "longest_gap_sec": int(detail["longest"]) / MICROS,
            "gaps": int(detail["count"]),
            "last_value": float(detail["value"]),
            "last_time": last,
            "source_without_data": without,
            "source_series": known,
        }

    def next_due(self, state: Columns) -> int | None:
        """Event time at which the next series exceeds its limit, or is forgotten; microseconds."""
        if not len(state.seen):
            return None
        limit: Any = state.data["limit"]
        return int(_due(state.seen, limit, self._retention + 1))

    def _absent(self, moments: Moments, table: FeatureTable) -> _Ends:
        """Ends of windows without samples, and so without a row, of series that have no data."""
        passed, (at, following, *_) = table.passed, moments.lasting
        if passed is None or not len(at) or (until := _known_until(table)) == NEVER:
            return _NO_ENDS
        # A gap lasts from a moment to the next of its series, the latest one until now.
        time, limit, interval = moments.time[at], moments.limit[at], passed.interval
        final = np.minimum(np.minimum(following, until), time + self._retention) // interval
        begun = -(-(time + limit) // interval)
        in_table = time // interval + passed.size // interval
        start = np.maximum(np.maximum(begun, in_table + 1), passed.since // interval + 1)
        count = np.maximum(final - start + 1, 0)
        before = np.cumsum(count) - count
        end = np.repeat(start - before, count) + np.arange(int(count.sum()))
        return _Ends(end * interval, np.repeat(at, count), np.repeat(limit, count))

    def _forget(self, state: Columns, until: int) -> Columns:
        """Drop series past their retention.

        Exactly when it is due, so that the state does not depend on how the stream is cut.
        """
        oldest = NEVER + 1 if until == NEVER else until - self._retention
        keep = (state.seen >= oldest).nonzero()[0]
        if len(keep) == len(state.seen):
            return state
        keys = list(state.row)
        row = {keys[old]: new for new, old in enumerate(keep.tolist())}
        return Columns(row, state.seen[keep], {name: state.data[name][keep] for name in FIELDS})


DETECTOR = NoDataDetector
_OF_GAPS, _OF_SOURCE = ("usual", "longest", "count"), ("without_data", "known")
_NO_ENDS = _Ends(*(np.empty(0, np.int64) for _ in range(3)))


@kernel
def _due(seen: Ints, limit: Ints, forgotten: int) -> int:
    """When the first series exceeds its limit, or is forgotten; 0: it has none."""
    first = seen[0] + forgotten
    for i in range(len(seen)):
        wait = min(limit[i], forgotten) if limit[i] > 0 else forgotten
        first = min(first, seen[i] + wait)
    return int(first)


def _admit(state: Columns, series: tuple[Series, ...]) -> Ints:
    """Rows of the series, new ones at the end; `state.row` stays in the order of the rows."""
    if not state.has(series):
        fresh = [key for key in series if key not in state.row]
        state.row.update({key: len(state.row) + i for i, key in enumerate(fresh)})
        state.seen = np.concatenate([state.seen, np.full(len(fresh), NEVER)])
        for name, field in FIELDS.items():
            new = np.full((len(fresh), *field.shape), field.start, field.dtype)
            state.data[name] = np.concatenate([state.data[name], new])
    return state.rows_of(series)


def _known_until(table: FeatureTable) -> int:
    """Event time up to which missing samples are known; `NEVER` where nothing is known."""
    if table.passed is None or table.passed.until == WATERMARK_NONE:
        return NEVER
    return min(table.passed.until, table.closed_until)


@kernel
def _judge(
    end: Ints, moment: Ints, limits: Ints, time: Ints, until: int, retention: int, interval: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_], Ints]:
    """Score at each end, whether the series had no data at the end before, and its last sample.

    The time of that is 0 while the series warms up.

    Args:
        end: to judge, see `_Ends`, with the next two.
        moment: likewise.
        limits: likewise.
        time: int64 (M,), of all moments.
        until: event time up to which missing samples are known.
        retention: a longer gap is not reported, microseconds.
        interval: from one window end to the next, microseconds.
    """
    score = np.full(len(end), np.nan)
    ongoing, last = np.zeros(len(end), np.bool_), np.zeros(len(end), np.int64)
    for i in range(len(score)):
        limit = limits[i]
        if limit > 0:
            last[i] = time[moment[i]]
        if limit <= 0 or end[i] > until:
            continue
        gap = max(end[i] - last[i], 0)  # no sample is later, where times go on
        if gap > retention:
            continue
        ratio = gap / limit
        score[i] = ratio / 2 if ratio < 1 else ratio / (ratio + _SCALE)  # as `score_of`
        ongoing[i] = gap - interval >= limit
    return score, ongoing, last


def _detail(
    ends: _Ends, moments: Moments, last: Ints, without_data: Ints
) -> dict[str, NDArray[Any]]:
    """Columns for the evidence; the usual gap only where a series has no data."""
    nothing = np.zeros(len(ends.end), np.int64)
    detail: dict[str, NDArray[Any]] = {
        "last": last, "value": moments.value.take(ends.moment), "limit": ends.limit,
        **dict.fromkeys((*_OF_GAPS, *_OF_SOURCE), nothing),
    }  # fmt: skip
    if not len(without_data):
        return detail
    lasting = moments.lasting
    figures = dict(zip(_OF_GAPS, (lasting.usual, lasting.longest, lasting.gaps), strict=True))
    at = np.searchsorted(lasting.moment, ends.moment[without_data])
    # Each is there, where times go on: no sample came before the end that was judged.
    noted = at < len(lasting.moment)
    noted[noted] = lasting.moment[at[noted]] == ends.moment[without_data][noted]
    for name, column in figures.items():
        detail[name] = nothing.copy()
        detail[name][without_data[noted]] = column[at[noted]]
    return detail


def _company(
    ends: _Ends, moments: Moments, keys: Sequence[Series], at: Ints, retention: int
) -> dict[str, NDArray[Any]]:
    """Series of the same source that have no data at that end, and all its known series."""
    found = {name: np.zeros(len(ends.end), np.int64) for name in _OF_SOURCE}
    names = [keys[one].source_id for one in moments.owner(ends.moment[at]).tolist()]
    pairs = list(zip(names, ends.end[at].tolist(), strict=True))
    members: dict[str, list[int]] = {name: [] for name in names}
    for number, key in enumerate(keys):
        if key.source_id in members:
            members[key.source_id].append(number)
    known = {}
    for source, end in dict.fromkeys(pairs):
        last = [moments.last_before(number, end) for number in members[source]]
        known[source, end] = sum(one != NEVER and end - one <= retention for one in last)
    together = Counter(pairs)
    found["without_data"][at] = [together[pair] for pair in pairs]
    found["known"][at] = [known[pair] for pair in pairs]
    return found


def _named(
    keys: Sequence[Series],
    owner: Ints,
    end: Ints,
    score: NDArray[np.float64],
    ongoing: NDArray[np.bool_],
    detail: dict[str, NDArray[Any]],
) -> NoDataRows | None:
    """Sorted by (window end, series)."""
    if not len(end):
        return None
    present = sorted(np.unique(owner).tolist(), key=lambda one: keys[one])
    rank = np.zeros(len(keys), np.int32)
    rank[present] = np.arange(len(present), dtype=np.int32)
    code = rank[owner]
    order = np.lexsort((code, end))
    return NoDataRows(
        tuple(keys[one] for one in present),
        end[order],
        code[order],
        score[order],
        ongoing[order],
        {name: column[order] for name, column in detail.items()},
    )


def _span(micros: int) -> str:
    """A duration for people.

    >>> _span(1_000_000), _span(250_000_000), _span(90_061_000_000), _span(20_000)
    ('1.0 s', '4 min 10 s', '1 d 1 h', '0.02 s')
    """
    seconds = micros / MICROS
    if seconds < 1:
        return f"{seconds:.2g} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, big, name, small in ((60, 3600, "min", "s"), (3600, 86400, "h", "min")):
        if whole < big:
            rest = whole % unit // (unit // 60)
            return f"{whole // unit} {name}" + (f" {rest} {small}" if rest else "")
    rest = whole % 86400 // 3600
    return f"{whole // 86400} d" + (f" {rest} h" if rest else "")
