"""What keeps a database small and its replication alive: retention, heartbeat, the slot's lag.

Partitions are dropped, rows are not deleted, but for the few of the default partitions and the dead
letters. A heartbeat lets an idle slot confirm what was written elsewhere in the server, which would
otherwise hold back WAL for ever.
"""

import contextlib
import logging
from collections.abc import Callable

import psycopg
from psycopg import sql

from padit.stores.base import Stopped
from padit.stores.postgres.connect import Connection, connect, translated, writable
from padit.stores.postgres.partitions import TABLES, Partitions
from padit.stores.postgres.settings import Settings

__all__ = ["PUBLICATION", "Upkeep"]

_LOG = logging.getLogger(__name__)
PUBLICATION = "padit_outbox"
_SLOT = """
SELECT wal_status, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn), 0)
FROM pg_replication_slots WHERE slot_name = %s
"""


class Upkeep:
    """Retention, heartbeat and watch over the slot; a `Background`.

    Args:
        conninfo, name: of the store.
        settings: see `Settings`.
    """

    def __init__(self, conninfo: str | Callable[[], str], name: str, settings: Settings) -> None:
        self.name = "upkeep"
        self._conninfo = conninfo
        self._store = name
        self._settings = settings

    def run(self, stopped: Stopped) -> None:
        """A round after each pause."""
        while not stopped.wait(self._settings.upkeep_sec):
            self.once()

    def once(self) -> list[str]:
        """One round; the partitions that were dropped."""
        connection = connect(self._conninfo, self._store, first=False)
        try:
            writable(connection, self._store, first=False)
            with translated(self._store):
                there = connection.execute("SELECT to_regclass('outbox')").fetchone()
                if not there or there[0] is None:
                    return []  # the writer has not made the tables yet
                if self._settings.slot is not None:
                    self._replication(connection, self._settings.slot)
                return self._retention(connection)
        finally:
            connection.close()

    def _retention(self, connection: Connection) -> list[str]:
        settings = self._settings
        partitions = Partitions(connection, settings.partition_days, settings.most_partitions)
        row = connection.execute("SELECT (extract(epoch FROM now()) * 1000000)::bigint").fetchone()
        now = row[0] if row else 0
        dropped = []
        connection.execute("SET lock_timeout = '2s'")
        for table in TABLES.values():
            partitions.ensure_next(table.name)
            keep = getattr(settings, table.keep)
            if keep is None:
                continue
            waiting = self._unpublished(connection) if table.name == "outbox" else None
            bound = now - keep if waiting is None else min(now - keep, waiting)
            dropped += partitions.drop_before(table.name, bound)
            connection.execute(
                sql.SQL("DELETE FROM {} WHERE {} < to_timestamp(%s)").format(
                    sql.Identifier(f"{table.name}_default"), sql.Identifier(table.column)
                ),
                (bound / 1e6,),
            )
        if settings.keep_dead_letters is not None:
            connection.execute(
                "DELETE FROM dead_letter WHERE kept < to_timestamp(%s)",
                ((now - settings.keep_dead_letters) / 1e6,),
            )
        return dropped

    def _unpublished(self, connection: Connection) -> int | None:
        """When the first row was written that the relay has not published; microseconds."""
        if self._settings.relay is None:
            return None
        row = connection.execute(
            "SELECT (extract(epoch FROM min(created)) * 1000000)::bigint FROM outbox WHERE "
            "(txid, seq) > (SELECT coalesce(max(txid), '0'), coalesce(max(seq), 0) "
            "FROM outbox_position WHERE relay = %s)",
            (self._settings.reader,),
        ).fetchone()
        return row[0] if row else None

    def _replication(self, connection: Connection, slot: str) -> None:
        with contextlib.suppress(psycopg.errors.DuplicateObject):
            connection.execute(
                sql.SQL(
                    "CREATE PUBLICATION {} FOR TABLE outbox "
                    "WITH (publish = 'insert', publish_via_partition_root = true)"
                ).format(sql.Identifier(PUBLICATION))
            )
        connection.execute("SELECT pg_logical_emit_message(false, 'padit', 'heartbeat')")
        row = connection.execute(_SLOT, (slot,)).fetchone()
        if row is None:
            _LOG.warning("%s has no replication slot %s: is Debezium started?", self._store, slot)
            return
        status, lag = row
        if status in ("unreserved", "lost") or lag > self._settings.slot_lag_mib << 20:
            _LOG.warning(
                "%s: the replication slot %s is %s and %.0f MiB behind (slot_lag_mib %d); "
                "is its reader alive?",
                self._store, slot, status, lag / (1 << 20), self._settings.slot_lag_mib,
            )  # fmt: skip
