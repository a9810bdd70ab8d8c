"""Which run it was: what decides results, kept and compared."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.domain.run_identity import RunIdentity, differences, shape_digest

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
SHAPES = st.dictionaries(st.text(min_size=1, max_size=3), PLAIN, max_size=4)
RANGES = st.dictionaries(st.integers(0, 40), st.tuples(st.integers(0, 9), st.none() | st.just(9)))


def run(shape: dict[str, Any] | None = None, stop: int | None = 9) -> RunIdentity:
    return RunIdentity.of("alerts", "metrics", {0: (0, stop)}, shape or {})


@given(SHAPES, RANGES)
def test_an_identity_that_was_kept_is_equal(shape: Any, ranges: Any) -> None:
    one = RunIdentity.of("alerts", "metrics", ranges, shape)
    assert RunIdentity.from_bytes(one.to_bytes()) == one
    assert differences(one, one) == []


@given(SHAPES, SHAPES)
def test_two_identities_are_equal_or_their_difference_is_named(left: Any, right: Any) -> None:
    one, other = run(left), run(right)
    assert (one == other) == (differences(one, other) == [])


@given(SHAPES)
def test_the_digest_of_a_shape_does_not_depend_on_its_order(shape: dict[str, Any]) -> None:
    turned = dict(reversed(shape.items()))
    assert shape_digest(turned) == shape_digest(shape)


def test_a_partition_without_an_end_makes_a_live_run() -> None:
    assert (run(stop=None).live, run().live) == (True, False)


def test_something_else_is_an_error() -> None:
    with pytest.raises(ValueError, match="malformed"):
        RunIdentity.from_bytes(b"no JSON")


def test_two_identities_name_their_differences() -> None:
    before = run({"detectors": [{"name": "rule", "parameters": {"above": 5}}]})
    now = run({"detectors": [{"name": "rule", "parameters": {"above": 6}}]}, stop=10)
    assert differences(before, now) == [
        "detectors[0].parameters.above: 5 there, 6 now",
        "ranges.0[1]: 9 there, 10 now",
    ]
    assert str(now) == ("alerts of a bounded run over metrics (offsets by partition 0: 0 to 10)")
