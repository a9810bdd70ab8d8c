"""What is measured during a soak: once every ten seconds a sample, one JSON object a line."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Consumer, Message, TopicPartition

from padit.domain.timestamps import MICROS, parse_timestamp
from padit.pipelines.flink_counters import flink_counters
from tests.soak.load import PARTITIONS, read_account
from tests.soak.plant import Plant

__all__ = ["Latencies", "Watch", "log_end"]

_LOG = logging.getLogger(__name__)
_MB = 1 << 20


def _consumer(bootstrap: str, **more: Any) -> Consumer:
    settings = {"bootstrap.servers": bootstrap, "group.id": "soak", "log_level": 2}
    return Consumer({**settings, "enable.auto.commit": False, **more})


def log_end(consumer: Consumer, topic: str) -> int:
    """Records that a topic has had, from the ends of its partitions. Raises KafkaException."""
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    return sum(int(consumer.get_watermark_offsets(one, timeout=5)[1]) for one in places)


@dataclass
class Latencies:
    """How long after the end of its window a result was on its topic, seconds, as it came.

    A thread reads the topics of features and alerts, whose records carry the broker's clock.
    """

    features: list[float] = field(default_factory=list)
    alerts: list[float] = field(default_factory=list)
    opened: int = 0
    transitions: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self, bootstrap: str) -> None:
        """Read on until `stop`."""
        self._thread = threading.Thread(target=self._read, args=(bootstrap,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(30)

    def take(self) -> tuple[list[float], list[float]]:
        """What has come since it was last asked: of features, of alerts."""
        found = self.features, self.alerts
        self.features, self.alerts = [], []
        return found

    def _read(self, bootstrap: str) -> None:
        consumer = _consumer(bootstrap, **{"isolation.level": "read_committed"})
        topics = ("features", "alerts")
        consumer.assign([TopicPartition(one, n, 0) for one in topics for n in range(PARTITIONS)])
        try:
            while not self._stop.is_set():
                self._note(consumer.consume(1000, 0.5))
        finally:
            consumer.close()

    def _note(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if message.error() is not None:
                continue
            at, found = message.timestamp()[1] / 1000, json.loads(message.value() or b"{}")
            if message.topic() == "features":
                end = found.get("window_end", found.get("event_time"))
                self.features.append(at - parse_timestamp(end) / MICROS)
                continue
            self.transitions += 1
            if str(found["type"]).endswith(".opened"):
                self.opened += 1
                self.alerts.append(at - parse_timestamp(found["time"]) / MICROS)


class Watch:
    """Samples of one plant.

    Args:
        plant: that runs.
        file: to append samples to.

    Attributes:
        samples: all that were taken.
        latencies: of results.
    """

    def __init__(self, plant: Plant, file: Path) -> None:
        self._plant = plant
        self._file = file
        self._consumer = _consumer(plant.broker.bootstrap)
        self._born: dict[int, float] = {}
        self.samples: list[dict[str, Any]] = []
        self.latencies = Latencies()
        self.latencies.start(plant.broker.bootstrap)

    def sample(self) -> dict[str, Any]:
        """Take one sample; what does not answer is left out of it."""
        account = read_account(self._plant.account)
        found: dict[str, Any] = {"at": round(time.time(), 2), "memory": self._memory()}
        found["sent"] = sum(account["acknowledged"].values())
        for name, ask in (("read", self._read), ("end", self._end), ("flink", self._flink)):
            try:
                found[name] = ask()
            except Exception as error:  # a part is away: that is what a soak is about
                _LOG.info("no %s: %r", name, error)
        features, alerts = self.latencies.take()
        found |= {"features": features, "alerts": alerts, "received": len(self._plant.received.at)}
        found |= {"opened": self.latencies.opened, "transitions": self.latencies.transitions}
        self.samples.append(found)
        with self._file.open("a") as file:
            file.write(json.dumps(found) + "\n")
        return found

    def read(self) -> int | None:
        """Records that the job has read; None while Flink does not show it."""
        try:
            return self._read()
        except Exception as error:
            _LOG.info("not read: %r", error)
            return None

    def end(self) -> int | None:
        """Records on the topic; None while the broker is away."""
        try:
            return self._end()
        except Exception as error:
            _LOG.info("no end: %r", error)
            return None

    def close(self) -> None:
        """Let go of the broker."""
        self.latencies.stop()
        self._consumer.close()

    def _read(self) -> int:
        url = self._plant.cluster.rest_url
        return flink_counters(url, self._plant.job_id, "padit")["read"]

    def _end(self) -> int:
        return log_end(self._consumer, "metrics")

    def _memory(self) -> dict[str, dict[str, float]]:
        """Of each process its id, resident memory in MB, and CPU seconds."""
        found = {}
        for name, pid in self._plant.processes().items():
            try:
                process = psutil.Process(pid)
                memory, cpu = process.memory_info().rss / _MB, process.cpu_times()
            except psutil.Error:
                continue
            found[name] = {"pid": pid, "mb": round(memory, 1), "cpu": round(cpu[0] + cpu[1], 1)}
        return found

    def _flink(self) -> dict[str, Any]:
        rest = self._plant.cluster.rest
        checkpoints = rest(f"/jobs/{self._plant.job_id}/checkpoints")
        latest = checkpoints["latest"]["completed"]
        found: dict[str, Any] = {"checkpoints": checkpoints["counts"]}
        if latest is not None:
            found |= {"bytes": latest["checkpointed_size"], "ms": latest["end_to_end_duration"]}
            found |= {"state": latest["state_size"], "id": latest["id"]}
        for place, name in (("taskmanagers/taskmanager-1", "tm"), ("jobmanager", "jm")):
            wanted = "Status.JVM.Memory.Heap.Used,Status.JVM.Memory.Metaspace.Used"
            for one in rest(f"/{place}/metrics?get={wanted}"):
                found[f"{name} {one['id'].split('.')[3].lower()}"] = int(float(one["value"]))
        return found
