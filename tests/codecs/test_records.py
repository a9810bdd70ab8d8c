"""Wire formats: all give the same rows, and unreadable records are rejected with a reason."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs import json_records as wire_json
from padit.codecs import records as wire
from padit.codecs.arrow import arrow_from_columns
from padit.codecs.records import decode
from padit.domain.timestamps import format_utc
from tests.codecs.samples import MAX_BYTES, T, arrow, one_by_one, outcome, plain, record, steady

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
SAMPLES = st.lists(
    st.tuples(
        st.integers(T, T + 10_000),
        NAMES,
        NAMES,
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(["", "ms", "°C"]),
    ),
    min_size=1,
    max_size=20,
)


def _objects(samples: list[Any]) -> list[bytes]:
    return [
        record(timestamp=time, source_id=source, metric_name=name, value=value, unit=unit)
        for time, source, name, value, unit in samples
    ]


@steady
@given(SAMPLES)
def test_objects_arrays_and_arrow_give_the_same_rows(samples: list[Any]) -> None:
    objects = _objects(samples)
    array = b"[" + b",".join(objects) + b"]"
    time, source, name, value, unit = (list(column) for column in zip(*samples, strict=True))
    stream = arrow_from_columns(
        np.array(time, np.float64), pa.array(source), pa.array(name), np.array(value),
        pa.array(unit),
    )  # fmt: skip
    encoded = arrow_from_columns(
        np.array(time, np.int64) * 1000, pa.array(source).dictionary_encode(),
        pa.array(name).dictionary_encode(), np.array(value), pa.array(unit).dictionary_encode(),
    )  # fmt: skip
    expected = plain(decode(objects, MAX_BYTES).rows)
    assert len(expected) == len(samples)
    for other in (array, stream, encoded):
        decoded = decode([other], 1 << 20)
        assert plain(decoded.rows) == expected
        assert decoded.rejects == []


@steady
@given(SAMPLES)
def test_numbers_and_text_as_timestamps_give_the_same_rows(samples: list[Any]) -> None:
    texts = [record(timestamp=format_utc(time * 1_000_000)) for time, *_ in samples]
    numbers = [record(timestamp=time) for time, *_ in samples]
    mixed = [pair[i % 2] for i, pair in enumerate(zip(texts, numbers, strict=True))]
    expected = outcome(decode(numbers, MAX_BYTES))
    assert outcome(decode(texts, MAX_BYTES)) == expected
    assert outcome(decode(mixed, MAX_BYTES)) == expected


GOOD = record()
HOSTILE: list[bytes | None] = [
    GOOD,
    record(value=-2, unit="ms"),
    record(timestamp="2026-01-02T03:04:05.5Z"),
    GOOD + GOOD,  # two values in one record
    GOOD + b"\n" + GOOD,
    GOOD[:-1],  # with the next but one: a whole object
    b"}",
    b"{",
    GOOD[:20],
    GOOD[20:],
    GOOD[:-1] + b',"x":"}',  # a string that ends in the next record
    b'{"}',
    GOOD[:-1] + b',"x":{}',
    b'{"x":1}' + GOOD,
    json.dumps(json.loads(GOOD), indent=1).encode(),  # line breaks inside
    b" " + GOOD + b" ",
    GOOD + b"\n",
    b"\n" + GOOD,
    GOOD.replace(b'"a"', b'"}\\n{"'),
    GOOD.replace(b'"a"', b'"}\n{"'),  # a raw line break inside a string
    b"[" + GOOD + b",{}," + GOOD + b"]",
    b"[" + GOOD,
    GOOD + b"]",
    b"[]",
    b"{}",
    b"",
    b"\n",
    None,
    b"\xff",
    b"\xff\xff\xff\xff",
    GOOD.replace(b"1.5", b"NaN"),
    GOOD.replace(b"1.5", b"1e999"),
    record(value="x"),
    record(timestamp="x"),
    record(timestamp=5),
    record(source_id=""),
    record(source_id="s" * 600),
    record(metric_type="odd"),
    b"\xc3\x28" + GOOD,
    GOOD.replace(b'"a"', b'"\xff"'),
    GOOD.replace(b'"a"', b'"\\ud800"'),
    record(metadata={"x": "y" * MAX_BYTES}),
]


@steady
@given(st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=8))
def test_records_give_the_same_alone_and_together(values: list[bytes | None]) -> None:
    assert outcome(decode(values, MAX_BYTES)) == one_by_one(values)


@steady
@given(
    st.lists(st.sampled_from([GOOD, record(value=2), GOOD + GOOD]), min_size=1, max_size=4),
    st.data(),
)
def test_records_cut_at_any_byte_give_the_same_alone_and_together(
    values: list[bytes], data: st.DataObject
) -> None:
    whole = b"\n".join(values) if data.draw(st.booleans()) else b"".join(values)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert outcome(decode(pieces, MAX_BYTES)) == one_by_one(pieces)


@pytest.mark.parametrize("left", HOSTILE)
def test_every_pair_of_hostile_records_gives_the_same_alone_and_together(
    left: bytes | None,
) -> None:
    for right in HOSTILE:
        values = [left, right, GOOD + GOOD]
        assert outcome(decode(values, MAX_BYTES)) == one_by_one(values)


def test_a_joined_parse_that_mistakes_a_border_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof that the tests above can fail: a fast path that only counts values."""

    def careless(values: list[bytes], max_bytes: int, labels: tuple[str, ...]) -> Any:
        return wire_json.json_reader(labels).parse_lines(b"\n".join(values), len(values))

    at = GOOD.index(b",") + 1  # both halves together are an object, a line break between or not
    values: list[bytes | None] = [GOOD[:at], GOOD[at:], GOOD + GOOD]
    expected = one_by_one(values)
    assert outcome(decode(values, MAX_BYTES)) == expected
    monkeypatch.setattr(wire, "_parse_joined", careless)
    assert outcome(decode(values, MAX_BYTES)) != expected


def test_more_records_than_one_slice_keep_their_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_SLICE", 3)
    values = [GOOD, GOOD, b"{", GOOD, record(value=7), GOOD, None, record(source_id="z")]
    assert outcome(decode(values, MAX_BYTES)) == one_by_one(values)


def test_no_records_give_no_rows() -> None:
    assert outcome(decode([], MAX_BYTES)) == ([], [], [])


REJECTED: list[tuple[bytes | None, str]] = [
    (None, "tombstone"),
    (b"", "empty"),
    (b"  ", "truncated"),
    (b"not json", "malformed|invalid"),
    (b'"text"', "Expected `object`, got `str`"),
    (b"17", "Expected `object`, got `int`"),
    (b"null", "Expected `object`, got `null`"),
    (GOOD[:-1], "truncated"),
    (GOOD + b" x", "trailing characters"),
    (GOOD.replace(b'"a"', b'"\xff"'), "utf-8"),
    (b"\xef\xbb" + GOOD, "malformed"),
    (record(timestamp=None), "required field `timestamp`"),
    (record(source_id=None), "required field `source_id`"),
    (record(metric_name=None), "required field `metric_name`"),
    (record(value=None), "required field `value`"),
    (record(value="1.5 ms"), "value '1.5 ms' is no number"),
    (record(value="nan"), "value 'nan' is no number"),
    (record(value="1_000"), "value '1_000' is no number"),
    (record(value="9" * 400), "is no number"),
    (record(value="1e999"), "value inf is not a finite number"),
    (record(value=""), "value '' is no number"),
    (GOOD.replace(b"1.5", b"null"), r"got `null` - at `\$.value`"),
    (record(value=[1]), r"got `array` - at `\$.value`"),
    (record(source_id=5), r"Expected `str`, got `int` - at `\$.source_id`"),
    (record(timestamp=True), "timestamp"),
    (GOOD.replace(b"1.5", b"NaN"), r"got `null` - at `\$.value`"),
    (GOOD.replace(b"1.5", b"-Infinity"), "value '-Infinity' is no number"),
    (GOOD.replace(b"1.5", b"1e999"), r"out of range - at `\$.value`"),
    (record(timestamp=946_684_799), "years 2000 to 2199"),
    (record(timestamp=-1), "years 2000 to 2199"),
    (record(timestamp=0), "timestamp 0.0 lies outside"),
    (record(timestamp=7_258_118_400), "years 2000 to 2199"),
    (record(timestamp="1999-12-31T23:59:59Z"), "'1999-12-31T23:59:59Z' lies outside"),
    (record(timestamp="soon"), "'soon' is neither epoch seconds, ms nor RFC 3339"),
    (record(source_id=""), "source_id is empty"),
    (record(metric_name=""), "metric_name is empty"),
    (record(source_id="s" * 513), "source_id has 513 characters, at most 512"),
    (record(unit="u" * 513), "unit has 513 characters"),
    (record(metric_type=5), r"got `int` - at `\$.metric_type`"),
    (record(metadata="x" * MAX_BYTES), "more than the 4096 of --max_record_bytes"),
    (b"[" * 100_000, "more than the 4096"),
    (b"[" * 4000, "recursion"),
    (b"[]", "an array without a metric"),
    (b"[5]", "element 0: Expected `object`"),
    (b"\xff\xff\xff\xff", "Corrupted|metadata"),
    (arrow(timestamp=[T], source_id=["a"], metric_name=["b"]), "without the column value"),
    (
        arrow(timestamp=[T], source_id=["a"], metric_name=["b"], value=["1.5"]),
        "column value holds string",
    ),
    (
        arrow(timestamp=[True], source_id=["a"], metric_name=["b"], value=[1.5]),
        "column timestamp holds bool",
    ),
    (
        arrow(timestamp=[T], source_id=["a"], metric_name=["b"], value=[float("nan")]),
        "value nan is not a finite",
    ),
    (
        arrow(timestamp=[5], source_id=["a"], metric_name=["b"], value=[1.5]),
        "years 2000 to 2199",
    ),
    (
        arrow(timestamp=["soon"], source_id=["a"], metric_name=["b"], value=[1.5]),
        "'soon' is neither",
    ),
    (
        arrow(timestamp=pa.array([T]), source_id=pa.array([None], pa.string()),
              metric_name=["b"], value=[1.5]),
        "source_id is null",
    ),
    (
        arrow(timestamp=pa.array([], pa.float64()), source_id=pa.array([], pa.string()),
              metric_name=pa.array([], pa.string()), value=pa.array([], pa.float64())),
        "without a row",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("value", "reason"), REJECTED)
def test_a_bad_record_is_rejected_with_a_reason_that_names_it(
    value: bytes | None, reason: str
) -> None:
    decoded = decode([GOOD, value, GOOD], MAX_BYTES)
    assert decoded.record.tolist() == [0, 2]
    [reject] = decoded.rejects
    assert reject.record == 1
    with pytest.raises(ValueError, match=reason):
        raise ValueError(reject.reason)


@pytest.mark.parametrize("kind", ["array", "arrow"])
def test_a_good_element_is_not_lost_with_a_bad_neighbour(kind: str) -> None:
    stamps = [format_utc(T * 1_000_000), "soon", "1999-01-01T00:00:00Z"]
    names = ["a", "a", "a"]
    if kind == "arrow":
        value = arrow(timestamp=stamps, source_id=names, metric_name=names, value=[1.5, 2, 3])
    else:
        value = b"[" + b",".join(record(timestamp=stamp) for stamp in stamps) + b"]"
    decoded = decode([value], MAX_BYTES)
    assert decoded.rows.value.tolist() == [1.5]
    [reject] = decoded.rejects
    assert reject.lost == 2
    assert [element for element, _ in reject.elements] == [1, 2]
    assert "'soon' is neither" in reject.elements[0][1]
    assert "years 2000 to 2199" in reject.elements[1][1]
    assert reject.reason == f"2 samples are lost, the first: element 1: {reject.elements[0][1]}"


def test_arrow_numbers_beyond_a_float_are_rounded_as_in_json() -> None:
    whole = 2**53 + 1
    stream = arrow(timestamp=[T], source_id=["a"], metric_name=["b"], value=[whole])
    expected = plain(decode([record(value=whole)], MAX_BYTES).rows)
    assert plain(decode([stream], MAX_BYTES).rows) == expected


@steady
@given(st.data())
def test_a_damaged_arrow_stream_never_stops_the_job(data: st.DataObject) -> None:
    whole = arrow(timestamp=[T, T], source_id=["a", "b"], metric_name=["m", "m"], value=[1.0, 2.0])
    damaged = bytearray(whole[: data.draw(st.integers(1, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    decoded = decode([bytes(damaged), GOOD], 1 << 20)
    assert decoded.record.tolist()[-1] == 1


@steady
@given(st.binary(max_size=60))
def test_bytes_of_any_kind_never_stop_the_job(value: bytes) -> None:
    decoded = decode([value, GOOD], MAX_BYTES)
    assert decoded.record.tolist()[-1] == 1


@steady
@given(
    st.lists(
        st.sampled_from(["known", "other", "broken", "none", "empty"]), min_size=1, max_size=40
    )
)
def test_a_tombstone_changes_nothing_of_its_neighbours(kinds: list[str]) -> None:
    values = {
        "known": record(),
        "other": record(extra={"x": 1}),
        "broken": b'{"timestamp": 1',
        "none": None,
        "empty": b"",
    }
    chosen = [values[kind] for kind in kinds]
    together = decode(chosen, MAX_BYTES)
    alone = [decode([value], MAX_BYTES) for value in chosen]
    assert together.taken == len(chosen)
    assert together.record.tolist() == [i for i, one in enumerate(alone) for _ in one.rows.time]
    assert [(one.record, one.reason) for one in together.rejects] == [
        (i, reject.reason) for i, one in enumerate(alone) for reject in one.rejects
    ]
    assert together.rows.value.tolist() == [v for one in alone for v in one.rows.value.tolist()]
