"""Side outputs of reading: one bounded letter a record, and nothing made that is not read."""

import hashlib
import itertools
import json
import logging
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from padit.codecs.contract import MOST_NAMED, Reject
from padit.codecs.dead_letter import DeadRecord
from padit.codecs.validate import Validate
from padit.connectors import side_outputs
from padit.connectors.cursor import Numbered, advance, first_cursors
from padit.connectors.losses import dead_losses
from padit.connectors.side_outputs import DEAD, LATE, DeadLog, LeftLog, side_messages
from padit.connectors.source import PartitionRange, ReadBatch
from padit.domain.findings import Unwatched
from tests.codecs.samples import T, record
from tests.laws.codecs import stream

BOTH = frozenset((LATE, DEAD))
VALIDATE = Validate(4 << 20, 10_000_000)


def _dead_sensor(n: int, value: float = float("nan"), ahead: int = 0) -> bytes:
    name = pa.array(["machine-01"] * n).dictionary_encode()
    return stream(
        {
            "timestamp": pa.array(np.full(n, float(T + ahead))),
            "source_id": name,
            "metric_name": name,
            "value": pa.array(np.full(n, value)),
        }
    )


def _read(values: list[bytes], record_time: int | None = None) -> ReadBatch:
    times = None if record_time is None else np.full(len(values), record_time)
    decoded = VALIDATE(values, times)
    dead = [DeadRecord(values[one.record], one, "t", 0, one.record) for one in decoded.rejects]
    return ReadBatch(0, len(values), decoded.rows, dead)


@pytest.mark.parametrize("fault", ["no number", "a clock that is ahead"])
def test_a_bad_batch_of_45000_samples_gives_one_bounded_letter_and_counts_all(fault: str) -> None:
    batch = _dead_sensor(45_000) if fault == "no number" else _dead_sensor(45_000, 1.0, 3600)
    read = _read([batch, record()], T * 1_000_000)
    [cursor] = first_cursors([PartitionRange(0, 0, None)], 1)
    found = advance(cursor, [read], 0)
    place = found.cursor.at[0]
    assert (place.read, place.dead_lettered, len(found.batch.rows)) == (45_001, 45_000, 1)
    [(output, message)] = side_messages("t", found, BOTH)
    assert output == DEAD
    assert len(message.json) < 4 / 3 * len(batch) + 20_000
    letter = json.loads(message.json)
    assert letter["lost"] == 45_000
    assert [element for element, _ in letter["elements"]] == [*range(MOST_NAMED)]
    assert letter["reason"].startswith("45000 samples are lost, the first: element 0: ")
    assert letter["digest"] == hashlib.sha256(batch).hexdigest()


def test_a_record_with_broken_samples_and_such_that_are_ahead_gives_one_letter() -> None:
    parts = [record(timestamp=T + 3600), record(value="x"), record(), record(timestamp=T + 7200)]
    read = _read([b"[" + b",".join(parts) + b"]"], T * 1_000_000)
    [dead] = read.dead
    assert (read.lost, len(read.rows)) == (3, 1)
    assert [element for element, _ in dead.reject.elements] == [0, 1, 3]
    assert "ahead" in dead.reject.elements[0][1]
    assert dead.reject.elements[1][1] == "value 'x' is no number"


def test_a_single_sample_that_is_ahead_has_a_plain_reason() -> None:
    [dead] = _read([record(timestamp=T + 3600)], T * 1_000_000).dead
    assert dead.reject.elements == ()
    assert dead.reject.reason.startswith("timestamp lies 3600.000 s ahead")


def test_nothing_is_made_for_outputs_that_are_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        pytest.fail("a message was made that no sink takes")

    read = _read([record(timestamp=T - 200), record(), record(timestamp=T - 100), b"{"])
    [cursor] = first_cursors([PartitionRange(0, 0, None)], 1)
    found = advance(cursor, [read], 0)
    assert (found.cursor.at[0].late, found.cursor.at[0].dead_lettered) == (1, 1)
    assert [output for output, _ in side_messages("t", found, BOTH)] == [LATE, DEAD]
    monkeypatch.setattr(side_outputs, "Message", refuse)
    monkeypatch.setattr(DeadRecord, "letter", refuse)
    assert list(side_messages("t", found, frozenset())) == []


def test_side_outputs_are_made_one_after_the_other() -> None:
    """So that a megabyte of short rows under long names is never there as messages at once."""
    long = pa.array(["x" * 500] * 50_000).dictionary_encode()
    batch = stream(
        {
            "timestamp": pa.array(np.full(50_000, float(T))),
            "source_id": long,
            "metric_name": long,
            "value": pa.array(np.ones(50_000)),
        }
    )
    rows = _read([batch]).rows
    [cursor] = first_cursors([PartitionRange(0, 0, None)], 1)
    late = [Numbered(0, 0, 1, rows)]
    messages = side_messages("t", advance(cursor, [], 0)._replace(late=late), BOTH)
    sizes = [len(message.value) for _, message in itertools.islice(messages, 3)]
    assert sizes == [sizes[0]] * 3
    assert sizes[0] < 1200


def test_each_kind_of_reason_is_logged_now_and_then_with_a_count_and_an_example(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = DeadLog(kept=False)
    with caplog.at_level(logging.WARNING):
        for i in range(1000):
            bad = [
                Reject(i, f"value nan of 'probe-{i}' is not a finite number"),
                Reject(i, "empty"),
            ]
            log.note(dead_losses([DeadRecord(b"{}", one, "metrics", 3, i) for one in bad]))
    messages = [entry.getMessage() for entry in caplog.records]
    assert len(messages) == 4
    assert messages[0] == (
        "unusable samples of this kind so far: 1; metrics, partition 3, offset 0: "
        "value nan of 'probe-0' is not a finite number; --dlq keeps such records"
    )
    assert messages[2].startswith("unusable samples of this kind so far: 100; metrics, partition 3")


def test_a_storm_of_reasons_of_many_kinds_keeps_the_log_short(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = DeadLog(kept=True)
    with caplog.at_level(logging.WARNING):
        for i in range(2000):
            kind = "".join(chr(97 + int(digit)) for digit in str(i))
            log.note(dead_losses([DeadRecord(b"", Reject(0, kind), "metrics", 0, i)]))
    assert len(caplog.records) == 20
    assert "--dlq" not in caplog.text


def test_what_is_left_is_logged_at_its_first_and_hundredth_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = LeftLog()
    reason = "no path leads to it; it holds 1"
    one = Unwatched("topic", "field 'a'", reason, "format: values", 1, "fields", 1)
    with caplog.at_level(logging.WARNING):
        for _ in range(150):
            log.note([one])
        log.note([one._replace(what="tombstone", remedy="", amount=7)])
    assert [record.getMessage() for record in caplog.records] == [
        "not watched so far: field 'a' of topic, 1 fields: no path leads to it; it holds 1; "
        "see format: values",
        "not watched so far: field 'a' of topic, 100 fields: no path leads to it; it holds 1; "
        "see format: values",
        "not watched so far: tombstone of topic, 7 fields: no path leads to it; it holds 1",
    ]
