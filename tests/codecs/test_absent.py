"""`value: null` is no sample and no dead letter: absent is not a number."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from padit.codecs.validate import Validate
from tests.codecs.samples import T

ONE: dict[str, Any] = {"timestamp": T, "source_id": "s", "metric_name": "m", "value": 1.5}
NULL = {**ONE, "value": None}
WRONG = {**ONE, "value": "warm"}
VALIDATE = Validate(1 << 20, 10**18)


def read(*records: Any) -> Any:
    return VALIDATE([json.dumps(one).encode() for one in records], None)


def counts(decoded: Any) -> tuple[int, int, int]:
    """Samples, samples lost, values that are null."""
    lost = sum(one.lost for one in decoded.rejects)
    return len(decoded.rows), lost, sum(one.amount for one in decoded.unwatched)


def test_a_value_that_is_null_is_counted_as_absent_and_is_no_dead_letter() -> None:
    decoded = read(ONE, NULL, ONE)
    assert counts(decoded) == (2, 0, 1)
    assert decoded.record.tolist() == [0, 2]
    (left,) = decoded.unwatched
    assert (left.unit, left.numeric) == ("samples", 0)


@pytest.mark.parametrize(
    "record",
    [
        {key: value for key, value in ONE.items() if key != "value"},
        {"value": None},
        {**ONE, "metric_name": None},
        [None],
        WRONG,
        "null",
    ],
)
def test_a_record_that_is_none_of_ours_stays_a_dead_letter(record: Any) -> None:
    assert counts(read(ONE, record)) == (1, 1, 0)


def test_a_record_that_is_too_long_stays_a_dead_letter_whatever_it_holds() -> None:
    short = Validate(200, 10**18)
    decoded = short([json.dumps([*[ONE] * 9, NULL]).encode()], None)
    assert counts(decoded) == (0, 1, 0)


# Ten of `null` and nothing else are refused as one: too short for metrics (`json_records`).
@given(
    st.lists(st.sampled_from([ONE, NULL, WRONG, None]), min_size=1, max_size=30).filter(
        lambda elements: elements.count(None) < max(8, len(elements))
    )
)
@example([NULL, *[None] * 10])
def test_elements_of_an_array_are_samples_absent_or_rejected(elements: list[Any]) -> None:
    decoded = read(elements)
    wrong = [i for i, one in enumerate(elements) if one in (WRONG, None)]
    assert counts(decoded) == (elements.count(ONE), len(wrong), elements.count(NULL))
    for one in decoded.rejects:
        assert [element for element, _ in one.elements] == wrong[: len(one.elements)]
        assert "null" not in one.reason or None in elements
