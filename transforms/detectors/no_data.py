"""No data: a series that stopped, judged by its own usual gap between samples."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Option

from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.domain.timestamps import MICROS, format_utc
from padit.domain.watermark import WATERMARK_NONE
from padit.transforms.detectors.base import Parameters, Scores
from padit.transforms.detectors.calibration import measured_confidence, score_of
from padit.transforms.detectors.columns import Columns
from padit.transforms.detectors.gaps import FIELDS, LONG, NEVER, RECENT, figures, learn
from padit.transforms.detectors.no_data_rows import (
    NOTHING,
    Ends,
    Latest,
    company_of,
    rows_without_data,
)

__all__ = ["DETECTOR", "NoDataDetector", "NoDataParameters"]

Ints = NDArray[np.int64]
_WARNING = 0.7


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


class NoDataDetector:
    """Reports a gap between samples that is longer than a limit of the series' own.

        limit = max(minimum_sec, factor * u * sqrt(u / m), 2 * v)

    Of the last 64 gaps, m is the median, u the 90 % quantile and v the second longest, so one
    outage does not move the limit. Gaps above the limit are pauses. If three or more of the last
    eight pauses take a tenth of the time since the first of them, they are a habit (nights,
    bursts, irregular events), and the limit is at least factor times the median pause.

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
    version: ClassVar[int] = 2
    Parameters: ClassVar[type[Parameters]] = NoDataParameters
    budgeted: ClassVar[bool] = False
    confidence = staticmethod(measured_confidence)

    def __init__(self, parameters: NoDataParameters) -> None:
        self.parameters = parameters
        self._retention = round(parameters.retention_sec * MICROS)
        self._lived = round(parameters.lived_sec * MICROS)

    def initial(self) -> Columns:
        """No series yet."""
        return Columns.empty(FIELDS)

    def step(self, state: Columns, table: FeatureTable) -> tuple[Columns, Scores]:
        """Learn the gaps of all samples, and judge each window by those before its end."""
        owner = _admit(state, table.series)[table.code]
        latest = Latest(state.seen.copy(), owner, table)
        here, long, values = self._learn(state, owner, table)
        absent = self._absent(state, long, values, table)
        ends = here
        if len(absent.end):
            ends = Ends(*(np.concatenate(pair) for pair in zip(here, absent, strict=True)))
        score, ongoing = self._judge(ends, table)
        keys = list(state.row)
        missing = score >= _WARNING
        detail = _detail(ends, missing)
        detail |= company_of(ends, latest, keys, missing, self._retention)
        n = len(table)
        added = rows_without_data(
            keys,
            absent,
            score[n:],
            ongoing[n:],
            {one: column[n:] for one, column in detail.items()},
        )
        mine = {name: column[:n] for name, column in detail.items()}
        return self._forget(state, table), Scores(
            score[:n], None, mine, ongoing[:n], added, missing=missing[:n]
        )

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
        wait = np.where(limit > 0, np.minimum(limit, self._retention + 1), self._retention + 1)
        return int((state.seen + wait).min())

    def dump(self, state: Columns) -> bytes:
        """Series in their canonical order."""
        return state.dump(self.version)

    def load(self, data: bytes) -> Columns:
        """Series from bytes.

        Raises:
            StateError: damaged, of another version or of other parameters.
        """
        return Columns.load(data, self.version, FIELDS)

    def _learn(
        self, state: Columns, owner: Ints, table: FeatureTable
    ) -> tuple[Ends, Ints, NDArray[np.float64]]:
        """Take in all samples; what is known at each row of the table, and gaps that were long."""
        data: dict[str, Any] = state.data
        out, value = np.zeros((5, len(table)), np.int64), np.empty(len(table))
        end = table.window_end.astype(np.int64, copy=False)
        given = self.parameters
        bounds = (round(given.minimum_sec * MICROS), given.warm_up, self._lived, self._retention)
        long, values = learn(
            data["gaps"],
            data["pauses"],
            data["begins"],
            data["limit"],
            data["value"],
            data["born"],
            state.seen,
            owner,
            end,
            table.offset.astype(np.int64, copy=False),
            table.time.astype(np.int64, copy=False),
            table.value,
            np.array(bounds, np.int64),
            given.factor,
            out,
            value,
        )
        last, limit, usual, longest, count = out
        return Ends(end, owner, last, value, limit, usual, longest, count), long, values

    def _absent(
        self, state: Columns, long: Ints, values: NDArray[np.float64], table: FeatureTable
    ) -> Ends:
        """Ends of windows without samples, and so without a row, of series that have no data."""
        passed, until = table.passed, _known_until(table)
        if passed is None or until == NEVER:
            return NOTHING
        data: dict[str, Any] = state.data
        # A gap lasts from a sample to the next of its series, the latest one until now.
        waiting = data["limit"] > 0
        waiting &= until - np.where(waiting, state.seen, until) >= data["limit"]
        now = np.flatnonzero(waiting)
        if not len(now) and not len(long):
            return NOTHING
        lasting = np.empty((len(now), LONG), np.int64)
        lasting[:, 0], lasting[:, 1], lasting[:, 2] = now, state.seen[now], until
        lasting[:, 3], lasting[:, 4:] = data["limit"][now], figures(data["gaps"][now])
        lasting = np.concatenate([long, lasting])
        value = np.concatenate([values, data["value"][now]])
        _, time, following, limit = lasting.T[:4]
        interval = passed.interval
        final = np.minimum(np.minimum(following, until), time + self._retention) // interval
        begun = -(-(time + limit) // interval)
        in_table = time // interval + passed.size // interval
        start = np.maximum(np.maximum(begun, in_table + 1), passed.since // interval + 1)
        count = np.maximum(final - start + 1, 0)
        before = np.cumsum(count) - count
        end = np.repeat(start - before, count) + np.arange(int(count.sum()))
        at = np.repeat(np.arange(len(lasting)), count)
        row, last, _, held, usual, longest, gaps = lasting[at].T
        return Ends(end * interval, row, last, value[at], held, usual, longest, gaps)

    def _judge(
        self, ends: Ends, table: FeatureTable
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Score at each end, and whether the series had no data at the end before."""
        until = _known_until(table)
        interval = 0 if table.passed is None else table.passed.interval
        known = (ends.limit > 0) & (ends.end <= until)
        gap = ends.end - np.where(known, ends.last, ends.end)
        known &= gap <= self._retention
        ratio = gap / np.maximum(ends.limit, 1)
        score = np.where(ratio < 1, ratio / 2, score_of(ratio, 1.0))
        ongoing = known & (gap - interval >= ends.limit)
        return np.where(known, score, np.nan), ongoing

    def _forget(self, state: Columns, table: FeatureTable) -> Columns:
        """Drop series past their retention."""
        # Exactly when it is due, so that the state does not depend on how the stream is cut.
        until = _known_until(table)
        oldest = NEVER + 1 if until == NEVER else until - self._retention
        keep = np.flatnonzero(state.seen >= oldest)
        if len(keep) == len(state.seen):
            return state
        keys = list(state.row)
        row = {keys[old]: new for new, old in enumerate(keep.tolist())}
        data: dict[str, Any] = state.data
        return Columns(row, state.seen[keep], {name: data[name][keep] for name in FIELDS})


DETECTOR = NoDataDetector


def _admit(state: Columns, series: tuple[Series, ...]) -> Ints:
    """Rows of the series, new ones at the end; `state.row` stays in the order of the rows."""
    fresh = [key for key in series if key not in state.row]
    if not fresh:
        return np.array([state.row[key] for key in series], np.int64)
    state.row.update({key: len(state.row) + i for i, key in enumerate(fresh)})
    state.seen = np.concatenate([state.seen, np.full(len(fresh), NEVER)])
    for name, field in FIELDS.items():
        new = np.full((len(fresh), *field.shape), field.start, field.dtype)
        state.data[name] = np.concatenate([state.data[name], new])
    return np.array([state.row[key] for key in series], np.int64)


def _known_until(table: FeatureTable) -> int:
    """Event time up to which missing samples are known; `NEVER` where nothing is known."""
    if table.passed is None or table.passed.until == WATERMARK_NONE:
        return NEVER
    return min(table.passed.until, table.closed_until)


def _detail(ends: Ends, without_data: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """Columns for the evidence; the usual gap only where a series has no data."""
    detail: dict[str, NDArray[Any]] = {
        "last": np.where(ends.limit > 0, ends.last, 0),
        "value": ends.value,
        "limit": ends.limit,
    }
    for name, of_gaps in (("usual", ends.usual), ("longest", ends.longest), ("count", ends.gaps)):
        detail[name] = np.where(without_data, of_gaps, 0)
    return detail


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
