"""Readings and windows of a run for queries: by series and time, thinned for a screen.

DuckDB holds them in one file that is made again at each start, so it may be larger than memory.
Times are microseconds. One thread adds at a time, any may read.
"""

import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from padit.analysis.series_extent import Extents, SeriesInfo, Silence
from padit.analysis.series_names import Key, SeriesNames
from padit.domain.errors import SinkError
from padit.domain.features import FEATURES
from padit.domain.rows import Rows
from padit.domain.timestamps import parse_timestamp

__all__ = ["Lanes", "Line", "Moved", "SeriesInfo", "SeriesStore", "Windows"]

_COLUMNS = (*FEATURES, "score", "level", "expected_low", "expected_high")
_MOST_SERIES = 1_000_000
_TOO_MUCH = "there is too much in this span to be looked at at once: choose a shorter one"
_SMALLEST_SCALE = 0.001  # of the median: a constant line has no other scale


class Line(NamedTuple):
    """Readings of a series: all of them, or the least and greatest of each slice of time."""

    time: NDArray[np.int64]
    value: NDArray[np.float64]
    total: int
    exact: bool


class Windows(NamedTuple):
    """Windows of a series, by the names of their columns; the worst score of each slice."""

    time: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]
    total: int
    exact: bool


class Moved(NamedTuple):
    """How far the median of a series moved in a span, in units of its usual spread."""

    source_id: str
    metric_name: str
    shift: float
    median: float
    before: float


class Lanes(NamedTuple):
    """By source the worst score of slices of time (begin, score); how many sources there are."""

    scores: dict[str, list[tuple[int, float]]]
    total: int


class _Window(msgspec.Struct):
    source_id: str
    metric_name: str
    window_end: str | float
    unit: str = ""
    mean: float | None = None
    std: float | None = None
    min: float | None = None
    max: float | None = None
    median: float | None = None
    p25: float | None = None
    p75: float | None = None
    p95: float | None = None
    p99: float | None = None
    trend: float | None = None
    ewma: float | None = None
    gradient: float | None = None
    cusum: float | None = None
    seasonality: float | None = None
    count: float | None = None
    score: float | None = None
    level: float | None = None
    expected_low: float | None = None
    expected_high: float | None = None


_window = msgspec.json.Decoder(_Window)


class SeriesStore:
    """Opens an empty store.

    Args:
        folder: where its file lies; made if it does not exist.
        memory: that DuckDB may use, in its words.
    """

    def __init__(self, folder: Path, memory: str = "1GB") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "series.duckdb"
        for old in (path, path.with_name(path.name + ".wal")):
            old.unlink(missing_ok=True)
        self._connection = duckdb.connect(str(path), config={"memory_limit": memory, "threads": 2})
        self._connection.execute("CREATE TABLE reading (series INTEGER, time BIGINT, value DOUBLE)")
        columns = ", ".join(f'"{name}" DOUBLE' for name in _COLUMNS)
        self._connection.execute(f"CREATE TABLE win (series INTEGER, time BIGINT, {columns})")
        self._adding = threading.Lock()
        self._names = SeriesNames(self._connection)
        self._extents = Extents()
        self._numbers: dict[Key, int] = {}
        self._of_source: dict[str, list[int]] = {}
        self.version = 0
        self.left_out = 0
        self.refused = 0

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # ---- adding

    def add_rows(self, rows: Rows) -> None:
        """Add readings."""
        if not len(rows):
            return
        with self._adding:
            numbers = np.array(
                [self._number(one.source_id, one.metric_name, one.unit) for one in rows.series],
                np.int32,
            )
            series = numbers[rows.code]
            known = series >= 0
            self.left_out += int((~known).sum())
            series, time, value = series[known], rows.time[known], rows.value[known]
            self._insert("reading", pa.table({"series": series, "time": time, "value": value}))
            self._account(series, time, "readings")

    def add_windows(self, lines: Iterable[bytes]) -> None:
        """Add the lines of `--features`; what is none is counted in `refused`."""
        found = []
        for line in lines:
            try:
                one = _window.decode(line)
                found.append((one, parse_timestamp(one.window_end)))
            except (msgspec.DecodeError, ValueError, OverflowError):
                self.refused += 1
        if not found:
            return
        with self._adding:
            series = np.array(
                [self._number(one.source_id, one.metric_name, one.unit) for one, _ in found],
                np.int32,
            )
            time = np.array([moment for _, moment in found], np.int64)
            known = series >= 0
            self.left_out += int((~known).sum())
            columns: dict[str, Any] = {"series": series[known], "time": time[known]}
            for name in _COLUMNS:
                column = [getattr(one, name, None) for one, _ in found]
                columns[name] = pa.array(column, pa.float64()).filter(pa.array(known))
            self._insert("win", pa.table(columns))
            self._account(series[known], time[known], "windows")

    def _number(self, source: str, metric: str, unit: str) -> int:
        number = self._numbers.get((source, metric))
        if number is None:
            number = len(self._numbers)
            if number >= _MOST_SERIES:
                return -1
            key = sys.intern(source), sys.intern(metric)
            place = self._names.add(key)
            self._extents.add(place, unit)
            self._of_source.setdefault(key[0], []).append(number)
            self._numbers[key] = number
        elif unit:
            self._extents.name_unit(number, unit)
        return number

    def _insert(self, table: str, data: pa.Table) -> None:
        cursor = self._connection.cursor()
        cursor.register("fresh", data)
        cursor.execute(f"INSERT INTO {table} SELECT * FROM fresh")  # noqa: S608  # two fixed names
        cursor.close()

    def _account(self, series: NDArray[np.int32], time: NDArray[np.int64], what: str) -> None:
        self._names.write()
        self._extents.note(series, time, what)
        self.version += 1

    # ---- reading

    @property
    def count(self) -> int:
        """How many series there are."""
        return len(self._numbers)

    @property
    def first(self) -> int:
        """The earliest event time; 0: there is none."""
        return self._extents.earliest

    @property
    def last(self) -> int:
        """The latest event time."""
        return self._extents.latest

    def knows(self, source: str) -> bool:
        """Whether readings or windows are of a source."""
        return source in self._of_source

    def has(self, key: Key) -> bool:
        """Whether readings or windows are of a series."""
        return key in self._numbers

    def info(self, source: str, metric: str) -> SeriesInfo | None:
        """What is known of a series."""
        number = self._numbers.get((source, metric))
        return None if number is None else self._info(number)

    def _info(self, number: int) -> SeriesInfo:
        return self._extents.info(number, self._names.keys[number])

    def find(self, text: str, after: Key | None, most: int) -> tuple[list[Key], int]:
        """Series whose names have a text, behind a place, in order; and how many there are."""
        return self._names.find(text, after, most)

    def sources(self, after: str | None, most: int) -> tuple[list[str], int]:
        """Sources behind one, in order; and how many there are."""
        return self._names.sources_behind(after, most), len(self._of_source)

    def extent(self, source: str) -> tuple[int, int]:
        """How many series a source has, and its latest event time."""
        return self._extents.of(self._of_source.get(source, ()))

    def silence(self, now: int) -> Silence:
        """Which sources are silent for longer than they usually are."""
        return self._extents.silence(now, self._names.sources)

    def totals(self) -> tuple[int, int]:
        """Readings and windows."""
        return self._extents.totals["readings"], self._extents.totals["windows"]

    def line(self, info: SeriesInfo, start: int, end: int, points: int) -> Line:
        """Readings in [start, end]; more than `points` become at most so many."""
        found = self._numpy(
            "SELECT time, value FROM reading WHERE series = ? AND time BETWEEN ? AND ? "
            "ORDER BY time, value LIMIT ?",
            (info.number, start, end, points + 1),
        )
        if len(found["time"]) <= points:
            return Line(found["time"], found["value"], len(found["time"]), True)
        found = self._numpy(
            "SELECT arg_min(time, value) AS low_time, min(value) AS low, "
            "arg_max(time, value) AS high_time, max(value) AS high, count(*) AS n FROM reading "
            "WHERE series = ? AND time BETWEEN ? AND ? "
            "GROUP BY (time - ?) // ? ORDER BY min(time)",
            (info.number, start, end, start, _slice(start, end, points // 2)),
        )
        time = np.concatenate([found["low_time"], found["high_time"]])
        value = np.concatenate([found["low"], found["high"]])
        order = np.lexsort((value, time))
        return Line(time[order], value[order], int(found["n"].sum()), False)

    def windows(self, info: SeriesInfo, start: int, end: int, points: int) -> Windows:
        """Windows that end in [start, end]; of more than `points` those with the worst scores."""
        count = self._numpy(
            "SELECT count(*) AS n FROM win WHERE series = ? AND time BETWEEN ? AND ?",
            (info.number, start, end),
        )["n"][0]
        names = ", ".join(f'"{name}"' for name in _COLUMNS)
        query = f"SELECT time, {names} FROM win WHERE series = ? AND time BETWEEN ? AND ? "  # noqa: S608
        arguments = [info.number, start, end]
        if count > points:
            query += (
                "QUALIFY row_number() OVER (PARTITION BY (time - ?) // ? "
                "ORDER BY coalesce(score, -1) DESC, time) = 1 "
            )
            arguments += [start, _slice(start, end, points)]
        found = self._numpy(query + "ORDER BY time", arguments)
        return Windows(found.pop("time"), found, int(count), bool(count <= points))

    def readings(
        self, source: str, metric: str | None, start: int, end: int, after: int, most: int
    ) -> list[tuple[str, int, float]]:
        """Metric, event time and value of a source's readings, behind the first `after`."""
        which, chosen = "(SELECT number FROM name WHERE place = ?)", self._names.place(source)
        if metric is not None:
            which, chosen = "(?)", self._numbers.get((source, metric), -1)
        rows = self._rows(
            f"SELECT series, time, value FROM reading WHERE series IN {which} "  # noqa: S608
            "AND time BETWEEN ? AND ? ORDER BY time DESC, series, value LIMIT ? OFFSET ?",
            (chosen, start, end, most, after),
        )
        keys = self._names.keys
        return [(keys[one][1], time, value) for one, time, value in rows]

    def status(self, source: str, after: int = 0, most: int = 500) -> list[dict[str, Any]]:
        """Latest window of metrics of a source, behind the first `after`."""
        mine = self._of_source.get(source, [])[after : after + most]
        names = ", ".join(f'arg_max("{name}", time)' for name in _COLUMNS)
        found = self._rows(
            f"SELECT series, max(time), {names} FROM win "  # noqa: S608  # fixed names
            "WHERE series IN (SELECT unnest(?)) GROUP BY series",
            (mine,),
        )
        latest = {row[0]: row for row in found}
        rows = []
        for number in mine:
            one, row = self._info(number), latest.get(number)
            features = {} if row is None else dict(zip(_COLUMNS, row[2:], strict=True))
            rows.append({
                "metric_name": one.metric_name, "unit": one.unit, "last": one.last,
                "window_end": 0 if row is None else row[1], "features": features,
            })  # fmt: skip
        return rows

    def moved(self, start: int, end: int, most: int) -> list[Moved]:
        """Series that moved most in a span, against four times the span before it."""
        rows = self._rows(
            "WITH t AS (SELECT series, time >= ? AS inside, value FROM reading "
            "WHERE time BETWEEN ? AND ?), q AS (SELECT series, "
            "median(value) FILTER (inside) AS m, median(value) FILTER (NOT inside) AS b, "
            "quantile_cont(value, 0.75) FILTER (NOT inside) "
            "- quantile_cont(value, 0.25) FILTER (NOT inside) AS iqr, "
            "stddev_pop(value) FILTER (NOT inside) AS sd FROM t GROUP BY series) "
            "SELECT series, m, b, (m - b) / greatest(iqr, sd, abs(b) * ?, 1e-12) AS shift FROM q "
            "WHERE m IS NOT NULL AND b IS NOT NULL ORDER BY abs(shift) DESC, series LIMIT ?",
            (start, start - 4 * (end - start), end, _SMALLEST_SCALE, most),
        )
        keys = self._names.keys
        return [Moved(keys[n][0], keys[n][1], shift, m, b) for n, m, b, shift in rows]

    def lanes(self, start: int, end: int, slices: int, first: Sequence[str], most: int) -> Lanes:
        """Of sources the worst level or score of each slice of time: those of `first`, then others.

        Others come by their worst, as many as make `most` with the first.
        """
        width = _slice(start, end, slices)
        wanted = [place for one in first if (place := self._names.place(one)) >= 0]
        rows = self._rows(
            "WITH a AS (SELECT place, (time - ?) // ? AS k, max(greatest(coalesce(score, 0), "
            "coalesce(level, 0))) AS x FROM win JOIN name ON number = series "
            "WHERE time BETWEEN ? AND ? GROUP BY place, k), "
            "t AS (SELECT place, count(*) OVER () AS n FROM a GROUP BY place ORDER BY "
            "place IN (SELECT unnest(?::INTEGER[])) DESC, max(x) DESC, place LIMIT ?) "
            "SELECT source, k, x, n FROM a JOIN t USING (place) JOIN place USING (place) "
            "ORDER BY source, k",
            (start, width, start, end, wanted, most),
        )
        found: dict[str, list[tuple[int, float]]] = {}
        for source, k, score, _ in rows:
            found.setdefault(source, []).append((start + k * width, score))
        return Lanes(found, rows[0][3] if rows else 0)

    def _numpy(self, query: str, arguments: Sequence[Any]) -> dict[str, Any]:
        cursor = self._connection.cursor()
        try:
            found = cursor.execute(query, arguments).fetchnumpy()
        except duckdb.OutOfMemoryException as error:
            raise SinkError(_TOO_MUCH) from error
        finally:
            cursor.close()
        return {name: _plain(column) for name, column in found.items()}

    def _rows(self, query: str, arguments: Sequence[Any]) -> list[Any]:
        cursor = self._connection.cursor()
        try:
            return cursor.execute(query, arguments).fetchall()
        except duckdb.OutOfMemoryException as error:
            raise SinkError(_TOO_MUCH) from error
        finally:
            cursor.close()


def _plain(column: Any) -> Any:
    """NaN where there is nothing."""
    if isinstance(column, np.ma.MaskedArray):
        return column.filled(np.nan) if column.dtype.kind == "f" else column.data
    return column


def _slice(start: int, end: int, number: int) -> int:
    return max((end - start) // max(number, 1) + 1, 1)
