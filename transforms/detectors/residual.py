"""Residual: what is left of a value after the hour, the day and the week explained theirs."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Option

from domain.features import FeatureTable
from transforms.detectors.base import Parameters, Scores
from transforms.detectors.calibration import score_of
from transforms.detectors.columns import Columns, Field, locate, row_argmax, samples_of
from transforms.detectors.wording import number

__all__ = ["DETECTOR", "ResidualDetector", "ResidualParameters"]

Array = NDArray[np.float64]
Data = dict[str, NDArray[Any]]

_PHASES = 48  # of a period: half an hour of the day
_CLIP = 4.0  # mean deviations: one outlier is not a habit
_FEWEST = 8  # phases with samples: fewer follow the level, they do not show a shape
_CYCLES = 7  # cycles over which a profile forgets
_FLOOR = 0.05  # of the deviation from the level: less than this is never news
_WHEN = {3600: "minute of the hour", 86400: "hour", 604800: "time of the week"}


class ResidualParameters(Parameters):
    """Which periods are tried, and where a warning begins."""

    periods_sec: tuple[int, ...] = Option(
        (60, 300, 3600, 28800, 86400, 604800), max_length=6,
        description="Periods tried, seconds; one is used once it has proven itself. May be empty.",
    )  # fmt: skip
    gain: float = Option(
        0.7, gt=0, lt=1, description="A period counts if its error is below this share of none."
    )
    memory: int = Option(2048, ge=64, description="Samples over which level and errors adapt.")
    warm_up: int = Option(30, ge=8, description="Samples without a score.")
    warning: float = Option(8.0, gt=0, description="Mean deviations that score 0.7.")
    retention_sec: float = Option(
        30 * 86400.0, gt=0, description="Seconds without a sample until a series is forgotten."
    )


class ResidualDetector:
    """Distance from the level, or from the usual value at this phase of a proven period.

        z = |x - l| / max(d, e / 2, 0.05 b),  score = z / (z + 3/7 warning)

    Every period has 48 phases of event time (UTC). A phase keeps the location l and the mean
    deviation d of the visits in earlier cycles; a visit is folded in when it ends, limited to 4 d,
    so a value is judged by earlier cycles only. e is the running mean error of the period, b that
    of the level. The period with the smallest e / b is used if that is below `gain` after two
    cycles, with at least 8 phases visited twice; else, or at a phase visited less than twice, level
    and b alone are used. A season that ended loses its proof the same way.

    The seasonal profile is that of the seasonal naive and mean-profile methods in Hyndman &
    Athanasopoulos (2021), Forecasting: principles and practice, 5.2.

    >>> from domain.metric import Series
    >>> hour = np.arange(24 * 10.0)
    >>> value = 10 + 5 * np.sin(hour * np.pi / 12)
    >>> value += np.random.default_rng(7).normal(0, 0.2, len(value))
    >>> value[24 * 9 + 18] = 15.0  # the level of 6 a.m. at 6 p.m.
    >>> time = (hour * 3.6e9).astype(np.int64)
    >>> table = FeatureTable(
    ...     (Series("probe", "rtt", "ms"),), np.array([time[-1] + 1]), np.array([0], np.int32), {},
    ...     np.array([0, 240]), time, value, int(time[-1]) + 1)
    >>> detector = ResidualDetector(ResidualParameters())
    >>> state, scores = detector.step(detector.initial(), table)
    >>> np.flatnonzero(scores.sample >= 0.7)
    array([234])
    >>> detector.explain(table, scores, 0)["text"].partition(" to ")[0]
    'rtt 15 ms; usual at this hour 4.426'
    """

    name: ClassVar[str] = "residual"
    version: ClassVar[int] = 1
    Parameters: ClassVar[type[Parameters]] = ResidualParameters

    def __init__(self, parameters: ResidualParameters) -> None:
        self.parameters = parameters
        self._period = np.array(parameters.periods_sec, np.int64) * 1_000_000
        periods = len(self._period)
        one, each = Field((), "<f8"), Field((periods,), "<f8")
        profile = Field((periods, _PHASES), "<f8")
        self._small = {
            "age": one, "begin": Field((), "<i8"), "level": one, "base": one,
            "error": each, "rival": each, "trials": each, "phases": each,
            "visit": Field((periods,), "<i8", -1), "sum": each, "off": each, "size": each,
        }  # fmt: skip
        self._profile = {
            "location": profile,
            "spread": profile,
            "visits": Field((periods, _PHASES), "<u1"),
        }
        self._fields = self._small | self._profile

    def initial(self) -> Columns:
        """No series yet."""
        return Columns.empty(self._fields)

    def step(self, state: Columns, table: FeatureTable) -> tuple[Columns, Scores]:
        """Score sample by sample, all series side by side."""
        samples = samples_of(table)
        retention = int(self.parameters.retention_sec * 1e6)
        state, rows = locate(state, self._fields, table, retention)
        time = table.time[samples.order]
        found = np.zeros((4, len(time)))
        small: Data = {name: state.data[name][rows] for name in self._small}
        for k in range(int(samples.count.max(initial=0))):
            active = np.flatnonzero(samples.count > k)
            at = samples.start[active] + k
            r = {name: column[active] for name, column in small.items()}
            found[:, at] = self._sample(r, state.data, rows[active], samples.value[at], time[at])
            for name, column in r.items():
                small[name][active] = column
        for name, column in small.items():
            state.data[name][rows] = column
        told = np.empty_like(found)
        told[:, samples.order] = found
        score, best = row_argmax(told[0], table.offset)
        if not len(time):
            none = np.zeros(len(table))
            return state, Scores(score, told[0], dict.fromkeys(_FACTS, none))
        facts = (table.value, *told[1:])
        detail = {name: column[best] for name, column in zip(_FACTS, facts, strict=True)}
        return state, Scores(score, told[0], detail)

    def explain(self, table: FeatureTable, scores: Scores, row: int) -> dict[str, Any]:
        """The value, and what is usual at this time."""
        if not np.isfinite(scores.score[row]):
            return {"text": "warming up"}
        detail = {key: float(column[row]) for key, column in (scores.detail or {}).items()}
        series = table.series[table.code[row]]
        low = detail["usual"] - 3 * detail["spread"]
        high = detail["usual"] + 3 * detail["spread"]
        period = int(detail["period_sec"])
        when = _WHEN.get(period, f"phase of {period} s")
        seen = f"{series.metric_name} {number(detail['value'])} {series.unit}".rstrip()
        usual = f"usual at this {when}" if period else "usual"
        return {"text": f"{seen}; {usual} {number(low)} to {number(high)}", **detail}

    def dump(self, state: Columns) -> bytes:
        """Series in their canonical order."""
        return state.dump(self.version)

    def load(self, data: bytes) -> Columns:
        """Series from bytes.

        Raises:
            StateError: damaged, of another version or of other parameters.
        """
        return Columns.load(data, self.version, self._fields)

    def _sample(
        self, r: Data, data: Data, rows: NDArray[np.int64], x: Array, time: NDArray[np.int64]
    ) -> Array:
        """Score, usual value, its spread and the period of one sample of each series; learns."""
        p = self.parameters
        n = np.arange(len(x))
        young = r["age"] == 0
        r["begin"] = np.where(young, time, r["begin"])
        r["level"] = np.where(young, x, r["level"])
        off = np.abs(x - r["level"])
        usual, spread, period = r["level"], r["base"], np.zeros(len(x))
        if len(self._period):
            visit = time[:, None] // self._period * _PHASES
            visit += time[:, None] % self._period * _PHASES // self._period
            self._fold(r, data, rows, visit)
            place = (rows[:, None], np.arange(len(self._period)), visit % _PHASES)
            location, deviation = data["location"][place], data["spread"][place]
            known = data["visits"][place] >= 2
            ratio = np.where(r["rival"] > 0, r["error"] / np.maximum(r["rival"], 1e-300), 1.0)
            passed = (time - r["begin"])[:, None] >= 2 * self._period
            ratio = np.where(known & passed & (r["phases"] >= _FEWEST), ratio, 1.0)
            best = ratio.argmin(axis=1)
            proven = ratio[n, best] < p.gain
            narrow = np.maximum(deviation[n, best], r["error"][n, best] / 2)
            usual = np.where(proven, location[n, best], usual)
            spread = np.where(proven, np.maximum(narrow, _FLOOR * spread), spread)
            period = np.where(proven, self._period[best] / 1e6, 0.0)
            self._compare(r, np.abs(x[:, None] - location), off, known)
            r["sum"], r["size"] = r["sum"] + x[:, None], r["size"] + 1
            r["off"] = r["off"] + np.abs(x[:, None] - location)
        spread = np.maximum(spread, 1e-9 * np.abs(usual) + 1e-150)
        score = score_of(np.minimum(np.abs(x - usual) / spread, 1e6), p.warning)
        score = np.where(r["age"] < p.warm_up, np.nan, score)
        self._follow(r, x, off)
        return np.stack([score, usual, spread, period])

    def _follow(self, r: Data, x: Array, off: Array) -> None:
        """Let the level and its mean deviation follow; outliers count 4 deviations at most."""
        settled = (r["age"] >= self.parameters.warm_up) & (r["base"] > 0)
        r["age"] = r["age"] + 1
        part = 1 / np.minimum(r["age"], self.parameters.memory)
        held = np.where(settled, np.minimum(off, _CLIP * r["base"]), off)
        r["level"] = r["level"] + part * np.copysign(held, x - r["level"])
        r["base"] = r["base"] + part * (held - r["base"])

    def _compare(self, r: Data, error: Array, off: Array, known: NDArray[np.bool_]) -> None:
        """Running errors of period and level over the same samples, each limited alike."""
        r["trials"] = r["trials"] + known
        part = known / np.maximum(np.minimum(r["trials"], self.parameters.memory), 1)
        limit = np.where(r["base"] > 0, _CLIP * r["base"], np.inf)[:, None]
        r["error"] = r["error"] + part * (np.minimum(error, limit) - r["error"])
        r["rival"] = r["rival"] + part * (np.minimum(off[:, None], limit) - r["rival"])

    def _fold(self, r: Data, data: Data, rows: NDArray[np.int64], visit: NDArray[np.int64]) -> None:
        """Where a phase ended, let its profile learn the visit."""
        one, which = np.nonzero((visit != r["visit"]) & (r["size"] > 0))
        if one.size:
            place = (rows[one], which, r["visit"][one, which] % _PHASES)
            size = r["size"][one, which]
            mean, off = r["sum"][one, which] / size, r["off"][one, which] / size
            visits = data["visits"][place].astype(np.float64)
            location, spread = data["location"][place], data["spread"][place]
            limit = np.maximum(spread, np.maximum(r["error"][one, which], _FLOOR * r["base"][one]))
            limit = np.where(visits >= 2, _CLIP * limit, np.inf)
            moved = np.minimum(np.maximum(mean - location, -limit), limit)
            part = 1 / np.minimum(visits + 1, _CYCLES)
            data["location"][place] = location + part * moved
            # The first visit has no earlier one to differ from.
            share = np.where(visits > 0, 1 / np.maximum(np.minimum(visits, _CYCLES), 1), 0.0)
            data["spread"][place] = spread + share * (np.minimum(off, limit) - spread)
            r["phases"][one, which] += visits == 1
            data["visits"][place] = np.minimum(visits + 1, _CYCLES).astype(np.uint8)
        fresh = visit != r["visit"]
        r["visit"] = visit
        for name in ("sum", "off", "size"):
            r[name] = np.where(fresh, 0.0, r[name])


_FACTS = ("value", "usual", "spread", "period_sec")

DETECTOR = ResidualDetector
