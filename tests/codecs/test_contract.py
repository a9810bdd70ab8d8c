"""Rejects: how many lost samples are named, and how long a reason may be, to the character."""

import numpy as np
import pytest

from padit.codecs.contract import (
    AT_LEAST,
    LONGEST_REASON,
    MOST_NAMED,
    MOST_TIMES,
    NOTHING_LEFT_OUT,
    Faults,
    LeftOut,
    Reject,
    bounded,
    merged,
    numbered,
    shorten,
)


def test_the_bounds_of_the_contract_are_those_that_are_documented() -> None:
    assert (MOST_TIMES, AT_LEAST, MOST_NAMED, LONGEST_REASON) == (64, 33_554_432, 20, 300)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x" * 78, "'" + "x" * 78 + "'"),
        ("x" * 79, "'" + "x" * 76 + "..."),
        ("x" * 10_000, "'" + "x" * 76 + "..."),
        ("é\n", r"'é\n'"),
        (10**79, "1" + "0" * 79),
        (10**80, "1" + "0" * 76 + "..."),
        (b"x" * 77, "b'" + "x" * 77 + "'"),
        (b"x" * 78, "b'" + "x" * 75 + "..."),
        (None, "None"),
    ],
)
def test_value_in_a_reason_has_80_characters_at_most(value: object, text: str) -> None:
    assert shorten(value) == text
    assert len(text) <= 80


@pytest.mark.parametrize("length", [0, 1, 299, 300])
def test_reason_of_300_characters_stays_as_it_is(length: int) -> None:
    assert bounded("é" * length) == "é" * length


@pytest.mark.parametrize("length", [301, 302, 9999])
def test_longer_reason_is_cut_to_300_characters(length: int) -> None:
    assert bounded("é" * length) == "é" * 297 + "..."


def test_reason_that_is_no_unicode_becomes_it() -> None:
    assert bounded("a\udcffb") == "a?b"


@pytest.mark.parametrize("count", [1, 2, 19, 20, 21, 100])
def test_first_twenty_lost_samples_are_named_and_all_are_counted(count: int) -> None:
    faults = Faults()
    faults.note(np.arange(5, 5 + count), lambda i: f"reason {i}")
    assert faults.count == count
    named = tuple((5 + i, f"reason {i}") for i in range(min(count, 20)))
    many = "" if count == 1 else f"{count} samples are lost, the first: "
    assert faults.reject(7) == Reject(7, f"{many}element 5: reason 0", count, named)


def test_lost_samples_of_several_reasons_are_named_in_their_order() -> None:
    faults = Faults()
    faults.note([8, 9], "late")
    faults.note([], "none")
    faults.note([1], lambda i: "x" * 400)
    assert faults.count == 3
    assert faults.reject(0).elements == ((1, "x" * 297 + "..."), (8, "late"), (9, "late"))


def test_whole_reason_of_a_reject_is_bounded_too() -> None:
    reject = numbered(0, [(3, "x" * 300)], 2)
    assert len(reject.reason) == 300
    assert reject.reason.startswith("2 samples are lost, the first: element 3: xxx")


def test_two_rejects_of_a_record_become_one() -> None:
    one = numbered(4, [(i, "a") for i in range(0, 40, 2)], 30)
    other = numbered(4, [(i, "b") for i in range(1, 7, 2)], 3)
    both = merged(one, other)
    assert (both.record, both.lost, len(both.elements)) == (4, 33, 20)
    assert both.elements[:4] == ((0, "a"), (1, "b"), (2, "a"), (3, "b"))
    assert both.reason == "33 samples are lost, the first: element 0: a"


def test_reject_of_a_whole_record_loses_one_sample_and_names_none() -> None:
    assert Reject(3, "x") == (3, "x", 1, ())


def test_labels_left_out_add_up_and_the_first_reason_stays() -> None:
    assert NOTHING_LEFT_OUT == (0, "")
    assert NOTHING_LEFT_OUT.plus(LeftOut(2, "a")).plus(LeftOut(3, "b")) == (5, "a")
