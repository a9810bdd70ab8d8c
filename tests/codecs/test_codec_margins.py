"""Margins of codecs: the last value that is read one way, and the first that is read another."""

from __future__ import annotations

import json
import math
import struct
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from padit.codecs import series_table
from padit.codecs.influx_lines import parse_line
from padit.codecs.logs.parser import LineParser
from padit.codecs.logs.times import moment
from padit.codecs.mapping import Mapping
from padit.codecs.mapping_model import format_of
from padit.codecs.mapping_times import Times
from padit.codecs.promtool import read_line
from padit.codecs.record_unpack import _snappy
from padit.codecs.records import decode
from padit.codecs.remote_write_out import request_of
from padit.codecs.series_table import SeriesTable
from padit.codecs.sparkplug_values import _whole
from padit.codecs.values import JoinedValues

T = 1_767_571_200


@pytest.mark.parametrize(
    ("line", "tags"),
    [
        ('m,a="x",b=y v=1', (("a", '"x"'), ("b", "y"))),
        ('m,a="x=1 v=1', None),
        ('m,"a=x" v=1', (('"a', 'x"'),)),
        (r"m,a=x\=1 v=1", (("a", "x=1"),)),
    ],
)
def test_quotation_marks_in_tags_are_letters(
    line: str, tags: tuple[tuple[str, str], ...] | None
) -> None:
    if tags is None:
        with pytest.raises(ValueError, match=r"."):
            parse_line(line)
    else:
        assert parse_line(line).tags == tags


@pytest.mark.parametrize(
    ("kind", "bits"), [(1, 8), (2, 16), (3, 32), (4, 64)], ids=["Int8", "Int16", "Int32", "Int64"]
)
def test_signed_numbers_of_sparkplug_are_two_s_complement_of_their_own_width(
    kind: int, bits: int
) -> None:
    width = 64 if bits == 64 else 32
    assert _whole((1 << bits) - 1, width, kind) == -1.0
    assert _whole(1 << (bits - 1), width, kind) == -float(1 << (bits - 1))
    assert _whole((1 << (bits - 1)) - 1, width, kind) == float((1 << (bits - 1)) - 1)
    assert _whole((1 << width) - 1, width, kind) == -1.0


@pytest.mark.parametrize("word", ["+Inf", "-Inf", "inf", "Infinity"])
def test_an_infinite_value_of_promtool_is_read_as_one(word: str) -> None:
    found = read_line(f'up{{job="x"}} {word} {T}000')
    assert found is not None
    assert math.isinf(found.value or 0.0)


def test_the_unit_of_a_times_form_scales_whole_numbers_and_fractions_alike() -> None:
    scales = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
    for form, scale in scales.items():
        for stamp in (T * scale, float(T * scale), str(T * scale)):
            found, faults = Times(form, "UTC").convert([stamp])
            assert (found.tolist(), faults) == ([T * 10**6], {}), (form, stamp)


def test_a_list_where_elements_are_named_without_brackets_is_refused_with_the_remedy() -> None:
    form = {"each": "points", "source_id": "s", "metric": "n", "value": "v", "time": "t"}
    body = json.dumps({"points": [{"n": "a", "v": 1, "t": T}]}).encode()
    [reject] = Mapping(format_of("test", form)).decode([body], 1 << 20).rejects
    assert "(of an array: a[*])" in reject.reason


def test_log_times_begin_with_the_year_2000() -> None:
    clock = (23, 59, 59, None)
    assert moment(1999, 12, 31, clock, UTC) is None
    assert moment(2000, 1, 1, (0, 0, 0, None), UTC) == datetime(2000, 1, 1, tzinfo=UTC)


def test_bytes_of_an_open_record_are_pending_until_it_is_complete() -> None:
    parser = LineParser("service")
    assert parser.pending == 0
    first = b"2026-01-05 00:00:00 ERROR it failed"
    parser.feed([first], float(T))
    open_bytes = parser.pending
    assert open_bytes >= len(first)
    parser.feed([b"java.lang.IllegalStateException: x"], float(T))
    assert parser.pending > open_bytes
    parser.feed([b"2026-01-05 00:00:01 INFO well"], float(T))
    assert 0 < parser.pending < open_bytes + 10


@pytest.mark.parametrize("size", [127, 128, 300, 20_000])
def test_blocks_of_snappy_hold_what_their_length_says(size: int) -> None:
    plain = bytes(range(256)) * 100
    block = pa.compress(plain[:size], codec="snappy", asbytes=True)
    framed = b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)
    framed += b"".join(struct.pack(">i", len(block)) + block for _ in range(3))
    assert _snappy(memoryview(block), size) == plain[:size]
    assert _snappy(memoryview(framed), 3 * size) == plain[:size] * 3
    with pytest.raises(ValueError, match="bytes"):
        _snappy(memoryview(block), size - 1)
    with pytest.raises(ValueError, match="bytes"):
        _snappy(memoryview(framed), 3 * size - 1)


def test_what_was_decoded_behind_other_records_counts_on() -> None:
    good = b'{"timestamp":1767571200,"source_id":"a","metric_name":"m","value":1}'
    found = decode([good, b"x", good], 1 << 20).moved(5)
    assert found.record.tolist() == [5, 7]
    assert [one.record for one in found.rejects] == [6]


def test_times_before_1970_have_ten_bytes_in_remote_write() -> None:
    body = request_of([(b"", [(-1, 1.0)])])
    assert b"\x10" + b"\xff" * 9 + b"\x01" in body


def test_the_table_of_series_is_emptied_by_its_characters_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(series_table, "_MOST_CHARACTERS", 10)
    table = SeriesTable()
    samples: list[Any] = [SimpleNamespace(source_id=c * 4, metric_name="m", unit="") for c in "ab"]
    table.encode(samples)
    assert table._characters == 10
    table.encode(samples)
    assert len(table._series) == 2
    table.encode([SimpleNamespace(source_id="c", metric_name="m", unit="")])
    assert len(table._series) == 3
    series, code = table.encode(samples)
    assert len(table._series) == 2
    assert [one.source_id for one in series] == ["aaaa", "bbbb"]
    assert code.tolist() == [0, 1]


@pytest.mark.parametrize(("front", "back"), [(0, 0), (3, 5)])
def test_joined_values_have_a_line_break_before_and_behind_each(front: int, back: int) -> None:
    text = np.frombuffer(b"ab\ncde\n", np.uint8)
    values = JoinedValues(text, np.array([0, 3]), np.array([2, 3]))
    found = values.joined(front, back)
    assert found is not None
    assert found.tobytes() == b" " * front + b"\nab\ncde\n" + b" " * back
    assert JoinedValues(text, np.array([0]), np.array([-1])).joined(0, 0) is None
