"""The writer: a batch, its dead letters and its positions in one transaction."""

from typing import Any

import msgspec
import numpy as np
import psycopg

from padit.codecs.contract import Reject, bounded
from padit.codecs.dead_letter import DeadRecord
from padit.domain.timestamps import parse_timestamp
from padit.stores.base import NOTHING, Batch, Content, Place, Positions, Written
from padit.stores.postgres.connect import Connection, translated
from padit.stores.postgres.partitions import Partitions
from padit.stores.postgres.results import MAKERS, Row, write_rows
from padit.stores.postgres.samples import SampleWriter
from padit.stores.postgres.series import SeriesTable
from padit.stores.postgres.settings import Settings
from padit.stores.postgres.shape import Tables

__all__ = ["PostgresWriter"]

_EXPIRED = "older than what is kept"
_CHANGED = ("22", "23", "42")  # the rows' fault, or that of a table somebody changed
_POSITIONS = """
INSERT INTO store_position AS p (reader, topic, partition, following)
SELECT %s, * FROM unnest(%s::text[], %s::int[], %s::bigint[])
ON CONFLICT (reader, topic, partition) DO UPDATE SET following = excluded.following, moved = now()
"""
_DEAD = """
INSERT INTO dead_letter (topic, partition, "offset", reason, lost, elements, original, size, digest)
SELECT * FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::text[], %s::int[], %s::jsonb[],
    %s::bytea[], %s::bigint[], %s::text[])
ON CONFLICT DO NOTHING
"""


class PostgresWriter:
    """Writes on one connection, which holds the lock of its reader.

    Args:
        connection: in autocommit.
        name: of the store, for messages.
        settings: see `Settings`.
        tables: that were checked.
    """

    def __init__(
        self, connection: Connection, name: str, settings: Settings, tables: Tables
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._name = name
        self._settings = settings
        self._series = SeriesTable(connection)
        self._samples = SampleWriter(connection, settings.columns, settings.samples, self._series)
        self._partitions = Partitions(connection, settings.partition_days, settings.most_partitions)

    def positions(self) -> Positions:
        """Where each partition stands."""
        with translated(self._name):
            rows = self._connection.execute(
                "SELECT topic, partition, following FROM store_position WHERE reader = %s",
                (self._settings.reader,),
            ).fetchall()
        return {Place(topic, partition): following for topic, partition, following in rows}

    def begin(self, positions: Positions) -> None:
        """See `Writer`."""
        with translated(self._name):
            self._move(positions)

    def write(self, batch: Batch) -> Written:
        """Write a batch; all of it, or nothing."""
        with translated(self._name):
            try:
                if batch.content is Content.METRICS:
                    return self._metrics(batch)
                return self._results(batch)
            except psycopg.Error as error:
                self._series.forget()
                if (error.sqlstate or "22")[:2] in _CHANGED and not self._connection.closed:
                    self._tables.check()
                raise

    def _metrics(self, batch: Batch) -> Written:
        rows = batch.rows
        since = self._since(self._settings.keep_metrics)
        times = rows.time if since is None else rows.time[rows.time >= since]
        if len(rows):
            names = set(self._settings.columns)
            if any(one.metric_name in names for one in rows.series):
                self._partitions.ensure("sensor_log", times)
            self._partitions.ensure("metric_sample", times)
        with self._connection.transaction():
            written = self._samples.write(rows, since) if len(rows) else Written(0)
            self._end(batch, batch.dead)
        return written

    def _results(self, batch: Batch) -> Written:
        table, time, make = MAKERS[batch.content]
        rows: list[Row] = []
        dead = list(batch.dead)
        for position in range(batch.count):
            try:
                rows.append(make(batch, position))
            except (ValueError, OverflowError) as error:
                dead.append(_dead(batch, position, str(error)))
        made = len(rows)
        keep = self._settings
        kept = keep.keep_metrics if batch.content is Content.FEATURES else keep.keep_results
        since = self._since(kept)
        micros = np.array([parse_timestamp(row[time]) for row in rows], np.int64)
        if since is not None:
            rows = [row for row, at in zip(rows, micros.tolist(), strict=True) if at >= since]
            micros = micros[micros >= since]
        self._partitions.ensure(table, micros)
        if rows and batch.content is Content.ALERTS:
            self._partitions.ensure_now("outbox")
        with self._connection.transaction():
            count = write_rows(self._connection, table, rows, self._series)
            self._end(batch, dead)
        others = {_EXPIRED: made - len(rows)} if made > len(rows) else {}
        return Written(count, len(rows) - count, batch.count - made, others)

    def _since(self, keep: int | None) -> int | None:
        """Before this moment of the server's clock, microseconds, nothing is kept."""
        if keep is None:
            return None
        row = self._connection.execute("SELECT extract(epoch FROM now()) * 1e6").fetchone()
        return int(row[0]) - keep if row else None

    def _end(self, batch: Batch, dead: Any) -> None:
        """Dead letters and positions, in the transaction of the rows."""
        if dead:
            self._connection.execute(_DEAD, _columns(dead))
        self._move(batch.after)
        self._tables.check_again()

    def _move(self, positions: Positions) -> None:
        places = sorted(positions.items())
        self._connection.execute(
            _POSITIONS,
            (
                self._settings.reader,
                [place.topic for place, _ in places],
                [place.partition for place, _ in places],
                [following for _, following in places],
            ),
        )

    def tick(self) -> Positions:
        """Nothing is buffered."""
        return NOTHING

    def flush(self) -> Positions:
        """Nothing is buffered."""
        return NOTHING

    def close(self) -> None:
        """Close the connection, and with it give the lock back."""
        self._connection.close()


def _dead(batch: Batch, position: int, reason: str) -> DeadRecord:
    number = int(batch.record[position])
    return DeadRecord(
        batch.records.values[number],
        Reject(number, bounded(reason)),
        batch.topic,
        int(batch.records.partition[number]),
        int(batch.records.offset[number]),
    )


def _columns(dead: list[DeadRecord]) -> tuple[list[Any], ...]:
    letters = [one.letter() for one in dead]
    return (
        [one.topic for one in letters],
        [one.partition for one in letters],
        [one.offset for one in letters],
        [_plain(one.reason) for one in letters],
        [one.lost for one in letters],
        [_plain(msgspec.json.encode(one.elements).decode()) for one in letters],
        [one.original for one in letters],
        [one.size for one in letters],
        [one.digest for one in letters],
    )


def _plain(text: str) -> str:
    """Without NUL, which PostgreSQL's texts cannot hold, nor its escape in JSON."""
    return text.replace("\0", "\ufffd").replace("\\u0000", "\\ufffd")
