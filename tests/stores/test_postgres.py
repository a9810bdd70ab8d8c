"""A real PostgreSQL: what is in its tables after batches, repeats and bad input."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.domain.errors import ConfigurationError, SinkError
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.stores.base import Place, RefusedError
from padit.stores.registry import store_from_uri
from tests.postgres import Postgres
from tests.stores import databases
from tests.stores.databases import BEGIN, Database, alert_events, batch_of, check_sum, sample
from tests.stores.proxy import Proxy

_READINGS = (
    'SELECT machine_id, extract(epoch FROM "timestamp")::float8, torque_nm, rpm '
    "FROM sensor_log ORDER BY 1, 2"
)


def test_readings_become_one_row_for_a_machine_and_moment(database: Database) -> None:
    writer = database.writer()
    batch = batch_of(
        "metrics",
        [
            sample("torque_nm", 0, 40.5),
            sample("rpm", 0, 1500),
            sample("torque_nm", 1, 41),
            sample("rpm", 0, 1400, source="press-2 'ä😀\""),
            sample("vibration", 0, 3.25, unit="mm/s", metadata={"site": "north"}),
        ],
    )
    written = writer.write(batch)
    check_sum(written, batch)
    assert written.written == 4
    writer.close()
    assert database.query(_READINGS) == [
        ("press-1", BEGIN, 40.5, 1500.0),
        ("press-1", BEGIN + 1, 41.0, None),
        ("press-2 'ä😀\"", BEGIN, None, 1400.0),
    ]
    assert database.query("SELECT source_id, metric_name, unit, value, labels FROM metric") == [
        ("press-1", "vibration", "mm/s", 3.25, {"site": "north"})
    ]


def test_a_column_that_comes_later_joins_its_row_and_a_repeat_changes_nothing(
    database: Database,
) -> None:
    writer = database.writer()
    first = batch_of("metrics", [sample("rpm", n, n) for n in range(100)])
    later = batch_of("metrics", [sample("torque_nm", n, -n) for n in range(50)], 100)
    assert writer.write(first).written == 100
    assert writer.write(later).written == 50
    again = writer.write(first)
    assert (again.written, again.repeated) == (0, 100)
    check_sum(again, first)
    writer.close()
    assert database.query("SELECT count(*), sum(rpm), sum(torque_nm) FROM sensor_log") == [
        (100, 4950.0, -1225.0)
    ]


def test_positions_are_kept_with_the_rows(database: Database) -> None:
    writer = database.writer()
    assert writer.positions() == {}
    writer.write(batch_of("metrics", [sample("rpm", 0, 1)] * 3, 40, partition=2))
    writer.write(batch_of("alerts", alert_events(2)))
    writer.close()
    again = database.writer()
    assert again.positions() == {Place("metrics", 2): 43, Place("alerts", 0): 2}
    again.close()


def test_partitions_follow_the_days_of_the_rows(database: Database) -> None:
    writer = database.writer()
    days = (0, 1, 400)
    writer.write(batch_of("metrics", [sample("rpm", n * 86_400, n) for n in days]))
    writer.close()
    found = database.query("SELECT tableoid::regclass::text, rpm FROM sensor_log ORDER BY 2")
    assert found == [
        ("sensor_log_20260101", 0.0),
        ("sensor_log_20260102", 1.0),
        ("sensor_log_20270205", 400.0),
    ]


def test_more_days_than_partitions_go_to_the_default_one(database: Database) -> None:
    writer = database.writer(most_partitions=2)
    writer.write(batch_of("metrics", [sample("rpm", n * 86_400, n) for n in range(5)]))
    writer.close()
    assert database.one("SELECT count(*) FROM sensor_log") == 5
    assert database.one("SELECT count(*) FROM sensor_log_default") == 3


def test_what_is_older_than_what_is_kept_is_counted_and_left_out(database: Database) -> None:
    writer = database.writer(keep_metrics="1d")
    batch = batch_of("metrics", [sample("rpm", 0, 1), sample("x", 0, 1)])
    written = writer.write(batch)
    check_sum(written, batch)
    assert written.others == {"older than what is kept": 2}
    writer.close()
    assert database.one("SELECT count(*) FROM sensor_log") == 0


@pytest.mark.parametrize(("samples", "kept"), [("others", 1), ("all", 2), ("none", 0)])
def test_the_setting_samples_decides_what_goes_to_metric_sample(
    database: Database, samples: str, kept: int
) -> None:
    writer = database.writer(samples=samples)
    batch = batch_of("metrics", [sample("rpm", 0, 1), sample("x", 0, 1)])
    written = writer.write(batch)
    writer.close()
    assert database.one("SELECT count(*) FROM metric_sample") == kept
    if samples != "all":
        check_sum(written, batch)


def test_numbers_that_are_none_become_null_and_are_counted(database: Database) -> None:
    writer = database.writer()
    batch = batch_of("metrics", [sample("x", n, 1) for n in range(4)])
    value = np.array([math.nan, math.inf, -math.inf, 1.0])
    rows = Rows(batch.rows.series, batch.rows.code, batch.rows.time, value)
    object.__setattr__(batch, "rows", rows)
    written = writer.write(batch)
    writer.close()
    assert written.nulled == 3
    assert database.query("SELECT count(*), count(value) FROM metric_sample") == [(4, 1)]


def test_an_alert_and_its_outbox_row_are_written_once(database: Database) -> None:
    writer = database.writer()
    events = alert_events(5)
    first = writer.write(batch_of("alerts", [*events[:3], events[1]]))
    assert (first.written, first.repeated) == (3, 1)
    again = writer.write(batch_of("alerts", events, 10))
    assert (again.written, again.repeated) == (2, 3)
    writer.close()
    assert database.one("SELECT count(*) FROM anomaly_history") == 5
    rows = database.query("SELECT id, aggregateid, type, payload FROM outbox ORDER BY txid, seq")
    assert [row[3].encode() for row in rows] == events
    assert rows[0][:3] == (
        json.loads(events[0])["id"],
        "press-1:torque_nm",
        "io.padit.alert.opened",
    )


def test_features_and_scores_have_their_tables(database: Database) -> None:
    writer = database.writer()
    window = {"source_id": "a", "metric_name": "b", "unit": "c", "window_end": "2026-01-01T00:00Z"}
    features = batch_of("features", [json.dumps(window | {"mean": 2, "score": None}).encode()])
    assert writer.write(features).written == 1
    assert writer.write(features).repeated == 1
    score = {
        "source_id": "a",
        "metric_name": "b",
        "event_time": "2026-01-01T00:00Z",
        "composite": 1,
    }
    scores = batch_of("anomalies", [json.dumps(score | {"detector": {"name": "usual"}}).encode()])
    assert writer.write(scores).written == 1
    assert writer.write(scores).repeated == 1
    writer.close()
    assert database.query("SELECT mean, score FROM feature") == [(2.0, None)]
    assert database.query("SELECT composite, detector FROM anomaly_score") == [(1.0, "usual")]


@pytest.mark.parametrize(
    ("content", "value", "reason"),
    [
        ("alerts", b"{}", "data is no object"),
        ("alerts", b'{"data":{},"type":"x"}', "no step of an alert"),
        ("features", b'{"source_id":"a","metric_name":"b","mean":"x"}', "mean is 'x', no number"),
        ("features", b'{"source_id":"a","metric_name":"b","window_end":"1969-01-01"}', "2000"),
        ("features", b'{"source_id":"a","metric_name":"b","window_end":"9999-12-31"}', "2200"),
        ("anomalies", b'{"event_time":"2026-01-01","source_id":3}', "source_id is 3, no text"),
        ("anomalies", b"\xff\x00", "it is no JSON object"),
        ("metrics", sample("rpm", -(10**9), 1), "timestamp"),
        ("metrics", b'{"timestamp":1,"a":"\\u0000"}', ""),
        ("metrics", sample("rpm", 0, 1, "x" * 10_000), "10000 characters"),
        ("metrics", sample("rpm", 9 * 10**10, 1), "timestamp"),
    ],
)
def test_what_is_no_row_is_a_dead_letter_with_its_reason(
    database: Database, content: str, value: bytes, reason: str
) -> None:
    writer = database.writer()
    batch = batch_of(content, [value], 7)
    check_sum(writer.write(batch), batch)
    writer.write(batch)  # again: nothing is doubled
    writer.close()
    [(offset, found, original)] = database.query(
        'SELECT "offset", reason, original FROM dead_letter'
    )
    assert (offset, original) == (7, value)
    assert reason in found


def test_a_name_with_nul_is_refused_and_nothing_is_written(database: Database) -> None:
    writer = database.writer()
    batch = batch_of("metrics", [sample("x", 0, 1), sample("y", 0, 1)])
    rows = Rows((Series("a", "x"), Series("a\0b", "y")), batch.rows.code, batch.rows.time,
                batch.rows.value)  # fmt: skip
    object.__setattr__(batch, "rows", rows)
    with pytest.raises(RefusedError, match="NUL"):
        writer.write(batch)
    assert writer.positions() == {}
    writer.close()


def test_a_row_that_a_constraint_refuses_is_refused_with_its_reason(database: Database) -> None:
    writer = database.writer()
    database.query_none("ALTER TABLE sensor_log ADD CHECK (rpm < 10000)")
    with pytest.raises(RefusedError, match="check constraint"):
        writer.write(batch_of("metrics", [sample("rpm", 0, 20_000)]))
    writer.close()


def test_a_dropped_column_is_an_error_that_names_it(database: Database) -> None:
    store = database.store()
    writer = store.open()
    database.query_none("ALTER TABLE sensor_log DROP COLUMN rpm")
    with pytest.raises(ConfigurationError, match="ADD COLUMN rpm double precision"):
        writer.write(batch_of("metrics", [sample("rpm", 0, 1)]))
    writer.close()
    with pytest.raises(ConfigurationError, match="ADD COLUMN rpm double precision"):
        store.open()


def test_a_column_of_another_type_is_an_error_and_no_dead_letter(database: Database) -> None:
    store = database.store()
    writer = store.open()
    database.query_none("ALTER TABLE sensor_log ALTER COLUMN rpm TYPE text")
    with pytest.raises(ConfigurationError, match="rpm of sensor_log is text: ALTER TABLE"):
        writer.write(batch_of("metrics", [sample("rpm", 0, 1)]))
    writer.close()
    with pytest.raises(ConfigurationError, match="rpm of sensor_log is text: ALTER TABLE"):
        store.open()
    assert database.one("SELECT count(*) FROM dead_letter") == 0


def test_rows_that_another_program_wrote_meanwhile_are_merged(database: Database) -> None:
    writer = database.writer()
    writer.write(batch_of("metrics", [sample("rpm", 0, 1), sample("x", 0, 1)]))
    database.query_none(
        "INSERT INTO sensor_log (machine_id, timestamp, torque_nm) "
        "VALUES ('press-1', '2026-01-01 00:00:05Z', 40); "
        "INSERT INTO metric_sample VALUES (1, '2026-01-01 00:00:05Z', 9)"
    )
    batch = batch_of("metrics", [sample(name, n, n) for n in (4, 5, 6) for name in ("rpm", "x")], 9)
    written = writer.write(batch)
    check_sum(written, batch)
    assert written.written == 6
    writer.close()
    assert database.query("SELECT count(*), sum(rpm), sum(torque_nm) FROM sensor_log") == [
        (4, 16.0, 40.0)
    ]
    assert database.query("SELECT count(*), sum(value) FROM metric_sample") == [(4, 16.0)]


def test_a_connection_cut_at_any_byte_is_tried_again_and_doubles_nothing(
    database: Database,
) -> None:
    database.writer().close()
    proxy = Proxy(database.server.port)
    batch = batch_of("metrics", [sample("rpm", n, n) for n in range(50)])
    events = batch_of("alerts", alert_events(5))
    store = store_from_uri(f"postgresql://127.0.0.1:{proxy.port}/{database.name}")
    done = 0
    try:
        for after in (0, 100, 700, 1500, 2500, 3500, 5000, 7000, 9000, 12_000, 20_000, 60_000):
            proxy.cut(after)
            try:
                writer = databases.opened(store)
            except SinkError:
                continue
            try:
                done += writer.write(batch).written + writer.write(events).written
            except SinkError:
                continue
            finally:
                writer.close()
    finally:
        proxy.close()
    assert done
    assert database.query("SELECT count(*), sum(rpm) FROM sensor_log") == [(50, 1225.0)]
    assert database.query("SELECT count(*), count(DISTINCT id) FROM outbox") == [(5, 5)]


def test_a_table_that_somebody_holds_stalls_no_rows(database: Database) -> None:
    writer = database.writer()
    with database.server.connect(database.name) as reader, reader.transaction():
        reader.execute("SELECT count(*) FROM sensor_log")
        assert writer.write(batch_of("metrics", [sample("rpm", 0, 1)])).written == 1
    writer.close()
    assert database.one("SELECT count(*) FROM sensor_log_default") == 1


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from("ab"), st.integers(0, 6), st.sampled_from(["rpm", "x", "y"]),
                      st.integers(0, 3)), max_size=12,
        ), max_size=5,
    )
)  # fmt: skip
def test_whatever_the_order_the_latest_sample_of_a_place_is_there(
    server: Postgres, batches: list[list[tuple[str, int, str, int]]]
) -> None:
    database = Database(server, server.database("law"))
    writer = database.writer()
    wanted: dict[tuple[str, int, str], float] = {}
    for n, some in enumerate(batches):
        values = [sample(metric, second, value, source) for source, second, metric, value in some]
        batch = batch_of("metrics", values, 20 * n)
        check_sum(writer.write(batch), batch)
        wanted |= {(source, second, metric): value for source, second, metric, value in some}
    writer.close()
    found = database.query(
        "SELECT machine_id, extract(epoch FROM timestamp)::bigint, 'rpm', rpm FROM sensor_log "
        "UNION ALL SELECT source_id, extract(epoch FROM time)::bigint, metric_name, value "
        "FROM metric"
    )
    assert {(a, b - BEGIN, c): d for a, b, c, d in found} == wanted
    assert len(found) == len(wanted)


def test_a_second_process_of_the_same_name_stands_by(database: Database) -> None:
    first = database.writer()
    with pytest.raises(SinkError, match="stands by"):
        database.writer()
    other = database.writer(reader="another")
    other.close()
    first.close()
    database.writer().close()


def test_a_read_only_database_is_an_error_at_the_start(database: Database) -> None:
    database.writer().close()
    database.query_none(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    with pytest.raises(ConfigurationError, match="read-only"):
        database.writer()


def test_wrong_credentials_are_an_error_at_the_start(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGUSER", "nobody")
    with pytest.raises(ConfigurationError, match=r'role "nobody".*client_config=FILE'):
        database.writer()
    monkeypatch.setenv("PGUSER", "padit")
    with pytest.raises(ConfigurationError, match='"none" does not exist'):
        Database(database.server, "none").writer()


def test_a_user_without_rights_is_told_which_are_missing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.writer().close()
    database.query_none("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN")
    monkeypatch.setenv("PGUSER", "reader")
    with pytest.raises(ConfigurationError, match=r"permission denied.*GRANT"):
        database.writer()


def test_a_server_that_is_away_is_tried_again(database: Database) -> None:
    from padit.devcluster.ports import free_port

    store = store_from_uri(f"postgresql://127.0.0.1:{free_port()}/x")
    with pytest.raises(SinkError, match="is away"):
        store.open()


@pytest.mark.parametrize(
    ("uri", "config", "match"),
    [
        ("postgresql://h/a/b", {}, "host:5432/database"),
        ("postgresql://h/d?keep_metrics=3", {}, "no duration"),
        ("postgresql://h/d", {"colums": {}}, "unknown key colums; perhaps columns is meant"),
        ("postgresql://h/d", {"columns": {"x": 'a"b'}}, "small letters"),
        ("postgresql://h/d?client_config=/nowhere", {}, "cannot be read"),
    ],
)
def test_settings_that_are_wrong_name_the_place(uri: str, config: dict, match: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ConfigurationError, match=match):
        store_from_uri(uri, config)
