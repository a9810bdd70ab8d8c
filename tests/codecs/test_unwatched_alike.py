"""Objects that look alike are counted together: the same books as one by one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs import mapping_watch
from padit.codecs.mapping import Mapping
from padit.codecs.mapping_model import format_of
from padit.codecs.mapping_paths import EACH
from padit.codecs.mapping_watch import Left, Watch, _check
from tests.codecs.samples import steady

_NAMES = st.sampled_from(["a", "b", "c", "", "x" * 210])
_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(allow_nan=False),
    st.sampled_from(["", "12", " 1.5 ", "1.2.3", "text", "-", "1" * 70]),
)  # fmt: skip
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)
_STEPS = st.lists(st.one_of(_NAMES, st.just(EACH), st.integers(0, 1)), max_size=3)


def _one_by_one(watch: Watch, values: Sequence[Any]) -> Left:
    left = Left()
    for value in values:
        if watch._root is not None:
            _check(watch._root, value, "", left)
    return left


@steady
@given(st.lists(_STEPS, max_size=3), st.lists(_VALUES, max_size=4), st.integers(1, 3))
def test_what_no_path_leads_to_is_counted_as_if_every_object_were_looked_at_alone(
    paths: list[list[str | int]], values: list[Any], times: int
) -> None:
    watch = Watch(paths)
    left = Left()
    for value in values * times:
        watch.check(value, left)
    assert left.all() == _one_by_one(watch, values * times).all()
    assert left.all() == left.all()  # asking does not count


def test_more_kinds_than_are_remembered_are_counted_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mapping_watch, "_MOST_SHAPES", 3)
    watch = Watch([["a"]])
    values = [{f"n{i % 7}": i, "list": [i] * (i % 4), "in": {f"m{i % 9}": 1.5}} for i in range(80)]
    left = Left()
    for value in values:
        watch.check(value, left)
    assert left.all() == _one_by_one(watch, values).all()
    assert sum(one.amount for one in left.all()) == sum(2 + i % 4 for i in range(80))


def test_deep_objects_are_counted_without_an_end_of_the_stack() -> None:
    value: Any = 7
    for _ in range(900):
        value = {"in": value}
    watch = Watch([["a"]])
    left = Left()
    for _ in range(3):
        watch.check(value, left)
    assert left.all() == _one_by_one(watch, [value] * 3).all()
    assert sum(one.amount for one in left.all()) == 3


def test_a_field_that_is_a_number_now_and_a_text_then_is_counted_by_what_it_is() -> None:
    mapping = Mapping(format_of("test", {"source": "s", "metric": "m", "value": "v", "time": "t"}))
    others = [1, "1", "one", None, 2.5, [1, 2], {"p": 3}, [], [[4], 5], True] * 3
    records = [
        json.dumps({"s": "s", "m": "m", "v": 1, "t": 1767600000 + at, "other": one}).encode()
        for at, one in enumerate(others)
    ]
    decoded = mapping.decode(records, 1 << 20)
    assert len(decoded.rows) == len(records)
    assert {one.what: (one.amount, one.numeric) for one in decoded.unwatched} == {
        "field 'other'": (12, 12), "field 'other[*]'": (12, 12), "field 'other.p'": (3, 3),
    }  # fmt: skip
