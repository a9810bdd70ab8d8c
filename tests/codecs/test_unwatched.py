"""What a record holds and no sample has is counted: columns of numbers, and types that are none."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs.forgiving import unwatched_kinds
from padit.codecs.mapping import Mapping
from padit.codecs.mapping_model import format_of
from padit.codecs.records import Decoded, decode
from padit.codecs.validate import Validate
from padit.connectors.side_outputs import LabelLog
from padit.domain.metric import METRIC_TYPES
from tests.codecs.samples import MAX_BYTES, T, arrow, record, steady

KINDS = ["meter", "summary", "Latency", "", None, "latency", "custom"]
FORMAT = {"each": "points[*]", "source": "$.site", "values": {"a": "a", "b": "b"},
          "time": "$.t", "metric_type": "kind"}  # fmt: skip


def stream(kinds: list[Any], values: list[Any], **more: Any) -> bytes:
    """An Arrow stream of so many rows."""
    n = len(kinds)
    return arrow(
        timestamp=pa.array([float(T + i) for i in range(n)]), source_id=["a"] * n,
        metric_name=["b"] * n, value=pa.array(values, pa.float64()),
        metric_type=pa.array(kinds, pa.string()), **more,
    )  # fmt: skip


def left(decoded: Decoded) -> dict[str, int]:
    """Amounts by what is left."""
    return {one.what: one.amount for one in decoded.unwatched}


def unknown(kinds: list[Any]) -> dict[str, int]:
    """Types that are none, counted one by one."""
    return dict(Counter(f"metric_type {one!r}" for one in kinds if one and one not in METRIC_TYPES))


batches = st.lists(
    st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from([1.5, 2.0, None])), min_size=1),
    min_size=1, max_size=4,
)  # fmt: skip


@steady
@given(batches)
def test_types_that_are_none_are_counted_in_streams_alone_and_together(batches: Any) -> None:
    values = [stream([k for k, _ in rows], [v for _, v in rows]) for rows in batches]
    used = [kind for rows in batches for kind, value in rows if value is not None]
    decoded = decode(values, 1 << 20)
    assert left(decoded) == unknown(used)
    alone = Counter[str]()
    for value in values:
        alone.update(left(decode([value], 1 << 20)))
    assert dict(alone) == left(decoded)
    assert all((one.unit, one.numeric) == ("fields", 0) for one in decoded.unwatched)


def test_columns_of_numbers_that_no_sample_has_are_named_in_every_stream() -> None:
    columns = {
        "p95": pa.array([1.0, 2.0]), "errors": pa.array([1, 2]).dictionary_encode(),
        "cost": pa.array([Decimal("1.5"), None]), "host": ["a", "b"], "up": [True, False],
        "bins": [[1, 2], [3]], "by": [{"n": 1.5, "s": "x"}] * 2, "words": [["a"], []],
        "metadata": [{"a": 1}] * 2,
    }  # fmt: skip
    decoded = decode([stream(["custom"] * 2, [1.0, 2.0], **columns)] * 3, 1 << 20)
    assert len(decoded.rows) == 6
    names = ("p95", "errors", "cost", "bins", "by")
    assert left(decoded) == {f"field {name!r}": 6 for name in names}
    assert [one.numeric for one in decoded.unwatched] == [6] * 5
    faulty = decode([stream(["custom"] * 2, [None, 2.0], **columns), b"{"], 1 << 20)
    assert (len(faulty.rows), [one.lost for one in faulty.rejects]) == (1, [1, 1])
    assert left(faulty) == {f"field {name!r}": 2 for name in names}


def test_streams_of_different_columns_are_each_counted_by_their_own() -> None:
    values = [stream(["custom"], [1.0], p95=[2.0]), stream(["custom"] * 2, [1.0] * 2, p99=[2, 3])]
    assert left(decode(values, 1 << 20)) == {"field 'p95'": 1, "field 'p99'": 2}
    assert left(decode([*values, values[0]], 1 << 20)) == {"field 'p95'": 2, "field 'p99'": 2}


def test_a_reader_counts_what_streams_leave_beside_what_json_leaves() -> None:
    log = LabelLog(Validate(MAX_BYTES, 1 << 60), "in")
    values = [stream(["meter"], [1.0], p95=[2.0]), record(p99=3.0), record(metric_type="meter")]
    found = [(one.what, one.amount) for one in log(values, None).unwatched]
    assert sorted(found) == [
        ("field 'p95'", 1), ("field 'p99'", 1), ("metric_type 'meter'", 1),
        ("metric_type 'meter'", 1),
    ]  # fmt: skip


def test_columns_beyond_fifty_are_counted_as_one() -> None:
    more = {f"x{i}": [1.0, 2.0] for i in range(70)}
    decoded = decode([stream(["latency"] * 2, [1.0, 2.0], **more)], 1 << 20)
    assert len(decoded.unwatched) == 51
    assert sum(one.amount for one in decoded.unwatched) == 140
    assert decoded.unwatched[-1].what == "other fields"


points = st.fixed_dictionaries({
    "n": st.just("m"), "kind": st.sampled_from(KINDS),
    "a": st.sampled_from([1, 2.5, "x", None]), "b": st.sampled_from([3, None]),
})  # fmt: skip


@steady
@given(st.lists(st.lists(points, max_size=6), min_size=1, max_size=4), st.booleans())
def test_types_that_are_none_are_counted_in_mapped_payloads(records: Any, labelled: bool) -> None:
    form = FORMAT | ({"labels": {"site": "$.site"}} if labelled else {})
    decoded = Mapping(format_of("test", form)).decode(
        [json.dumps({"t": T, "site": "s", "points": one}).encode() for one in records], 1 << 20
    )
    used = [
        point["kind"] for one in records for point in one for name in "ab"
        if isinstance(point[name], int | float)
    ]  # fmt: skip
    found = {what: n for what, n in left(decoded).items() if what.startswith("metric_type")}
    assert found == unknown(used)
    assert len(decoded.rows) == len(used)


@pytest.mark.parametrize("kinds", [50, 51, 90])
def test_so_many_types_that_are_none_are_still_all_counted(kinds: int) -> None:
    found = unwatched_kinds({f"k{i}": 2 for i in range(kinds)})
    assert sum(one.amount for one in found) == 2 * kinds
    assert len(found) == min(kinds, 51)
    assert (found[-1].what == "other metric types") == (kinds > 50)
    assert all("read as custom" in one.reason and "series:" in one.remedy for one in found)


def test_what_lies_too_deep_is_counted_and_text_and_null_are_told_apart() -> None:
    deep: Any = {"x": 7}
    for _ in range(12):
        deep = {"d": deep}
    form = {"source": "$.site", "metric": "{field}", "values": ["."], "time": "t"}
    message = {"t": T, "site": "s", "a": 1, "deep": deep, "word": "on", "gone": None}
    decoded = Mapping(format_of("test", form)).decode([json.dumps(message).encode()], 1 << 20)
    assert [one.metric_name for one in decoded.rows.series] == ["a"]
    [lost] = [one for one in decoded.unwatched if one.numeric]
    assert (lost.amount, lost.what.count("d.")) == (1, 12)
    reasons = {one.what: one.reason for one in decoded.unwatched}
    assert reasons["text of 'gone'"] == "null"
    assert reasons["text of 'word'"] == "text, such as 'on'"


@pytest.mark.parametrize(
    ("stamp", "read"),
    [
        ("1767571200", True), ("17675712.5", False), ("176757120", False), ("20260105", True),
        ("2026-01-05T00:00:00Z", True), ("12345678", False),
    ],
)  # fmt: skip
def test_a_time_as_text_is_an_epoch_from_nine_digits_on_and_a_date_below(
    stamp: str, read: bool
) -> None:
    form = {"source": "$.site", "metric": "n", "value": "v", "time": "t"}
    message = {"t": stamp, "site": "s", "n": "m", "v": 1}
    decoded = Mapping(format_of("test", form)).decode([json.dumps(message).encode()], 1 << 20)
    assert len(decoded.rows) == read, decoded.rejects
    if read:
        assert decoded.rows.time.tolist() == [1_767_571_200_000_000]
