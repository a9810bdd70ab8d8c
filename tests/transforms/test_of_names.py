"""What follows from names is worked out once for a table of them, and forgotten in the end."""

import numpy as np
import pytest

from padit.domain.metric import Series
from padit.domain.rows import Rows, concatenate
from padit.transforms import of_names
from padit.transforms.of_names import OfNames


class _Asked:
    """Counts the names that it is asked about."""

    def __init__(self) -> None:
        self.tables: list[tuple[Series, ...]] = []

    def __call__(self, series: tuple[Series, ...]) -> list[str]:
        self.tables.append(series)
        return [one.metric_name for one in series]


def _names(*metrics: str) -> tuple[Series, ...]:
    return tuple(Series("host", one) for one in metrics)


def test_a_table_is_looked_at_once_and_one_with_the_same_names_is_the_same() -> None:
    asked = _Asked()
    answer = OfNames(asked)
    first, second, other = _names("a", "b"), _names("a", "b"), _names("b", "a")
    assert [answer(one) for one in (first, other, first, second)] == [
        ["a", "b"], ["b", "a"], ["a", "b"], ["a", "b"],
    ]  # fmt: skip
    assert asked.tables == [first, other]


def test_answers_stay_right_when_tables_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_names, "_MOST", 30)
    asked = _Asked()
    answer = OfNames(asked)
    for number in range(200):
        names = _names(*(f"m{one}" for one in range(number, number + number % 7)))
        assert answer(names) == [one.metric_name for one in names]
        kept = sum(len(series) + 1 for series in answer._known)
        assert kept == answer._names <= 30


def test_a_table_longer_than_all_that_is_kept_is_answered_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(of_names, "_MOST", 3)
    answer = OfNames(_Asked())
    assert answer(_names("a", "b", "c", "d")) == ["a", "b", "c", "d"]
    assert answer(_names("e")) == ["e"]


def test_rows_behind_others_keep_their_table_of_names_where_no_name_is_new() -> None:
    known, some, more = _names("a", "b", "c"), _names("c", "a"), _names("c", "d")
    parts = [_rows(known), _rows(some)]
    joined = concatenate(parts)
    assert joined.series is known
    assert joined.code.tolist() == [0, 1, 2, 2, 0]
    assert concatenate([*parts, _rows(more)]).series == _names("a", "b", "c", "d")


def _rows(series: tuple[Series, ...]) -> Rows:
    code = np.arange(len(series), dtype=np.int32)
    return Rows(series, code, code.astype(np.int64), code.astype(float))
