"""InfluxDB gets each sample once, however often it is written."""

from __future__ import annotations

import http.client
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from padit.codecs.influx_lines import parse_lines
from padit.devcluster.ports import LOOPBACK
from padit.devcluster.processes import Part
from padit.domain.errors import ConfigurationError
from padit.domain.rows import Rows
from padit.stores.base import Content, Store
from padit.stores.registry import store_from_uri
from tests.adapters.live import Live
from tests.stores.databases import batch_of
from tests.stores.records import START, plain
from tests.stores.servers import bring, get, influx_server

_ODD_NAMES = ("a b,c=d", 'say "x"', "⚡", "back\\slash", "n" * 500)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Part]]:
    port, part = influx_server(tmp_path_factory.mktemp("influx"))
    yield port, part
    part.stop()


def _ask(port: int, sql: str, database: str = "plant") -> list[Any]:
    """Rows of all series of an answer."""
    status, body = get(port, f"/query?db={database}&epoch=ns&q={quote(sql)}")
    assert status == 200, body
    found = json.loads(body)["results"][0]
    assert "error" not in found, found
    return [row for series in found.get("series", ()) for row in series["values"]]


def _store(port: int, database: str, **settings: Any) -> Store:
    _ask(port, f"CREATE DATABASE {database}", database)
    return store_from_uri(f"influxdb://{LOOPBACK}:{port}/{database}", settings)


def _sample(source: str, value: float, second: float = 0) -> bytes:
    one = {"timestamp": START + second, "source_id": source, "metric_name": "m x", "value": value}
    return json.dumps(one).encode()


def test_samples_are_there_once_with_their_times_and_values(server: tuple[int, Part]) -> None:
    port, _ = server
    store = _store(port, "samples", most_points=700)
    values = plain(3000)
    for _ in range(2):
        bring(store, Content.METRICS, [values[::2], values[1::2]])
    samples = [json.loads(one) for one in values]
    ((_, count, total),) = _ask(port, "SELECT count(value), sum(value) FROM rtt_ms", "samples")
    assert count == len(values)
    assert total == pytest.approx(sum(one["value"] for one in samples), rel=1e-12)
    rows = _ask(port, "SELECT value FROM rtt_ms WHERE source_id = 'cell-003'", "samples")
    expected = [
        [round(one["timestamp"] * 1e6) * 1000, one["value"]]
        for one in samples if one["source_id"] == "cell-003"
    ]  # fmt: skip
    assert rows == expected


@pytest.mark.parametrize("name", _ODD_NAMES)
def test_names_come_back_as_they_were(server: tuple[int, Part], name: str) -> None:
    port, _ = server
    store = _store(port, "names")
    loop, _ = bring(store, Content.METRICS, [[_sample(name, 7.5)]])
    assert loop.counts.written == 1
    found = _ask(port, 'SHOW TAG VALUES FROM "m x" WITH KEY = source_id', "names")
    assert name in [value for _, value in found]


@pytest.mark.parametrize("name", ["line\nbreak", "end\\"])
def test_a_name_that_the_protocol_cannot_hold_is_counted(
    server: tuple[int, Part], name: str
) -> None:
    port, _ = server
    store = _store(port, "odd")
    loop, _ = bring(store, Content.METRICS, [[_sample(name, 7.5), _sample("good", 1.0)]])
    assert loop.counts.written == 1
    assert sum(loop.counts.others.values()) + loop.counts.dead == 1


def test_features_anomalies_and_alerts_are_measurements_of_their_own(
    server: tuple[int, Part],
) -> None:
    port, _ = server
    store = _store(port, "results")
    identity = {"source_id": "m1", "metric_name": "rpm", "unit": "1/min"}
    end = "2026-01-01T00:01:00.000000Z"
    feature = {**identity, "window_end": end, "mean": 2.5, "score": 0.25, "expected_low": None}
    anomaly = {**identity, "event_time": end, "composite": 0.9, "scores": {"rule": 1.0}}
    alert = {"id": "t1", "type": "io.padit.alert.opened", "time": end,
             "data": {**identity, "id": "a1", "summary": 'p99 "high"'}}  # fmt: skip
    closed = {**alert, "id": "t2", "type": "io.padit.alert.resolved"}
    for content, records in (
        (Content.FEATURES, [feature, {"mean": 3}, {**feature, "window_end": "yesterday"}]),
        (Content.ANOMALIES, [anomaly]),
        (Content.ALERTS, [alert, closed, {"id": "t3"}]),
    ):
        loop, _ = bring(store, content, [[json.dumps(one).encode() for one in records]])
        assert loop.counts.written + loop.counts.others.get(
            "without a form in line protocol", 0
        ) == len(records)
    assert _ask(port, "SELECT mean, score FROM padit_features", "results") == [
        [1_767_225_660 * 10**9, 2.5, 0.25]
    ]
    assert [row[1:] for row in _ask(port, "SELECT composite, score_rule FROM padit_anomalies",
                                    "results")] == [[0.9, 1.0]]  # fmt: skip
    found = _ask(port, "SELECT summary, id FROM padit_alerts", "results")
    assert sorted(row[2] for row in found) == ["t1", "t2"]
    assert found[0][1] == 'p99 "high"'


def test_what_is_older_than_the_server_keeps_is_counted_and_the_rest_is_written(
    server: tuple[int, Part],
) -> None:
    port, _ = server
    store = _store(port, "short", most_points=7)
    _ask(port, "CREATE RETENTION POLICY short ON short DURATION 1h REPLICATION 1 DEFAULT", "short")
    ago = time.time() - START  # 2026-01-01 lies before what the database keeps
    values = [_sample("a", 1.0 + n, ago - n if n % 3 else n) for n in range(30)]
    loop, topics = bring(store, Content.METRICS, [values])
    assert loop.counts.others == {"older than what the server keeps (retention policy)": 10}
    assert (loop.counts.written, loop.counts.dead) == (20, 0)
    assert topics.polls < 5  # and nothing was halved
    assert _ask(port, 'SELECT count(value) FROM "m x"', "short")[0][1] == 20


def test_what_the_server_refuses_is_a_dead_letter_and_the_rest_is_written(
    server: tuple[int, Part],
) -> None:
    port, _ = server
    store = _store(port, "typed")
    body = f'"m x",source_id=old value="text" {START}000000000'.replace('"m x"', r"m\ x")
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=30)
    connection.request("POST", "/write?db=typed", body)
    assert connection.getresponse().status == 204
    connection.close()
    fine = json.dumps({"timestamp": START, "source_id": "a", "metric_name": "n", "value": 1.5})
    late = _sample("far ahead", 2.0, 6e9)  # in 2216, which is behind the year 2199
    loop, _ = bring(
        store, Content.METRICS, [[_sample("a", 1.0), fine.encode(), _sample("b", 2.0), late]]
    )
    assert loop.counts.refused == 2  # a number where the server has texts
    assert loop.counts.dead == 3
    assert _ask(port, "SELECT value FROM n", "typed") == [[START * 10**9, 1.5]]


def test_numbers_that_the_protocol_does_not_have_make_no_line_and_are_counted(
    server: tuple[int, Part],
) -> None:
    port, _ = server
    writer = _store(port, "numbers").open()
    batch = batch_of("metrics", [_sample("a", 1.0, n) for n in range(4)])
    value = np.array([math.nan, math.inf, -math.inf, 1.7e308])
    rows = Rows(batch.rows.series, batch.rows.code, batch.rows.time, value)
    object.__setattr__(batch, "rows", rows)
    written = writer.write(batch)
    huge = {"source_id": "m", "metric_name": "x", "window_end": "2026-01-01T00:01:00Z",
            "mean": int("9" * 400), "score": 0.5}  # fmt: skip
    assert writer.write(batch_of("features", [json.dumps(huge).encode()])).written == 1
    writer.close()
    assert (written.written, sum(written.others.values())) == (1, 3)
    assert _ask(port, 'SELECT value FROM "m x"', "numbers")[0][1] == 1.7e308
    assert _ask(port, "SELECT * FROM padit_features", "numbers")[0][1:] == ["x", 0.5, "m"]


def test_a_server_that_was_away_gets_everything(server: tuple[int, Part]) -> None:
    port, part = server
    store = _store(port, "away")
    values = plain(500)
    writer = store.open()
    part.kill()
    part.launch()
    loop, _ = bring(store, Content.METRICS, [values])
    writer.close()
    assert _ask(port, "SELECT count(value) FROM rtt_ms", "away")[0][1] == 500
    assert loop.counts.holds


def test_a_database_that_is_not_there_is_named_at_the_start(server: tuple[int, Part]) -> None:
    port, _ = server
    with pytest.raises(ConfigurationError, match="create the database"):
        store_from_uri(f"influxdb://{LOOPBACK}:{port}/nowhere").open()
    with pytest.raises(ConfigurationError, match="version 1"):
        store_from_uri(f"influxdb://{LOOPBACK}:{port}/a/b/c")


def test_version_2_is_what_our_own_receiver_reads(tmp_path: Path) -> None:
    naming = {"source_labels": ["source_id"]}
    receiver = {"type": "influx", "port": 0, "tokens": ["secret-token"], "naming": naming}
    with Live(receiver) as live:
        port = live.adapter.port
        config = tmp_path / "influx.conf"
        config.write_text("token=secret-token\n")
        uri = f"influxdb://{LOOPBACK}:{port}/org/bucket"
        values = plain(300)
        bring(store_from_uri(uri, {"client_config": str(config)}), Content.METRICS, [values])
        expected = sorted(
            (one["source_id"], round(one["timestamp"] * 1e6), float(one["value"]))
            for one in map(json.loads, values)
        )
        assert sorted((one.source_id, round(float(one.timestamp) * 1e6), one.value)
                      for one in live.emitter.metrics) == expected  # fmt: skip
        config.write_text("token=wrong-token\n")
        with pytest.raises(ConfigurationError, match=r"influx\.conf") as found:
            store_from_uri(uri, {"client_config": str(config)}).open()
        assert "wrong-token" not in str(found.value)


def test_every_line_is_one_that_our_own_parser_reads() -> None:
    from padit.codecs.records import decode
    from padit.stores.influx_lines import lines_of_rows

    values = [_sample(name, 1.5 * n) for n, name in enumerate(_ODD_NAMES)]
    lines = [one for one in lines_of_rows(decode(values, 1 << 20).rows) if one]
    parsed = parse_lines("\n".join(lines).encode(), "ns")
    assert not parsed.refused
    assert [dict(one.tags)["source_id"] for one in parsed.good] == [*_ODD_NAMES]
