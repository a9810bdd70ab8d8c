"""The table of names: whatever it looks like, a sample is recognised as itself or not at all."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from padit.codecs import json_known, json_samples
from padit.codecs.json_known import KnownRecords
from padit.codecs.json_records import json_reader
from padit.codecs.json_samples import COUNT, SHORTEST, Table
from padit.codecs.json_scan import PADDING
from padit.codecs.records import decode
from padit.codecs.values import JoinedValues
from padit.domain.attributes import Attributes
from padit.domain.metric import Series
from tests.codecs.json_texts import joined
from tests.codecs.samples import T, plain

_LIMIT = 5_000


def _parse(record: bytes) -> tuple[Series, float, float, Attributes] | None:
    return json_reader(()).parse(record)


def _known() -> KnownRecords:
    return KnownRecords(_parse, labelled=False)


def _record(name: str, number: int, **more: object) -> bytes:
    fields = {"timestamp": T, "source_id": name, "metric_name": "m", "value": number} | more
    return json.dumps(fields).encode()


def _check(known: KnownRecords, values: Sequence[bytes]) -> int:
    """Compare what is recognised with the parser; how many records are."""
    rows, position, element, others = known.read(values, _LIMIT)
    assert sorted([*position.tolist(), *others.tolist()]) == list(range(len(values)))
    assert np.all(np.diff(position) > 0)
    assert not element.any()
    parsed = [_parse(values[i]) or pytest.fail("it is no record") for i in position.tolist()]
    assert plain(rows) == [(tuple(one[0]), int(one[1] * 1e6), one[2]) for one in parsed]
    assert len(set(rows.series)) == len(rows.series)
    return len(position)


@pytest.mark.parametrize("count", [255, 256, 257, 2_047, 2_048, 2_049, 9_000])
def test_the_table_grows_with_the_names_and_forgets_none(count: int) -> None:
    known = _known()
    values = [_record(f"cell-{n:04d}", n) for n in range(count)]
    for again in range(3):
        assert _check(known, values[:: -1 if again % 2 else 1]) == count
        assert known._table.counters[COUNT] == count
    assert len(known._table.where) == (
        2_048 if count <= 2_048 else 8_192 if count < 9_000 else 32_768
    )


def _colliding(patch: pytest.MonkeyPatch) -> None:
    """Run as Python, with one hash for all names."""
    for module in (json_samples, json_known):  # compiled under these names it could not be
        for name, value in list(vars(module).items()):
            if hasattr(value, "py_func"):
                patch.setattr(module, name, value.py_func)
    patch.setattr(json_samples, "_hash", lambda words, span: np.uint64(5 << 32))

    def scan(*parts: Any) -> int:
        with np.errstate(over="ignore"):  # words wrap around
            return json_samples.scan(*parts)

    patch.setattr(json_known, "scan", scan)
    patch.setattr(json_known, "most_rows", json_samples.most_rows)  # compiled or not, before this


def test_names_of_equal_hash_are_never_taken_for_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _colliding(monkeypatch)
    values = [_record(f"cell-{n}", n) for n in range(20)]
    known = _known()
    assert _check(known, values) == json_samples._PROBES == 16
    assert _check(known, values[::-1]) == 16
    assert known.read(values, _LIMIT).others.tolist() == [16, 17, 18, 19]


def test_slots_behind_the_last_are_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    _colliding(monkeypatch)
    monkeypatch.setattr(json_samples, "_hash", lambda words, span: np.uint64(8191 << 32))
    known = _known()
    assert _check(known, [_record(f"cell-{n}", n) for n in range(3)]) == 3
    assert known._table.slots[[8191, 0, 1]].tolist() == [0, 1, 2]
    grown = json_known._grown(known._table)
    assert grown.slots[[8191, 8192, 8193]].tolist() == [0, 1, 2]


@pytest.mark.parametrize("length", [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100, 300, 512])
def test_names_of_any_length_are_told_apart_by_any_character(length: int) -> None:
    names = ["a" * length] + [
        "a" * place + "b" + "a" * (length - place - 1) for place in range(length)
    ]
    values = [_record(name, n) for n, name in enumerate(names)]
    for order in (1, -1):
        assert _check(_known(), values[::order]) == len(values)
    shorter = [_record("a" * size, size) for size in range(1, length + 1)]
    assert _check(_known(), shorter) == length


def test_fields_of_names_are_told_apart_wherever_one_ends() -> None:
    texts = ["a", "aa", "aaa", "aaaaaaaa", "aaaaaaaaa"]
    values = [
        _record(one, n, metric_name=other, unit=third)
        for n, (one, other, third) in enumerate(
            (one, other, third) for one in texts for other in texts for third in ["", *texts]
        )
    ]
    known = _known()
    assert _check(known, values) == len(values) == 150
    assert len(known.read(values, _LIMIT).rows.series) == 150


def test_absent_and_null_and_empty_units_are_one_series() -> None:
    values = [_record("a", 1), _record("a", 2, unit=None), _record("a", 3, unit=""),
              _record("a", 4, metric_type=None), _record("\u0061", 5)]  # fmt: skip
    known = _known()
    assert _check(known, values) == 5
    assert len(known.read(values, _LIMIT).rows.series) == 1


def test_names_that_mean_nothing_leave_the_record_to_the_parser() -> None:
    values = [_record("", 1), _record("a", 2), _record("x" * 513, 3), _record("é" * 512, 4)]
    known = _known()
    assert known.read(values, _LIMIT).others.tolist() == [0, 2]
    assert len(decode(values, _LIMIT).rejects) == 2
    whole = b"[" + b",".join([*values[1:2], values[0], *values[1:2]]) + b"]"
    assert known.read([whole, values[1]], _LIMIT).others.tolist() == [0]
    assert decode([whole], _LIMIT).element.tolist() == [0, 2]


def test_longer_names_than_are_kept_are_left_to_the_parser() -> None:
    reader = json_reader(("site",))
    values = [
        _record("a", n, metadata={"site": "a", "note": "x" * size})
        for n, size in enumerate((10, 4_000, 4_096, 4_800))
    ]
    found = KnownRecords(reader.parse, labelled=True).read(values, _LIMIT)
    assert found.others.tolist() == [2, 3]


def test_the_first_names_are_forgotten_where_there_is_no_room_for_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_known, "_FIRST", 100)
    monkeypatch.setattr(json_known, "_MOST", 300)
    monkeypatch.setattr(json_known, "_table", _power_of_two(json_known._table))
    known = _known()
    values = [_record(f"cell-{n:04d}", n) for n in range(301)]
    assert _check(known, values[:300]) == 300
    assert _check(known, values) == 300
    assert known._table.counters[COUNT] == 0
    assert _check(known, values[1:]) == 300


def _power_of_two(make: Any) -> Any:
    def table(names: int, words: int) -> Table:
        made: Table = make(names, words)
        return made._replace(slots=np.full(1 << (len(made.slots) - 1).bit_length(), -1, np.int32))

    return table


def test_memory_of_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_known, "_MOST_WORDS", 1 << 15)
    known = _known()
    values = [_record(f"{n:0512d}", n) for n in range(2_000)]
    for _ in range(3):
        _check(known, values)
        assert len(known._table.kept) <= 1 << 15
    table = json_known._table(json_known._MOST, json_known._MOST_WORDS)
    assert sum(array.nbytes for array in table) < 80 << 20


def test_new_names_use_up_the_budget_and_known_ones_earn_it() -> None:
    parsed: list[bytes] = []

    def counted(record: bytes) -> tuple[Series, float, float, Attributes] | None:
        parsed.append(record)
        return _parse(record)

    known = KnownRecords(counted, labelled=False)
    assert known._credit == 100_000
    known._credit = 3.0
    values = [_record(f"cell-{n}", n) for n in range(10)]
    assert known.read(values, _LIMIT).record.tolist() == [0, 1, 2]
    assert len(parsed) == 3
    assert known._credit == pytest.approx(3 / 50)
    known.read(values[:3] * 17, _LIMIT)
    assert known._credit == pytest.approx(54 / 50)
    assert len(parsed) == 3
    known.read([*values[:4], *values[:3]], _LIMIT)
    assert len(parsed) == 4


def test_family_and_labels_belong_to_their_records_whatever_the_order() -> None:
    reader = json_reader(("site",))
    known = KnownRecords(reader.parse, labelled=True)
    values = [
        _record(f"cell-{n % 3}", n, metric_type=["latency", "custom"][n % 2],
                metadata={"site": "abc"[n % 4 % 3]})
        for n in range(40)
    ]  # fmt: skip
    for chosen in (values, values[::2], values[::-1], values[::6], values[:1]):
        rows, position, _, _ = known.read(chosen, _LIMIT)
        assert len(position) == len(chosen)
        parsed = [reader.parse(one) or pytest.fail("it is no record") for one in chosen]
        assert plain(rows) == [(tuple(one[0]), int(one[1] * 1e6), one[2]) for one in parsed]
        column = rows.attributes
        assert column is not None
        assert [column.table[i] for i in column.of_rows(rows.code).tolist()] == [
            one[3] for one in parsed
        ]


@pytest.mark.parametrize("spare", [-1, 0, 1])
def test_record_longer_than_allowed_is_left_to_the_parser(spare: int) -> None:
    value = _record("a", 1)
    found = _known().read([value], len(value) - spare)
    assert found.record.tolist() == ([] if spare > 0 else [0])


def test_no_sample_is_shorter_than_room_is_made_for() -> None:
    shortest = b'{"timestamp":1e9,"source_id":"a","metric_name":"b","value":1}'
    assert len(shortest) + 1 >= SHORTEST
    for count in (1, 2, 3, 100):
        many = b"[" + b",".join([shortest] * count) + b"]"
        found = _known().read([many, shortest, many], 1 << 20)
        assert found.element.tolist() == [*range(count), 0, *range(count)]
        assert found.record.tolist() == [0] * count + [1] + [2] * count


def test_a_buffer_is_not_copied_where_so_many_bytes_follow_its_last_record() -> None:
    values: list[bytes | None] = [_record("a", 1), _record("b", 2)]
    spare = joined(values, b"\n", PADDING - 1)
    assert json_known._records_of(spare).text is spare.text
    short = joined(values, b"\n", PADDING - 2)
    assert json_known._records_of(short).text is not short.text
    frozen = JoinedValues(spare.text.copy(), spare.start, spare.length)
    frozen.text.flags.writeable = False
    for one in (spare, short, frozen):
        assert _known_values(one) == [1.0, 2.0]


def _known_values(values: JoinedValues) -> list[float]:
    """The values of records that are recognised."""
    found: list[float] = _known().read(values, _LIMIT).rows.value.tolist()
    return found
