"""Redis holds what is true now: against a real server that is killed and forgets."""

from __future__ import annotations

import json
import logging
import random
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from padit.codecs.validate import Validate
from padit.devcluster.ports import LOOPBACK
from padit.devcluster.processes import Part
from padit.domain.errors import ConfigurationError, SinkError
from padit.stores.base import Content, Store
from padit.stores.decode import Decoder
from padit.stores.registry import store_from_uri
from tests.stores.faking import records_of
from tests.stores.servers import bring, redis_server

START = 1_767_225_600
Server = tuple[int, Part, Any]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    port, part = redis_server(tmp_path / "redis")
    client = redis.Redis(LOOPBACK, port, decode_responses=True)
    yield port, part, client
    client.close()
    part.stop()


def _store(port: int, **settings: Any) -> Store:
    return store_from_uri(f"redis://{LOOPBACK}:{port}/0", settings)


def _sample(source: str, metric: str, second: float, value: float) -> bytes:
    one = {"timestamp": START + second, "source_id": source, "metric_name": metric, "value": value}
    return json.dumps(one).encode()


def _features(source: str, minute: int, **more: Any) -> bytes:
    return json.dumps(
        {"source_id": source, "metric_name": "rpm", "unit": "1/min", "mean": 1.5 + minute,
         "window_end": f"2026-01-01T00:{minute:02d}:00.000000Z", "expected_low": None, **more}
    ).encode()  # fmt: skip


def _alert(number: int) -> bytes:
    return json.dumps(
        {"specversion": "1.0", "id": f"t{number}", "type": "io.padit.alert.opened",
         "source": "/padit/m1", "time": "2026-01-01T00:00:00Z", "data": {"id": "a"}}
    ).encode()  # fmt: skip


def _machine(count: int = 300) -> list[list[bytes | None]]:
    chance = random.Random(1)
    partitions: list[list[bytes | None]] = [[], []]
    for second in range(count):
        for machine in range(4):
            mine = partitions[machine % 2]
            mine.append(_sample(f"m{machine}", "torque_nm", second, chance.gauss(40, 5)))
            mine.append(_sample(f"m{machine}", "air_temp_k", second, chance.gauss(300, 1)))
            mine.append(_sample(f"m{machine}", "rpm", second, chance.gauss(1500, 30)))
            mine.append(_sample(f"m{machine}", "tool_wear_min", second, 1.0))
    return partitions


def _expected(partitions: list[list[bytes | None]]) -> dict[str, float]:
    found: dict[str, float] = {}
    samples = [json.loads(one) for part in partitions for one in part if one]
    newest = max(one["timestamp"] for one in samples)
    for machine in range(4):
        mine = [one for one in samples if one["source_id"] == f"m{machine}"]
        last = {one["metric_name"]: one["value"] for one in mine}
        minute = [one for one in mine if one["timestamp"] > newest - 60]
        air = [one["value"] for one in minute if one["metric_name"] == "air_temp_k"]
        rpm = [one["value"] for one in minute if one["metric_name"] == "rpm"]
        found[f"machine:m{machine}:last_torque"] = last["torque_nm"]
        found[f"machine:m{machine}:temp_1m_avg"] = statistics.fmean(air)
        found[f"machine:m{machine}:rpm_variance"] = statistics.pvariance(rpm)
    return found


def _machine_keys(client: Any) -> dict[str, float]:
    return {key: float(client.get(key)) for key in client.keys("machine:*")}


def test_the_keys_of_machines_hold_what_the_samples_say(server: Server) -> None:
    port, _, client = server
    partitions = _machine()
    loop, _ = bring(_store(port), Content.METRICS, partitions)
    assert _machine_keys(client) == pytest.approx(_expected(partitions), rel=1e-12)
    assert loop.counts.others == {"samples that no key asks for": 1200}
    assert 0 < client.pttl("machine:m1:rpm_variance") <= 86_400_000


def test_a_process_that_begins_again_has_whole_windows(server: Server) -> None:
    port, _, client = server
    partitions = _machine()
    cut = [part[: len(part) // 2] for part in partitions]
    _, topics = bring(_store(port), Content.METRICS, cut)
    topics.partitions = [list(part) for part in partitions]
    bring(_store(port), Content.METRICS, (), topics)  # another process
    assert _machine_keys(client) == pytest.approx(_expected(partitions), rel=1e-12)


def test_a_server_that_lost_its_memory_is_filled_again(server: Server) -> None:
    port, part, client = server
    partitions = _machine()
    store = _store(port)
    _, topics = bring(store, Content.METRICS, partitions)
    bring(store, Content.FEATURES, [[_features("m1", 3)]])
    before = _machine_keys(client)
    part.kill()
    part.start()
    assert client.dbsize() == 0
    bring(store, Content.METRICS, (), topics)
    assert _machine_keys(client) == before


def test_a_server_that_forgets_while_it_is_written_to_is_filled_again(server: Server) -> None:
    port, _, client = server
    partitions = _machine()
    store = _store(port)
    polls = 0

    class Forgetting(type(bring(store, Content.METRICS, [[]])[1])):  # type: ignore[misc]
        def poll(self, most: int, seconds: float) -> Any:
            nonlocal polls
            polls += 1
            if polls == 20:
                client.flushall()
            return super().poll(most, seconds)

    loop, _ = bring(store, Content.METRICS, (), Forgetting(partitions, "metrics"))
    assert loop.counts.failures == 1
    assert _machine_keys(client) == pytest.approx(_expected(partitions), rel=1e-12)


def test_features_are_a_hash_that_never_goes_back(server: Server) -> None:
    port, _, client = server
    records: list[bytes | None] = [_features("m1", 2, gone=7), _features("m2", 2)]
    records += [_features("m1", 5), _features("m1", 4), b'{"no":"series"}', b"no json", None]
    loop, _ = bring(_store(port), Content.FEATURES, [records])
    key = "features:m1:rpm:1/min"
    assert client.hgetall(key) == {
        "source_id": "m1", "metric_name": "rpm", "unit": "1/min", "mean": "6.5",
        "window_end": "2026-01-01T00:05:00.000000Z",
    }  # fmt: skip
    assert loop.counts.dead == 2
    client.delete("padit:positions")
    bring(_store(port), Content.FEATURES, [[_features("m1", 3), _features("m3", 3)]])
    assert client.hget(key, "mean") == "6.5"
    assert client.hget("features:m3:rpm:1/min", "mean") == "4.5"
    client.delete("padit:positions")
    bring(_store(port), Content.FEATURES, [[_features("m1", 6, mean=None)]])
    assert "mean" not in client.hgetall(key)  # null now: an old value would be a lie


def test_alerts_are_a_stream_with_groups_that_can_be_read_again_by_id(server: Server) -> None:
    port, _, client = server
    store = _store(port, groups=["phones", "screens"], stream_length=1000)
    partitions: list[list[bytes | None]] = [[_alert(n) for n in range(p, 40, 2)] for p in (0, 1)]
    partitions[0].append(b'{"not":"an event"}')
    loop, topics = bring(store, Content.ALERTS, partitions, records=7)
    entries = client.xrange("alerts")
    assert sorted(one["id"] for _, one in entries) == sorted(f"t{n}" for n in range(40))
    assert json.loads(entries[0][1]["event"])["data"] == {"id": "a"}
    assert loop.counts.written == 40
    taken = client.xreadgroup("phones", "one", {"alerts": ">"}, count=100)[0][1]
    assert [number for number, _ in taken] == [number for number, _ in entries]
    middle = entries[20][0]
    assert [n for n, _ in client.xrange("alerts", min=middle)] == [n for n, _ in entries[20:]]
    # The whole topic again, as after a lost answer: nothing is added.
    topics.at = [0, 0]
    client.delete("features:x")
    writer = store.open()
    again = bring(_store(port), Content.ALERTS, partitions)[0]
    writer.close()
    assert again.counts.written == 0
    assert client.xlen("alerts") == 40


def test_positions_that_are_gone_alone_are_found_in_the_stream(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    port, _, client = server
    partitions: list[list[bytes | None]] = [[_alert(n) for n in range(p, 3000, 2)] for p in (0, 1)]
    store = _store(port)
    _, topics = bring(store, Content.ALERTS, partitions)
    before = client.xrange("alerts")
    for gone in (True, False):
        if gone:
            client.delete("padit:positions")
        else:
            client.expire("padit:positions", 0)
        with caplog.at_level(logging.WARNING):
            loop, topics = bring(store, Content.ALERTS, (), topics)
        assert loop.counts.written == 0
        assert client.xrange("alerts") == before
        assert "has lost padit:positions and not alerts" in caplog.text
    client.delete("alerts")  # all of it is gone: filled again
    client.delete("padit:positions")
    bring(store, Content.ALERTS, (), topics)
    assert [one for _, one in client.xrange("alerts")] == [one for _, one in before]


def test_positions_that_go_while_they_are_written_to_let_nothing_in_twice(server: Server) -> None:
    """Deleted after they were looked at, and before the transaction."""
    port, _, client = server
    store = _store(port)
    events: list[bytes | None] = [_alert(n) for n in range(100)]
    writer: Any = store.open()
    decode = Decoder("alerts", Content.ALERTS, Validate(1 << 20, 1), raw=False)
    writer.write(decode(records_of(events[:50])))
    looked = writer._alerts

    def alerts(pipe: Any, batch: Any) -> Any:
        client.delete("padit:positions")
        return looked(pipe, batch)

    writer._alerts = alerts
    with pytest.raises(SinkError):
        writer.write(decode(records_of(events[50:], 0, 50)))
    writer.close()
    assert client.xlen("alerts") == 50
    loop, _ = bring(store, Content.ALERTS, [events])
    assert loop.counts.written == 50
    assert client.xlen("alerts") == 100


def test_a_batch_whose_answer_was_lost_adds_nothing_twice(server: Server) -> None:
    port, _, client = server
    store = _store(port)
    decode = Decoder("alerts", Content.ALERTS, Validate(1 << 20, 1), raw=False)
    batch = decode(records_of([_alert(n) for n in range(9)]))
    writer = store.open()
    assert writer.write(batch).written == 9
    assert writer.write(batch).repeated == 9
    writer.close()
    assert client.xlen("alerts") == 9


def test_the_stream_keeps_about_as_many_as_it_should(server: Server) -> None:
    port, _, client = server
    bring(_store(port, stream_length=500), Content.ALERTS, [[_alert(n) for n in range(3000)]])
    assert 500 <= client.xlen("alerts") < 700


@pytest.mark.parametrize("name", ["nul\0", "⚡ “quotes”", "{source}", "n" * 200])
def test_names_may_hold_anything(server: Server, name: str) -> None:
    port, _, client = server
    bring(_store(port), Content.METRICS, [[_sample(name, "torque_nm", 1, 7.25)]])
    bring(_store(port), Content.FEATURES, [[_features(name, 1)]])
    found = client.get(f"machine:{name}:last_torque")
    if "\0" in name:  # the codec refuses such a name, with a dead letter
        assert found in (None, "7.25")
    else:
        assert found == "7.25"
    assert client.exists(f"features:{name}:rpm:1/min")


def test_a_wrong_password_and_a_replica_are_named_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, part = redis_server(tmp_path / "secret", "--requirepass", "right")
    other, replica = redis_server(tmp_path / "replica", "--replicaof", LOOPBACK, "1")
    try:
        monkeypatch.setenv("REDIS_PASSWORD", "wrong")
        with pytest.raises(ConfigurationError, match="REDIS_PASSWORD") as found:
            _store(port).open()
        assert "wrong" not in str(found.value).replace("WRONGPASS", "")
        config = tmp_path / "redis.conf"
        config.write_text("password=right\n")
        monkeypatch.delenv("REDIS_PASSWORD")
        _store(port, client_config=str(config)).open().close()
        with pytest.raises(ConfigurationError, match="replica"):
            _store(other).open()
    finally:
        part.stop()
        replica.stop()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"keys": [{"metric": "rpm", "key": "no place"}]}, "source"),
        ({"keys": [{"metric": "rpm", "key": "{source}{else}"}]}, "may hold"),
        ({"expire_sec": 0}, "expire_sec"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        _store(6379, **settings)
