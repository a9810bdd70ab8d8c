"""Readings, windows and scores out of the tables of `padit store`, and live features out of Redis.

What series there are is asked for by a thread, and kept; values are asked for as they are shown.
Times are microseconds.
"""

import logging
import threading
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.analysis.series_extent import SeriesInfo
from padit.analysis.series_store import Lanes, Line, Moved, Windows
from padit.domain.errors import ConfigurationError, SinkError
from padit.domain.features import FEATURES
from padit.domain.timestamps import MICROS
from padit.ops.background import Background
from padit.portal.team.database import Database
from padit.portal.team.known import KnownSeries
from padit.portal.team.live import LiveFeatures

__all__ = ["TeamSeries"]

_LOG = logging.getLogger(__name__)
_COLUMNS = (*FEATURES, "score", "level", "expected_low", "expected_high")
_NAMES_EVERY = 5  # looks
_LOOK_SECONDS = 1.0
_MOST_SERIES = 1_000_000
_MOST_LAST = 20_000
_SMALLEST_SCALE = 0.001
_MOST_LEARNT = 20_000_000
_LATEST = 1 << 52
_encode = msgspec.json.Encoder().encode
_US = "(extract(epoch FROM {}) * 1000000)::bigint"
_AT = "to_timestamp(%s::float8 / 1000000)"
_MACHINES = """
WITH RECURSIVE m AS (
    (SELECT machine_id FROM sensor_log ORDER BY machine_id LIMIT 1)
    UNION ALL
    SELECT (SELECT s.machine_id FROM sensor_log s WHERE s.machine_id > m.machine_id
            ORDER BY s.machine_id LIMIT 1) FROM m WHERE m.machine_id IS NOT NULL
) SELECT machine_id, (SELECT {} FROM sensor_log l WHERE l.machine_id = m.machine_id
    ORDER BY "timestamp" DESC LIMIT 1) FROM m WHERE machine_id IS NOT NULL
""".format(_US.format('"timestamp"'))  # noqa: S608  # fixed text
_LAST = """
SELECT id, (SELECT {} FROM metric_sample WHERE series = id ORDER BY "time" DESC LIMIT 1)
FROM metric_series ORDER BY id LIMIT %s
""".format(_US.format('"time"'))  # noqa: S608  # fixed text


class TeamSeries(KnownSeries):
    """As `SeriesStore`, over a database; also a `Feed` that looks what there is.

    Args:
        database: with the tables of `padit store`.
        live: features in Redis; None: those of the database.
    """

    left_out = 0
    refused = 0
    rejected = 0
    heard = 0.0

    def __init__(self, database: Database, live: LiveFeatures | None) -> None:
        super().__init__()
        self._database = database
        self._live = live
        self.version = 0
        self.trouble = ""
        self.lacks = ""
        self.caught_up = threading.Event()
        self._numbers: dict[tuple[str, str], list[int]] = {}
        self._names: dict[int, tuple[str, str]] = {}
        self._columns: tuple[str, ...] = ()
        self._machines: set[str] = set()
        self._following: Any = None
        self._totals = (0, 0)
        self._looks = 0
        self._thread = Background(self._run, "series")

    # ---- what there is

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stop."""
        self._thread.stop()

    def close(self) -> None:
        """Let go of Redis."""
        if self._live is not None:
            self._live.close()

    def _run(self) -> None:
        while self._thread.running:
            began = time.monotonic()
            try:
                if self._live is not None and self._live.trouble:
                    self._live.look()
                self._look()
                self.trouble = ""
            except SinkError as error:
                self.trouble = str(error)
            except Exception as error:  # one fault must not end the thread in silence
                self.trouble = f"{type(error).__name__}: {error}"
                _LOG.exception("series cannot be looked for")
            self.caught_up.set()
            # of very many machines a look takes long: it leaves the database most of the time
            self._thread.wait(max(_LOOK_SECONDS, 4 * (time.monotonic() - began)))

    def _look(self) -> None:
        """Read the names that are new; the latest times only if a reader has moved on."""
        rows = self._database.rows(
            "SELECT to_regclass('sensor_log') IS NOT NULL AND to_regclass('feature') IS NOT NULL"
        )
        self.lacks = "" if rows[0][0] else (
            "readings: this database has no tables of `padit store`; start it for the topics"
        )  # fmt: skip
        if self.lacks:
            return
        following = self._database.rows("SELECT sum(following), max(moved) FROM store_position")[0]
        if following == self._following:
            return
        if self._looks % _NAMES_EVERY == 0:
            self._read_names()
        self._looks += 1
        for machine, last in self._database.rows(_MACHINES):
            if last is not None:
                self._know_machine(machine, int(last))
        for number, last in self._database.rows(_LAST, (_MOST_LAST,)):
            if last is not None and number in self._names:
                self._hear(self.series[self._names[number]], int(last))
        self._end_look()
        self._totals = self._estimated()
        self._following = following
        self.version += 1

    def _read_names(self) -> None:
        found = self._database.rows(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'sensor_log' "
            "AND data_type = 'double precision' AND table_schema = ANY (current_schemas(false)) "
            "ORDER BY ordinal_position"
        )
        self._columns = tuple(name for (name,) in found)
        after = max(self._names, default=0)
        for number, source, metric, unit in self._database.rows(
            "SELECT id, source_id, metric_name, unit FROM metric_series WHERE id > %s "
            "ORDER BY id LIMIT %s",
            (after, _MOST_SERIES - len(self._names)),
        ):
            self._names[number] = source, metric
            self._numbers.setdefault((source, metric), []).append(number)
            info = self._info(source, metric)
            info.unit, info.windows = info.unit or unit, 1

    def _know_machine(self, machine: str, last: int) -> None:
        self._machines.add(machine)
        for column in self._columns:
            self._hear(self._info(machine, column), last)

    def totals(self) -> tuple[int, int]:
        """Readings and windows, about."""
        return self._totals

    def _estimated(self) -> tuple[int, int]:
        rows = self._database.rows(
            "SELECT coalesce(sum(greatest(c.reltuples, 0)) FILTER (WHERE p.relname <> 'feature'), "
            "0)::bigint, coalesce(sum(greatest(c.reltuples, 0)) FILTER (WHERE p.relname = "
            "'feature'), 0)::bigint FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent "
            "JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE p.relname IN ('sensor_log', 'metric_sample', 'feature')"
        )
        return int(rows[0][0]), int(rows[0][1])

    # ---- values

    def _readings_of(self, source: str, metric: str | None) -> tuple[str, list[Any]]:
        """A query of (metric, time as timestamptz, value) of a source, and its values."""
        chosen = [one for one in self._columns if metric in (None, one)]
        parts, values = [], list[Any]()
        if chosen and source in self._machines:
            pairs = ", ".join(f"('{name}', {_quoted(name)})" for name in chosen)
            parts.append(
                'SELECT v.metric, "timestamp" AS at, v.value FROM sensor_log, '  # noqa: S608  # names of columns
                f"LATERAL (VALUES {pairs}) AS v(metric, value) "
                "WHERE machine_id = %s AND v.value IS NOT NULL"
            )
            values.append(source)
        numbers = [
            number
            for one in self.of_source(source)
            if metric in (None, one.metric_name)
            for number in self._numbers.get((source, one.metric_name), ())
        ]
        parts.append(
            'SELECT metric_name AS metric, "time" AS at, value FROM metric_sample '
            "JOIN metric_series ON id = series WHERE series = ANY (%s) AND value IS NOT NULL"
        )
        values.append(numbers)
        return " UNION ALL ".join(parts), values

    def line(self, info: SeriesInfo, start: int, end: int, points: int) -> Line:
        """Readings in [start, end]; more than `points` become at most so many."""
        query, values = self._readings_of(info.source_id, info.metric_name)
        span = f"SELECT {_US.format('at')} AS t, value AS v FROM ({query}) AS r " \
               f"WHERE at BETWEEN {_AT} AND {_AT}"  # noqa: S608  # fixed text  # fmt: skip
        values += [start, end]
        rows = self._database.rows(f"{span} ORDER BY 1, 2 LIMIT %s", [*values, points + 1])
        if len(rows) <= points:
            return Line(_column(rows, 0, np.int64), _column(rows, 1, np.float64), len(rows), True)
        width = max((end - start) // max(points // 2, 1) + 1, 1)
        rows = self._database.rows(
            "SELECT (array_agg(t ORDER BY v, t))[1], min(v), (array_agg(t ORDER BY v DESC, t))[1], "  # noqa: S608
            f"max(v), count(*) FROM ({span}) AS s GROUP BY (t - %s) / %s ORDER BY min(t)",
            [*values, start, width],
        )
        time = np.concatenate([_column(rows, 0, np.int64), _column(rows, 2, np.int64)])
        value = np.concatenate([_column(rows, 1, np.float64), _column(rows, 3, np.float64)])
        order = np.lexsort((value, time))
        return Line(time[order], value[order], sum(row[4] for row in rows), False)

    def windows(self, info: SeriesInfo, start: int, end: int, points: int) -> Windows:
        """Windows that end in [start, end]; of more than `points` those with the worst scores."""
        numbers = self._numbers.get((info.source_id, info.metric_name), [])
        names = ", ".join(f'"{name}"' for name in _COLUMNS)
        where = f"series = ANY (%s) AND window_end BETWEEN {_AT} AND {_AT}"
        values: list[Any] = [numbers, start, end]
        count = self._database.rows(f"SELECT count(*) FROM feature WHERE {where}", values)[0][0]  # noqa: S608
        inner = f"SELECT {_US.format('window_end')} AS t, {names} FROM feature WHERE {where}"  # noqa: S608
        if count > points:
            width = max((end - start) // max(points, 1) + 1, 1)
            inner = (
                f"SELECT DISTINCT ON ((t - %s) / %s) * FROM ({inner}) AS w "  # noqa: S608
                "ORDER BY (t - %s) / %s, coalesce(score, -1) DESC, t"
            )
            values = [start, width, *values, start, width]
        rows = self._database.rows(f"SELECT * FROM ({inner}) AS f ORDER BY t", values)  # noqa: S608
        columns = {name: _column(rows, at, np.float64) for at, name in enumerate(_COLUMNS, 1)}
        return Windows(_column(rows, 0, np.int64), columns, count, count <= points)

    def readings(
        self, source: str, metric: str | None, start: int, end: int, after: int, most: int
    ) -> list[tuple[str, int, float]]:
        """Metric, event time and value of a source's readings, behind the first `after`."""
        query, values = self._readings_of(source, metric)
        return [
            (name, int(time), value)
            for name, time, value in self._database.rows(
                f"SELECT metric, {_US.format('at')}, value FROM ({query}) AS r "  # noqa: S608
                f"WHERE at BETWEEN {_AT} AND {_AT} ORDER BY at DESC, metric, value "
                "LIMIT %s OFFSET %s",
                [*values, start, min(end, 1 << 52), most, after],
            )
        ]

    def status(self, source: str, after: int = 0, most: int = 500) -> list[dict[str, Any]]:
        """Latest window of metrics: live from Redis, else from the database."""
        mine = self.of_source(source)[after : after + most]
        if self._live is not None:
            try:
                return self._live.status(source, mine)
            except SinkError:
                pass  # its trouble is shown; the database has them, a little later
        numbers = [n for one in mine for n in self._numbers.get((source, one.metric_name), [])]
        names = ", ".join(f'f."{name}"' for name in _COLUMNS)
        rows = self._database.rows(
            f"SELECT n, {_US.format('f.window_end')}, {names} FROM unnest(%s::int[]) AS n, "  # noqa: S608
            "LATERAL (SELECT * FROM feature WHERE series = n ORDER BY window_end DESC LIMIT 1) f",
            (numbers,),
        )
        latest = {self._names[row[0]][1]: row for row in rows}
        found = []
        for one in mine:
            row = latest.get(one.metric_name)
            features = {} if row is None else dict(zip(_COLUMNS, row[2:], strict=True))
            found.append({
                "metric_name": one.metric_name, "unit": one.unit, "last": one.last,
                "window_end": 0 if row is None else int(row[1]), "features": features,
            })  # fmt: skip
        return found

    def moved(self, start: int, end: int, most: int) -> list[Moved]:
        """Series that moved most in a span, against four times the span before it."""
        pairs = ", ".join(f"('{name}', {_quoted(name)})" for name in self._columns)
        sensor = (
            'SELECT machine_id AS s, v.m, "timestamp" AS at, v.x FROM sensor_log, '  # noqa: S608
            f"LATERAL (VALUES {pairs}) AS v(m, x)"
        )
        query = (
            f"WITH r(s, m, at, x) AS ({sensor if pairs else ''}{' UNION ALL ' if pairs else ''}"  # noqa: S608
            'SELECT source_id, metric_name, "time", value FROM metric_sample '
            f"JOIN metric_series ON id = series), t AS (SELECT s, m, x, at >= {_AT} AS inside "
            f"FROM r WHERE x IS NOT NULL AND at BETWEEN {_AT} AND {_AT}), "
            "q AS (SELECT s, m, percentile_cont(0.5) WITHIN GROUP (ORDER BY x) "
            "FILTER (WHERE inside) AS a, percentile_cont(ARRAY[0.25, 0.5, 0.75]) "
            "WITHIN GROUP (ORDER BY x) FILTER (WHERE NOT inside) AS b, "
            "stddev_pop(x) FILTER (WHERE NOT inside) AS sd FROM t GROUP BY s, m) "
            "SELECT s, m, (a - b[2]) / greatest(b[3] - b[1], sd, abs(b[2]) * %s, 1e-12) AS shift, "
            "a, b[2] FROM q WHERE a IS NOT NULL AND b[2] IS NOT NULL "
            "ORDER BY abs((a - b[2]) / greatest(b[3] - b[1], sd, abs(b[2]) * %s, 1e-12)) DESC, "
            "s, m LIMIT %s"
        )
        values = [start, start - 4 * (end - start), end, _SMALLEST_SCALE, _SMALLEST_SCALE, most]
        return [Moved._make(row) for row in self._database.rows(query, values)]

    def export(self, path: Path, source: str, metric: str, start: int, end: int) -> int:
        """Write readings of patterns of names in a span to a file, as the job reads them.

        Raises:
            SinkError: the database is away.
            ConfigurationError: there are more than can be learnt from at once.
        """
        wanted = sorted({name for name, one in list(self.series)
                         if fnmatchcase(name, source) and fnmatchcase(one, metric)})  # fmt: skip
        count = 0
        with path.open("wb") as file:
            for name in wanted:
                query, values = self._readings_of(name, None)
                rows = self._database.rows(
                    f"SELECT metric, {_US.format('at')}, value FROM ({query}) AS r "  # noqa: S608
                    f"WHERE at BETWEEN {_AT} AND {_AT} ORDER BY at, metric",
                    [*values, start, end or _LATEST],
                )
                lines = [
                    _encode({"timestamp": time / MICROS, "source_id": name, "metric_name": one,
                             "value": value, "unit": self.series[name, one].unit}) + b"\n"
                    for one, time, value in rows
                    if fnmatchcase(one, metric) and (name, one) in self.series
                ]  # fmt: skip
                count += len(lines)
                if count > _MOST_LEARNT:
                    message = f"more than {_MOST_LEARNT:,} readings: choose a shorter span"
                    raise ConfigurationError(message)
                file.writelines(lines)
        return count

    def lanes(self, start: int, end: int, slices: int, first: Sequence[str], most: int) -> Lanes:
        """Of sources the worst score of each slice of time: those of `first`, then the worst."""
        width = max((end - start) // max(slices, 1) + 1, 1)
        rows = self._database.rows(
            "WITH a AS (SELECT source, k, max(x) AS x FROM (SELECT source_id AS source, "  # noqa: S608
            f"({_US.format('event_time')} - %s) / %s AS k, coalesce(composite, 0) AS x "
            f"FROM anomaly_score WHERE event_time BETWEEN {_AT} AND {_AT} UNION ALL "
            f"SELECT source_id, ({_US.format('window_end')} - %s) / %s, "
            "greatest(coalesce(score, 0), coalesce(level, 0)) FROM feature "
            f"JOIN metric_series ON id = series WHERE window_end BETWEEN {_AT} AND {_AT}) AS b "
            "GROUP BY source, k), t AS "
            "(SELECT source, count(*) OVER () AS n FROM a GROUP BY source "
            "ORDER BY source = ANY (%s) DESC, max(x) DESC, source LIMIT %s) "
            "SELECT source, k, x, n FROM a JOIN t USING (source) ORDER BY source, k",
            [start, width, start, end, start, width, start, end, list(first), most],
        )
        found: dict[str, list[tuple[int, float]]] = {}
        for source, k, score, _ in rows:
            found.setdefault(source, []).append((start + int(k) * width, score))
        return Lanes(found, int(rows[0][3]) if rows else 0)


def _column(rows: Sequence[Sequence[Any]], at: int, kind: Any) -> NDArray[Any]:
    """One column of rows; NaN where there is nothing."""
    if kind is np.int64:
        return np.array([row[at] for row in rows], np.int64)
    return np.array([np.nan if row[at] is None else row[at] for row in rows], np.float64)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
