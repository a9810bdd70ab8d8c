"""Whether the tables are still as the migrations made them: people rename columns, drop indexes.

What is not as it has to be would otherwise look like a fault of the rows (each becomes a dead
letter) or of the server (it is waited for without end), or let rows in twice.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from padit.domain.errors import ConfigurationError, SinkError
from padit.domain.features import FEATURES
from padit.stores.postgres.connect import Connection
from padit.stores.postgres.settings import Settings

__all__ = ["Tables"]

_FLOAT, _TIME, _TEXT, _JSON = "double precision", "timestamp with time zone", "text", "jsonb"
_TEXTS = frozenset((_TEXT, "character varying"))
_FEATURE = (*FEATURES, "score", "level", "expected_low", "expected_high")


def _texts(names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), _TEXT)


class _Shape(NamedTuple):
    """What the writer needs of a table.

    Attributes:
        columns: and their types.
        key: columns by which a row is known; a unique index has exactly these.
        partitioned: whether the writer makes partitions, which only its owner may.
    """

    columns: Mapping[str, str]
    key: tuple[str, ...]
    partitioned: bool = True


_SHAPES = {
    "store_position": _Shape(
        {**_texts("reader topic"), "partition": "integer", "following": "bigint", "moved": _TIME},
        ("reader", "topic", "partition"), False,
    ),
    "sensor_log": _Shape({"machine_id": _TEXT, "timestamp": _TIME}, ("machine_id", "timestamp")),
    "metric_series": _Shape(
        {"id": "integer", **_texts("digest source_id metric_name unit metric_type"),
         "labels": _JSON}, ("digest",), False,
    ),
    "metric_sample": _Shape(
        {"series": "integer", "time": _TIME, "value": _FLOAT}, ("series", "time")
    ),
    "feature": _Shape(
        {"series": "integer", "window_end": _TIME, **dict.fromkeys(_FEATURE, _FLOAT)},
        ("series", "window_end"),
    ),
    "anomaly_score": _Shape(
        {**_texts("id source_id metric_name detector"), "event_time": _TIME, "composite": _FLOAT,
         "confidence": _FLOAT, "is_anomaly": "boolean",
         **dict.fromkeys(("scores", "evidence", "labels"), _JSON)}, ("event_time", "id"),
    ),
    "anomaly_history": _Shape(
        {**_texts("transition_id alert_id kind source_id metric_name severity summary detector "
                  "incident reason"), "time": _TIME, "opened": _TIME, "score": _FLOAT,
         "labels": _JSON, "evidence": _JSON}, ("time", "transition_id"),
    ),
    "outbox": _Shape(
        {**_texts("id aggregatetype aggregateid type payload"), "created": _TIME, "txid": "xid8",
         "seq": "bigint"}, ("created", "id"),
    ),
    "dead_letter": _Shape(
        {**_texts("topic reason digest"), "partition": "integer", "offset": "bigint",
         "lost": "integer", "elements": _JSON, "original": "bytea", "size": "bigint",
         "kept": _TIME}, ("topic", "partition", "offset"), False,
    ),
}  # fmt: skip

_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, NULL),
    a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY(%s)
    AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
"""
_SEEN = """
SELECT md5(array_agg((attrelid, attnum, attname, atttypid, attnotnull, atthasdef)
    ORDER BY attrelid, attnum)::text)
FROM pg_attribute WHERE attnum > 0
    AND attrelid = ANY(ARRAY(SELECT to_regclass(one) FROM unnest(%s::text[]) AS one))
"""
_UNIQUE = """
SELECT c.relname, array(SELECT a.attname::text FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum = ANY(i.indkey) ORDER BY 1)
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY(%s)
    AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
"""
_RIGHTS = """
SELECT relname, has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
    AND has_table_privilege(oid, 'UPDATE'), pg_has_role(relowner, 'USAGE'),
    pg_get_userbyid(relowner), current_user
FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(%s)
ORDER BY relname
"""
_FILES = "the files in padit/stores/migrations/postgresql"


class Tables:
    """The tables of a store, as one connection has found them.

    Args:
        connection: in autocommit.
        name: of the store, for messages.
        settings: see there.
    """

    def __init__(self, connection: Connection, name: str, settings: Settings) -> None:
        self._connection, self._name = connection, name
        self._metrics = dict(sorted(settings.columns.items()))
        self._seen = ""

    def check(self, *, first: bool = False) -> None:
        """Look whether every table has its columns, its unique index and its rights.

        Args:
            first: whether nothing has worked before, so that a missing right is one of the
                settings.

        Raises:
            ConfigurationError: somebody has changed a table; or the user lacks a right.
            SinkError: a right was taken away meanwhile.
        """
        seen = self._now()
        self._shapes()
        self._rights(first)
        self._seen = seen

    def check_again(self) -> None:
        """As `check`, if a column is not as it was; within a transaction that has written.

        What it has written keeps others from changing those columns before it ends. A value that
        a column of another type takes, but rounds, is found in no other way.
        """
        if self._now() != self._seen:
            self.check()

    def _now(self) -> str:
        row = self._connection.execute(_SEEN, (list(_SHAPES),)).fetchone()
        return str(row[0]) if row else ""

    def _shapes(self) -> None:
        names = list(_SHAPES)
        there: dict[str, dict[str, tuple[str, bool]]] = {}
        for table, column, kind, needed in self._connection.execute(_COLUMNS, (names,)).fetchall():
            there.setdefault(table, {})[column] = kind, needed
        unique: dict[str, list[list[str]]] = {}
        for table, columns in self._connection.execute(_UNIQUE, (names,)).fetchall():
            unique.setdefault(table, []).append(columns)
        for table, shape in _SHAPES.items():
            mine, indexes = there.get(table, {}), unique.get(table, [])
            fault = next(_faults(table, shape, mine, indexes, self._metrics), None)
            if fault is not None:
                message = f"{self._name}: {fault}"
                raise ConfigurationError(message)

    def _rights(self, first: bool) -> None:
        rows = self._connection.execute(_RIGHTS, (list(_SHAPES),)).fetchall()
        for table, may, owns, owner, user in rows:
            remedy = None if may else f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {user}"
            if remedy is None and not owns and _SHAPES[table].partitioned:
                remedy = f"only its owner makes partitions; GRANT {owner} TO {user}"
            if remedy is not None:
                message = f"{self._name}: permission denied for {table}: {remedy}"
                raise ConfigurationError(message) if first else SinkError(message)


def _faults(
    table: str,
    shape: _Shape,
    there: Mapping[str, tuple[str, bool]],
    unique: list[list[str]],
    metrics: Mapping[str, str],
) -> Iterator[str]:
    """What is wrong with a table, and what to do about it."""
    if not there:
        yield (
            f"there is no table {table} in the schema: somebody has dropped or renamed it; name it "
            f"so again, or make it as {_FILES} do"
        )
        return
    wanted = dict(shape.columns)
    if table == "sensor_log":
        yield from _metric_columns(metrics, there)
        wanted |= dict.fromkeys(metrics.values(), _FLOAT)
    yield from _changed(table, wanted, there)
    for column in sorted(set(there) - set(wanted)):
        if there[column][1]:
            yield (
                f"the column {column} of {table} has to be given, and nobody gives it: ALTER TABLE "
                f"{table} ALTER COLUMN {column} DROP NOT NULL, or SET DEFAULT"
            )
    if sorted(shape.key) not in unique:
        key = ", ".join(f'"{one}"' for one in shape.key)
        yield (
            f"{table} has no unique index on {', '.join(shape.key)}, without which rows would be "
            f"there twice: ALTER TABLE {table} ADD PRIMARY KEY ({key})"
        )


def _changed(
    table: str, wanted: Mapping[str, str], there: Mapping[str, tuple[str, bool]]
) -> Iterator[str]:
    """Columns that are not there, or of another type."""
    others = sorted(set(there) - set(wanted))
    for column, kind in wanted.items():
        if column not in there:
            found = f" (there is also {', '.join(others)})" if others else ""
            yield (
                f"{table} has no column {column}{found}: somebody has changed a table of the "
                f"store; name it so again, or add the column again, as {_FILES} make it"
            )
        elif there[column][0] != kind and {kind, there[column][0]} - _TEXTS:
            yield (
                f"the column {column} of {table} is {there[column][0]}: ALTER TABLE {table} ALTER "
                f"COLUMN {column} TYPE {kind}"
            )


def _metric_columns(
    metrics: Mapping[str, str], there: Mapping[str, tuple[str, bool]]
) -> Iterator[str]:
    """Columns of the settings that are not there, or of another type."""
    for metric, column in metrics.items():
        if column not in there:
            yield (
                f"sensor_log has no column {column}: ALTER TABLE sensor_log ADD "
                f"COLUMN {column} double precision, or take {metric} out of `columns`"
            )
        elif there[column][0] != _FLOAT:
            yield (
                f"the column {column} of sensor_log is {there[column][0]}: ALTER "
                f"TABLE sensor_log ALTER COLUMN {column} TYPE double precision USING "
                f"{column}::float8, or take {metric} out of `columns`"
            )
