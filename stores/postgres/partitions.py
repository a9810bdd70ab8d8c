"""Partitions of tables by time: made before rows come, dropped when they are too old.

A partition covers whole days, counted from 1970, so every process makes the same ones. Its name
ends in its first day. It is made beside the table and attached, so that readers of the table wait
for nothing; dropping needs the table for a moment, and is tried again later where a reader has it.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from padit.stores.postgres.connect import Connection

__all__ = ["DAY", "TABLES", "Partitions", "Table"]

_LOG = logging.getLogger(__name__)
DAY = 86_400 * 10**6
_EPOCH = date(1970, 1, 1)
_LOCK_SECONDS = 2


class Table(NamedTuple):
    """A partitioned table.

    Attributes:
        name: of it.
        column: the time.
        keep: the setting that says how long.
    """

    name: str
    column: str
    keep: str


TABLES = {
    one.name: one
    for one in (
        Table("sensor_log", "timestamp", "keep_metrics"),
        Table("metric_sample", "time", "keep_metrics"),
        Table("feature", "window_end", "keep_metrics"),
        Table("anomaly_score", "event_time", "keep_results"),
        Table("anomaly_history", "time", "keep_results"),
        Table("outbox", "created", "keep_outbox"),
    )
}


class _Partition(NamedTuple):
    """A partition: its first day, and its end in microseconds."""

    name: str
    begin: date
    end: int


class Partitions:
    """The partitions of all tables, as far as one connection knows them.

    Args:
        connection: in autocommit.
        days: in a partition.
        most: partitions of a table.
    """

    def __init__(self, connection: Connection, days: int, most: int) -> None:
        self._connection = connection
        self._days = days
        self._most = most
        self._known: dict[str, set[date]] = {}

    def ensure(self, table: str, times: NDArray[np.int64]) -> None:
        """Make the partitions of these times (microseconds); one that cannot be made is logged.

        Rows without a partition of their own go to the default one, so nothing depends on it.
        """
        if not len(times):
            return
        first = np.unique(times // (self._days * DAY))
        known = self._known.get(table)
        if known is None:
            known = self._known[table] = set(self.of(table))
        for number in first.tolist():
            begin = _EPOCH + timedelta(days=number * self._days)
            if begin not in known and len(known) < self._most:
                self._make(TABLES[table], begin)
                known.add(begin)

    def ensure_now(self, table: str) -> None:
        """Make the partition of this moment, by the server's clock, and the next one."""
        now = self._now()
        self.ensure(table, np.array([now, now + self._days * DAY], np.int64))

    def ensure_next(self, table: str) -> None:
        """Make the next partition, ahead of its rows, of a table that has one of this moment."""
        now = self._now()
        begin = _EPOCH + timedelta(days=now // (self._days * DAY) * self._days)
        if begin in self.of(table):
            self.ensure(table, np.array([now + self._days * DAY], np.int64))

    def _now(self) -> int:
        row = self._connection.execute("SELECT extract(epoch FROM now()) * 1e6").fetchone()
        return int(row[0]) if row else 0

    def of(self, table: str) -> dict[date, str]:
        """Partitions of a table by their first day, but the default one and those made by hand."""
        return {one.begin: one.name for one in self._all(table)}

    def _all(self, table: str) -> list["_Partition"]:
        """Partitions whose names are of this module, with the end that they really have."""
        rows = self._connection.execute(
            "SELECT c.relname, (extract(epoch FROM substring(pg_get_expr(c.relpartbound, c.oid) "
            "FROM 'TO \\(''([^'']+)''\\)')::timestamptz) * 1000000)::bigint "
            "FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid "
            "WHERE inhparent = %s::regclass AND c.relname ~ %s ORDER BY 1",
            (table, f"^{table}_[0-9]{{8}}$"),
        ).fetchall()
        found = []
        for name, end in rows:
            try:
                begin = datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=UTC).date()
            except ValueError:
                continue
            if end is not None:  # it lasts for ever
                found.append(_Partition(name, begin, end))
        return found

    def _make(self, table: Table, begin: date) -> None:
        end = begin + timedelta(days=self._days)
        name = sql.Identifier(f"{table.name}_{begin:%Y%m%d}")
        parent, column = sql.Identifier(table.name), sql.Identifier(table.column)
        bounds = {"begin": sql.Literal(f"{begin} 00:00Z"), "end": sql.Literal(f"{end} 00:00Z")}
        try:
            with self._connection.transaction():
                self._connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'".encode())
                self._connection.execute(
                    sql.SQL(
                        "CREATE TABLE {name} (LIKE {parent} INCLUDING DEFAULTS INCLUDING INDEXES "
                        "INCLUDING CONSTRAINTS, CHECK ({column} >= {begin} AND {column} < {end}))"
                    ).format(name=name, parent=parent, column=column, **bounds)
                )
                self._connection.execute(
                    sql.SQL(
                        "ALTER TABLE {parent} ATTACH PARTITION {name} "
                        "FOR VALUES FROM ({begin}) TO ({end})"
                    ).format(parent=parent, name=name, **bounds)
                )
        except psycopg.errors.DuplicateTable:
            if begin not in self.of(table.name):  # else another process was faster
                _LOG.warning(
                    "%s_%s is there and is no partition of %s (detached?): rows from %s on go to "
                    "its default partition; attach it again, or rename it",
                    table.name, begin.strftime("%Y%m%d"), table.name, begin,
                )  # fmt: skip
        except psycopg.errors.CheckViolation as error:  # the default one has rows of that day
            _LOG.info("%s: no partition from %s on: %s", table.name, begin, error)
        except psycopg.errors.InvalidObjectDefinition as error:
            # Made by hand, or before `partition_days` was changed: rows find their place anyway.
            _LOG.warning("%s: no partition from %s on: %s", table.name, begin, error)
        except psycopg.errors.LockNotAvailable:
            _LOG.warning(
                "%s is in use: rows from %s on go to its default partition", table.name, begin
            )

    def drop_before(self, table: str, moment: int, but: Iterable[str] = ()) -> list[str]:
        """Drop partitions that end at or before a moment, microseconds; their names."""
        dropped = []
        for name, begin, end in self._all(table):
            if end > moment or name in but:
                continue
            try:
                self._connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
            except psycopg.errors.LockNotAvailable:
                _LOG.warning("%s is in use; it is dropped later", name)
                continue
            self._known.get(table, set()).discard(begin)
            dropped.append(name)
        return dropped
