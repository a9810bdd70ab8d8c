"""Records that are recognised give what the parser gives; so do all the others."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs import records as wire
from padit.codecs.json_known import KnownRecords
from padit.codecs.json_records import json_reader
from padit.codecs.json_scan import PADDING
from padit.codecs.records import Decoded, decode
from padit.codecs.values import JoinedValues
from padit.domain.attributes import Attributes
from padit.domain.metric import Series
from tests.codecs.json_texts import LISTS, joined
from tests.codecs.samples import attributes

_LIMIT = 2_000


def _parse(record: bytes) -> tuple[Series, float, float, Attributes] | None:
    return json_reader(()).parse(record)


def _alone(values: Sequence[bytes | None], labels: tuple[str, ...] = ()) -> Decoded:
    return wire._decode_one_by_one(values, _LIMIT, labels)


def _plain(decoded: Decoded) -> list[tuple[int, Series, int, str, Attributes]]:
    rows = decoded.rows
    columns = (decoded.record, rows.code, rows.time, rows.value)
    return [
        (record, rows.series[code], time, value.hex(), known)
        for record, code, time, value, known in zip(
            *(each.tolist() for each in columns), attributes(rows), strict=True
        )
    ]


def _check(values: Sequence[bytes | None]) -> None:
    for labels in ((), ("rack", "site")):
        _check_equal(decode(values, _LIMIT, labels), _alone(values, labels))


def _check_equal(together: Decoded, alone: Decoded) -> None:
    assert _plain(together) == _plain(alone)
    assert together.element.tolist() == alone.element.tolist()
    assert together.rejects == alone.rejects
    assert together.left_out.samples == alone.left_out.samples


def _record(order: Sequence[str], separators: Any = (",", ":"), **fields: object) -> str:
    base = {
        "timestamp": 1_767_225_600.5, "source_id": "cell-1", "metric_name": "delay",
        "value": 1.25, "unit": "ms", "metric_type": "latency", "metadata": {"site": "a"},
    }  # fmt: skip
    every = {**base, **fields}
    return json.dumps({name: every[name] for name in order}, separators=separators)


FIELDS = ("timestamp", "source_id", "metric_name", "value", "unit", "metric_type")
RECORDS = st.builds(
    _record,
    st.sampled_from(
        [
            *itertools.islice(itertools.permutations(FIELDS), 0, 720, 60),
            FIELDS[:4],
            (*FIELDS, "metadata"),
            ("metadata", *FIELDS),
        ]
    ),
    st.sampled_from([(",", ":"), (", ", ": ")]),
    timestamp=st.integers(1_767_225_600, 1_767_225_700)
    | st.floats(1_767_225_600, 1_767_225_700)
    | st.sampled_from([5, -1, 1e300, 1_767_225_600_000, "2026-01-01T00:00:00Z", True, None]),
    source_id=st.sampled_from(
        ["a", "b", "a,b", 'a"}{"', "\n", "é", "x" * 600, "", "a\\", "n" * 40]
    ),
    value=st.floats(-1e6, 1e6) | st.integers(-9, 9) | st.sampled_from([1e-9, 1e300, "7", None]),
    metric_type=st.sampled_from(["latency", "latency", "custom", "nonsense"]),
    metadata=st.sampled_from(
        [
            {"site": "a"},
            {"site": "b", "rack": 7},
            {"rack": True, "trace": "x"},
            {"site": ["a"]},
            {},
            {"site": None, "rack": "y" * 400},
            5,
            None,
            "site",
        ]
    ),
).map(str.encode)
ODD = st.sampled_from(
    [
        None, b"", b"{}", b"[]", b"nonsense", b"\xff\xff\xff\xff", b'{"timestamp":1',
        _record(FIELDS).encode() + b" ", b" " + _record(FIELDS).encode(),
        _record(FIELDS).replace(":1.25", ":\x001.25").encode(),
        _record(FIELDS).replace(":1.25", ":1.25\x00").encode(),
        _record(FIELDS).replace('"value":1.25', '"value":1.25,"value":2').encode(),
        _record(FIELDS).replace('"ms"', '{"value":3,"timestamp":4}').encode(),
        _record(FIELDS).replace("}", ',"note":"\\"value\\":5"}').encode(),
        _record(FIELDS).replace("}", ',"tags":{"a":1,"b":[1,2]}}').encode(),
        _record(FIELDS).replace(":1.25", ":01.25").encode(),
        _record(FIELDS).replace(":1.25", ":1.25e3").encode(),
        _record(FIELDS).encode() * 2, _record(FIELDS).encode() + b"\n" + _record(FIELDS).encode(),
        _record(FIELDS).encode().replace(b"cell", b"\xff\xfe"),
        b"[" + _record(FIELDS).encode() + b"]",
        _record(FIELDS).replace("}", ',"note":"' + "x" * 3000 + '"}').encode(),
    ]
)  # fmt: skip


@given(st.lists(RECORDS | ODD, min_size=1, max_size=40))
def test_records_together_give_what_they_give_alone(values: list[bytes | None]) -> None:
    _check(values)


@given(st.lists(ODD, min_size=1, max_size=8), st.integers(0, 40))
def test_odd_records_among_known_ones_lose_nothing(odd: list[bytes | None], at: int) -> None:
    plain = [_record(FIELDS, value=n / 8, timestamp=1_767_225_600 + n).encode() for n in range(40)]
    _check([*plain[:at], *odd, *plain[at:]])


@given(LISTS)
def test_records_as_anybody_writes_them_give_what_the_parser_gives(
    values: list[bytes | None],
) -> None:
    """Alone they go to the parser and nowhere else."""
    _check(values)


@given(LISTS, st.sampled_from([b"\n", b"", b'"', b"}", b",", b"0"]), st.sampled_from([0, 1, 40]))
def test_what_stands_around_a_record_in_its_buffer_does_not_matter(
    values: list[bytes | None], gap: bytes, behind: int
) -> None:
    _check_equal(decode(joined(values, gap, behind), _LIMIT), decode(values, _LIMIT))


@pytest.mark.parametrize("place", range(1, 160))
def test_a_record_that_is_cut_off_is_not_completed_from_its_neighbour(place: int) -> None:
    whole = _record((*FIELDS, "metadata")).encode()
    for behind in (b"", whole[place:], whole):
        values = JoinedValues(
            np.frombuffer(bytearray(whole[:place] + behind + bytes(PADDING)), np.uint8),
            np.zeros(1, np.int64),
            np.array([min(place, len(whole))]),
        )
        assert len(decode(values, _LIMIT).rows) == (place >= len(whole))


def _read(known: KnownRecords, values: Sequence[bytes]) -> int:
    found = known.read(values, _LIMIT)
    return len(found.record)


def test_records_of_several_producers_are_all_recognised() -> None:
    orders = [FIELDS, FIELDS[::-1], (*FIELDS[2:], *FIELDS[:2]), FIELDS[:4]]
    values = [
        _record(orders[n % 4], value=n / 7, source_id=f"cell-{n % 50}").encode()
        for n in range(1_000)
    ]
    assert _read(KnownRecords(_parse, labelled=False), values) == 1_000


def test_thousands_of_series_are_recognised() -> None:
    values = [_record(FIELDS, source_id=f"cell-{n:05d}", value=n).encode() for n in range(5_000)]
    known = KnownRecords(_parse, labelled=False)
    assert _read(known, values) == 5_000
    rows = known.read(values[::-1], _LIMIT).rows
    assert rows.value.tolist() == list(range(4_999, -1, -1))
    assert [rows.series[code].source_id for code in rows.code[:2]] == ["cell-04999", "cell-04998"]


def test_frames_that_never_come_again_do_not_cost_a_parse_each_for_ever() -> None:
    parsed = []

    def counted(record: bytes) -> tuple[Series, float, float, Attributes] | None:
        parsed.append(record)
        return _parse(record)

    known = KnownRecords(counted, labelled=False)
    text = _record(FIELDS).replace("}", ',"sequence":"%d"}')
    for first in range(0, 400_000, 10_000):
        known.read([(text % n).encode() for n in range(first, first + 10_000)], _LIMIT)
    assert len(parsed) <= 150_000


def test_records_with_any_number_of_other_fields_are_recognised() -> None:
    known = KnownRecords(_parse, labelled=False)
    for places in range(12):
        extra = {f"x{n}": 1 for n in range(places)}
        order = (*FIELDS, *extra)
        values = [_record(order, **{**extra, "value": n}).encode() for n in range(100)]
        assert _read(known, values) == 100


def test_a_zero_byte_in_the_text_is_not_taken_for_the_end_of_a_piece() -> None:
    plain = [_record(FIELDS, value=n).encode() for n in range(10)]
    decode(plain, _LIMIT)
    faulty = plain[3].replace(b'"value":3', b'"value":\x003')
    assert len(decode([*plain, faulty], _LIMIT).rejects) == 1
    assert np.array_equal(decode(plain, _LIMIT).rows.value, np.arange(10.0))
