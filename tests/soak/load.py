r"""The producer of the soak, a process of its own, at an even pace.

    python -m tests.soak.load --bootstrap 127.0.0.1:9092 --topic metrics --rate 10000 \
        --account load.json --incidents incidents.jsonl

JSON records of 1,000 sources with four metrics each, noise around 5. One record in a hundred is
poison, one is two minutes late, one is sent twice. Every 30 s a source has an incident of two
minutes. What the broker acknowledged is counted by kind in `--account`, once a second, and when it
ends (SIGTERM). A broker that is away for less than five minutes costs nothing: records wait here.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from confluent_kafka import KafkaError, Message, Producer

__all__ = ["KINDS", "METRICS", "PARTITIONS", "POISON", "Workload", "read_account"]

PARTITIONS = 4
METRICS = ("rtt_ms", "delay_us", "loss", "load")
KINDS = ("good", "late", "duplicate", "poison")
POISON = (
    b"",
    b"not json",
    b"\xff\xfe\x00\x01",
    b'{"timestamp":1,"source_id":"press-1"',
    b'{"source_id":"press-1","metric_name":"rtt_ms","value":1.0}',
    b'{"timestamp":"yesterday","source_id":"press-1","metric_name":"rtt_ms","value":1.0}',
    b'{"timestamp":1767600000,"source_id":"press-1","metric_name":"rtt_ms","value":NaN}',
    b'{"timestamp":1767600000,"source_id":"press-1","metric_name":"rtt_ms","value":1e400}',
    b'[{"timestamp":',
    b'{"timestamp":1767600000,"source_id":"","metric_name":"rtt_ms","value":1.0}',
)
_TICK = 0.05
_LATE_S = 120.0
_NO_LATE_S = 15.0  # at first a partition has no watermark that something could be late for
_INCIDENT_EVERY_S, _INCIDENT_S = 30.0, 120.0
_LEVEL, _RAISED = 5.0, 60.0


class Workload:
    """Which records are due; the same seed gives the same ones at the same times.

    Args:
        rate: records a second, all kinds together.
        seed: of noise, kinds and incidents.
        sources: how many, with four metrics each.

    Attributes:
        incidents: (source, start) of those that have begun.
    """

    def __init__(self, rate: int, seed: int, sources: int = 1000) -> None:
        self._rate = rate
        self._chance = random.Random(seed)
        self._series = [
            (source, b'","metric_name":"%s","value":' % metric.encode())
            for source in range(sources)
            for metric in METRICS
        ]
        self._names = [b',"source_id":"cell-%d' % source for source in range(sources)]
        self._number = 0
        self._raised: dict[int, float] = {}
        self._incident = _INCIDENT_EVERY_S
        self.incidents: list[tuple[int, float]] = []

    def due(self, elapsed: float, start: float) -> Iterator[tuple[str, int, bytes]]:
        """Kind, partition and bytes of the records up to `elapsed` seconds after `start`."""
        while self._number < int(elapsed * self._rate):
            at = self._number / self._rate
            self._begin_incidents(at, start)
            yield from self._one(at, start)

    def _begin_incidents(self, at: float, start: float) -> None:
        if at >= self._incident:
            source = self._chance.randrange(len(self._names))
            self._raised[source] = at + _INCIDENT_S
            self.incidents.append((source, start + at))
            self._incident += _INCIDENT_EVERY_S
            self._raised = {one: end for one, end in self._raised.items() if end > at}

    def _one(self, at: float, start: float) -> Iterator[tuple[str, int, bytes]]:
        drawn = self._chance.random()
        source, rest = self._series[self._number % len(self._series)]
        partition = source % PARTITIONS
        self._number += 1
        if drawn < 0.01:
            yield "poison", partition, self._chance.choice(POISON)
            return
        late = 0.01 <= drawn < 0.02 and at > _NO_LATE_S
        moment = start + at - (_LATE_S if late else 0.0)
        value = self._chance.gauss(_RAISED if self._raised.get(source, 0.0) > at else _LEVEL, 1.0)
        record = b'{"timestamp":%.4f%b%b%.3f}' % (moment, self._names[source], rest, value)
        yield "late" if late else "good", partition, record
        if 0.02 <= drawn < 0.03:
            self._number += 1
            yield "duplicate", partition, record


class _Sender:
    """Sends, and counts what the broker acknowledged."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._topic = topic
        self.acknowledged: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "client.id": "soak-load",
                "enable.idempotence": True,
                "compression.type": "lz4",
                "linger.ms": 20,
                "queue.buffering.max.messages": 4_000_000,
                "queue.buffering.max.kbytes": 1 << 20,
                "delivery.timeout.ms": 300_000,
                "log_level": 2,
            }
        )
        self._delivered = {kind: self._counts(kind) for kind in KINDS}

    def _counts(self, kind: str) -> Callable[[KafkaError | None, Message], None]:
        def delivered(error: KafkaError | None, _: Message) -> None:
            (self.acknowledged if error is None else self.failed)[kind] += 1

        return delivered

    def send(self, kind: str, partition: int, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(
                    self._topic, value, partition=partition, on_delivery=self._delivered[kind]
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def poll(self) -> None:
        self._producer.poll(0)

    def flush(self, seconds: float) -> int:
        return int(self._producer.flush(seconds))

    def account(self) -> dict[str, object]:
        return {
            "acknowledged": dict(self.acknowledged),
            "failed": dict(self.failed),
            "waiting": len(self._producer),
        }


def read_account(path: Path) -> dict[str, dict[str, int]]:
    """What a producer has written so far; empty before its first second."""
    try:
        found: dict[str, dict[str, int]] = json.loads(path.read_text())
    except FileNotFoundError:
        return {"acknowledged": {}, "failed": {}}
    return found


def _write(path: Path, content: object) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(content))
    os.replace(beside, path)


def _note_incidents(path: Path, workload: Workload, known: int) -> int:
    with path.open("a") as file:
        for source, moment in workload.incidents[known:]:
            file.write(json.dumps({"source": f"cell-{source}", "start": round(moment, 3)}) + "\n")
    return len(workload.incidents)


def main() -> None:
    """Send until told to stop."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sources", type=int, default=1000)
    parser.add_argument("--account", type=Path, required=True)
    parser.add_argument("--incidents", type=Path, required=True)
    args = parser.parse_args()
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    workload, sender = (
        Workload(args.rate, args.seed, args.sources),
        _Sender(args.bootstrap, args.topic),
    )
    start, began, known, written = time.time(), time.monotonic(), 0, 0.0
    while not stopping:
        elapsed = time.monotonic() - began
        for kind, partition, value in workload.due(elapsed, start):
            sender.send(kind, partition, value)
        sender.poll()
        if elapsed - written >= 1.0:
            written = elapsed
            _write(args.account, sender.account())
            known = _note_incidents(args.incidents, workload, known)
        time.sleep(max(0.0, _TICK - (time.monotonic() - began - elapsed)))
    sender.flush(300)
    _write(args.account, sender.account())


if __name__ == "__main__":
    main()
