"""Samples to `sensor_log` and `metric_sample`, as `readings` describes it.

Of samples that share a place in a table the last one counts, in the order of the topic.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from padit.domain.attributes import Attributes
from padit.domain.rows import Rows
from padit.stores.base import Written
from padit.stores.postgres.connect import Connection
from padit.stores.postgres.copying import binary_rows, copy_rows
from padit.stores.postgres.frontier import Frontier
from padit.stores.postgres.readings import SensorLog, readings_of
from padit.stores.postgres.series import SeriesTable

__all__ = ["SampleWriter"]

_JOINED = "joined to a row"
_LEFT_OUT = "of metrics that the settings leave out"
_EXPIRED = "older than what is kept"
_STAGE = (
    "CREATE TEMP TABLE stage_sample (series int, at timestamptz, value float8) "
    "ON COMMIT DELETE ROWS"
)
_MERGE = """
INSERT INTO metric_sample AS t (series, "time", value)
SELECT series, at, NULLIF(value, 'NaN') FROM stage_sample
ON CONFLICT (series, "time") DO UPDATE SET value = COALESCE(excluded.value, t.value)
WHERE t.value IS DISTINCT FROM COALESCE(excluded.value, t.value)
"""


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
        self._sensor_log = SensorLog(connection, self._names) if columns else None
        self._frontier: Frontier[int] = Frontier(
            connection, "metric_sample", "series", "time", "int"
        )
        connection.execute(_STAGE)

    def write(self, rows: Rows, since: int | None) -> Written:
        """Write samples; those before `since` (microseconds) are counted and left out."""
        others: dict[str, int] = {}
        value = np.where(np.isfinite(rows.value), rows.value, np.nan)
        nulled = int(np.count_nonzero(np.isnan(value)))
        count = len(rows)
        rows = Rows(rows.series, rows.code, rows.time, value, rows.attributes)
        if since is not None and (rows.time < since).any():
            rows = rows.select(rows.time >= since)
            others[_EXPIRED] = count - len(rows)
        has_column = np.array([one.metric_name in self._column for one in rows.series], bool)
        in_column = has_column[rows.code]
        readings = self._sensor(rows.select(in_column))
        if self._samples == "all":  # counted once, by its row in sensor_log
            self._sample(rows.select(in_column))
        plain = rows.select(~in_column)
        if self._samples == "none" and len(plain):
            others[_LEFT_OUT] = len(plain)
            plain = Rows.empty()
        samples = self._sample(plain)
        joined = readings.others.get(_JOINED, 0) + samples.others.get(_JOINED, 0)
        if joined:
            others[_JOINED] = joined
        return Written(
            readings.written + samples.written,
            readings.repeated + samples.repeated,
            others=others,
            nulled=nulled,
        )

    def _sensor(self, rows: Rows) -> Written:
        if not len(rows) or self._sensor_log is None:
            return Written(0)
        readings = readings_of(rows, self._column, len(self._names))
        changed, count = self._sensor_log.write(readings), len(readings)
        return Written(changed, count - changed, others={_JOINED: len(rows) - count})

    def _sample(self, rows: Rows) -> Written:
        if not len(rows):
            return Written(0)
        used = np.unique(rows.code)
        number = np.zeros(len(rows.series), np.int32)
        number[used] = self._series.numbers(
            [rows.series[n] for n in used.tolist()], _attributes(rows, used)
        )
        series, time = number[rows.code], rows.time
        order = np.lexsort((time, series))
        series, time = series[order], time[order]
        last = np.concatenate(((time[1:] != time[:-1]) | (series[1:] != series[:-1]), [True]))
        changed = self._merged_or_copied(series[last], time[last], rows.value[order][last])
        count = int(np.count_nonzero(last))
        return Written(changed, count - changed, others={_JOINED: len(rows) - count})

    def _merged_or_copied(
        self, series: NDArray[np.int32], time: NDArray[np.int64], value: NDArray[np.float64]
    ) -> int:
        """Write rows that differ in series and time; how many changed something."""
        keys, key = np.unique(series, return_inverse=True)
        fresh = self._frontier.beyond(keys.tolist(), key.astype(np.int32), time)
        fresh &= ~np.isnan(value)  # null has another form
        columns: list[tuple[str, NDArray[Any]]] = [
            ("int4", series), ("timestamptz", time), ("float8", value)
        ]  # fmt: skip
        if fresh.any():
            data = binary_rows([(kind, values[fresh]) for kind, values in columns])
            try:
                with self._connection.transaction():
                    copy_rows(self._connection, "metric_sample", ["series", "time", "value"], data)
            except psycopg.errors.UniqueViolation:
                self._frontier.forget()
                fresh[:] = False
        copied = int(np.count_nonzero(fresh))
        if copied == len(series):
            return copied
        data = binary_rows([(kind, values[~fresh]) for kind, values in columns])
        copy_rows(self._connection, "stage_sample", ["series", "at", "value"], data)
        return copied + self._connection.execute(_MERGE).rowcount


def _attributes(rows: Rows, used: NDArray[np.int32]) -> list[Attributes | None]:
    """Attributes of series, as of their last row."""
    column = rows.attributes
    if column is None:
        return [None] * len(used)
    of_series = np.zeros(len(rows.series), np.int32)
    of_series[rows.code] = column.of_rows(rows.code)
    return [column.table[n] for n in of_series[used].tolist()]
