"""Records by hand: their form, their two numbers and how these are written, and back again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from padit.codecs.archive_fill import Numbers, Pieces, Texts, fill, room_for
from padit.codecs.archive_forms import NO_FORM, SHORTEST_TEXT, UNIT, Split
from padit.codecs.archive_read import records_of
from padit.codecs.archive_split import FormReader, words_of
from padit.codecs.archive_table import SliceBuilder
from padit.codecs.json_numbers import micros_of
from padit.codecs.record_batches import BatchHeader, Walked
from padit.codecs.values import JoinedValues

T = 1_767_571_200
NOTHING = Texts(np.zeros(1, np.uint8), np.zeros(9, np.int64), np.full(9, -1, np.int64))


def joined(values: Sequence[bytes]) -> JoinedValues:
    text = b"\n".join([*values, bytes(64)])
    length = np.array([len(one) for one in values], np.int64)
    start = np.concatenate(([0], np.cumsum(length + 1)[:-1])).astype(np.int64)
    return JoinedValues(np.frombuffer(text, np.uint8).copy(), start, length)


def record(time: bytes = b"1767571200", value: bytes = b"2", *, turned: bool = False,
           source: bytes = b"a", behind: bytes = b"") -> bytes:  # fmt: skip
    one, two = b'"timestamp":' + time, b'"value":' + value
    if turned:
        one, two = two, one
    return b'{"source_id":"%b",%b,"metric_name":"m",%b%b}' % (source, one, two, behind)


def split(*values: bytes) -> tuple[FormReader, Split]:
    reader = FormReader()
    return reader, reader.split(joined(values))


def test_records_that_differ_in_their_numbers_only_have_one_form() -> None:
    reader, found = split(record(), record(b"1767571201", b"-7.25"), record(b"1767571202", b"0"))
    assert found.form.tolist() == [0, 0, 0]
    assert found.time.tolist() == [T * 10**6, (T + 1) * 10**6, (T + 2) * 10**6]
    assert found.value.tolist() == [2.0, -7.25, 0.0]
    assert found.value_style.tolist() == [0, 2, 0]
    [form] = reader.forms
    assert form is not None
    assert form.text == '{"source_id":"a","timestamp":\x01,"metric_name":"m","value":\x02}'


def test_each_piece_of_a_form_and_the_order_of_the_numbers_tell_forms_apart() -> None:
    unit, other = b',"unit":"ab"', b',"unit":"cd"'
    values = [record(), record(turned=True), record(source=b"b"), record(behind=unit),
              record(behind=other), record(behind=unit), record()]  # fmt: skip
    reader, found = split(*values, *values)
    assert found.form.tolist() == [0, 1, 2, 3, 4, 3, 0] * 2
    texts = [one.text for one in reader.forms if one is not None]
    assert len(texts) == 5
    assert texts[1] == '{"source_id":"a","value":\x02,"metric_name":"m","timestamp":\x01}'
    assert texts[4].endswith('"value":\x02,"unit":"cd"}')


@pytest.mark.parametrize(
    ("value", "number", "style"),
    [
        (b"0", 0.0, 0), (b"-1", -1.0, 0), (b"10", 10.0, 0), (b"0.5", 0.5, 1), (b"1.50", 1.5, 2),
        (b"-0.25", -0.25, 2), (b"123456.789", 123456.789, 3), (b"2e3", None, NO_FORM),
        (b"1e+20", None, NO_FORM), (b"0.1234567890123456", 0.1234567890123456, 16),
        (b"0.12345678901234568", 0.12345678901234568, SHORTEST_TEXT),
        (b"1e20", None, NO_FORM), (b"2000000000000000000000.0", None, NO_FORM),
        (b"01", None, NO_FORM), (b"1.", None, NO_FORM), (b".5", None, NO_FORM),
        (b"-", None, NO_FORM), (b"1.2.3", None, NO_FORM), (b"--1", None, NO_FORM),
        (b"-0", None, NO_FORM), (b"-0.0", -0.0, SHORTEST_TEXT), (b"0.0", 0.0, 1),
        (b"00.5", None, NO_FORM),
        (b"2251799813685247", float(2**51 - 1), 0), (b"2251799813685247.", None, NO_FORM),
        (b"0.00000000000000001", 1e-17, 17), (b"225179981368524.7", 225179981368524.7, 1),
    ],
)  # fmt: skip
def test_a_number_is_kept_as_it_was_written_or_the_record_stays_whole(
    value: bytes, number: float | None, style: int
) -> None:
    _, found = split(record(), record(value=value))
    if style == NO_FORM:
        assert found.form.tolist() == [0, NO_FORM]
    else:
        assert (found.form[1], found.value[1], found.value_style[1]) == (0, number, style)


@pytest.mark.parametrize(
    ("time", "micros", "style"),
    [
        (b"1767571200.5", T * 10**6 + 500_000, 1),
        (b"1767571200500", T * 10**6 + 500_000, UNIT),
        (b"1767571200500.25", T * 10**6 + 500_250, UNIT + 2),
        (b"1767571200500001", T * 10**6 + 500_001, 2 * UNIT),
        (b"1767571200.500001", T * 10**6 + 500_001, 6),
    ],
)
def test_times_of_every_unit_are_kept_with_their_digits(
    time: bytes, micros: int, style: int
) -> None:
    _, found = split(record(), record(time))
    assert (found.form[1], found.time[1], found.time_style[1]) == (0, micros, style)


@pytest.mark.parametrize(
    "value",
    [b"", b"{}", b'{"timestamp":', b'{"timestamp":1767571200,"value":', b'"value":', b'"',
     b'{"timestamp":1767571200}', b'{"timestamp":"1767571200","value":1}',
     b'{"timestamp":' + b"1" * 25 + b',"value":1}'],
)  # fmt: skip
def test_what_has_not_both_numbers_behind_their_names_has_no_form(value: bytes) -> None:
    _, found = split(value, record(), value)
    assert found.form.tolist() == [NO_FORM, 0, NO_FORM]


def test_a_form_that_names_no_sample_of_ours_is_none() -> None:
    reader, found = split(b'{"timestamp":1767571200,"value":1}', record())
    assert reader.forms[0] is None
    assert found.form.tolist() == [NO_FORM, 1]


def test_there_is_room_for_every_record_and_its_line_break() -> None:
    values = [b"x" * size for size in range(200)]
    texts = joined(values)
    raw = Texts(texts.text, texts.start, texts.length)
    form = np.full(len(values), NO_FORM, np.int32)
    pieces = Pieces(words_of(np.zeros(16, np.uint8)), np.zeros((0, 4), np.int64), np.zeros(0, bool))
    size = room_for(pieces, form, raw)
    assert size >= sum(map(len, values)) + len(values)
    assert room_for(pieces, form[:0], raw) == 0
    text, found = np.zeros(size + 64, np.uint8), [np.empty(len(values), np.int64) for _ in "ab"]
    none = np.zeros(len(values), np.int64)
    style, value = none.astype(np.int8), none.astype(np.float64)
    numbers = Numbers(none, style, value, style, NOTHING, NOTHING)
    end = fill(pieces, form, numbers, raw, text, words_of(text), *found)
    assert text[:end].tobytes() == b"".join(one + b"\n" for one in values)
    assert [found[0].tolist(), found[1].tolist()] == [texts.start.tolist(), texts.length.tolist()]


def _back(builder: SliceBuilder, following: int) -> list[Any]:
    return list(records_of([builder.table()], following))


def test_records_of_all_kinds_come_back_in_order_with_their_offsets() -> None:
    values = [record(), b"no JSON", record(b"1767571200.123", b"0.1234567890123456"), b"",
              b"[%b,%b]" % (record(), record(value=b"3")), record(turned=True)]  # fmt: skip
    builder = SliceBuilder(0, FormReader())
    at = np.arange(5, 5 + len(values), dtype=np.int64)
    builder.add(Walked(joined(values), at, at * 1000, 11))
    assert builder.records == len(values)
    assert builder.rows == len(values) + 1
    assert builder.raw == 3
    [walked] = _back(builder, 11)
    assert [*walked.values] == values
    assert walked.offset.tolist() == at.tolist()
    assert walked.time.tolist() == (at * 1000).tolist()
    assert walked.following == 11


def test_a_damaged_batch_comes_back_with_what_was_said_of_it() -> None:
    batch = BatchHeader(7, 9, -1, -1, 0, -1, 3, memoryview(b"xyz"), damage="its checksum is wrong")
    builder = SliceBuilder(0, FormReader())
    one = np.array([6], np.int64)
    builder.add(Walked(joined([record()]), one, one, 7))
    builder.add_damaged(batch)
    assert builder.rows == builder.records == 2
    walked, back = _back(builder, 10)
    assert walked.offset.tolist() == [6]
    assert back == batch


@pytest.mark.parametrize(
    ("number", "micros"),
    [
        (1_767_571_200.0, T * 10**6), (1_767_571_200_000.0, T * 10**6),
        (1_767_571_200_000_000.0, T * 10**6), (1.7675712e18, T * 10**6),
        (99_999_999_999.0, -1), (100_000_000_000.0, -1), (946_684_800.0, 946_684_800_000_000),
        (946_684_799.0, -1), (-1_767_571_200.0, -1),
    ],
)  # fmt: skip
def test_a_time_in_any_unit_is_microseconds_or_none(number: float, micros: int) -> None:
    assert micros_of(number) == micros


def _named(metric: bytes, unit: bytes, source: bytes = b"a") -> bytes:
    return b'{"source_id":"%b","timestamp":1767571200,"metric_name":"%b","value":2,"unit":"%b"}' % (
        source, metric, unit,
    )  # fmt: skip


@pytest.mark.parametrize(
    "other", [_named(b"m", b"C", b"b"), _named(b"n", b"C"), _named(b"m", b"F")]
)
def test_a_form_that_was_expected_is_compared_piece_by_piece(other: bytes) -> None:
    one = _named(b"m", b"C")
    reader, found = split(one, other, one, one, one, other, other, one)
    assert found.form.tolist() == [0, 1, 0, 0, 0, 1, 1, 0]
    assert len(reader.forms) == 2


def test_numbers_may_stand_behind_spaces_and_be_long() -> None:
    long = b"-0.00012345678901234567"
    values = [
        record(b"  1767571200", b" 2"), record(value=long), record(value=long + b"11"),
        record(value=b"   -7.25"), record(b"1767571200 ", b"2 "),
    ]  # fmt: skip
    _, found = split(*values)
    assert found.form.tolist() == [0, 1, NO_FORM, 2, 3]
    assert found.value.tolist() == [2.0, float(long), 0.0, -7.25, 2.0]
    assert found.holes[0].tolist() == [
        values[0].index(b"1767"), values[0].index(b"1767") + 10,
        values[0].rindex(b"2"), values[0].rindex(b"2") + 1,
    ]  # fmt: skip


def test_where_the_last_value_stood_is_only_a_guess() -> None:
    short, long = record(), _named(b"a longer name of a metric", b"C")
    both = (
        b'{"source_id":"a","timestamp":1767571200,"metric_name":"value","value":2,"unit":"value"}'
    )
    _, found = split(short, long, short, both, short, long)
    assert found.form.tolist() == [0, 1, 0, 2, 0, 1]
    assert found.value.tolist() == [2.0] * 6
