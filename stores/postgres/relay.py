"""The built-in relay: rows of the outbox to a topic, in the order of their transactions.

Rows are ordered by (transaction, number) and read only below the oldest transaction that is still
open (`pg_snapshot_xmin`), so none can appear behind the position later. They are written by the
exactly-once sink: a transaction in Kafka under a fixed id, which fences every other relay, and the
latest ids read back, so a batch that comes again after a crash adds nothing. Of several relays one
leads, by an advisory lock.

Beside Debezium the relay stands by. While the slot lives, it notes up to where Debezium has
published: all transactions below `pg_snapshot_xmin` at a moment are finished, so once the slot has
confirmed the WAL position of that moment, they are published. When the slot is lost or dropped, the
relay takes over from there, for good: Debezium with a new slot would publish some of it again.
"""

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from padit.connectors.sink import Start, Writer
from padit.connectors.uris import sink_from_uri
from padit.domain.errors import ConfigurationError
from padit.domain.message import Kind, Message
from padit.stores.base import Stopped
from padit.stores.postgres.connect import Connection, connect, translated, writable
from padit.stores.postgres.settings import Settings

__all__ = ["Relay"]

_LOG = logging.getLogger(__name__)
_BATCH = 500
_IDLE_SECONDS = 0.2
_STANDBY_SECONDS = 1.0
_MOST_MARKS = 3600
# Ordered by the column of the table: a bare `txid` would be the text of the first result, by which
# transaction 1000 comes before 999.
_NEXT = """
SELECT o.txid::text, o.seq, o.id, o.aggregateid, o.payload, o.created FROM outbox AS o
WHERE (o.txid, o.seq) > (%s::xid8, %s) AND o.txid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY o.txid, o.seq LIMIT %s
"""
_AHEAD = """
SELECT greatest((SELECT max(txid) FROM outbox_position WHERE relay = %s),
    (SELECT max(txid) FROM outbox)) > pg_snapshot_xmax(pg_current_snapshot())
"""
_RENUMBER = "UPDATE outbox SET txid = '3'; UPDATE outbox_position SET txid = '0', seq = 0"
_MOVE = """
INSERT INTO outbox_position AS p (relay, txid, seq, leads) VALUES (%s, %s::xid8, %s, %s)
ON CONFLICT (relay) DO UPDATE SET txid = excluded.txid, seq = excluded.seq,
    leads = excluded.leads, moved = now()
"""
_MARK = "SELECT pg_current_wal_insert_lsn() - '0/0', pg_snapshot_xmin(pg_current_snapshot())::text"
_SLOT = """
SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots
WHERE slot_name = %s AND wal_status IS DISTINCT FROM 'lost'
"""


class _Position(NamedTuple):
    """Everything up to here is published; `leads`: by this relay."""

    txid: str = "0"
    seq: int = 0
    leads: bool = False


class Relay:
    """Publishes the outbox; a `Background`.

    Args:
        conninfo, name: of the store.
        settings: see `Settings`; `relay` is set.
        published: called with the number of rows of each batch.
    """

    def __init__(
        self,
        conninfo: str | Callable[[], str],
        name: str,
        settings: Settings,
        published: Callable[[int], None] = lambda count: None,
    ) -> None:
        self.name = "relay"
        self._conninfo = conninfo
        self._store = name
        self._settings = settings
        self._published = published

    def run(self, stopped: Stopped) -> None:
        """Publish, or stand by, until stopped or cut off.

        Raises:
            ConfigurationError: the tables are those of another server.
            SinkError: the database or the topic is away.
        """
        connection = connect(self._conninfo, self._store, first=False)
        try:
            writable(connection, self._store, first=False)  # a replica keeps no position
            with translated(self._store):
                if not self._leads(connection):
                    return
                self._check(connection)
                position = self._position(connection)
                if self._settings.slot is not None and not position.leads:
                    position = self._stand_by(connection, position, stopped)
                if not stopped.is_set():
                    self._publish(connection, position, stopped)
        finally:
            connection.close()

    def _leads(self, connection: Connection) -> bool:
        """Whether the tables are there and no other relay works."""
        there = connection.execute("SELECT to_regclass('outbox_position')").fetchone()
        row = connection.execute(
            "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))",
            (f"padit relay {self._settings.in_schema} {self._settings.reader}",),
        ).fetchone()
        return bool(there and there[0] and row and row[0])

    def _check(self, connection: Connection) -> None:
        """Refuse numbers of transactions of another server, below which new ones would hide."""
        row = connection.execute(_AHEAD, (self._settings.reader,)).fetchone()
        if row and row[0]:
            message = (
                f"{self._store}: the outbox has transactions that this server has yet to begin: it "
                f"was restored from a dump of another one. {_RENUMBER}; then start again: what is "
                "published already is known by its id"
            )
            raise ConfigurationError(message)

    def _position(self, connection: Connection) -> _Position:
        row = connection.execute(
            "SELECT txid::text, seq, leads FROM outbox_position WHERE relay = %s",
            (self._settings.reader,),
        ).fetchone()
        return _Position(*row) if row else _Position()

    def _move(self, connection: Connection, position: _Position) -> None:
        connection.execute(_MOVE, (self._settings.reader, *position))

    # ---- beside Debezium

    def _stand_by(self, connection: Connection, position: _Position, stopped: Stopped) -> _Position:
        """Follow the slot; where it was when it was lost."""
        marks: deque[tuple[int, str]] = deque(maxlen=_MOST_MARKS)
        known = position != _Position()  # a slot that was never seen is not lost, but yet to come
        while not stopped.is_set():
            row = connection.execute(_SLOT, (self._settings.slot,)).fetchone()
            if row is None and known:
                _LOG.warning(
                    "%s: the slot %s is lost; the relay takes over",
                    self._store, self._settings.slot,
                )  # fmt: skip
                position = position._replace(leads=True)
                self._move(connection, position)
                return position
            if row is not None:
                mark = connection.execute(_MARK).fetchone()
                moved = _confirmed(marks, int(row[0] or 0))
                if moved is not None or not known:
                    position = _Position(moved or "0")
                    self._move(connection, position)
                    known = True
                if mark is not None:
                    marks.append((int(mark[0]), mark[1]))
            stopped.wait(_STANDBY_SECONDS)
        return position

    # ---- alone

    def _publish(self, connection: Connection, position: _Position, stopped: Stopped) -> None:
        sink = sink_from_uri(self._settings.relay or "", once=True)
        sink.prepare(Start())
        writer = sink.open()
        try:
            writer.flush()  # connects, and fences the relay before this one
            while not stopped.is_set():
                rows = connection.execute(_NEXT, (*position[:2], _BATCH)).fetchall()
                if not rows:
                    stopped.wait(_IDLE_SECONDS)
                    continue
                self._send(writer, rows)
                position = _Position(rows[-1][0], rows[-1][1], True)
                self._move(connection, position)
                self._published(len(rows))
        finally:
            writer.close()

    def _send(self, writer: Writer, rows: list[tuple[Any, ...]]) -> None:
        writer.write(
            [
                Message(Kind.ALERT, identity, key, _micros(created), payload.encode())
                for _, _, identity, key, payload, created in rows
            ]
        )
        writer.flush()


def _confirmed(marks: deque[tuple[int, str]], flushed: int) -> str | None:
    """The transaction below which all is published, of the latest mark that is confirmed."""
    found = None
    while marks and marks[0][0] <= flushed:
        found = marks.popleft()[1]
    return found


def _micros(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
