"""State as bytes: what is saved is laid out as a version says, to the byte.

Whoever changes one of these layouts raises its version, or state that waits is read wrongly.
"""

from typing import Any

import msgspec
import numpy as np
import pytest

from padit.domain.attributes import AttributeColumn, Attributes
from padit.domain.batch import (
    KeyedBatch,
    OffsetRange,
    decode_kept,
    decode_keyed_batch,
    encode_kept,
    encode_keyed_batch,
)
from padit.domain.errors import StateError
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.watermark import WATERMARK_END, WATERMARK_NONE, Position, Vote
from padit.transforms import attributes, changes, episodes, group, limit, states, warmup
from padit.transforms.detectors import columns, model
from padit.transforms.progress import PartitionProgress, Progress

_POSITION = Position(1, 2, 3, 4, 5, 6, 7, 8, 9)
_LATENCY = Attributes("latency", (("site", "a"),))
_ROWS = Rows(
    [Series("a", "b", "u"), Series("c", "d")], np.array([0, 1, 1], np.int32),
    np.array([5, 7, 6], np.int64), np.array([1.5, -2.0, 0.0]),
    AttributeColumn([_LATENCY, Attributes()], np.array([0, 1], np.int32), True),
)  # fmt: skip
_PROGRESS = Progress(2, {1: PartitionProgress(1, 2, [_POSITION], 3, 4, 5, 6, 7)})
_ENCODED = {
    "97010203810405060708": Vote(1, 2, 3, {4: 5}, 6, 7, 8),
    "9202810198010291990102030405060708090304050607": _PROGRESS,
    "920080": Progress(),
    "93019193a161a162a09107": limit._Saved(1, [Series("a", "b")], [7]),
    "96029090c400c40093000000": episodes._Saved(2, [], [], b"", b"", episodes.Spent()),
    "9602909192a16192a16907c40163c4017293010203": episodes._Saved(
        2, [], [("a", episodes.Incident("i", 7))], b"c", b"r", episodes.Spent(1, 2, 3)
    ),
    "9b07920080c0c0c0c09d00000000000000000000000000c080c400929293c0000093c0000000": group._Header(),
    "92079192a16401": states._Index(7, [("d", 1)]),
    "94019193a161a162a163c4017381a178c40179": columns._Saved(
        1, [Series("a", "b", "c")], b"s", {"x": b"y"}
    ),
    "940102929303c4016fc40174930ac0c4017500": changes._Change(
        1, 2, [changes._Part(3, b"o", b"t"), changes._Part(10, None, b"u")]
    ),
    "9301c4016cc40174": model._Source(1, b"l", b"t"),
}


@pytest.mark.parametrize(("written", "value"), _ENCODED.items())
def test_saved_value_is_laid_out_as_its_version_says(written: str, value: Any) -> None:
    assert msgspec.msgpack.encode(value).hex() == written
    assert msgspec.msgpack.decode(bytes.fromhex(written), type=type(value)) == value


def test_versions_of_saved_values_are_those_of_their_layouts() -> None:
    versions = [one._VERSION for one in (episodes, limit, attributes)]
    versions += [warmup.WarmUpTracker.version, changes._VERSION]
    assert (states.VERSION, *versions) == (7, 2, 1, 1, 1, 2)
    assert (WATERMARK_NONE, WATERMARK_END) == (-(1 << 62), 1 << 62)


def test_keyed_batch_is_laid_out_as_its_version_says() -> None:
    keyed = KeyedBatch(3, (_POSITION,), _ROWS)
    written = (
        "9e06039199010203040506070809c40e9293a161a162a17593a163a164a0c40600000100010005c40c00000000020000"
        "0001000000c418000000000000f83f00000000000000c00000000000000000909293a76c6174656e63799192a473"
        "697465a161c093a6637573746f6d90c0c4020001c3c200"
    )
    assert encode_keyed_batch(keyed).hex() == written
    again = decode_keyed_batch(bytes.fromhex(written))
    assert (again.partitions, again.positions) == (3, (_POSITION,))
    assert again.rows.time.tolist() == [5, 7, 6]
    assert again.rows.code.tolist() == [0, 1, 1]
    assert again.rows.value.tolist() == [1.5, -2.0, 0.0]


def test_rows_that_wait_are_laid_out_as_their_version_says() -> None:
    written = "9e060090c40190c40000c400c400919601020304050690c400c3c200"
    ranges = [OffsetRange(1, 2, 3, 4, 5, 6)]
    assert encode_kept(Rows.empty(), ranges).hex() == written
    assert decode_kept(bytes.fromhex(written))[1] == ranges


def test_sorted_rows_that_wait_count_the_rows_of_each_series() -> None:
    names = [Series("a", "b"), Series("a", "c"), Series("a", "d")]
    code = np.array([0, 0, 0, 2, 2, 2], np.int32)
    rows = Rows(names, code, np.arange(6, dtype=np.int64), np.arange(6.0))
    plain, counted = encode_kept(rows, []), encode_kept(rows, [], by_series=True)
    columns = msgspec.msgpack.decode(counted)
    assert (columns[4].hex(), columns[-2]) == ("030000000000000003000000", True)
    again = decode_kept(counted)[0].rows
    assert again.code.tolist() == code.tolist()
    assert again.code.dtype == np.int32
    assert again.value.tolist() == rows.value.tolist()
    assert msgspec.msgpack.decode(plain)[4] == code.astype("<u2").tobytes()
    for broken in (columns[4][:-4], columns[4] + bytes(4), bytes(12), b"\xff" * 12):
        with pytest.raises(StateError, match="a batch of 6 rows is damaged"):
            decode_kept(msgspec.msgpack.encode([*columns[:4], broken, *columns[5:]]))


def test_attributes_that_wait_are_laid_out_as_their_version_says() -> None:
    written = "94019193a76c6174656e63799192a473697465a161c09193a161a162a09100"
    known = {Series("a", "b"): _LATENCY}
    assert attributes.dump_known(known, [Series("a", "b")]).hex() == written
    assert attributes.load_known(bytes.fromhex(written)) == known


def _columns(rows: Rows) -> list[Any]:
    columns: list[Any] = msgspec.msgpack.decode(encode_kept(rows, []))
    return columns


@pytest.mark.parametrize(("series", "width"), [(1, 2), (1 << 16, 2), ((1 << 16) + 1, 4)])
def test_code_of_a_row_is_as_narrow_as_the_series_allow(series: int, width: int) -> None:
    table = [Series("a", str(n)) for n in range(series)]
    rows = Rows(table, np.array([series - 1, 0], np.int32), np.zeros(2, np.int64), np.zeros(2))
    assert len(_columns(rows)[4]) == 2 * width
    again = decode_kept(encode_kept(rows, []))[0].rows
    assert again.code.tolist() == [series - 1, 0]
    assert again.code.dtype == np.int32


@pytest.mark.parametrize(("span", "width"), [(0, 4), (2**32 - 1, 4), (2**32, 8), (2**33, 8)])
@pytest.mark.parametrize("start", [-(2**40), 0, 1_767_225_600_000_000])
def test_time_of_a_row_is_as_narrow_as_the_rows_lie_together(
    span: int, width: int, start: int
) -> None:
    times = np.array([start + span, start], np.int64)
    rows = Rows([Series("a", "b")], np.zeros(2, np.int32), times, np.zeros(2))
    columns = _columns(rows)
    assert (columns[5], len(columns[6])) == (start, 2 * width)
    assert decode_kept(encode_kept(rows, []))[0].rows.time.tolist() == times.tolist()


@pytest.mark.parametrize(
    ("different", "width"), [(2, 1), (256, 1), (257, 2), (1 << 16, 2), ((1 << 16) + 1, 4)]
)
@pytest.mark.parametrize("of_series", [True, False])
def test_attribute_is_as_narrow_as_there_are_different_ones(
    different: int, width: int, of_series: bool
) -> None:
    table = [Attributes("custom", (("n", str(n)),)) for n in range(different)]
    number = np.arange(different, dtype=np.int32)
    series = [Series("a", str(n)) for n in range(different if of_series else 1)]
    code = number if of_series else np.zeros(different, np.int32)
    column = AttributeColumn(table, number, of_series)
    rows = Rows(series, code, np.zeros(different, np.int64), np.zeros(different), column)
    columns = _columns(rows)
    assert (len(columns[10]), columns[11]) == (different * width, of_series)
    again = decode_kept(encode_kept(rows, []))[0].rows.attributes
    assert again is not None
    assert again.code.tolist() == number.tolist()
    assert list(again.table) == table
