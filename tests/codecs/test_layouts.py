"""Layouts: no point is lost in silence, whatever form it has, and no answer of one costs memory."""

import gc
import json
import tracemalloc
from typing import Any

import pytest

from padit.codecs.contract import MOST_TIMES
from padit.codecs.forgiving import hint_of
from padit.codecs.layouts import LAYOUTS, layout_of
from padit.codecs.mapping import Mapping
from padit.codecs.mapping_model import format_of
from padit.codecs.presets import LAID_OUT, PRESETS
from padit.codecs.records import Decoded
from padit.domain.errors import ConfigurationError
from tests.codecs.payloads import MESSAGES, T


def read(form: Any, message: Any) -> Decoded:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return Mapping(format_of("test", form)).decode([body], 64 << 20)


def series(decoded: Decoded) -> list[tuple[str, str]]:
    return [(one.source_id, one.metric_name) for one in decoded.rows.series]


def accounted(decoded: Decoded) -> int:
    """Samples, refused elements and fields that are counted."""
    refused = sum(max(1, len(one.elements)) for one in decoded.rejects)
    return len(decoded.rows) + refused + sum(one.numeric for one in decoded.unwatched)


@pytest.mark.parametrize("name", LAID_OUT)
def test_a_message_is_recognised_by_its_layout_and_by_no_other(name: str) -> None:
    assert LAID_OUT.keys() == LAYOUTS.keys()
    for message in MESSAGES[name]:
        assert layout_of(message) == name
        assert f"set `format: {name}` under `input`" in hint_of(json.dumps(message).encode())
    others = [one for preset in PRESETS.keys() - LAID_OUT.keys() for one in MESSAGES[preset]]
    assert [layout_of(one) for one in others] == [""] * len(others)


@pytest.mark.parametrize("name", LAID_OUT)
@pytest.mark.parametrize("message", [{}, {"a": 1}, [], [1], "text", 5, None, [[T, 1]]])
def test_a_message_of_another_layout_is_refused_with_the_name_of_it(
    name: str, message: Any
) -> None:
    decoded = read(name, message)
    assert len(decoded.rows) == 0
    if message == []:
        assert [one.what for one in decoded.unwatched] == ["empty array"]
    else:
        assert f"has not the layout that format: {name} reads" in decoded.rejects[0].reason


@pytest.mark.parametrize(
    "message",
    [{"results": [{}]}, {"results": [5]}, {"results": [{"series": {}}]}, {"results": {}},
     {"metric": "m"}, {"dps": {}}, {"data": {"result": 1}}, {"data": {"resultType": "matrix"}},
     {"columns": ["a"]}, {"data": [[1]]}],
)  # fmt: skip
def test_half_of_a_sign_is_no_layout(message: Any) -> None:
    assert layout_of(message) == ""


def test_only_a_field_of_type_time_is_the_time_of_a_frame() -> None:
    fields = [{"name": "x", "type": "trace"}, {"name": "t", "type": "time"},
              {"name": "v", "type": "number"}]  # fmt: skip
    message = {"schema": {"fields": fields}, "data": {"values": [["a"], [T * 1000], [1.5]]}}
    found = read("grafana", message)
    assert {one[1] for one in series(found)} >= {"v"}
    assert set(found.rows.time.tolist()) == {T * 1_000_000}


def matrix(*values: Any, **more: Any) -> dict[str, Any]:
    one = {"metric": {"__name__": "up", "job": "a"}, "values": [*values], **more}
    return {"status": "success", "data": {"resultType": "matrix", "result": [one]}}


def test_points_of_another_form_cost_their_neighbours_nothing() -> None:
    points = [[T, "1"], [T + 1], "x", {"t": T}, [T + 2, "2", 3], [T + 3, "NaN"], [T + 4, None],
              [T + 5, "+Inf"], ["late", "7"], [T + 6, "1e3"], [T + 7, True]]  # fmt: skip
    decoded = read("prometheus", matrix(*points))
    assert decoded.rows.value.tolist() == [1.0, 1000.0, 1.0]
    assert len(decoded.rejects) == 1
    assert len(decoded.rejects[0].elements) == 5
    texts = {one.reason for one in decoded.unwatched if "values.up" in one.what}
    assert any("NaN" in text for text in texts) or any("null" in text for text in texts)
    assert sum(one.amount for one in decoded.unwatched if "values.up" in one.what) == 3


def test_what_a_layout_has_no_use_for_is_counted() -> None:
    message = matrix([T, "1"], histograms=[[T, {"count": "5", "sum": "7"}]])
    message["data"]["stats"] = {"samples": 12}
    decoded = read("prometheus", message)
    assert {one.what for one in decoded.unwatched} == {
        "field 'data.stats.samples'", "field 'data.result[*].histograms[*]'",
        "field 'data.result[*].histograms[*].count'",
        "field 'data.result[*].histograms[*].sum'",
    }  # fmt: skip
    assert all("no use" in one.reason for one in decoded.unwatched)


def test_log_lines_of_loki_are_refused_as_no_metrics() -> None:
    streams = {"data": {"resultType": "streams", "result": [
        {"stream": {"app": "a"}, "values": [["1767571200000000000", "error 12"]]}]}}  # fmt: skip
    assert layout_of(streams) == ""
    assert "has not the layout" in read("prometheus", streams).rejects[0].reason


def test_labels_that_differ_are_series_that_differ_and_the_source_is_no_label() -> None:
    result = [{"metric": {"__name__": "m", "instance": "i", "device": one, "le": "+Inf"},
               "value": [T, "1"]} for one in ("sda", "sdb")]  # fmt: skip
    decoded = read("prometheus", {"data": {"result": result}})
    assert series(decoded) == [
        ("i", 'm{device="sda",le="+Inf"}'), ("i", 'm{device="sdb",le="+Inf"}'),
    ]  # fmt: skip


def test_keys_of_a_configuration_replace_those_of_a_layouts_preset() -> None:
    form = {"preset": "graphite", "source_id": "plant", "metric": "g.{field}", "by": []}
    message = {"target": "t", "datapoints": [[1, T]], "tags": {"dc": "a"}}
    assert series(read(form, message)) == [("plant", "g.t")]
    with pytest.raises(ConfigurationError, match="layout 'x' is none of prometheus, "):
        format_of("test", {"preset": "graphite", "layout": "x"})


@pytest.mark.parametrize(
    ("name", "message", "expected"),
    [
        # rows that are too short, too long, no rows
        ("influxdb", {"results": [{"series": [{"name": "c", "columns": ["time", "a"], "values": [
            [T, 1], [T], [T, 1, 2], "x", [T + 1, 2]]}]}]}, (2, 3)),
        ("influxdb", {"results": [{"error": "timeout"}, {"series": [{"name": "c"}, 5]}]}, (0, 3)),
        ("opentsdb_query", {"metric": "m", "dps": {f"{T}": 1, "x": 2, f"{T + 1}": 3}}, (2, 1)),
        ("cloudwatch", {"MetricDataResults": [
            {"Label": "a", "Timestamps": [T], "Values": [1, 2]}, 5]}, (0, 2)),
        ("datadog", {"series": [{"metric": "a", "pointlist": [[T * 1000, 1]]}, {"metric": "b"}]},
         (1, 1)),
        ("pandas", {"columns": ["a"], "index": [T, T + 1], "data": [[1], [2], [3]]}, (2, 1)),
        ("pandas", {"columns": ["a", "b"], "index": [T], "data": [[1]]}, (0, 1)),
        ("pandas", {"a": {f"{T}": 1}, "b": {f"{T}": 2, f"{T + 1}": 3}}, (3, 0)),
        ("elasticsearch", {"hits": {"hits": [5, {"_id": 1}, {"_source": {"a": 1}}]}}, (0, 3)),
    ],
)  # fmt: skip
def test_rows_that_do_not_fit_are_dead_letters_and_the_others_are_read(
    name: str, message: Any, expected: tuple[int, int]
) -> None:
    decoded = read(name, message)
    refused = sum(max(1, len(one.elements)) for one in decoded.rejects)
    assert (len(decoded.rows), refused) == expected


def test_a_frame_without_a_time_and_columns_of_text_are_named() -> None:
    field = {"name": "n", "type": "number"}
    frame = {"schema": {"fields": [field]}, "data": {"values": [[1, 2, 3]]}}
    [left, _] = read("grafana", frame).unwatched
    assert (left.amount, left.reason) == (3, "the frame has no field of type time")
    fields = [{"name": "t", "type": "time"}, {"name": "why", "type": "string"}, field]
    frame = {"schema": {"fields": fields}, "data": {"values": [[T], ["x"], [1]]}}
    decoded = read("grafana", {"frames": [frame, {"schema": 1}]})
    assert len(decoded.rows) == 1
    assert [one.what for one in decoded.unwatched] == ["text of why"]
    assert "no object" in decoded.rejects[0].reason


def test_buckets_without_a_time_are_counted_with_the_remedy() -> None:
    terms = {"buckets": [{"key": "a", "doc_count": 4, "avg": {"value": 1.5}}]}
    decoded = read("elasticsearch", {"aggregations": {"host": terms}})
    counted = [one for one in decoded.unwatched if one.numeric]
    assert sum(one.amount for one in counted) == 2
    assert {one.remedy for one in counted} == {"add a date_histogram to the query"}


def test_arrays_of_another_length_are_no_columns_and_are_counted() -> None:
    message = {"time": [T, T + 1], "a": [1, 2], "b": [1, 2, 3], "c": 5}
    decoded = read("columns", message)
    assert len(decoded.rows) == 2
    assert accounted(decoded) == 6


PAIRS = b",".join(b"[%d,1]" % (T + i) for i in range(8000))
LONG = b"x" * 300_000
BOMBS = {
    "points": ("graphite", b'{"target":"a","datapoints":[' + b",".join(
        b"[1,%d]" % (T + i) for i in range(8000)) + b"]}"),
    "a long name of many points": (
        "graphite", b'{"target":"' + LONG + b'","datapoints":[' + b"[1,1767571200]," * 8000
        + b"[1,1767571200]]}"),
    "long labels of many points": (
        "prometheus", b'{"data":{"result":[{"metric":{"a":"' + LONG + b'"},"values":['
        + PAIRS + b"]}]}}"),
    "many labels of nothing": (
        "prometheus", b'{"data":{"result":[{"metric":{' + b",".join(
            b'"l%d":"%d"' % (i, i) for i in range(2000)) + b'},"values":['
        + b"[1767571200,null]," * 8000 + b"[1767571200,1]]}]}}"),
    "many labels of many points": (
        "prometheus", b'{"data":{"result":[{"metric":{' + b",".join(
            b'"l%d":"%d"' % (i, i) for i in range(2000)) + b'},"values":[' + PAIRS + b"]}]}}"),
    "sparse columns": ("pandas", b"{" + b",".join(
        b'"c%d":{"%d":1}' % (i, T + i) for i in range(3000)) + b"}"),
    "nested buckets": ("elasticsearch", b'{"aggregations":'
                       + b'{"a":{"buckets":[{"key":1,"b":1,"a":' * 60 + b"1" + b"}]}}" * 60
                       + b"}"),
    "results of nothing": ("influxdb", b'{"results":[{"series":[]},' + b"{}," * 50_000 + b"{}]}"),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_memory_and_output_of_a_layout_are_bounded_by_the_input(bomb: str) -> None:
    name, value = BOMBS[bomb]
    mapping = Mapping(format_of("law", name))
    mapping.decode([b"{}"], 1 << 20)
    gc.collect()
    tracemalloc.start()
    try:
        decoded = mapping.decode([value], 64 << 20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= MOST_TIMES * len(value) + (4 << 20)
    assert all(len(part) <= 512 for one in decoded.rows.series for part in one)
