"""Validation: an event may not run ahead of its own record."""

import json

import numpy as np

from padit.codecs.mapping import Mapping
from padit.codecs.mapping_model import format_of
from padit.codecs.validate import Validate
from tests.codecs.samples import MAX_BYTES, T, plain, record

MICROS = 1_000_000
VALIDATE = Validate(MAX_BYTES, 10 * MICROS)


def _times(*seconds: int) -> "np.typing.NDArray[np.int64]":
    return np.array(seconds, np.int64) * MICROS


def test_an_event_too_far_ahead_of_its_record_is_rejected_with_both_numbers() -> None:
    decoded = VALIDATE([record(), record(timestamp=T + 11), record()], _times(T, T, T))
    assert decoded.record.tolist() == [0, 2]
    [reject] = decoded.rejects
    assert reject.record == 1
    assert "11.000 s ahead" in reject.reason
    assert "10 s of --max_ahead_sec" in reject.reason


def test_an_event_as_far_ahead_as_allowed_is_kept() -> None:
    assert VALIDATE([record(timestamp=T + 10)], _times(T)).rejects == []


def test_an_old_event_is_no_matter_for_validation() -> None:
    assert VALIDATE([record(timestamp=T - 10**8)], _times(T)).rejects == []


def test_records_without_a_time_of_their_own_are_not_compared() -> None:
    assert VALIDATE([record(timestamp=T + 10**6)], None).rejects == []


def test_only_the_elements_that_are_ahead_are_rejected() -> None:
    array = b"[" + record(value=1) + b"," + record(timestamp=T + 99) + b"," + record(value=2) + b"]"
    decoded = VALIDATE([b"{", array, None], _times(T, T, T))
    assert [value for *_, value in plain(decoded.rows)] == [1.0, 2.0]
    assert [reject.record for reject in decoded.rejects] == [0, 1, 2]


def test_of_several_objects_in_a_record_the_first_that_is_ahead_has_its_number() -> None:
    alone, ahead = record(), record(timestamp=T + 99)
    for rest in (alone, record(value="x")):
        decoded = VALIDATE([ahead + b"\n" + rest, ahead], _times(T, T))
        several, one = decoded.rejects
        assert several.elements[0][0] == 0
        assert "element 0: timestamp lies 99.000 s ahead" in several.reason
        assert (one.elements, one.reason[:19]) == ((), "timestamp lies 99.0")
        assert several.lost == 1 + (rest != alone)


def test_nothing_readable_needs_no_comparison() -> None:
    assert len(VALIDATE([b"{"], _times(T)).rejects) == 1


def test_mapped_records_are_compared_with_their_own_time_too() -> None:
    form = {"each": "e[*]", "source_id": "s", "metric": "n", "value": "v", "time": "t"}
    validate = VALIDATE.reading(Mapping(format_of("test", form)).decode)
    elements = [{"n": "m", "v": i, "t": T + i * 8} for i in range(3)]
    decoded = validate([json.dumps({"e": elements}).encode()], _times(T))
    assert [value for *_, value in plain(decoded.rows)] == [0.0, 1.0]
    [reject] = decoded.rejects
    assert reject.elements[0][0] == 2
    assert "16.000 s ahead" in reject.reason


def test_records_without_a_mapped_time_have_their_own() -> None:
    form = {"source_id": "s", "metric": "n", "value": "v"}
    validate = VALIDATE.reading(Mapping(format_of("test", form)).decode)
    decoded = validate([b'{"n": "m", "v": 1}', b'{"n": "m", "v": 2}'], _times(T, T + 60))
    assert decoded.rejects == []
    assert [time for _, time, _ in plain(decoded.rows)] == _times(T, T + 60).tolist()
