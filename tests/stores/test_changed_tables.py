"""Tables that people change while rows come: nothing becomes a dead letter, nothing is there twice.

What is wrong is named with the statement that mends it, and after that all rows are there.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest

from padit.domain.errors import ConfigurationError
from padit.stores.base import Content, RefusedError
from padit.stores.postgres import shape
from tests.stores.at_work import at_work
from tests.stores.databases import BEGIN, Database, alert_events, batch_of, opened, sample

_SERIES = {"source_id": "press-1", "metric_name": "rpm", "unit": "u"}
_FEATURE = json.dumps({**_SERIES, "window_end": "2026-01-01T00:01:00Z", "mean": 2.5}).encode()
_SCORE = json.dumps({**_SERIES, "event_time": "2026-01-01T00:01:00Z", "composite": 0.5}).encode()
_RECORDS = {
    "sensor_log": ("metrics", sample("rpm", 1, 2.5)),
    "metric_series": ("metrics", sample("vibration", 1, 2.5)),
    "metric_sample": ("metrics", sample("vibration", 1, 2.5)),
    "feature": ("features", _FEATURE),
    "anomaly_score": ("anomalies", _SCORE),
    "anomaly_history": ("alerts", alert_events(1)[0]),
    "outbox": ("alerts", alert_events(1)[0]),
    "store_position": ("metrics", sample("vibration", 1, 2.5)),
    "dead_letter": ("metrics", b"no sample"),
}


def _columns(database: Database) -> list[tuple[str, str, str]]:
    return database.query(
        "SELECT table_name, column_name, format_type(atttypid, NULL) FROM "
        "information_schema.columns JOIN pg_attribute ON attrelid = table_name::regclass "
        "AND attname = column_name WHERE table_schema = 'public' AND table_name = ANY(%s)",
        list(_RECORDS),
    )


def test_what_is_checked_is_what_the_migrations_make(database: Database) -> None:
    database.writer().close()
    made: dict[str, dict[str, str]] = {}
    for table, column, kind in _columns(database):
        made.setdefault(table, {})[column] = kind
    metrics = {*made["sensor_log"]} - {"machine_id", "timestamp"}
    for name in metrics:
        assert made["sensor_log"].pop(name) == "double precision"
    assert made == {name: dict(one.columns) for name, one in shape._SHAPES.items()}
    assert set(made) == set(_RECORDS)


def test_a_column_that_was_renamed_is_named_whichever_it_is(database: Database) -> None:
    store = database.store()
    opened(store).close()
    columns = _columns(database)
    for table, column, _ in columns:
        database.query_none(f'ALTER TABLE {table} RENAME COLUMN "{column}" TO renamed')
        with pytest.raises(ConfigurationError, match=rf"{table} has no column {column}\b") as found:
            opened(store)
        assert table == "sensor_log" or "there is also renamed" in str(found.value)
        database.query_none(f'ALTER TABLE {table} RENAME COLUMN renamed TO "{column}"')
    assert len(columns) > 70
    opened(store).close()


_CHANGES = [
    ("sensor_log", "ALTER TABLE {} ALTER rpm TYPE real", r"rpm of sensor_log is real: ALTER",
     "ALTER TABLE {} ALTER rpm TYPE double precision"),
    ("metric_sample", "DROP VIEW metric; ALTER TABLE {} ALTER value TYPE real",
     r"value of metric_sample is real: ALTER", "ALTER TABLE {} ALTER value TYPE float8"),
    ("metric_sample", "DROP VIEW metric; ALTER TABLE {} ALTER value TYPE text",
     r"value of metric_sample is text: ALTER",
     "ALTER TABLE {} ALTER value TYPE float8 USING value::float8"),
    ("feature", "ALTER TABLE {} ALTER mean TYPE integer", r"mean of feature is integer: ALTER",
     "ALTER TABLE {} ALTER mean TYPE float8"),
    ("feature", "ALTER TABLE {} ALTER mean TYPE real", r"mean of feature is real: ALTER",
     "ALTER TABLE {} ALTER mean TYPE float8"),
    ("anomaly_score", "ALTER TABLE {} ALTER scores TYPE integer USING 1",
     r"scores of anomaly_score is integer", "ALTER TABLE {} ALTER scores TYPE jsonb USING NULL"),
    *((table, "ALTER TABLE {} ADD plant text NOT NULL", rf"plant of {table} has to be given",
       "ALTER TABLE {} ALTER plant DROP NOT NULL") for table in _RECORDS),
    *((table, "ALTER TABLE {} RENAME TO moved", rf"no table {table} in the schema",
       "ALTER TABLE moved RENAME TO {}") for table in _RECORDS if table != "store_position"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "change", "said", "mend"), _CHANGES)
def test_a_table_that_is_changed_while_rows_come_is_named_and_goes_on_when_it_is_mended(
    database: Database, table: str, change: str, said: str, mend: str
) -> None:
    content, value = _RECORDS[table]
    store = database.store()
    writer = opened(store)
    database.query_none(change.format(table))
    batch = batch_of(content, [value])
    with pytest.raises(ConfigurationError, match=said):
        writer.write(batch)
    writer.close()
    with pytest.raises(ConfigurationError, match=said):
        opened(store)
    database.query_none(mend.format(table))
    writer = opened(store)
    done = writer.write(batch)
    writer.close()
    assert done.refused == 0
    assert done.written == batch.count
    assert database.one("SELECT count(*) FROM dead_letter") == len(batch.dead)


@pytest.mark.parametrize("table", [name for name, one in shape._SHAPES.items()])
def test_a_unique_index_that_was_dropped_is_missed_before_rows_are_there_twice(
    database: Database, table: str
) -> None:
    store = database.store()
    opened(store).close()
    name = "digest_key" if table == "metric_series" else "pkey"
    database.query_none(f"ALTER TABLE {table} DROP CONSTRAINT {table}_{name}")
    with pytest.raises(ConfigurationError, match=f"{table} has no unique index") as found:
        opened(store)
    mend = str(found.value).partition("twice: ")[2]
    if table == "metric_series":  # which has another primary key
        mend = mend.replace("PRIMARY KEY", "UNIQUE")
    database.query_none(mend)
    opened(store).close()


def test_what_people_add_to_a_table_is_theirs(database: Database) -> None:
    store = database.store()
    opened(store).close()
    for table in _RECORDS:
        database.query_none(
            f"ALTER TABLE {table} ADD plant text, ADD site text NOT NULL DEFAULT 'x', "
            "ADD added timestamptz DEFAULT now()"
        )
    database.query_none("ALTER TABLE sensor_log ALTER machine_id TYPE varchar(8)")
    writer = opened(store)
    for content, value in _RECORDS.values():
        writer.write(batch_of(content, [value]))
    with pytest.raises(RefusedError, match="too long"):
        writer.write(batch_of("metrics", [sample("rpm", 2, 1, source="a-longer-name")]))
    writer.close()
    assert database.one("SELECT count(*) FROM sensor_log WHERE site = 'x'") == 1


def test_a_row_that_a_trigger_refuses_is_a_dead_letter_and_its_neighbours_are_written(
    database: Database,
) -> None:
    store = database.store()
    opened(store).close()
    database.query_none(
        "CREATE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.rpm = 13 THEN RAISE EXCEPTION 'thirteen is not allowed'; END IF; RETURN NEW; "
        "END $$; CREATE TRIGGER judge BEFORE INSERT ON sensor_log FOR EACH ROW "
        "EXECUTE FUNCTION judge()"
    )
    with at_work(store, Content.METRICS, [sample("rpm", n, n) for n in range(40)]) as work:
        work.caught_up()
    assert work.loop.counts.failures == 0
    assert database.one("SELECT count(*) FROM sensor_log") == 39
    ((offset, reason),) = database.query('SELECT "offset", reason FROM dead_letter')
    assert offset == 13
    assert "thirteen is not allowed" in reason


@pytest.fixture
def limited(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The store's user is no superuser, and owns what it makes."""
    drop = "DROP OWNED BY plain CASCADE; DROP ROLE plain"
    if database.query("SELECT 1 FROM pg_roles WHERE rolname = 'plain'"):
        database.query_none(drop)
    database.query_none("CREATE ROLE plain LOGIN; GRANT ALL ON SCHEMA public TO plain")
    monkeypatch.setenv("PGUSER", "plain")
    yield database
    database.query_none(drop)


def test_rights_that_are_taken_away_are_told_and_waited_for(
    limited: Database, caplog: pytest.LogCaptureFixture
) -> None:
    values = [sample("rpm", n, n) for n in range(300)]
    with (
        caplog.at_level(logging.WARNING),
        at_work(limited.store(), Content.METRICS, values[:100]) as work,
    ):
        work.caught_up()
        limited.query_none("REVOKE INSERT ON sensor_log FROM plain")
        work.more(values[100:200])
        work.held()
        assert any("permission denied for" in one and "GRANT" in one for one in caplog.messages)
        limited.query_none("GRANT INSERT ON sensor_log TO plain")
        work.caught_up()
        limited.query_none(
            "ALTER TABLE sensor_log OWNER TO padit; REVOKE ALL ON sensor_log FROM plain; "
            "GRANT SELECT, INSERT, UPDATE ON sensor_log TO plain"
        )
        work.more([sample("rpm", 864_000 + n, n) for n in range(50)])  # a new partition
        work.held()
        limited.query_none("ALTER TABLE sensor_log OWNER TO plain")
        work.caught_up()
    assert limited.one("SELECT count(*) FROM sensor_log") == 250
    assert limited.one("SELECT count(*) FROM dead_letter") == 0


def test_tables_of_another_owner_are_an_error_of_the_start(limited: Database) -> None:
    opened(limited.store()).close()
    limited.query_none("ALTER TABLE outbox OWNER TO padit; GRANT ALL ON outbox TO plain")
    with pytest.raises(ConfigurationError, match="only its owner makes partitions; GRANT padit TO"):
        opened(limited.store())
    limited.query_none("ALTER TABLE outbox OWNER TO plain")
    limited.query_none("REVOKE UPDATE ON store_position FROM plain")
    with pytest.raises(ConfigurationError, match="GRANT SELECT, INSERT, UPDATE, DELETE ON store_p"):
        opened(limited.store())


def test_rows_of_a_partition_that_somebody_detached_go_to_the_default_one(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    store = database.store()
    values = [sample("rpm", n, n) for n in range(200)]
    with caplog.at_level(logging.WARNING), at_work(store, Content.METRICS, values[:100]) as work:
        work.caught_up()
        database.query_none("ALTER TABLE sensor_log DETACH PARTITION sensor_log_20260101")
        work.more(values[100:])
        work.caught_up()
    where = "SELECT tableoid::regclass::text, count(*) FROM sensor_log GROUP BY 1"
    assert database.query(where) == [("sensor_log_default", 100)]
    assert database.one("SELECT count(*) FROM sensor_log_20260101") == 100
    with caplog.at_level(logging.WARNING):  # a process that begins now says so
        writer = opened(store)
        writer.write(batch_of("metrics", [sample("rpm", 500, 1)], 200))
        writer.close()
    told = [one for one in caplog.messages if "detached" in one]
    assert len(told) == 1
    assert re.search("sensor_log_20260101 is there.*attach it again", told[0])
    assert BEGIN == 1_767_225_600  # the day of the partition
