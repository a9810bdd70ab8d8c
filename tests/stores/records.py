"""Records of a topic as an archive meets them: plain samples of every kind, and everything else."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from padit.codecs.json_scan import PADDING
from padit.codecs.record_batches import Walked
from padit.codecs.values import JoinedValues

__all__ = ["ODD", "START", "joined", "plain", "walked"]

START = 1_767_225_600

ODD: tuple[bytes | None, ...] = (
    None,
    b"",
    b"no record",
    b"\xff\xfe\x00 not text",
    b'{"timestamp":1767225600,"source_id":"a","metric_name":"b","value":null}',
    b'{"timestamp":1767225600,"source_id":"a","metric_name":"b","value":NaN}',
    b'{"timestamp":1767225600,"source_id":"a","metric_name":"b","value":1e3}',
    b'{"timestamp":1767225600,"source_id":"a","metric_name":"b","value":1.50}',
    b'{"timestamp":1767225600,"source_id":"a","metric_name":"b","value":-0}',
    b'{"timestamp":1767225600,"source_id":"a","metric_name":"b","value":-0.0}',
    b'{"timestamp":1767225600,"source_id":"a","metric_name":"b","value":007}',
    b'{"timestamp":1767225600,"source_id":"a","metric_name":"b","value":1,"value":2}',
    b'{"timestamp":-5,"source_id":"a","metric_name":"b","value":1}',
    b'{"timestamp":1767225600000,"source_id":"a","metric_name":"b","value":12345678901234567890}',
    b'{"timestamp":1767225600123456,"source_id":"a","metric_name":"b","value":0.1}',
    b'{"timestamp":1767225600123456789,"source_id":"a","metric_name":"b","value":0.1}',
    b'{"timestamp":1767225600.1234567,"source_id":"a","metric_name":"b","value":0.30000000000000004}',
    b'{"timestamp":"2026-01-01T00:00:00Z","source_id":"a","metric_name":"b","value":4}',
    b'{"value": 7.25, "metric_name": "b", "source_id": "a", "timestamp": 1767225600.5}',
    b'{"timestamp":1767225600,"source_id":"\xe2\x9a\xa1\\u0000\\"x","metric_name":"b","value":5}',
    b'{"timestamp":1767225600,"source_id":"a\x01","metric_name":"b","value":5}',
    b'{"timestamp":1767225600,"source_id":"' + b"n" * 10_000 + b'","metric_name":"b","value":5}',
    b'[{"timestamp":1767225600,"source_id":"a","metric_name":"b","value":1},'
    b'{"timestamp":1767225601,"source_id":"c","metric_name":"b","value":2},{"broken":1}]',
    b'{"timestamp":1767225600,"source_id":"a","metric_name":"b","value":3}\n',
    b' {"timestamp":1767225600,"source_id":"a","metric_name":"b","value":3}',
)


def joined(values: Sequence[bytes | None]) -> JoinedValues:
    """As a reader of record batches gives them."""
    length = np.array([-1 if one is None else len(one) for one in values], np.int64)
    text = b"".join((one or b"") + b"\n" for one in values) + bytes(PADDING)
    start = np.cumsum(np.maximum(length, 0) + 1) - np.maximum(length, 0) - 1
    return JoinedValues(np.frombuffer(text, np.uint8).copy(), start, length)


def walked(values: Sequence[bytes | None], first: int = 0, gap: int = 1) -> Walked:
    """Records of a partition; every seventh has no time."""
    count = len(values)
    offset = first + gap * np.arange(count, dtype=np.int64)
    time = np.where(np.arange(count) % 7 == 6, -1, START * 1000 + offset)
    return Walked(joined(values), offset, time, int(offset[-1]) + 1 if count else first)


def plain(count: int, seed: int = 0, sources: int = 10) -> list[bytes]:
    """Samples as probes send them."""
    random = np.random.default_rng(seed)
    found = []
    for n in range(count):
        value = float(random.normal(5.0, 1.0))
        sample = {
            "timestamp": START + n // sources + (n % sources) / 1000,
            "source_id": f"cell-{n % sources:03d}",
            "metric_name": "rtt_ms",
            "value": [round(value, 3), value, int(value)][n % 3],
            "unit": "ms",
            "metric_type": "latency",
        }
        found.append(json.dumps(sample, separators=(",", ":")).encode())
    return found
