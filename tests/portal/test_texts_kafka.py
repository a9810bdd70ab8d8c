"""Texts of a team over real Kafka: one portal answers, all show it; the day is counted together."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer

from padit.connectors.uris import parse_address
from padit.devcluster.ports import free_port
from padit.portal.team.texts import KafkaTopics
from padit.portal.texts.desk import Desk, Story
from padit.portal.texts.model import Endpoint
from tests.parts import KafkaPart
from tests.portal.making import wait_for
from tests.portal.model_server import ModelServer, model_server
from tests.portal.team import produce
from tests.portal.test_claims import EVIDENCE, HONEST, ROWS


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as one:
        yield one


@contextmanager
def _desk(server: ModelServer, bootstrap: str, prefix: str, most: int = 9) -> Iterator[Desk]:
    topics = KafkaTopics(parse_address(f"kafka://{bootstrap}/x"), prefix)
    one = Desk(Endpoint(server.url, "m", most=most), topics)
    one.start(lambda incident: None)
    try:
        yield one
    finally:
        one.stop()


def _look(one: Desk, incident: str = "i") -> Story:
    return one.look(incident, EVIDENCE, ROWS)


def _records(kafka: KafkaPart, topic: str, count: int) -> list[Any]:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": secrets.token_hex(4),
                         "auto.offset.reset": "earliest"})  # fmt: skip
    consumer.subscribe([topic])
    try:
        found: list[Any] = []
        end = time.monotonic() + 60
        while len(found) < count and time.monotonic() < end:
            found += [one.value() for one in consumer.consume(100, 1.0) if one.error() is None]
        return found
    finally:
        consumer.close()


def test_one_portal_answers_and_all_of_a_team_show_it(
    kafka: KafkaPart, server: ModelServer, tmp_path: Path
) -> None:
    server.text, prefix = " ".join(HONEST[:8]), f"t{secrets.token_hex(4)}."
    with (
        _desk(server, kafka.bootstrap, prefix) as one,
        _desk(server, kafka.bootstrap, prefix) as two,
    ):
        wait_for(lambda: _look(one).state == "written", 90)
        wait_for(lambda: _look(two).state == "written", 60)
        assert [each.why for each in _look(two).checked] == [""] * 8
        assert len(server.requests) == 1
        produce(kafka, f"{prefix}analysis.request", [b"\xff no request", b"{}"])
        assert len(_records(kafka, f"{prefix}dlq.failed", 2)) == 2
        assert one.worker.failed + two.worker.failed == 2
    with _desk(server, kafka.bootstrap, prefix, most=1) as later:  # after a restart
        wait_for(lambda: later.shelf.asked(time.time()) == 1, 60)
        assert _look(later).state == "written"
        server.text = HONEST[0]
        rows = [ROWS[0]]
        wait_for(lambda: later.look("other", EVIDENCE[:1], rows).state == "capped", 60)
        assert len(server.requests) == 1


def test_kafka_that_is_away_is_named_and_nothing_waits_for_it(server: ModelServer) -> None:
    with _desk(server, f"127.0.0.1:{free_port()}", "t.") as one:
        began = time.monotonic()
        assert _look(one).state == "writing"
        assert time.monotonic() - began < 1
        wait_for(lambda: "Kafka" in str(one.figures["trouble"]) or
                 "Broker" in str(one.figures["trouble"]), 60)  # fmt: skip
