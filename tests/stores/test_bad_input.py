"""What people and machines send wrongly, at PostgreSQL: written, counted, or a dead letter."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable

import psycopg
import pytest

from padit.codecs.validate import Validate
from padit.stores.base import Batch, Content
from padit.stores.consume import Consume, Pace
from padit.stores.decode import Decoder
from padit.stores.registry import store_from_uri
from tests.limits import allowed
from tests.stores.databases import BEGIN, Database, alert_events, check_sum, sample
from tests.stores.faking import FakeTopics, records_of
from tests.stores.proxy import Proxy

_STRANGE = ["ä 😀 \u202e", "quote \" ' \\ ;--", "x" * 10_000, "  ", "a\tb\nc", "%s {} $1"]


def _batch(values: list[bytes]) -> Batch:
    """Decoded as `padit store` does it, with records of one moment."""
    decoder = Decoder("metrics", Content.METRICS, Validate(4 << 20, 3_600_000_000), raw=False)
    records = records_of(values, 0, 0)
    records.time[:] = (BEGIN + 10) * 10**6
    return decoder(records)


@pytest.mark.parametrize("metric", ["rpm", "vibration"])
def test_names_come_back_as_they_were_or_are_dead_letters(database: Database, metric: str) -> None:
    batch = _batch([sample(metric, 1, 2.0, source=one) for one in _STRANGE])
    writer = database.writer()
    check_sum(writer.write(batch), batch)
    writer.close()
    table = "SELECT machine_id FROM sensor_log" if metric == "rpm" else (
        "SELECT source_id FROM metric"
    )  # fmt: skip
    dead = database.query("SELECT original FROM dead_letter")
    kept = {name for (name,) in database.query(table)}
    lost = {json.loads(bytes(one))["source_id"] for (one,) in dead}
    assert kept | lost == set(_STRANGE)
    assert not kept & lost
    assert {"ä 😀 \u202e", "quote \" ' \\ ;--", "%s {} $1"} <= kept


def test_times_before_1970_and_far_ahead_are_dead_letters_with_the_reason(
    database: Database,
) -> None:
    seconds = [-BEGIN - 1, -BEGIN - 4e9, 3e9, 1e20, 86_400]
    batch = _batch([sample("rpm", 1, 1.0), *(sample("rpm", one, 1.0) for one in seconds)])
    writer = database.writer()
    writer.write(batch)
    writer.close()
    assert database.one("SELECT count(*) FROM sensor_log") == 1
    reasons = [one for (one,) in database.query('SELECT reason FROM dead_letter ORDER BY "offset"')]
    assert len(reasons) == len(seconds)
    assert all(reasons)


def test_samples_whose_schema_drifts_are_dead_letters_and_the_rest_is_written(
    database: Database,
) -> None:
    good = [sample("rpm", n, n) for n in range(4)]
    drifted = [
        b'{"timestamp":1767225601,"source_id":"p","metric_name":"rpm","value":"fast"}',
        b'{"timestamp":1767225601,"source_id":"p","metric_name":"rpm"}',
        b'{"timestamp":1767225601,"source_id":7,"metric_name":"rpm","value":1}',
        b'{"time":1767225601,"machine":"p","rpm":1}',
        b"[[[[",
        b"\xff\xfe",
    ]
    batch = _batch([value for pair in zip(good, drifted, strict=False) for value in pair])
    writer = database.writer()
    check_sum(writer.write(batch), batch)
    writer.close()
    assert database.one("SELECT count(*) FROM sensor_log") == 4
    assert database.one("SELECT count(*) FROM dead_letter") == 4


def test_a_store_that_was_away_for_long_catches_up_in_order(database: Database) -> None:
    """As after an hour, with short pauses: the topic grows meanwhile, and memory does not."""
    proxy = Proxy(database.server.port)
    uri = f"postgresql://127.0.0.1:{proxy.port}/{database.name}"
    events = alert_events(400)
    topics = FakeTopics([events[:50]], "alerts")
    decoder = Decoder("alerts", Content.ALERTS, Validate(1 << 20, 0), raw=False)
    pace = Pace(records=50, poll=0.0, longest=0.05, open=0.1)
    loop = Consume(topics, store_from_uri(uri), {"alerts": decoder}, None, pace)
    stopped = threading.Event()
    thread = threading.Thread(target=loop.run, args=(stopped,))
    thread.start()
    try:
        _until(lambda: database.one("SELECT count(*) FROM outbox") == 50)
        proxy.pause()
        topics.partitions[0].extend(events[50:])
        _until(lambda: loop.counts.failures > 20)  # an hour, at a pause of 30 s, has 120
        assert topics.at[0] <= 100  # one batch is held, the topic keeps the others
        assert database.one("SELECT count(*) FROM outbox") == 50
        proxy.resume()
        _until(lambda: database.one("SELECT count(*) FROM outbox") == 400)
    finally:
        stopped.set()
        thread.join()
        proxy.close()
    rows = database.query("SELECT payload FROM outbox ORDER BY txid, seq")
    assert [one.encode() for (one,) in rows] == events
    assert loop.counts.holds


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + allowed(60)
    while True:
        with contextlib.suppress(psycopg.Error):  # the tables are not made yet
            if holds():
                return
        assert time.monotonic() < end
        time.sleep(0.05)
