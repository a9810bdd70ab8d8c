"""A job refuses state of another shape and says what differs, then and now."""

from __future__ import annotations

from typing import Any

import pytest

from padit.domain.differences import ABSENT, Difference, differences
from padit.domain.errors import StateError
from padit.domain.shape import Shape

NOW: dict[str, Any] = {
    "windows": {"size": 60, "step": 20},
    "detectors": [{"name": "novelty", "memory": 8}, {"name": "rule", "limit": 3}],
    "input": "kafka://x",
    "labels": [],
}


def refused(then: Any, now: Any = NOW) -> str:
    with pytest.raises(StateError) as caught:
        Shape.of(now).check(Shape.of(then).data)
    text = str(caught.value)
    assert text.endswith("go on with the options of then, or " + text.partition(", or ")[2])
    return text.removeprefix("the saved state belongs to a job with other options (").partition(
        ")"
    )[0]


def test_the_same_options_in_any_order_are_the_same_shape() -> None:
    turned = {name: NOW[name] for name in reversed(NOW)}
    assert Shape.of(turned) == Shape.of(NOW)
    assert Shape.of(turned).digest == Shape.of(NOW).digest
    assert len(Shape.of(NOW).digest) == 16
    Shape.of(NOW).check(Shape.of(turned).data)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"input": "file:y"}, "input was file:y and is kafka://x"),
        ({"windows": {"size": 30, "step": 20}}, "windows.size was 30 and is 60"),
        ({"detectors": [{"name": "novelty", "memory": 4}, NOW["detectors"][1]]},
         "detectors[0].memory was 4 and is 8"),
        ({"detectors": [{"name": "residual"}, NOW["detectors"][1]]},
         "detectors[0] was residual and is novelty"),
        ({"detectors": NOW["detectors"][:1]}, "detectors was novelty and is novelty, rule"),
        ({"detectors": []}, "detectors was none and is novelty, rule"),
        ({"labels": ["a"]}, "labels[0] was a and is not set"),
        ({"input": None}, "input was not set and is kafka://x"),
        ({"more": {"a": 1}}, 'more was {"a":1} and is not set'),
        ({"more": [1, {"name": "x"}]}, 'more was [1,{"name":"x"}] and is not set'),
        ({"more": {"name": "x", "b": 2}}, "more was x and is not set"),
        ({"more": "x" * 80}, f"more was {'x' * 80} and is not set"),
        ({"more": "x" * 81}, f"more was {'x' * 80}... and is not set"),
        ({"more": True, "windows": 5},
         'more was true and is not set; windows was 5 and is {"size":60,"step":20}'),
    ],
)  # fmt: skip
def test_what_differs_is_named_with_its_value_then_and_now(change: Any, text: str) -> None:
    assert refused(NOW | change) == text


def test_five_differences_are_named_and_the_others_counted() -> None:
    then = {f"option{n}": n for n in range(5)}
    assert "more" not in refused(then, {})
    assert refused(then | {"option5": 5, "option6": 6}, {}).endswith(
        "option4 was 4 and is not set; and 2 more"
    )


def test_state_of_a_version_that_kept_no_shape_is_refused() -> None:
    with pytest.raises(StateError, match="does not name the options it was made with"):
        Shape.of(NOW).check(b"")


@pytest.mark.parametrize(
    ("left", "right", "found"),
    [
        (1, 1, []), (1, 2, [("", 1, 2)]), ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b": 2}, {"b": 3, "c": 4},
         [("a", 1, ABSENT), ("b", 2, 3), ("c", ABSENT, 4)]),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, [("a.b.c", 1, 2)]),
        ([1, 2], [1, 3, 4], [("[1]", 2, 3), ("[2]", ABSENT, 4)]),
        ([{"name": "x"}], [], [("", [{"name": "x"}], [])]),
        ([], [{"name": "x"}], [("", [], [{"name": "x"}])]),
        ([{"name": "x"}], [{"name": "y"}], [("[0]", {"name": "x"}, {"name": "y"})]),
        ([{"a": 1}], [{"a": 2}, 5], [("[0].a", 1, 2), ("[1]", ABSENT, 5)]),
        ({"a": [1]}, {"a": {"b": 1}}, [("a", [1], {"b": 1})]),
        ({"name": "x", "a": 1}, {"name": "x", "a": 2}, [("a", 1, 2)]),
        ({1: 2}, {1: 3}, [("1", 2, 3)]),
    ],
)  # fmt: skip
def test_two_trees_differ_where_their_values_do(left: Any, right: Any, found: Any) -> None:
    assert list(differences(left, right)) == [Difference(*one) for one in found]
