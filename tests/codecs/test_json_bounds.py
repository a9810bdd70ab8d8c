"""Compiled code that reads JSON reads nothing outside its arrays: run as Python, with checks."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs import json_known, json_numbers, json_samples, json_scan
from padit.codecs.json_known import KnownRecords
from padit.codecs.json_records import json_reader
from padit.codecs.json_samples import Columns, Records, Table
from padit.codecs.values import JoinedValues
from tests.codecs.json_texts import LISTS, joined
from tests.codecs.samples import plain

_LIMIT = 2_000
_MODULES = (json_numbers, json_scan, json_samples)


class Checked:
    """An array that refuses every index which is not one of its places."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def _check(self, index: Any) -> None:
        if isinstance(index, slice):
            return
        for one, size in zip(np.atleast_1d(index).tolist(), self.array.shape, strict=True):
            if not 0 <= one < size:
                message = f"{one} of {size}"
                raise IndexError(message)

    def __getitem__(self, index: Any) -> Any:
        self._check(index)
        return self.array[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._check(index)
        self.array[index] = value


def _uncompiled(patch: pytest.MonkeyPatch, module: ModuleType) -> None:
    for name, value in list(vars(module).items()):
        if hasattr(value, "py_func"):
            patch.setattr(module, name, value.py_func)


def _with_checks(patch: pytest.MonkeyPatch) -> None:
    for module in _MODULES:
        _uncompiled(patch, module)

    def most_rows(records: Records) -> int:
        return json_samples.most_rows(_checked(records))

    def scan(records: Records, longest: int, labelled: int, table: Table, columns: Columns) -> int:
        parts = _checked(records), longest, labelled, _checked(table), _checked(columns)
        with np.errstate(over="ignore"):  # hashes wrap around
            return json_samples.scan(*parts)

    def settle(columns: Columns, rows: int, *arrays: Any) -> tuple[int, int]:
        seen: Any = [Checked(array) for array in arrays]
        return json_samples.settle(_checked(columns), rows, *seen)

    patch.setattr(json_known, "most_rows", most_rows)
    patch.setattr(json_known, "scan", scan)
    patch.setattr(json_known, "settle", settle)


def _checked(arrays: Any) -> Any:
    return type(arrays)(*map(Checked, arrays))


def _known() -> KnownRecords:
    return KnownRecords(json_reader(("site",)).parse, labelled=True)


def _outcome(known: KnownRecords, values: JoinedValues) -> Any:
    found = known.read(values, _LIMIT)
    rest = found.record.tolist(), found.element.tolist(), found.others.tolist()
    return plain(found.rows), found.rows.time.tolist(), rest


@given(
    LISTS, st.sampled_from([b"\n", b"", b'"', b"{", b"0", b"\\"]), st.sampled_from([0, 31, 32, 33])
)
def test_no_records_make_compiled_code_read_outside(
    values: list[bytes | None], gap: bytes, behind: int
) -> None:
    records = joined(values, gap, behind)
    expected = _outcome(_known(), records)
    with pytest.MonkeyPatch.context() as patch:
        _with_checks(patch)
        assert _outcome(_known(), records) == expected


_PLACES = st.lists(st.integers(-5, 200) | st.sampled_from([-(1 << 62), 1 << 62]), min_size=1)


@given(st.lists(LISTS, max_size=1), _PLACES, _PLACES)
def test_starts_and_lengths_that_lie_are_not_followed(
    values: list[list[bytes | None]], starts: list[int], lengths: list[int]
) -> None:
    text = joined(values[0] if values else [], b"\n", 0).text
    count = min(len(starts), len(lengths))
    start, length = np.array(starts[:count], np.int64), np.array(lengths[:count], np.int64)
    records = json_known._with_words(np.append(text, np.zeros(32, np.uint8)), start, length)
    with pytest.MonkeyPatch.context() as patch:
        _with_checks(patch)
        known = _known()
        room = vars(json_known)["most_rows"](records)
        assert room <= count + 200
        columns = Columns(*(np.empty(room, kind) for kind in ("i8", "f8", "i4", "i8", "i4")))
        known._scan(records, _LIMIT, columns)


def test_the_checks_can_fail() -> None:
    text = np.frombuffer(bytearray(b'{"timestamp"'), np.uint8)
    words: Any = Checked(np.ndarray((len(text) - 7,), np.uint64, text.data, strides=(1,)))
    checked: Any = Checked(text)
    with pytest.MonkeyPatch.context() as patch:
        _with_checks(patch)
        with pytest.raises(IndexError, match="10 of 5"):
            json_scan.read_key(checked, words, 2, 12)
