"""Samples to `sensor_log` and `metric_sample`: arranged as columns, copied, merged at once.

Rows go by binary COPY to a temporary table, and from there by INSERT ... ON CONFLICT to the table.
A row that changes nothing is not written, so repeats cost no bloat. Of samples that share a place
in the table the last one counts, in the order of the topic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from padit.domain.attributes import Attributes
from padit.domain.rows import Rows
from padit.stores.base import Written
from padit.stores.postgres.connect import Connection
from padit.stores.postgres.copying import binary_rows
from padit.stores.postgres.series import SeriesTable

__all__ = ["Readings", "SampleWriter", "readings_of"]

Staged = list[tuple[str, NDArray[Any]]]
JOINED = "joined to a row"
_LEFT_OUT = "of metrics that the settings leave out"
_EXPIRED = "older than what is kept"
_STAGE_SAMPLE = (
    "CREATE TEMP TABLE stage_sample (series int, at timestamptz, value float8) "
    "ON COMMIT DELETE ROWS"
)
_MERGE_SAMPLE = """
INSERT INTO metric_sample AS t (series, "time", value)
SELECT series, at, NULLIF(value, 'NaN') FROM stage_sample
ON CONFLICT (series, "time") DO UPDATE SET value = COALESCE(excluded.value, t.value)
WHERE t.value IS DISTINCT FROM COALESCE(excluded.value, t.value)
"""


@dataclass(frozen=True, slots=True)
class Readings:
    """Samples as rows of `sensor_log`.

    Attributes:
        machines: names, each once.
        machine: int32 (m,), index into `machines`.
        time: int64 (m,), microseconds.
        values: float64 (columns, m); NaN where there is none.
    """

    machines: Sequence[str]
    machine: NDArray[np.int32]
    time: NDArray[np.int64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.machine)


def readings_of(rows: Rows, columns: Mapping[str, int], count: int) -> Readings:
    """Samples with a column each, as one row for each machine and time.

    Args:
        rows: only metrics of `columns`.
        columns: metric to the number of its column.
        count: of columns.
    """
    machines: dict[str, int] = {}
    of_series = np.array(
        [machines.setdefault(one.source_id, len(machines)) for one in rows.series], np.int32
    )
    column = np.array([columns.get(one.metric_name, 0) for one in rows.series], np.int32)
    if not len(rows):
        nothing = np.empty((count, 0))
        return Readings((), np.empty(0, np.int32), np.empty(0, np.int64), nothing)
    machine = of_series[rows.code]
    order = np.lexsort((rows.time, machine))  # stable: of equals the last one counts
    time, machine = rows.time[order], machine[order]
    first = np.concatenate(([True], (time[1:] != time[:-1]) | (machine[1:] != machine[:-1])))
    row = np.cumsum(first) - 1
    values = np.full((count, int(row[-1]) + 1), np.nan)
    values[column[rows.code[order]], row] = rows.value[order]
    return Readings(tuple(machines), machine[first], time[first], values)


class SampleWriter:
    """Writes samples on one connection, within the caller's transaction.

    Args:
        connection: in which temporary tables are made.
        columns: metric to column of `sensor_log`.
        samples: `others`, `all` or `none`, see `Settings`.
        series: numbers of series.
    """

    def __init__(
        self,
        connection: Connection,
        columns: Mapping[str, str],
        samples: str,
        series: SeriesTable,
    ) -> None:
        self._connection = connection
        self._samples = samples
        self._series = series
        self._names = sorted(set(columns.values()))
        self._column = {metric: self._names.index(name) for metric, name in columns.items()}
        self._merge = _merge_sensor(self._names)
        connection.execute(_STAGE_SAMPLE)
        connection.execute(_stage_sensor(self._names))

    def write(self, rows: Rows, since: int | None) -> Written:
        """Write samples; those before `since` (microseconds) are counted and left out."""
        count = len(rows)
        others: dict[str, int] = {}
        value = np.where(np.isfinite(rows.value), rows.value, np.nan)
        nulled = int(np.count_nonzero(np.isnan(value)))
        rows = Rows(rows.series, rows.code, rows.time, value, rows.attributes)
        if since is not None and (rows.time < since).any():
            rows = rows.select(rows.time >= since)
            others[_EXPIRED] = count - len(rows)
        has_column = np.array([one.metric_name in self._column for one in rows.series], bool)
        in_column = has_column[rows.code] if len(rows) else np.empty(0, bool)
        done = Written(0)
        if in_column.any():
            done = self._sensor(rows.select(in_column))
        chosen = {"others": ~in_column, "all": ~in_column, "none": np.zeros(len(rows), bool)}
        plain = rows.select(chosen[self._samples])
        if self._samples == "all":
            self._sample(rows.select(in_column))
        more = self._sample(plain)
        left = int(np.count_nonzero(~in_column)) - len(plain)
        if left:
            others[_LEFT_OUT] = left
        joined = done.others.get(JOINED, 0) + more.others.get(JOINED, 0)
        if joined:
            others[JOINED] = joined
        written, repeated = done.written + more.written, done.repeated + more.repeated
        return Written(written, repeated, others=others, nulled=nulled)

    def _sensor(self, rows: Rows) -> Written:
        readings = readings_of(rows, self._column, len(self._names))
        staged: Staged = [("int4", readings.machine), ("timestamptz", readings.time)]
        staged += [("float8", column) for column in readings.values]
        self._copy("stage_sensor", binary_rows(staged))
        changed = self._connection.execute(self._merge, (list(readings.machines),)).rowcount
        return Written(changed, len(readings) - changed, others={JOINED: len(rows) - len(readings)})

    def _sample(self, rows: Rows) -> Written:
        if not len(rows):
            return Written(0)
        used = np.unique(rows.code)
        number = np.zeros(len(rows.series), np.int32)
        number[used] = self._series.numbers(
            [rows.series[n] for n in used.tolist()], _attributes(rows, used)
        )
        series, time, value = number[rows.code], rows.time, rows.value
        order = np.lexsort((time, series))
        series, time = series[order], time[order]
        last = np.concatenate(((time[1:] != time[:-1]) | (series[1:] != series[:-1]), [True]))
        staged: Staged = [("int4", series[last]), ("timestamptz", time[last])]
        self._copy("stage_sample", binary_rows([*staged, ("float8", value[order][last])]))
        changed = self._connection.execute(_MERGE_SAMPLE).rowcount
        count = int(np.count_nonzero(last))
        return Written(changed, count - changed, others={JOINED: len(rows) - count})

    def _copy(self, table: str, data: bytes) -> None:
        statement = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table))
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(data)


def _attributes(rows: Rows, used: NDArray[np.int32]) -> list[Attributes | None]:
    """Attributes of series, as of their last row."""
    column = rows.attributes
    if column is None:
        return [None] * len(used)
    of_series = np.zeros(len(rows.series), np.int32)
    of_series[rows.code] = column.of_rows(rows.code)
    return [column.table[n] for n in of_series[used].tolist()]


def _stage_sensor(names: Sequence[str]) -> sql.Composed:
    columns = [sql.SQL("{} float8").format(sql.Identifier(name)) for name in names]
    return sql.SQL(
        "CREATE TEMP TABLE stage_sensor (machine int, at timestamptz, {}) ON COMMIT DELETE ROWS"
    ).format(sql.SQL(", ").join(columns))


def _merge_sensor(names: Sequence[str]) -> sql.Composed:
    columns = [sql.Identifier(name) for name in names]
    merged = [
        sql.SQL("{0} = COALESCE(excluded.{0}, t.{0})").format(one) for one in columns
    ]  # a batch without a metric leaves its column alone
    changed = [
        sql.SQL("t.{0} IS DISTINCT FROM COALESCE(excluded.{0}, t.{0})").format(one)
        for one in columns
    ]
    return sql.SQL(
        'INSERT INTO sensor_log AS t (machine_id, "timestamp", {names}) '
        "SELECT m.name, s.at, {values} FROM stage_sensor s "
        "JOIN unnest(%s::text[]) WITH ORDINALITY AS m(name, number) ON m.number = s.machine + 1 "
        'ON CONFLICT (machine_id, "timestamp") DO UPDATE SET {merged} WHERE {changed}'
    ).format(
        names=sql.SQL(", ").join(columns),
        values=sql.SQL(", ").join(sql.SQL("NULLIF(s.{}, 'NaN')").format(one) for one in columns),
        merged=sql.SQL(", ").join(merged),
        changed=sql.SQL(" OR ").join(changed),
    )
