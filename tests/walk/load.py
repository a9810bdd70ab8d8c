"""A small plant that produces in real time: 40 sources, one sample each every half second."""

from __future__ import annotations

import json
import threading
import time
from typing import Self

from confluent_kafka import Producer

__all__ = ["PARTITIONS", "Load"]

PARTITIONS = 4
_SOURCES = 40
_EVERY_S = 0.5
_LEVEL, _RAISED = 5.0, 60.0


class Load:
    """A thread that sends until it is left.

    Args:
        bootstrap: of the broker.
        topic: where to.
    """

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._topic = topic
        self._raised: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._producer = Producer(
            {"bootstrap.servers": bootstrap, "enable.idempotence": True, "log_level": 2}
        )
        self.sent = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        self._producer.flush(30)

    def fail(self, source: int, seconds: float = 25.0) -> float:
        """Raise the values of a source for a while; the moment it begins."""
        now = time.time()
        self._raised[source] = now + seconds
        return now

    def _send(self) -> None:
        number = 0
        start = time.time()
        while not self._stop.is_set():
            for source in range(_SOURCES):
                self._one(number, source, start + number * _EVERY_S)
            number += 1
            self._producer.poll(0)
            self._stop.wait(max(0.0, start + number * _EVERY_S - time.time()))

    def _one(self, number: int, source: int, moment: float) -> None:
        level = _RAISED if self._raised.get(source, 0.0) > moment else _LEVEL
        value = level + (number * 7 + source * 3) % 10 / 10
        fields = {"timestamp": round(moment, 3), "source_id": f"cell-{source}"}
        text = json.dumps({**fields, "metric_name": "rtt_ms", "value": value})
        self._producer.produce(self._topic, text.encode(), partition=source % PARTITIONS)
        self.sent += 1
