"""What is in the stores in the end, beside what was produced."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from padit.stores.archive_care import check
from padit.stores.archive_service import open_place
from tests.limits import allowed
from tests.stores.fault_site import METRICS, Site

__all__ = ["Verdict", "judge"]


@dataclass
class Verdict:
    """What is wrong in the end; all zero is good."""

    lost: int = 0
    doubled: int = 0
    changed: int = 0
    details: dict[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.changed)

    def compare(self, what: str, wanted: Counter[Any], found: Counter[Any]) -> None:
        """Count what is not there, and what is there too often or is something else."""
        lost, more = wanted - found, found - wanted
        self.lost += lost.total()
        self.doubled += sum(count for one, count in more.items() if one in wanted)
        self.changed += sum(count for one, count in more.items() if one not in wanted)
        if lost or more:
            self.details[what] = f"lost {list(lost)[:3]}, more {list(more)[:3]}"

    def in_order(self, what: str, wanted: list[bytes], found: list[bytes]) -> None:
        """Count as one change if all is there, and not in its order."""
        self.compare(what, Counter(wanted), Counter(found))
        if what not in self.details and wanted != found:
            self.changed += 1
            first = next(n for n, one in enumerate(found) if one != wanted[n])
            self.details[what] = f"complete, and out of order from {first} on"

    def is_so(self, what: str, holds: bool) -> None:
        """Count as one change if it is not so."""
        if not holds:
            self.changed += 1
            self.details[what] = "is not so"


def judge(site: Site) -> Verdict:
    """Compare tables, topic, stream and archive with what was produced."""
    verdict = Verdict()
    _samples(site, verdict)
    ids = Counter(json.loads(event)["id"] for event in site.events)
    history = Counter(one for (one,) in site.query("SELECT transition_id FROM anomaly_history"))
    verdict.compare("anomaly_history", ids, history)
    outbox = site.query("SELECT payload FROM outbox ORDER BY txid, seq")
    verdict.in_order("outbox", site.events, [one.encode() for (one,) in outbox])
    verdict.in_order("anomaly-alerts", site.events, _published(site))
    dead = site.query("SELECT count(*) FROM dead_letter")[0][0]
    verdict.compare("dead letters", Counter(n=site.refused), Counter(n=dead))
    verdict.in_order("the stream in Redis", site.events, site.stream())
    verdict.is_so("the latest torque in Redis is that of the topic",
                  site.torque() == site.last_torque)  # fmt: skip
    from tests.stores.test_archive_topic import everything

    uri = f"kafka://{site.broker.bootstrap}/metrics"
    verdict.is_so("the archive holds what the topic holds",
                  everything(uri) == everything(site.archive_uri))  # fmt: skip
    verdict.is_so("the archive is sound", check(open_place(site.archive_uri)).sound)
    return verdict


def _samples(site: Site, verdict: Verdict) -> None:
    wanted: Counter[Any] = Counter()
    for n in range(site.samples):
        wanted[(METRICS[n % 3], n // 3, float(n))] += 1
    found: Counter[Any] = Counter()
    since = "(extract(epoch FROM {}) - 1767225600)::bigint"
    rows = site.query(
        f"SELECT {since.format('timestamp')}, rpm, torque_nm FROM sensor_log"  # noqa: S608
    )
    for second, rpm, torque in rows:
        for name, value in zip(METRICS, (rpm, torque), strict=False):
            if value is not None:
                found[(name, second, value)] += 1
    found.update(site.query(f"SELECT metric_name, {since.format('time')}, value FROM metric"))  # noqa: S608
    verdict.compare("samples", wanted, found)


def _published(site: Site) -> list[bytes]:
    """Committed records of `anomaly-alerts`, in order; waits until there are enough."""
    consumer = Consumer({"bootstrap.servers": site.broker.bootstrap, "group.id": "judge",
                         "isolation.level": "read_committed", "log_level": 2})  # fmt: skip
    values: list[bytes] = []
    until = time.monotonic() + allowed(60)
    try:
        consumer.assign([TopicPartition("anomaly-alerts", 0, 0)])
        while time.monotonic() < until:
            some = consumer.consume(1000, 1.0)
            values += [one.value() or b"" for one in some if one.error() is None]
            if not some and len(values) >= len(site.events):
                break
    finally:
        consumer.close()
    return values
