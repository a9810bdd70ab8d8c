"""JSON with something around it, several objects in a record, and numbers that JSON has not."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.codecs.keys_twice import KeysTwice
from padit.codecs.mapping import Mapping
from padit.codecs.mapping_model import format_of
from padit.codecs.payloads import json_of, metrics_of, number_of
from padit.codecs.tidied import tidied
from padit.codecs.validate import Validate

T = 1_767_571_200
FORM = {"source": "id", "values": ".", "time": "t"}
read = Validate(1 << 20, 3600 * 1_000_000)


def sample(value: Any, source: str = "s") -> str:
    text = json.dumps(value)
    return f'{{"timestamp": {T}, "source_id": "{source}", "metric_name": "m", "value": {text}}}'


ONE, TWO = sample(1), sample(2, "z")


@pytest.mark.parametrize(
    "record",
    [
        ONE + TWO, f"{ONE}\n{TWO}", f"{ONE}\r\n{TWO}\r\n", f"{ONE},{TWO}", f"{ONE},\n{TWO},",
        f"\x1e{ONE}\n\x1e{TWO}\n", f"{ONE}\0{TWO}\0", f"\ufeff{ONE}\n{TWO}", f"\ufeff[{ONE},{TWO}]",
        f"[{ONE},{TWO}]\0", json.dumps(f"[{ONE},{TWO}]"), json.dumps(f"{ONE}\n{TWO}\n"),
    ],
)  # fmt: skip
def test_several_objects_of_a_record_are_samples_each(record: str) -> None:
    found = read([record.encode(), TWO.encode()], None)
    assert not found.rejects
    assert found.rows.value.tolist() == [1.0, 2.0, 2.0]
    assert found.record.tolist() == [0, 0, 1]
    assert found.element.tolist() == [0, 1, 0]


@pytest.mark.parametrize("record", [f"{ONE}\0", f"\ufeff{ONE}", f"{ONE},", json.dumps(ONE)])
def test_what_stands_around_one_object_costs_nothing(record: str) -> None:
    found = read([record.encode()], None)
    assert not found.rejects
    assert found.rows.value.tolist() == [1.0]


def test_of_several_objects_only_the_broken_one_is_lost_and_is_numbered() -> None:
    found = read([f"{ONE}{sample('x')}{TWO}".encode()], None)
    assert found.rows.value.tolist() == [1.0, 2.0]
    (reject,) = found.rejects
    assert (reject.lost, reject.elements) == (1, ((1, "value 'x' is no number"),))


def test_of_several_objects_each_that_is_ahead_of_its_record_is_lost() -> None:
    ahead = np.array([(T - 7200) * 1_000_000])
    (reject,) = read([f"{ONE}{TWO}".encode()], ahead).rejects
    assert reject.lost == 2


@pytest.mark.parametrize(
    "record", [f"[{ONE}, {sample(float('nan'))}]", f"{ONE}{sample(float('nan'))}"]
)
def test_nan_of_python_is_absent_and_costs_no_neighbour(record: str) -> None:
    found = read([record.encode()], None)
    assert found.rows.value.tolist() == [1.0]
    assert not found.rejects
    assert [(one.what, one.amount) for one in found.unwatched] == [
        ("samples whose value is null or NaN", 1)
    ]


def test_infinity_of_python_is_lost_by_itself_and_named() -> None:
    found = read([f"[{ONE}, {sample(float('-inf'))}]".encode()], None)
    assert found.rows.value.tolist() == [1.0]
    assert found.rejects[0].elements == ((1, "value '-Infinity' is no number"),)


def test_a_name_that_reads_nan_stays_it() -> None:
    record = f'{{"id": "NaN \\" NaN", "a": NaN, "b": 2, "t": {T}}}'
    found = Mapping(format_of("x", FORM)).decode([record.encode()], 1 << 20)
    assert [(s.source_id, s.metric_name) for s in found.rows.series] == [('NaN " NaN', "b")]
    assert {one.what for one in found.unwatched} == {"text of 'a'"}


def test_a_mapping_reads_several_objects_as_an_array_of_them() -> None:
    one, two = (f'{{"id": "s", "a": {i}, "t": {T + i}}}' for i in (1, 2))
    mapping = Mapping(format_of("x", FORM))
    for record in (f"{one}{two}", f"{one}\n{two}\n", f"[{one},{two}]"):
        found = mapping.decode([record.encode()], 1 << 20)
        assert (found.rows.value.tolist(), found.rejects) == ([1.0, 2.0], [])


@pytest.mark.parametrize(
    ("record", "hint"),
    [
        ("{'timestamp': 1}", "this is how Python prints a dict"),
        ("{", "?suffix=json"),
        (f"{ONE} {TWO} x", "trailing characters"),
        ("{}" * 5000, "missing required field"),
    ],
)
def test_what_is_no_json_says_what_it_looks_like(record: str, hint: str) -> None:
    (reject,) = read([record.encode()], None).rejects
    assert hint in reject.reason


@pytest.mark.parametrize("payload", [b"21.5\0", b"\xef\xbb\xbf21.5", b" 21.5\r\n\0\0"])
def test_a_message_that_is_a_number_may_end_as_a_c_string_does(payload: bytes) -> None:
    assert number_of(payload) == (21.5, "")


def test_a_message_of_json_may_end_as_a_c_string_does() -> None:
    assert json_of(b'\xef\xbb\xbf{"a": 1}\0') == ({"a": 1}, 0)


@pytest.mark.parametrize("payload", [f"{ONE}\0", f"{ONE}\n{TWO}", f"[{ONE},{TWO}]\0"])
def test_a_message_of_samples_is_read_as_a_record_is(payload: str) -> None:
    found, refused = metrics_of(payload.encode())
    assert ([one.value for one in found], refused) == ([1.0, 2.0][: payload.count("value")], [])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(st.text(), json_values), min_size=2), st.sampled_from(["", "\n"]))
def test_objects_one_behind_the_other_are_those_objects(objects: list[Any], between: str) -> None:
    """Python's own parser reads them one by one, with NaN and Infinity replaced."""
    record = between.join(map(json.dumps, objects)).encode()
    found = tidied(record)
    constants = {"NaN": None, "Infinity": "Infinity", "-Infinity": "-Infinity"}
    alone = [json.loads(json.dumps(one), parse_constant=constants.get) for one in objects]
    assert found == b"" or json.loads(found) == alone
    assert found or len(record) < 8 * len(objects)


def looked(values: list[str], records: KeysTwice | None = None) -> dict[str, tuple[int, int]]:
    counted = (records or KeysTwice()).count([one.encode() for one in values], len(values))
    return {one.what: (one.amount, one.numeric) for one in counted}


def test_a_name_twice_is_counted_with_what_its_first_value_was() -> None:
    record = '{"value": 1, "value": 2, "tags": {"a": "x", "a": "y", "a": 3}}'
    assert looked([record, ONE]) == {"name 'a' twice": (2, 0), "name 'value' twice": (1, 1)}


def test_names_twice_are_estimated_from_some_records_of_later_reads() -> None:
    watch = KeysTwice()
    assert looked([ONE] * 1000, watch) == {}
    assert looked(['{"v": 1, "v": 2}'] * 4000, watch) == {"name 'v' twice": (4000, 4000)}


def test_names_twice_are_not_looked_for_in_more_than_some_bytes() -> None:
    long = json.dumps({"v": "x" * 70_000})
    assert looked([long[:-1] + ', "v": 1}']) == {}
    assert looked([f'{{"v": "{"x" * 60_000}", "v": 1}}'] * 1000) == {"name 'v' twice": (1000, 0)}
