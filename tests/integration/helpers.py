"""What the tests of the whole job share: `padit` as a user calls it, topics, and a live run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from tests.limits import allowed

__all__ = [
    "ROOT",
    "Live",
    "Record",
    "Run",
    "alerts_of",
    "live",
    "metric",
    "padit",
    "produce",
    "read_topic",
    "residue",
    "seed_case",
    "wait_for",
]

ROOT = Path(__file__).resolve().parents[2]
# In a directory of its own, so that the `up.json` of a developer is not used.
_ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PADIT_STATE_DIR": "nowhere"}


@dataclass(frozen=True)
class Run:
    """One finished command."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """The JSON line that every run of the job ends with."""
        assert self.out.strip(), f"exit code {self.code}, and no summary: {self.err[-3000:]}"
        found: dict[str, Any] = json.loads(self.out.strip().splitlines()[-1])
        return found


def padit(*arguments: object, code: int = 0, timeout: float = 150) -> Run:
    """Run `padit` to its end and check its exit code."""
    done = subprocess.run(
        _command(arguments),
        env={**os.environ, **_ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=allowed(timeout),
        check=False,
    )
    assert done.returncode == code, f"exit code {done.returncode}: {done.stderr[-3000:]}"
    return Run(done.returncode, done.stdout, done.stderr)


def _command(arguments: Iterable[object]) -> list[str]:
    given = [str(one) for one in arguments]
    if given[0] in ("run", "replay") and not any("loss_share" in one for one in given):
        given.append("--max_loss_share=1")  # what a job loses is what these tests are about
    # Most tests are about the job, not about detection: fixed limits alert at once and again.
    if given[0] in ("run", "replay") and not any(one.startswith("--config") for one in given):
        given.append(f"--config={ROOT / 'benchmarks' / 'rule.yaml'}")
    return [sys.executable, "-m", "padit.cli.main", *given]


@dataclass(frozen=True)
class Live:
    """A running `padit`."""

    process: subprocess.Popen[str]
    errors: Path

    @property
    def said(self) -> str:
        """What it wrote to standard error so far."""
        return self.errors.read_text()

    def until(self, done: Callable[[], object], seconds: float = 90) -> None:
        """Wait until something is so; fail with the run's own words if it ends before that."""

        def done_or_ended() -> object:
            assert self.process.poll() is None, f"it has ended: {self.said[-3000:]}"
            return done()

        wait_for(done_or_ended, seconds, lambda: self.said[-3000:])

    def stop(self, code: int = 0) -> Run:
        """Ask it to stop, once, and wait for its last line."""
        self.process.send_signal(signal.SIGTERM)
        return self.end(code)

    def end(self, code: int | None = 0, seconds: float = 90) -> Run:
        """Wait for its end; code None: the test judges the exit code."""
        out, _ = self.process.communicate(timeout=allowed(seconds))
        run = Run(self.process.returncode, out, self.said)
        assert code in (run.code, None), f"exit code {run.code}: {run.err[-3000:]}"
        return run


@contextmanager
def live(directory: Path, *arguments: object) -> Iterator[Live]:
    """Start `padit`; whatever the test does, it is gone afterwards."""
    errors = directory / f"stderr-{time.monotonic_ns()}"
    with errors.open("w") as file:
        process = subprocess.Popen(
            _command(arguments),
            env={**os.environ, **_ENVIRONMENT},
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )
    with process:
        try:
            yield Live(process, errors)
        finally:
            if process.poll() is None:
                process.kill()


def wait_for(
    done: Callable[[], object], seconds: float = 60, explain: Callable[[], str] = str
) -> None:
    """Ask again and again until something is so."""
    deadline = time.monotonic() + allowed(seconds)
    while not done():
        assert time.monotonic() < deadline, f"not within {allowed(seconds):g} s: {explain()}"
        time.sleep(0.1)


@dataclass(frozen=True)
class Record:
    """One record to write; `time` in seconds, of the record itself."""

    value: bytes | None
    time: float
    partition: int = 0


@dataclass(frozen=True)
class Stored:
    """One record as it was read."""

    value: bytes | None
    partition: int
    offset: int
    headers: dict[str, str] = field(default_factory=dict)


def produce(bootstrap: str, topic: str, records: Iterable[Record], *, batch: int = 10_000) -> None:
    """Write records with their own timestamps, at most `batch` of them together."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "log_level": 2,
            "linger.ms": 20,
            "enable.idempotence": True,  # else a record sent again may come after later ones
            "compression.type": "lz4",
            "batch.num.messages": batch,
            "message.max.bytes": 12 << 20,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    refused: list[str] = []

    def delivered(error: KafkaError | None, _: object) -> None:
        if error is not None:
            refused.append(error.str())

    for record in records:
        producer.produce(
            topic,
            record.value,
            partition=record.partition,
            timestamp=round(record.time * 1000),
            on_delivery=delivered,
        )
        producer.poll(0)
    assert producer.flush(allowed(60)) == 0
    assert not refused


def read_topic(bootstrap: str, topic: str) -> list[Stored]:
    """Read a topic from its beginning to where it ends now, by partition and offset."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "test",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": 2,
        }
    )
    stored: list[Stored] = []
    try:
        left = set(consumer.list_topics(topic, timeout=allowed(10)).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, 0) for number in left])
        while left:
            message = consumer.poll(allowed(10))
            assert message is not None, f"{topic} does not answer"
            if message.error() is None:
                headers = {name: value.decode() for name, value in message.headers() or []}
                at = (message.partition(), message.offset())
                stored.append(Stored(message.value(), *at, headers))
            else:
                assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                left.discard(message.partition())
    finally:
        consumer.close()
    return sorted(stored, key=lambda one: (one.partition, one.offset))


def metric(
    source: str, name: str, time_s: float, value: float, partition: int = 0, **more: object
) -> Record:
    """One metric as a record whose own timestamp is the metric's."""
    fields = {"timestamp": time_s, "source_id": source, "metric_name": name, "value": value}
    return Record(json.dumps({**fields, **more}).encode(), time_s, partition)


def seed_case(start: float, source: str = "cell-7", partition: int = 0) -> list[Record]:
    """Ten values from 5.0 to 5.9, then five between 50 and 90, ten seconds apart.

    Args:
        start: seconds, a whole number of minutes, so that all fifteen share a window.
        source: its source_id.
        partition: where the records go.
    """
    values = [5 + n / 10 for n in range(10)] + [50.0, 60.0, 70.0, 80.0, 90.0]
    return [
        metric(source, "rtt_ms", start + 10 * n, value, partition) for n, value in enumerate(values)
    ]


def alerts_of(path: Path, kind: str = "opened") -> list[dict[str, Any]]:
    """The alerts' transitions of one kind in a file, as CloudEvents; none if it does not exist."""
    if not path.exists():
        return []
    # A live run may be in the middle of a line.
    lines = path.read_text().split("\n")[:-1]
    events = [json.loads(line) for line in lines]
    return [event for event in events if event["type"] == f"io.padit.alert.{kind}"]


def residue(summary: dict[str, Any]) -> int:
    """Records that the conservation line leaves unaccounted for."""
    names = ("scored", "late", "duplicate", "dead_lettered", "waiting")
    return int(summary["read"] - sum(summary[name] for name in names))
