"""Numbers in JSON text with a decimal comma: read where that is stated, and named where not."""

import json
from typing import Any

import pytest

from padit.analysis.losses.remedies import _FORMAT, remedy_of
from padit.codecs.mapping import Mapping
from padit.codecs.mapping_model import format_of
from padit.codecs.mapping_values import has_comma, number_from
from padit.codecs.records import Decoded, decode
from padit.codecs.suggested import suggested
from padit.domain.losses import Loss

T = 1_767_571_200
BELOW = {"source": "id", "values": ".", "time": "t"}
NAMED = {"source": "id", "values": {"temp": "temp"}, "time": "t"}


def mapped(form: dict[str, Any], **values: Any) -> Decoded:
    record = json.dumps({"id": "s", "t": T, **values}).encode()
    return Mapping(format_of("x", form)).decode([record], 1 << 20)


@pytest.mark.parametrize(
    ("text", "value"),
    [("3,2", 3.2), ("-0,5", -0.5), (",5", 0.5), ("1.200,5", 1200.5), ("1.200", 1200.0), ("7", 7.0),
     ("1,5E3", 1500.0), (" 2,5 ", 2.5), ("1.234.567", 1234567.0)],
)  # fmt: skip
def test_a_stated_comma_is_the_decimal_mark(text: str, value: float) -> None:
    for form in (BELOW | {"text_numbers": True}, NAMED):
        found = mapped(form | {"decimal": "comma"}, temp=text)
        assert (found.rows.value.tolist(), found.rejects) == ([value], [])


@pytest.mark.parametrize(
    "text",
    ["20.5", "1.20,5", "1,2,3", "3,2 bar", "12.3456", ",", "0.125", "-0.125", "0.125.000",
     "012.345", "1.234e5", "1.234,5e3"],
)  # fmt: skip
def test_with_a_stated_comma_other_text_is_lost_and_named(text: str) -> None:
    (reject,) = mapped(NAMED | {"decimal": "comma"}, temp=text).rejects
    assert f"value {text!r} is no number" in reject.reason


@pytest.mark.parametrize("text", ["0.125", "1.234e5"])
def test_a_number_with_a_decimal_point_where_a_comma_is_stated_is_named(text: str) -> None:
    (reject,) = mapped(NAMED | {"decimal": "comma"}, temp=text).rejects
    assert "or with a point" in reject.reason


@pytest.mark.parametrize("text", ["3,2", "1.200,5", "0,234", "1234,567", "1,2345", ",123"])
def test_unstated_it_is_a_dead_letter_that_names_the_option(text: str) -> None:
    (reject,) = mapped(NAMED, temp=text).rejects
    assert reject.reason == (f"'temp': value {text!r} is no number; add decimal: comma to format")


@pytest.mark.parametrize("text", ["1,234", "12,345", "-123,456"])
def test_english_thousands_are_not_told_to_be_decimals(text: str) -> None:
    doubt = "if the comma is a decimal mark"
    (reject,) = mapped(NAMED, temp=text).rejects
    assert reject.reason.endswith(f"; {doubt}, add decimal: comma to format")
    (left,) = mapped(BELOW | {"text_numbers": True}, temp=text, n=1).unwatched
    assert left.remedy == f"{doubt}, add decimal: comma to format"
    sample = {"timestamp": T, "source_id": "s", "metric_name": "m", "value": text}
    (reject,) = decode([json.dumps(sample).encode()], 1 << 20).rejects
    assert f"; {doubt}, set `format: " in reject.reason
    assert remedy_of(Loss("value", 1, reject.reason, "t")).endswith(f", {doubt}")
    for values in ({"value": text}, {"a": text, "b": text, "c": 1}):
        proposed = suggested({"id": "s", "t": T, **values})
        assert proposed
        assert "decimal" not in proposed
        beside = {"x": "3,5"} if "a" in values else {"value": "3,5"}
        assert "decimal: comma" in suggested({"id": "s", "t": T, **values, **beside})


def test_below_values_it_is_named_with_both_options() -> None:
    (left,) = mapped(BELOW, temp="3,2", n=1).unwatched
    assert (left.what, left.reason, left.numeric) == (
        "field 'temp'", "a number as text: 3,2", 1,
    )  # fmt: skip
    assert left.remedy.endswith("and add decimal: comma to format")
    (left,) = mapped(BELOW | {"text_numbers": True}, temp="3,2", n=1).unwatched
    assert left.remedy == "add decimal: comma to format"


def test_a_point_where_a_comma_is_stated_is_named() -> None:
    form = BELOW | {"text_numbers": True, "decimal": "comma"}
    (left,) = mapped(form, temp="20.5", n=1).unwatched
    assert left.remedy.startswith("let all numbers be written with a comma")


def test_where_no_path_leads_it_counts_as_a_number() -> None:
    (left,) = mapped(NAMED, temp=1, other={"x": "3,2", "y": "a, b"}).unwatched
    assert (left.what, left.numeric) == ("field 'other.x'", 1)


def _proposed(record: bytes, *others: bytes, labels: tuple[str, ...] = ()) -> Mapping:
    """The mapping that the reason of the only reject, or of the first of several, names."""
    rejects = decode([record, *others], 1 << 20).rejects
    assert others or len(rejects) == 1
    proposed = _FORMAT.search(rejects[0].reason)
    assert proposed is not None
    return Mapping(format_of("x", _yaml(proposed[1])), labels=labels)


def test_padits_own_json_names_the_mapping_that_reads_it() -> None:
    sample = {"timestamp": T, "source_id": "s", "metric_name": "m", "value": "20,5", "unit": "K"}
    record = json.dumps(sample).encode()
    found = _proposed(record).decode([record], 1 << 20)
    assert [(*one[:3],) for one in found.rows.series] == [("s", "m", "K")]
    assert found.rows.value.tolist() == [20.5]


def test_padits_own_json_with_numbers_for_names_names_the_mapping_that_reads_it() -> None:
    sample = {"timestamp": T, "source_id": 17, "metric_name": "m", "value": 2, "unit": "K"}
    record = json.dumps(sample).encode()
    found = _proposed(record).decode([record], 1 << 20)
    assert [(*one[:3],) for one in found.rows.series] == [("17", "m", "K")]


def test_the_mapping_for_numeric_names_loses_neither_labels_nor_absent_values() -> None:
    sample = {"timestamp": T, "source_id": 17, "metric_name": "m", "metadata": {"site": "a"}}
    records = [json.dumps(sample | {"value": one}).encode() for one in (2, None)]
    mapping = _proposed(*records, labels=("site",))
    found = mapping.decode(records, 1 << 20)
    assert (found.rejects, found.rows.value.tolist()) == ([], [2.0])
    assert found.rows.attributes is not None
    assert found.rows.attributes.table[0].labels == (("site", "a"),)
    (left,) = found.unwatched
    assert (left.what, left.amount) == ("null of value", 1)
    (reject,) = mapping.decode([json.dumps(sample).encode()], 1 << 20).rejects
    assert reject.reason.startswith("no value at value")


def _yaml(text: str) -> Any:
    import yaml

    return yaml.safe_load(text)


@pytest.mark.parametrize(
    "message",
    [
        {"id": "s", "t": T, "temp": "20,5", "n": 1, "m": 2, "k": 3},
        {"id": "s", "t": T, "metric": "m", "value": "20,5"},
        {"id": "s", "t": T, "value": "20,5"},
    ],
)
def test_the_proposed_mapping_reads_it(message: dict[str, Any]) -> None:
    form = format_of("x", _yaml(suggested(message)))
    found = Mapping(form).decode([json.dumps(message).encode()], 1 << 20)
    assert 20.5 in found.rows.value.tolist()
    assert not found.rejects


def test_what_only_looks_like_a_comma_is_none() -> None:
    assert not any(map(has_comma, ["1.5", "a,b", "1, 2", "", "x" * 100, "1,2,3", "2026,01,05"]))
    assert number_from("1" * 80 + ",5", comma=True) != 0
