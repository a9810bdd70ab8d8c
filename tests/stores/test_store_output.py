"""Stores as outputs of a local run: the writers of `padit store`, without a topic in between."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from padit.cli.main import main
from padit.connectors.sink import Start
from padit.connectors.uris import sink_from_uri
from padit.domain.errors import ConfigurationError, SinkError
from padit.domain.message import Kind, Message
from padit.domain.run_identity import RunIdentity
from tests.stores.databases import Database, alert_events
from tests.stores.proxy import Proxy
from tests.stores.servers import redis_server

_CONFIG = """
detectors:
  - name: rule
    parameters: {rules: [{conditions: [{feature: max, limit: 50, adds: 1.0}]}]}
"""


def _alerts(count: int, first: int = 0) -> list[Message]:
    return [
        Message(Kind.ALERT, json.loads(one)["id"], "press-1:torque_nm", 0, one)
        for one in alert_events(count, first=first)
    ]


def _input(folder: Path) -> str:
    lines = [
        {"timestamp": 1767225600 + n, "source_id": "m1", "metric_name": "torque_nm",
         "value": 99.5 if 300 <= n < 360 else 20 + n % 7}
        for n in range(900)
    ]  # fmt: skip
    (folder / "in.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    (folder / "rules.yaml").write_text(_CONFIG)
    return str(folder / "in.jsonl")


def _replay(folder: Path, *outputs: str) -> int:
    return main(
        ["replay", "--input", _input(folder), "--config", str(folder / "rules.yaml"),
         "--window_size_sec=60", "--extract_interval_sec=30", *outputs]
    )  # fmt: skip


def test_a_run_writes_its_results_into_stores_and_again_changes_nothing(
    database: Database, tmp_path: Path
) -> None:
    port, part = redis_server(tmp_path / "redis")
    place = f"{database.uri}"
    file = tmp_path / "alerts.jsonl"
    outputs = [f"--output={place}", f"--features={place}", f"--anomalies={place}"]
    try:
        assert _replay(tmp_path, *outputs) == 0
        assert _replay(tmp_path, f"--output={file}", f"--features={tmp_path}/features.jsonl") == 0
        assert _replay(tmp_path, f"--output=redis://127.0.0.1:{port}/0") == 0
        events = file.read_bytes().splitlines()
        assert len(events) >= 2
        windows = len((tmp_path / "features.jsonl").read_bytes().splitlines())
        rows = [
            [one.encode() for (one,) in database.query("SELECT payload FROM outbox ORDER BY seq")],
            database.one("SELECT count(*) FROM feature"),
            database.one("SELECT count(*) > 0 FROM anomaly_score"),
        ]
        assert rows == [events, windows, True]
        with contextlib.closing(redis.Redis("127.0.0.1", port)) as client:
            found: Any = client.xrange("alerts")
        assert [fields[b"event"] for _, fields in found] == events
        assert _replay(tmp_path, *outputs) == 0
        assert database.one("SELECT count(*) FROM outbox") == len(events)
        assert database.one("SELECT count(*) FROM feature") == windows
    finally:
        part.stop()


def test_what_a_store_does_not_keep_is_an_error_of_the_start(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = _replay(tmp_path, f"--output={database.uri}", f"--late={database.uri}")
    assert code == 2
    assert "keeps alerts, anomalies, features, and no late: give that" in capsys.readouterr().err
    sink = sink_from_uri("redis://127.0.0.1:1/0")
    with pytest.raises(ConfigurationError, match="no anomalies"):
        sink.prepare(Start(RunIdentity("anomalies")))
    with pytest.raises(SinkError):
        sink.prepare(Start(RunIdentity("alerts")))
    with pytest.raises(ConfigurationError, match="colour"):
        sink_from_uri(f"{database.uri}?colour=red")


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    made = Proxy(database.server.port)
    yield made
    made.close()


def test_connections_that_are_cut_neither_lose_nor_double_nor_reorder_results(
    database: Database, proxy: Proxy
) -> None:
    sink = sink_from_uri(f"postgresql://127.0.0.1:{proxy.port}/{database.name}")
    first, second = sink.open(), sink.open()  # as instances of a step in one process
    for n, after in enumerate((0, 300, 2000, 5000, 9000, 20_000)):
        writer = (first, second)[n % 2]
        writer.write(_alerts(7, first=7 * n))
        proxy.cut(after)
        writer.flush()
        writer.write(_alerts(7, first=7 * n))  # a bundle that comes again
        writer.flush()
    first.close()
    second.close()
    rows = database.query("SELECT payload FROM outbox ORDER BY txid, seq")
    assert [one.encode() for (one,) in rows] == alert_events(42)


def test_a_store_that_stays_away_ends_the_bundle_and_the_next_writer_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("padit.stores.store_output._PATIENCE", 1.0)
    proxy = Proxy(database.server.port)
    sink = sink_from_uri(f"postgresql://127.0.0.1:{proxy.port}/{database.name}")
    writer, other = sink.open(), sink.open()
    writer.write(_alerts(3))
    writer.flush()
    other.write([])
    with database.server.connect(database.name) as holder, holder.transaction():
        holder.execute("LOCK TABLE store_position IN EXCLUSIVE MODE")
        threading.Timer(0.5, proxy.cut).start()  # within a transaction that is never committed
        writer.write(_alerts(2, first=3))
        with pytest.raises(SinkError, match="did not take the results within 1 s"):
            writer.flush()
    writer.close()
    monkeypatch.setattr("padit.stores.store_output._PATIENCE", 60.0)
    again = sink.open()
    again.write(_alerts(4, first=3))  # the bundle that comes again is another one
    again.flush()
    again.close()
    other.close()
    proxy.close()
    rows = database.query("SELECT payload FROM outbox ORDER BY txid, seq")
    assert [one.encode() for (one,) in rows] == alert_events(7)


def test_a_result_that_a_store_refuses_is_kept_with_its_reason(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = threading.active_count()
    bad = Message(Kind.ALERT, "x", "k", 0, b'{"type": "padit.alert.opened", "data": 3}')
    writer = sink_from_uri(database.uri).open()
    writer.write([*_alerts(1), bad, *_alerts(1, first=1)])
    writer.flush()
    writer.close()
    assert database.one("SELECT count(*) FROM outbox") == 2
    assert "no object" in database.one("SELECT reason FROM dead_letter")
    port, part = redis_server(tmp_path / "redis")
    try:
        writer = sink_from_uri(f"redis://127.0.0.1:{port}/0").open()
        with caplog.at_level(logging.WARNING):
            writer.write([Message(Kind.ALERT, "y", "k", 0, b"no JSON"), *_alerts(1)])
            writer.flush()
        writer.close()
    finally:
        part.stop()
    assert "is not there: it is no JSON object" in caplog.text
    assert threading.active_count() < before + 8  # a few threads end a moment later
