"""What `padit store` is given: topics, what they hold, and what it says before it starts."""

from __future__ import annotations

import threading
import uuid

import numpy as np
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from padit.alerting.records import entry_of
from padit.cli.main import main
from padit.codecs.validate import Validate
from padit.domain.errors import ConfigurationError, SourceError
from padit.stores.base import Content
from padit.stores.decode import Decoder
from padit.stores.service import Plan, serve
from padit.stores.topics import Topic, Topics, _time, topics_of
from tests.parts import KafkaPart
from tests.stores.databases import Database, alert_events, sample
from tests.stores.faking import records_of


def test_braces_stand_for_several_topics_and_names_say_what_they_hold() -> None:
    address, topics = topics_of(["kafka://h:1/{metrics,alerts}", "kafka://h:1/plant-7.features"])
    assert address.host == "h:1"
    assert topics == [
        Topic("metrics", Content.METRICS),
        Topic("alerts", Content.ALERTS),
        Topic("plant-7.features", Content.FEATURES),
    ]
    assert topics_of(["kafka://h:1/x?content=anomalies"])[1] == [Topic("x", Content.ANOMALIES)]


@pytest.mark.parametrize(
    ("uris", "match"),
    [
        (["kafka://h:1/x"], r"add \?content=ONE of metrics"),
        (["kafka://h:1/x?content=y"], "add"),
        (["alerts.jsonl"], "a store reads topics"),
        (["kafka://h:1/metrics", "kafka://h:2/alerts"], "of one broker"),
        (["kafka://h:1/{alerts,alerts}"], "given twice"),
        (["kafka://h:1/alerts?contents=alerts"], "unknown option contents"),
    ],
)
def test_topics_that_cannot_be_used_name_the_remedy(uris: list[str], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        topics_of(uris)


@pytest.mark.parametrize(
    ("stamp", "micros"),
    [
        ((0, 7), -1),  # a topic without times
        ((1, 1_767_225_600_123), 1_767_225_600_123_000),
        ((1, 2**63 - 1), 2**62),
        ((2, 10**16), 2**62),
        ((1, -(2**63)), -(2**62)),
    ],
)
def test_any_time_that_a_producer_states_is_one(stamp: tuple[int, int], micros: int) -> None:
    assert np.array([_time(stamp)], np.int64)[0] == micros
    values = [sample("rpm", 1, 1), b"no JSON"]
    for content in (Content.METRICS, Content.ALERTS):
        records = records_of(values)
        records.time[:] = micros
        decoder = Decoder("t", content, Validate(1 << 20, 1), raw=False)
        assert decoder(records).count + len(decoder(records).dead) == 2


def test_a_store_that_is_unknown_is_an_error_with_those_that_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["store", "oracle://x", "--from", "kafka://h:1/alerts"]) == 2
    assert "known are: " in capsys.readouterr().err
    assert main(["store", "postgresql://h/d", "--from", "kafka://h:1/x"]) == 2
    assert main(["store", "postgresql://h/d", "--config", "/nowhere.yaml"]) == 2


def test_a_topic_that_comes_a_moment_later_is_waited_for_and_one_that_does_not_is_an_error(
    kafka: KafkaPart,
) -> None:
    name = f"metrics-{uuid.uuid4().hex[:10]}"
    later = threading.Timer(1.0, kafka.broker.create_topic, (name,))
    later.start()
    address, topics = topics_of([kafka.uri(name)])
    try:
        Topics(address, topics, "later").check()
    finally:
        later.join(30)
    address, topics = topics_of([kafka.uri(f"{name}-never")])
    with pytest.raises(SourceError, match="create it first"):
        Topics(address, topics, "never").check()


def _delete(kafka: KafkaPart, topic: str, before: int) -> None:
    """Delete the records before an offset, as retention does."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for one in admin.delete_records([TopicPartition(topic, 0, before)]).values():
        one.result(30)


def test_topics_reach_the_database_and_their_retention_is_compared(
    database: Database, kafka: KafkaPart, caplog: pytest.LogCaptureFixture
) -> None:
    metrics, alerts = kafka.topic("metrics", 3), kafka.topic("alerts")
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for n in range(3000):
        producer.produce(metrics, sample("rpm", n, n, f"press-{n % 7}"), partition=n % 3)
    producer.produce(metrics, b"{", partition=0)
    events = alert_events(5)
    for event in [*events, *events]:
        producer.produce(alerts, event)
    producer.flush(60)
    lines: list[str] = []
    plan = Plan(
        database.uri, [kafka.uri(metrics), kafka.uri(alerts)], stop_at_end=True, survive=10**9
    )
    loop = serve(plan, threading.Event(), lines.append)
    assert loop is not None
    assert loop.counts.holds
    assert [line for line in lines if "raise retention.ms" in line]
    assert "3011 records read, 1 dead letters" in lines[-1]
    assert "0 refused" in lines[-1]
    assert database.query("SELECT count(*), sum(rpm) FROM sensor_log") == [(3000, 4498500.0)]
    assert database.one("SELECT count(*) FROM dead_letter") == 1
    again = serve(plan, threading.Event(), lines.append)
    assert again is not None
    assert again.counts.records == 0
    _delete(kafka, alerts, 7)
    database.query_none("UPDATE store_position SET following = 3 WHERE topic LIKE 'alerts%'")
    third = serve(plan, threading.Event(), lines.append)
    assert third is not None
    assert third.counts.records == 3
    assert "4 records were deleted before they were read" in caplog.text
    # What the outbox holds is what feeds alerting, too.
    rows = database.query("SELECT id, payload FROM outbox ORDER BY txid, seq")
    found = [entry_of("alert", payload.encode()) for _, payload in rows]
    assert [one[0] for one in found if one] == [identity for identity, _ in rows]
    assert len(rows) == 5
