"""A live job and records of any bytes: it stays alive, and every sample is accounted for."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow as pa

from tests.codecs.samples import arrow
from tests.integration.helpers import Record, live, metric, produce, residue
from tests.parts import KafkaPart

RECORDS = 10_000
VALID_EVERY = 10
# The last whole minutes; event time stands still at the end, so that some windows stay open.
START = 1_767_600_000
HUGE = 600_000


def _json() -> bytes:
    return json.dumps(
        {"timestamp": START, "source_id": "x", "metric_name": "y", "value": 1.5, "unit": "ms"}
    ).encode()


def _mutated(chance: random.Random, data: bytes) -> bytes:
    """Some bytes of a good record changed, removed, doubled or moved."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(changed))
        kind = chance.randrange(4)
        if kind == 0:
            changed[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del changed[place : place + chance.randint(1, 4)]
        elif kind == 2:
            changed[place:place] = changed[place : place + 20]
        else:
            changed[place:place] = chance.randbytes(3)
        if not changed:
            changed = bytearray(b"{")
    return bytes(changed)


def _twice_named() -> bytes:
    """An Arrow stream with two columns of one name."""
    column = pa.array([1.0])
    batch = pa.RecordBatch.from_arrays(
        [pa.array([float(START)]), pa.array(["x"]), pa.array(["y"]), column, column],
        names=["timestamp", "source_id", "metric_name", "value", "value"],
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _garbage(chance: random.Random) -> bytes | None:
    good = arrow(
        timestamp=[float(START)] * 3,
        source_id=["x"] * 3,
        metric_name=["y"] * 3,
        value=[1.0, 2.0, 3.0],
    )
    kind = chance.randrange(100)
    if kind < 45:
        return _mutated(chance, _json())
    if kind < 70:
        return _mutated(chance, good)
    if kind < 88:
        return chance.randbytes(chance.randint(1, 300))
    if kind < 92:
        return None
    if kind < 96:
        return b""
    if kind < 98:
        return _twice_named()
    return chance.choice([b"[" * 5000, b'{"a":' * 2000, b"[1," * 300 + b"1]", b"\x00" * 1000])


def _records() -> tuple[list[Record], int]:
    """Ten thousand records, and how many of them are valid; these are of a source of their own."""
    chance = random.Random(10)
    records, valid = [], 0
    for i in range(RECORDS):
        if i % VALID_EVERY == 0:
            records.append(metric("good", "rtt_ms", START + valid, 5.0 + valid % 7))
            valid += 1
        elif i % 2000 == 1:
            records.append(Record(chance.randbytes(HUGE), START + valid))
        else:
            records.append(Record(_garbage(chance), START + valid))
    return records, valid


def test_ten_thousand_records_of_any_bytes_leave_a_live_job_alive_and_its_books_balanced(
    kafka: KafkaPart, tmp_path: Path
) -> None:
    topic, features = kafka.topic("garbage"), tmp_path / "features.jsonl"
    records, valid = _records()
    options = ("--start_offset=earliest", "--idle_timeout_sec=3600", "--key_groups=4")
    place = ["--input", kafka.uri(topic), "--output", tmp_path / "alerts.jsonl"]
    with live(tmp_path, "run", *place, f"--features={features}", *options) as job:
        produce(kafka.bootstrap, topic, records)
        # Behind all of it, two rows that move time on until the last good window has closed.
        last = [metric("good", "rtt_ms", START + valid + 600 + i, 5.0) for i in range(2)]
        produce(kafka.bootstrap, topic, last)

        def good_are_scored() -> bool:
            lines = features.read_text().split("\n")[:-1] if features.exists() else []
            ends = [json.loads(one) for one in lines if '"good"' in one]
            wanted = (START + valid) // 60 * 60
            return any(one["window_end"] >= _utc(wanted) for one in ends)

        job.until(good_are_scored, 200)
        summary = job.stop().summary
    assert residue(summary) == 0
    assert summary["dead_lettered"] > RECORDS // 4
    assert summary["scored"] + summary["waiting"] >= valid + len(last)
    assert summary["late"] < summary["read"]
    scored = {
        one["window_end"]: one["count"]
        for one in map(json.loads, features.read_text().splitlines())
        if one["source_id"] == "good"
    }
    assert sum(scored.values()) > valid  # windows overlap; none of them lacks its samples
    assert max(scored.values()) == 300


def _utc(seconds: int) -> str:
    from padit.domain.timestamps import format_utc

    return format_utc(seconds * 1_000_000)
