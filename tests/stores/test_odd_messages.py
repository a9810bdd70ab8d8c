"""Results of any shape and names of any kind in every store: kept, or counted with a reason."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.codecs.validate import Validate
from padit.devcluster.ports import LOOPBACK
from padit.devcluster.processes import Part
from padit.stores.base import Content, Store
from padit.stores.consume import Consume, Pace
from padit.stores.decode import Decoder
from padit.stores.influx_lines import lines_of_messages
from padit.stores.postgres.results import MAKERS
from padit.stores.redis_store import RedisStore, _end, _RedisWriter, _text
from padit.stores.registry import store_from_uri
from padit.stores.remote_write_store import _of_features
from tests.adapters.live import until
from tests.stores.databases import Database, alert_events, batch_of
from tests.stores.faking import FakeTopics
from tests.stores.proxy import Proxy
from tests.stores.records import START
from tests.stores.servers import (
    bring,
    create_influx,
    get,
    influx_server,
    prometheus_server,
    redis_server,
)

_KEYS = ("source_id", "metric_name", "unit", "metric_type", "window_start", "window_end", "mean",
         "score", "event_time", "composite", "confidence", "scores", "id", "type", "time", "data",
         "source", "subject", "severity", "summary", "", "odd key", "n\0l")  # fmt: skip
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**400), 10**400), st.text(max_size=5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["2026-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z",
                     "1969-12-31T23:59:59Z", "m1", "\ud7ff\U0001f600\0"]),
)  # fmt: skip
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4)
    ),
    max_leaves=6,
)
_MESSAGES = st.lists(st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=12), max_size=3)


@settings(max_examples=50)
@given(_MESSAGES)
def test_no_shape_of_a_result_can_raise(messages: list[dict[str, Any]]) -> None:
    lines: list[str | None] = []
    for kind in ("features", "anomalies", "alerts"):
        lines += lines_of_messages(kind, messages, "padit_")
        batch = batch_of(kind, [json.dumps(one).encode() for one in messages])
        for position in range(batch.count):
            try:
                MAKERS[Content(kind)][2](batch, position)
            except (ValueError, OverflowError):
                continue  # a dead letter
    assert not any("\n" in line or "inf" in line.split()[-2:-1] for line in lines if line)
    store = store_from_uri("redis://127.0.0.1:6379/0")
    assert isinstance(store, RedisStore)
    keys = _RedisWriter.__new__(_RedisWriter)
    keys._settings = store._settings
    for one in messages:
        for (field, *series), time, number in _of_features(one, frozenset()):
            assert field.isidentifier()
            assert all(isinstance(text, str) for text in series)
            assert isinstance(time, int)
            assert isinstance(number, float)
        assert isinstance(_end(one), str)
        assert keys._key(one) is None or one.get("source_id") is not None
        assert all(isinstance(_text(value), str | float | int) for value in one.values())


_NAMES = ("nul\0", "\u26a1 \U0001f600 \u202e", "quote \" ' \\ ;--", "n" * 500, "n" * 10_000,
          "a\tb\nc", "%s {} $1 {source}", "end\\", "a,b=c d")  # fmt: skip


def _metrics() -> list[bytes | None]:
    return [
        json.dumps({"timestamp": START + n, "source_id": name, "metric_name": "torque_nm",
                    "value": n + 0.5}).encode()
        for n, name in enumerate(_NAMES)
    ]  # fmt: skip


def _features() -> list[bytes | None]:
    return [
        json.dumps({"source_id": name, "metric_name": "rpm", "unit": "u", "mean": n + 0.25,
                    "window_end": "2026-01-01T00:01:00.000000Z"}).encode()
        for n, name in enumerate(_NAMES)
    ]  # fmt: skip


Ask = Callable[[], dict[str, float]]


@contextmanager
def _reached(part: Part, uri: str) -> Iterator[Store]:
    try:
        yield store_from_uri(uri)
    finally:
        part.stop()


@contextmanager
def _redis(folder: Path) -> Iterator[tuple[Store, Ask, int]]:
    port, part = redis_server(folder)

    def ask() -> dict[str, float]:
        with redis.Redis(LOOPBACK, port, decode_responses=True) as client:
            found = {name: client.get(f"machine:{name}:last_torque") for name in _NAMES}
            means = {name: client.hget(f"features:{name}:rpm:u", "mean") for name in _NAMES}
        return {f"{kind} {name}": float(value) for kind, each in (("m", found), ("f", means))
                for name, value in each.items() if value is not None}  # fmt: skip

    with _reached(part, f"redis://{LOOPBACK}:{port}/0") as store:
        yield store, ask, port


@contextmanager
def _influx(folder: Path) -> Iterator[tuple[Store, Ask, int]]:
    port, part = influx_server(folder)
    create_influx(port, "odd")

    def ask() -> dict[str, float]:
        found: dict[str, float] = {}
        for kind, sql in (("m", "SELECT value, source_id FROM torque_nm"),
                          ("f", "SELECT mean, source_id FROM padit_features")):  # fmt: skip
            answer = json.loads(get(port, f"/query?db=odd&epoch=ns&q={quote(sql)}")[1])
            for series in answer["results"][0].get("series", ()):
                found |= {f"{kind} {name}": value for _, value, name in series["values"]}
        return found

    with _reached(part, f"influxdb://{LOOPBACK}:{port}/odd") as store:
        yield store, ask, port


@contextmanager
def _prometheus(folder: Path) -> Iterator[tuple[Store, Ask, int]]:
    port, part = prometheus_server(folder)

    def ask() -> dict[str, float]:
        found = {}
        for kind, name in (("m", "padit_value"), ("f", "padit_mean")):
            path = f"/api/v1/query?query=last_over_time({name}[1h])&time={START + 600}"
            for one in json.loads(get(port, path)[1])["data"]["result"]:
                found[f"{kind} {one['metric']['source_id']}"] = float(one["value"][1])
        return found

    with _reached(part, f"prometheus://{LOOPBACK}:{port}") as store:
        yield store, ask, port


_SERVERS = {"Redis": _redis, "InfluxDB": _influx, "Prometheus": _prometheus}


@pytest.mark.parametrize("kind", _SERVERS)
def test_a_name_comes_back_as_it_was_or_is_accounted_for(tmp_path: Path, kind: str) -> None:
    with _SERVERS[kind](tmp_path / "server") as (store, ask, _):
        metrics, _topic = bring(store, Content.METRICS, [_metrics()])
        features, _topic = bring(store, Content.FEATURES, [_features()])
        found = ask()
    expected = {f"m {name}": n + 0.5 for n, name in enumerate(_NAMES)}
    expected |= {f"f {name}": n + 0.25 for n, name in enumerate(_NAMES)}
    assert found.items() <= expected.items()
    for loop in (metrics, features):
        assert loop.counts.holds
        assert loop.counts.records == len(_NAMES)
    left = metrics.counts.dead + features.counts.dead
    left += sum(metrics.counts.others.values()) + sum(features.counts.others.values())
    assert len(found) == 2 * len(_NAMES) - left
    for name in _NAMES[1:4]:
        assert {f"m {name}", f"f {name}"} <= found.keys()


_EXTREMES = {
    _NAMES[1]: 1e308,
    _NAMES[2]: -1.7976931348623157e308,
    _NAMES[3]: 5e-324,
    _NAMES[6]: -0.0,
    _NAMES[8]: 123456789.123456789,
}


@pytest.mark.parametrize("kind", _SERVERS)
def test_the_largest_and_smallest_numbers_come_back(tmp_path: Path, kind: str) -> None:
    metrics: list[bytes | None] = [
        json.dumps({"timestamp": START + second, "source_id": name, "metric_name": metric,
                    "value": value}).encode()
        for second in range(3)
        for name, value in _EXTREMES.items()
        for metric in ("torque_nm", "air_temp_k", "rpm")  # sums of them leave the floats
    ]  # fmt: skip
    features: list[bytes | None] = [
        json.dumps({"source_id": name, "metric_name": "rpm", "unit": "u", "mean": value,
                    "window_end": "2026-01-01T00:01:00.000000Z", "huge": 10**400}).encode()
        for name, value in _EXTREMES.items()
    ]  # fmt: skip
    with _SERVERS[kind](tmp_path / "server") as (store, ask, port):
        for content, values in ((Content.METRICS, metrics), (Content.FEATURES, features)):
            loop, _ = bring(store, content, [values])
            assert loop.counts.dead == 0
            left = {"samples that no key asks for"}
            assert loop.counts.others.keys() <= left
        found = ask()
        means = {} if kind != "Redis" else _means(port)
    assert found == {f"{one} {name}": value for one in "mf" for name, value in _EXTREMES.items()}
    assert means == ({} if kind != "Redis" else pytest.approx(_EXTREMES, rel=1e-15))


def _means(port: int) -> dict[str, float]:
    with redis.Redis(LOOPBACK, port, decode_responses=True) as client:
        return {name: float(str(client.get(f"machine:{name}:temp_1m_avg"))) for name in _EXTREMES}


@pytest.mark.parametrize("kind", _SERVERS)
def test_a_result_of_the_year_9999_keeps_out_none_of_today(tmp_path: Path, kind: str) -> None:
    """A Prometheus that has it takes nothing older; a key that never goes back keeps it."""
    wild = ("9999-12-31T23:59:59.999999Z", "1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z")
    made = {"source_id": _NAMES[1], "metric_name": "rpm", "unit": "u", "mean": -1.0}
    features: list[bytes | None] = [
        json.dumps({**made, "window_end": end}).encode() for end in wild
    ]
    today = {**made, "mean": 5.5, "window_end": "2026-01-01T00:01:00.000000Z"}
    features.append(json.dumps(today).encode())
    with _SERVERS[kind](tmp_path / "server") as (store, ask, _):
        loop, _topic = bring(store, Content.FEATURES, [features])
        assert ask() == {f"f {_NAMES[1]}": 5.5}
    assert (loop.counts.dead, loop.counts.written) == (3, 1)


_HOUR = 3600


@pytest.mark.parametrize("kind", _SERVERS)
def test_an_hour_away_is_waited_for_and_caught_up_in_order(tmp_path: Path, kind: str) -> None:
    """As after an hour, with short pauses: one batch is held, and the topic keeps the others."""
    with _SERVERS[kind](tmp_path / "server") as (store, _ask, port):
        proxy = Proxy(port)
        uri = store.name.replace(f":{port}", f":{proxy.port}")
        away = store_from_uri(uri, {"timeout_sec": 2.0})
        content = Content.ALERTS if kind == "Redis" else Content.FEATURES
        values = alert_events(_HOUR) if kind == "Redis" else _hour_of_features()
        topics = FakeTopics([values[:10]], content.value)
        decoder = Decoder(content.value, content, Validate(1 << 20, 3_600_000_000), raw=False)
        pace = Pace(records=200, poll=0.01, longest=0.05, open=0.05)
        loop = Consume(topics, away, {content.value: decoder}, None, pace)
        stopped = threading.Event()
        thread = threading.Thread(target=loop.run, args=(stopped,))
        thread.start()
        try:
            until(lambda: loop.counts.records == 10, "the first records", 30)
            proxy.pause()
            topics.partitions[0].extend(values[10:])
            until(lambda: loop.counts.failures > 12, "failed attempts", 60)
            assert topics.at[0] <= 210
            proxy.resume()
            until(lambda: loop.counts.records == _HOUR, "all of the hour", 120)
        finally:
            stopped.set()
            thread.join()
            proxy.close()
        assert loop.counts.holds
        assert loop.counts.dead == 0
        # What was taken before its connection was cut is sent again, and is old by then.
        again = "older than what Prometheus has or takes (out_of_order_time_window)"
        assert loop.counts.others.keys() <= ({again} if kind == "Prometheus" else set())
        assert sum(loop.counts.others.values()) <= pace.records  # one batch was on its way
        _whole(kind, port, values)


def _hour_of_features() -> list[bytes]:
    return [
        json.dumps({"source_id": f"m{n % 2}", "metric_name": "rpm", "unit": "u", "mean": n + 0.25,
                    "window_end": f"2026-01-01T00:{n // 60:02d}:{n % 60:02d}.000000Z"}).encode()
        for n in range(_HOUR)
    ]  # fmt: skip


def _whole(kind: str, port: int, values: list[bytes]) -> None:
    """All is there once, in its order."""
    if kind == "Redis":
        with redis.Redis(LOOPBACK, port) as client:
            assert [one[b"event"] for _, one in client.xrange("alerts")] == values
        return
    total = sum(n + 0.25 for n in range(_HOUR))
    if kind == "InfluxDB":
        sql = quote("SELECT count(mean), sum(mean) FROM padit_features")
        answer = json.loads(get(port, f"/query?db=odd&q={sql}")[1])
        assert answer["results"][0]["series"][0]["values"][0][1:] == [_HOUR, total]
        return
    path = f"/api/v1/query?query=sum(sum_over_time(padit_mean[2h]))&time={START + 3700}"
    assert float(json.loads(get(port, path)[1])["data"]["result"][0]["value"][1]) == total


def test_postgresql_keeps_or_explains_the_same_names(database: Database) -> None:
    loop, _ = bring(database.store(), Content.METRICS, [_metrics()])
    more, _ = bring(database.store(), Content.FEATURES, [_features()])
    dead = database.query("SELECT reason FROM dead_letter")
    assert all(reason for (reason,) in dead)
    assert database.one("SELECT count(*) FROM sensor_log") == len(_NAMES) - loop.counts.dead
    kept = database.one("SELECT count(*) FROM feature")
    assert kept == len(_NAMES) - more.counts.dead
    assert len(dead) == 2 * len(_NAMES) - kept - database.one("SELECT count(*) FROM sensor_log")
