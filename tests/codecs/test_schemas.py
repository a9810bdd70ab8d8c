"""Results as columns: every kind has its own, and what is nested stays JSON text."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pyarrow as pa
import pytest

from padit.codecs.schemas import ALERTS, LAYOUTS, OTHER, SCORES, Layout, columns_of
from padit.domain.message import Kind

AT = "2026-01-02T03:04:05.250Z"
MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, 250_000, datetime.UTC)
WORDS: dict[Any, Any] = {
    pa.string(): ("a text", "a text"),
    pa.timestamp("us", tz="UTC"): (AT, MOMENT),
    pa.float64(): (2, 2.0),
    pa.int64(): (7, 7),
    pa.int32(): (7, 7),
    pa.bool_(): (True, True),
}


def columns(layout: Layout, *values: Any) -> dict[str, list[Any]]:
    found = columns_of(layout, [json.dumps(one).encode() for one in values])
    assert [(name, array.type) for name, array in found.items()] == [
        (field.name, field.type) for field in layout.schema
    ]
    return {name: array.to_pylist() for name, array in found.items()}


@pytest.mark.parametrize("kind", [one for one in Kind if LAYOUTS[one] not in (ALERTS, OTHER)])
def test_every_field_is_read_by_its_type_and_null_where_it_is_missing(kind: Kind) -> None:
    layout = LAYOUTS[kind]
    row = {field.name: WORDS[field.type][0] for field in layout.schema}
    nulls = dict.fromkeys(row)
    assert columns(layout, row, {}, nulls, {"unknown": 5}) == {
        field.name: [WORDS[field.type][1], None, None, None] for field in layout.schema
    }


def test_an_alert_stands_in_its_envelope() -> None:
    inner = {"id": "alert-1", "score": 0.5, "opened": AT, "acknowledged": False, "source_id": "s"}
    outer = {"id": "step-1", "type": "padit.alert.opened", "data": inner}
    found = columns(ALERTS, outer, {"id": "step-2", "type": "t", "data": {}})
    assert found["alert_id"] == ["alert-1", None]
    assert found["type"] == ["padit.alert.opened", "t"]
    assert found["score"] == [0.5, None]
    assert found["opened"] == [MOMENT, None]
    assert found["acknowledged"] == [False, None]
    assert found["source_id"] == ["s", None]


def test_what_is_nested_stays_as_its_json_text() -> None:
    rows = [
        {"evidence": {"a": [1, 2]}},
        {"evidence": [1]},
        {"evidence": 'say "x"'},
        {"evidence": 5},
    ]
    found = columns(SCORES, *rows)["evidence"]
    assert [json.loads(found[0]), *found[1:]] == [{"a": [1, 2]}, "[1]", 'say "x"', "5"]


def test_what_has_no_columns_is_its_own_text() -> None:
    found = columns_of(OTHER, [b'{"a": 1}', "ä".encode()])
    assert found["value"].to_pylist() == ['{"a": 1}', "ä"]
    assert LAYOUTS[Kind.AUDIT] is OTHER
    assert set(LAYOUTS) == set(Kind)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("confidence", "much"), ("confidence", [1]), ("is_anomaly", 1), ("event_time", "now")],
)
def test_a_field_of_another_type_is_named(field: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        columns(SCORES, {field: wrong})
    layout = LAYOUTS[Kind.DEAD_LETTER]
    for value in (1.5, 1 << 40):
        with pytest.raises(ValueError, match=r"^partition: "):
            columns(layout, {"partition": value})
