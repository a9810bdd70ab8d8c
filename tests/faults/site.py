"""Where faults happen: a broker and a Flink cluster of our own, with every process id known."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from padit.devcluster.broker import Broker, start_broker
from padit.devcluster.flink import FlinkCluster, start_flink
from padit.pipelines.flink_counters import flink_counters
from tests.faults.workload import PARTITIONS, write_topic
from tests.limits import allowed

__all__ = ["Site", "prepare", "site"]

_UNLIMITED = 1 << 40
_PIECE = 4096  # bytes of a partition in a fetch: some of the batches of `write_topic`


@dataclass(frozen=True)
class Site:
    """A broker, a cluster and the topic that is read.

    Attributes:
        directory: everything that is written.
        broker, cluster: the parts.
        topic: the input.
        records: how many the input holds.
        topic_bytes: their size in the broker's log, as fetches count it.
        limits: on the reading that there have been.
    """

    directory: Path
    broker: Broker
    cluster: FlinkCluster
    topic: str
    records: int
    topic_bytes: int
    limits: list[float] = field(default_factory=list)

    @property
    def _reader(self) -> str:
        """The name that readers have at the broker; another one with every limit."""
        return f"metrics-reader-{len(self.limits)}"

    @property
    def input(self) -> str:
        """The topic; under a limit it is fetched in small pieces, for a steady, even flow.

        A fetch takes from one partition after the other until the quota of the next 10 s is used
        up, so a piece must be a small part of that. Measured with pieces of 64 kB under 10 kB/s: a
        fetch every 20 s, from two of four partitions, half the pace that was asked for, and no
        window ends while one partition waits for its turn.
        """
        settings = self.directory / "client.properties"
        pieces = f"fetch.message.max.bytes={_PIECE}\n" if self.limits else ""
        settings.write_text(f"{pieces}client.id={self._reader}\n")
        return f"kafka://{self.broker.bootstrap}/{self.topic}?client_config={settings}"

    def limit(self, seconds: float | None) -> None:
        """Let the broker hand out the topic in about so many seconds; None: as fast as it can.

        A run of a million records takes a few seconds; a quota stretches it, without costing CPU,
        so that the moments of many faults fall into it. It is for the readers alone: sinks read
        back what they wrote, and must not wait. A new limit is for readers that start after it:
        what was read without one would be held against them (measured: a minute without a record).
        """
        if seconds is not None:
            self.limits.append(seconds)
        if not self.limits:
            return  # there was none yet
        rate = _UNLIMITED if seconds is None else round(self.topic_bytes / seconds)
        _set_quota(self.broker.bootstrap, self._reader, rate)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """POST to Flink's REST interface. Raises OSError."""
        request = urllib.request.Request(  # noqa: S310 - http only
            self.cluster.rest_url + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=allowed(10)) as answer:  # noqa: S310
            return json.load(answer)

    def cancel(self, job: str) -> None:
        """End a Flink job. Raises OSError."""
        request = urllib.request.Request(  # noqa: S310 - http only
            f"{self.cluster.rest_url}/jobs/{job}?mode=cancel", method="PATCH"
        )
        with urllib.request.urlopen(request, timeout=allowed(10)):  # noqa: S310
            pass

    def repair(self) -> None:
        """Start what does not run, and end what runs, after a round that went wrong."""
        for part in (self.broker.part, *self.cluster.parts):
            part.start()
        for job in self.cluster.rest("/jobs")["jobs"]:
            if job["status"] in ("RUNNING", "RESTARTING", "CREATED"):
                self.cancel(job["id"])

    def rows_read(self, job: str) -> int:
        """Records that a job (its id) has read, by Flink's metrics; 0 while it has none."""
        try:
            found = flink_counters(self.cluster.rest_url, job, "padit")
        except (OSError, ValueError, KeyError):
            return 0
        return found.get("read", 0)

    def busy_workers(self) -> list[int]:
        """Process ids of the Python workers that a job uses; spare ones are connected to none."""
        found = []
        for pid in self.cluster.workers.worker_pids():
            try:
                if psutil.Process(pid).net_connections(kind="tcp"):
                    found.append(pid)
            except psutil.Error:
                continue
        return sorted(found)


def prepare(directory: Path, broker: Broker, cluster: FlinkCluster, records: int) -> Site:
    """Write the input for parts that run."""
    topic = broker.create_topic(f"metrics-{directory.name}", PARTITIONS)
    write_topic(broker.bootstrap, topic, records)
    count, size = _count(broker, topic), _size(broker, topic)
    return Site(directory, broker, cluster, topic, count, size)


@contextmanager
def site(directory: Path, records: int) -> Iterator[Site]:
    """Start everything and write the input; all of it is stopped at the end, by process id."""
    broker = start_broker(directory / "kafka")
    try:
        cluster = start_flink(directory / "flink")
        try:
            yield prepare(directory, broker, cluster, records)
        finally:
            cluster.stop()
    finally:
        broker.stop()


def _set_quota(bootstrap: str, client: str, rate: int) -> None:
    """Bytes a second that a broker hands out to clients of a name."""
    from kafka import KafkaAdminClient
    from kafka.protocol.admin.client_quotas import AlterClientQuotasRequest as Request

    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        entity = Request.EntryData.EntityData(entity_type="client-id", entity_name=client)
        change = Request.EntryData.OpData(key="consumer_byte_rate", value=float(rate), remove=False)
        entry = Request.EntryData(entity=[entity], ops=[change])
        request = Request(entries=[entry], validate_only=False)
        answer = admin._manager.run(admin._manager.send, request)
        assert [one.error_code for one in answer.entries] == [0], answer
    finally:
        admin.close()


def _count(broker: Broker, topic: str) -> int:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "count"})
    try:
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        return sum(int(consumer.get_watermark_offsets(place)[1]) for place in places)
    finally:
        consumer.close()


def _size(broker: Broker, topic: str) -> int:
    logs = (broker.directory / "data").glob(f"{topic}-*/*.log")
    return sum(log.stat().st_size for log in logs)
