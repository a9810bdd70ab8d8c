"""What people and machines send wrongly, at PostgreSQL: written, counted, or a dead letter."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from padit.codecs.validate import Validate
from padit.domain.timestamps import format_utc
from padit.stores.base import Batch, Content, RefusedError
from padit.stores.consume import Consume, Pace
from padit.stores.decode import Decoder
from padit.stores.registry import store_from_uri
from tests.limits import allowed
from tests.stores.databases import BEGIN, Database, alert_events, batch_of, check_sum, sample
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


_AHEAD: dict[str, tuple[str, dict[str, Any]]] = {
    "features": ("window_end", {"source_id": "m", "metric_name": "rpm", "mean": 1.0}),
    "anomalies": ("event_time", {"source_id": "m", "metric_name": "rpm", "composite": 1.0}),
    "alerts": ("time", {"id": "a", "type": "io.padit.alert.opened"}),
}


@pytest.mark.parametrize("content", _AHEAD)
def test_a_result_more_than_a_day_ahead_of_its_record_is_a_dead_letter(content: str) -> None:
    name, rest = _AHEAD[content]
    times = [BEGIN + ahead for ahead in (-9e6, 0, 86_400, 86_401, 9e6)]
    none: list[Any] = [None, True, "soon", [], 10**400]
    values = [
        json.dumps({**rest, name: format_utc(round(time * 1e6)) if n % 2 else time}).encode()
        for n, time in enumerate(times)
    ] + [json.dumps({**rest, name: odd}).encode() for odd in none]
    records = records_of(values)
    records.time[:] = BEGIN * 1_000_000
    decoder = Decoder(content, Content(content), Validate(4 << 20, 3_600_000_000), raw=False)
    batch = decoder(records)
    # What is no time is the store's to refuse; of the others those that lie too far ahead.
    assert batch.record.tolist() == [0, 1, 2, 5, 6, 7, 8, 9]
    assert [one.reject.record for one in batch.dead] == [3, 4]
    assert all("ahead of its record's timestamp" in one.reject.reason for one in batch.dead)
    two_days = Decoder(content, Content(content), Validate(4 << 20, 2 * 86_400_000_000), raw=False)
    assert [one.reject.record for one in two_days(records).dead] == [4]
    records.time[:] = -1  # a record without a time bounds nothing
    assert len(decoder(records).dead) == 0


def test_labels_come_back_as_they_were_or_their_sample_is_a_dead_letter(
    database: Database,
) -> None:
    labels = (
        "n" * 256,
        "\u202eabc\u202c",
        "' \" \\ ;--",
        "a\nb",
        "\u26a1\U0001f600",
        "\t",
        "%s {} $1",
    )
    values = [
        sample("vibration", n, n, source=f"m{n}", metadata={"site": text})
        for n, text in enumerate(labels)
    ]
    values.append(sample("vibration", 9, 9, source="m7", metadata={"site": "n" * 10_000}))
    writer = database.writer()
    batch = batch_of("metrics", values)
    check_sum(writer.write(batch), batch)
    nul = sample("vibration", 99, 1, source="nul", metadata={"site": "a\0b"})
    with pytest.raises(RefusedError, match="Unicode escape"):
        writer.write(batch_of("metrics", [nul], len(values)))
    writer.close()
    found = dict(database.query("SELECT source_id, labels->>'site' FROM metric"))
    # A label of more than 256 characters is none, at all outputs of PADIT; its sample is there.
    assert found == {f"m{n}": text for n, text in enumerate((*labels, None))}
