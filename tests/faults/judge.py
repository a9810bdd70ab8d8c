"""What a disturbed run wrote against what the undisturbed one wrote."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from padit.connectors.uris import parse_address
from tests.faults.job import Outputs
from tests.integration.helpers import Run, padit, residue
from tests.limits import allowed

__all__ = ["Results", "Verdict", "judge", "results"]


@dataclass(frozen=True)
class Results:
    """The lines of every output, each id once, in no order.

    Attributes:
        alerts, anomalies, features: lines.
        repeated: records of a topic, or lines of a file, whose id had been there before.
    """

    alerts: Counter[bytes]
    anomalies: Counter[bytes]
    features: Counter[bytes]
    repeated: int


@dataclass(frozen=True)
class Verdict:
    """How a run differs from the undisturbed one.

    Attributes:
        lost: results that are missing or have other bytes.
        changed: results that the undisturbed run does not have.
        doubled: results that were written twice.
        residue: records of the input that the run totals do not account for.
        read: records that it counts as read, less those that there are.
        exit_code: of the last command.
    """

    lost: int
    changed: int
    doubled: int
    residue: int
    read: int
    exit_code: int
    diff: str

    @property
    def good(self) -> bool:
        """Whether nothing was lost, changed, doubled, unaccounted for, or reported as failed."""
        wrong = (self.lost, self.changed, self.doubled, self.residue, self.read, self.exit_code)
        return not any(wrong)

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def results(outputs: Outputs) -> Results:
    """Read what a run wrote."""
    alerts, first = _lines(outputs.alerts)
    anomalies, second = _lines(outputs.anomalies)
    features, third = _lines(str(outputs.features))
    return Results(alerts, anomalies, features, first + second + third)


def judge(wanted: Results, outputs: Outputs, run: Run, reference: str, records: int) -> Verdict:
    """Compare a run with the undisturbed one, whose alerts are at `reference`."""
    found = results(outputs)
    pairs = [
        (wanted.alerts, found.alerts),
        (wanted.anomalies, found.anomalies),
        (wanted.features, found.features),
    ]
    # `padit diff` is what a user would ask; it must say the same.
    same = wanted.alerts == found.alerts
    diff = padit("diff", reference, outputs.alerts, code=0 if same else 1).out
    summary = run.summary if run.out.strip() else {}
    return Verdict(
        lost=sum((want - have).total() for want, have in pairs),
        changed=sum((have - want).total() for want, have in pairs),
        doubled=found.repeated,
        residue=residue(summary) if summary else records,
        read=summary.get("read", 0) - records,
        exit_code=run.code,
        diff=diff.splitlines()[0],
    )


def _lines(place: str) -> tuple[Counter[bytes], int]:
    address = parse_address(place)
    if address.kind != "kafka":
        lines = Counter(Path(place).read_bytes().splitlines())
        # Lines hold what distinguishes results, so equal lines are one result written twice.
        return Counter(dict.fromkeys(lines, 1)), lines.total() - len(lines)
    by_id: dict[bytes, bytes] = {}
    count = 0
    for identity, value in _committed(address.host, address.path):
        by_id.setdefault(identity, value)
        count += 1
    return Counter(by_id.values()), count - len(by_id)


def _committed(bootstrap: str, topic: str) -> list[tuple[bytes, bytes]]:
    """(id, value) of all records of a topic, read committed."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "judge",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "log_level": 2,
        }
    )
    found: list[tuple[bytes, bytes]] = []
    try:
        left = set(consumer.list_topics(topic, timeout=allowed(10)).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, 0) for number in left])
        while left:
            record = consumer.poll(allowed(10))
            assert record is not None, f"{topic} does not answer"
            if record.error() is None:
                found.append((dict(record.headers())["id"], record.value()))
            else:
                assert record.error().code() == KafkaError._PARTITION_EOF, record.error()
                left.discard(record.partition())
    finally:
        consumer.close()
    return found
