"""Samples as rows of `sensor_log`, and how these are written.

Rows that are certainly new (`frontier`) go by COPY straight into the table. All others go to a
temporary table, and from there by INSERT ... ON CONFLICT: a row that changes nothing is not
written, so repeats cost no bloat.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from padit.domain.rows import Rows
from padit.stores.postgres.connect import Connection
from padit.stores.postgres.copying import binary_rows, copy_rows, named_rows
from padit.stores.postgres.frontier import Frontier

__all__ = ["Readings", "SensorLog", "readings_of"]


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

    def select(self, chosen: NDArray[np.bool_]) -> "Readings":
        """The chosen rows, with the same machines."""
        return Readings(
            self.machines, self.machine[chosen], self.time[chosen], self.values[:, chosen]
        )


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


class SensorLog:
    """Writes rows of `sensor_log` within the caller's transaction.

    Args:
        connection: in which a temporary table is made.
        names: of the columns, in the order of `Readings.values`.
    """

    def __init__(self, connection: Connection, names: Sequence[str]) -> None:
        self._connection = connection
        self._names = names
        self._merge = _merge_sensor(names)
        self._frontier: Frontier[str] = Frontier(
            connection, "sensor_log", "machine_id", "timestamp", "text"
        )
        connection.execute(_stage_sensor(names))

    def write(self, readings: Readings) -> int:
        """Write rows; how many changed something."""
        fresh = self._frontier.beyond(readings.machines, readings.machine, readings.time)
        copied = self._copied(readings, fresh) if fresh.any() else 0
        if copied == len(readings):
            return copied
        return copied + self._merged(readings.select(~fresh) if copied else readings)

    def _copied(self, readings: Readings, fresh: NDArray[np.bool_]) -> int:
        """Copy new rows into the table; 0: some were there after all, so none is copied."""
        absent = (1 << np.arange(len(self._names), dtype=np.int64)) @ np.isnan(readings.values)
        try:
            with self._connection.transaction():
                for columns in np.unique(absent[fresh]).tolist():
                    self._copy(readings.select(fresh & (absent == columns)), columns)
        except psycopg.errors.UniqueViolation:
            self._frontier.forget()
            return 0
        return int(np.count_nonzero(fresh))

    def _copy(self, readings: Readings, absent: int) -> None:
        """Copy rows that lack the same columns (bits of `absent`), which become null."""
        there = [n for n in range(len(self._names)) if not absent >> n & 1]
        columns: list[tuple[str, NDArray[Any]]] = [("timestamptz", readings.time)]
        columns += [("float8", readings.values[n]) for n in there]
        data = named_rows(readings.machines, readings.machine, columns)
        names = ["machine_id", "timestamp", *(self._names[n] for n in there)]
        copy_rows(self._connection, "sensor_log", names, data)

    def _merged(self, readings: Readings) -> int:
        staged: list[tuple[str, NDArray[Any]]] = [
            ("int4", readings.machine), ("timestamptz", readings.time)
        ]  # fmt: skip
        staged += [("float8", column) for column in readings.values]
        names = ["machine", "at", *self._names]
        copy_rows(self._connection, "stage_sensor", names, binary_rows(staged))
        return self._connection.execute(self._merge, (list(readings.machines),)).rowcount


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
