"""A team's real parts for the portal: PostgreSQL, Kafka, Redis, stores filled, alerting beside."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from confluent_kafka import Producer

from padit.domain.timestamps import MICROS, format_utc
from padit.portal.context import Portal, parse_config
from padit.portal.team.parts import Team, team_parts
from padit.stores.service import Plan
from padit.stores.service import serve as fill
from tests.parts import KafkaPart
from tests.portal.making import Served, features, readings, serving
from tests.postgres import Postgres

__all__ = ["CONFIG", "TeamSite", "produce", "site_of"]

CONFIG = """
receivers: {page: {kind: webhook, url: "http://127.0.0.1:9/"}}
routes: [{name: page, receiver: page, settle: 0s}]
"""


def produce(kafka: KafkaPart, topic: str, values: Sequence[bytes]) -> None:
    """Write records to a topic."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 0})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


@dataclass
class TeamSite:
    """Where everything is.

    Attributes:
        kafka, postgres: the parts.
        redis: port.
        uri: of the database.
        topics: by what they hold.
        folder: for what processes keep.
        base: event time at which readings begin.
    """

    kafka: KafkaPart
    postgres: Postgres
    redis: int
    uri: str
    topics: dict[str, str]
    folder: Path
    base: int

    @contextmanager
    def alerting(self) -> Iterator[subprocess.Popen[bytes]]:
        """`padit alerting` over these topics, as a process."""
        config = self.folder / "alerting.yaml"
        config.write_text(CONFIG)
        command = [
            sys.executable, "-m", "padit.cli.main", "alerting", f"--config={config}",
            f"--alerts={self.kafka.uri(self.topics['alerts'])}",
            f"--commands={self.kafka.uri(self.topics['commands'])}", f"--data={self.uri}",
        ]  # fmt: skip
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)

    @contextmanager
    def page(
        self, name: str = "page", kafka: str | None = None, config: str = CONFIG,
        archive: str | None = None,
    ) -> Iterator[Served]:  # fmt: skip
        """A portal of the team."""
        team = Team(
            self.uri, kafka or f"kafka://{self.kafka.bootstrap}",
            f"redis://127.0.0.1:{self.redis}/0", self.topics["alerts"], self.topics["commands"],
        )  # fmt: skip
        state = self.folder / name
        parts = team_parts(team, parse_config(config, "the test"), state)
        with serving(Portal(parts, state, config, archive=archive)) as one:
            yield one

    def fill(self) -> None:
        """Bring readings, windows and scores to the topics, and from there to the stores."""
        samples = readings(600, base=self.base)
        others = [
            msgspec.json.encode({
                "timestamp": (self.base + at * MICROS) / MICROS, "source_id": "press-2",
                "metric_name": "vibration", "value": at % 7, "unit": "mm/s",
            })
            for at in range(300)
        ]  # fmt: skip
        produce(self.kafka, self.topics["metrics"], samples + others)
        produce(self.kafka, self.topics["features"], features(20, base=self.base))
        score = {
            "source_id": "press-1", "metric_name": "torque_nm", "composite": 0.95,
            "event_time": format_utc(self.base + 300 * MICROS), "confidence": 0.9,
            "is_anomaly": True, "detector": {"name": "rule", "version": 2}, "scores": {},
        }  # fmt: skip
        produce(self.kafka, self.topics["anomalies"], [msgspec.json.encode(score)])
        for uri, contents in (
            (self.uri, ("metrics", "features", "anomalies")),
            (f"redis://127.0.0.1:{self.redis}/0", ("metrics", "features")),
        ):
            topics = [self.kafka.uri(f"{self.topics[one]}?content={one}") for one in contents]
            fill(Plan(uri, topics, dead_letters="null", stop_at_end=True), threading.Event(), print)


def site_of(kafka: KafkaPart, postgres: Postgres, redis: int, folder: Path, base: int) -> TeamSite:
    """A database and topics of its own."""
    names = ("alerts", "commands", "metrics", "features", "anomalies")
    topics = {name: kafka.topic(name) for name in names}
    return TeamSite(kafka, postgres, redis, postgres.uri(), topics, folder, base)
