"""JSON metrics that differ a little: read where nothing is lost, else the reason has a remedy."""

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs import forgiving
from padit.codecs.forgiving import note_kind
from padit.codecs.json_records import json_reader
from padit.codecs.payloads import metrics_of
from padit.codecs.records import decode
from tests.codecs.samples import MAX_BYTES, T, arrow, one_by_one, outcome, plain, record, steady

GOOD = (("a", "b", ""), T * 1_000_000, 1.5)


def _null(**fields: Any) -> bytes:
    """A record with null in some fields."""
    whole = json.loads(record()) | fields
    return json.dumps(whole).encode()


SAME = [
    _null(unit=None),
    _null(metric_type=None),
    _null(protocol=None),
    _null(metadata=None),
    _null(unit=None, metric_type=None, protocol=None, metadata=None),
    record(metric_type="meter"),
    record(value="1.5"),
    record(value=" +1.5e0 "),
    record(timestamp=f"{T}"),
    record(timestamp=f"{T}000"),
    record(timestamp=f"{T}.0"),
    record(timestamp=T * 1_000_000),
    record(timestamp=T * 1_000_000_000),
]


@pytest.mark.parametrize("value", SAME)
def test_a_small_difference_does_not_cost_the_record(value: bytes) -> None:
    for records in ([value], [value] * 3, [record(), value, record()]):
        decoded = decode(records, MAX_BYTES)
        assert decoded.rejects == []
        assert plain(decoded.rows) == [GOOD] * len(records)
    decoded = decode([b"[" + record() + b"," + value + b",{}]"], MAX_BYTES)
    assert plain(decoded.rows) == [GOOD, GOOD]


def test_a_boolean_is_one_or_nought() -> None:
    decoded = decode([record(value=True), record(value=False)], MAX_BYTES)
    assert decoded.rows.value.tolist() == [1.0, 0.0]


@steady
@given(st.lists(st.sampled_from([*SAME, record(), record(value="x"), b"{"]), max_size=8))
def test_differing_records_give_the_same_alone_and_together(values: list[bytes]) -> None:
    assert outcome(decode(values, MAX_BYTES)) == one_by_one(values)


@steady
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_as_text_is_what_float_makes_of_it(number: float) -> None:
    assert decode([record(value=repr(number))], MAX_BYTES).rows.value.tolist() == [number]


def test_an_unknown_metric_type_is_named_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgiving, "_kinds", forgiving._Kinds())
    json_reader(()).known.forget()
    with caplog.at_level(logging.WARNING):
        decode([record(metric_type="meter"), record(metric_type="summary")] * 5, MAX_BYTES)
        note_kind("latency")
        columns = arrow(
            timestamp=[T], source_id=["a"], metric_name=["b"], value=[1.5], metric_type=["meter"]
        )
        assert plain(decode([columns], MAX_BYTES).rows) == [GOOD]
    assert [one.getMessage().partition(" is")[0] for one in caplog.records] == [
        "metric_type 'meter'", "metric_type 'summary'",
    ]  # fmt: skip


@pytest.mark.parametrize("value", SAME)
def test_a_message_with_a_small_difference_is_a_metric_too(value: bytes) -> None:
    [metric], refused = metrics_of(b"[" + value + b"]")
    assert refused == []
    assert (metric.source_id, metric.value, metric.metric_type) == ("a", 1.5, "custom")
    with pytest.raises(ValueError, match="no metric: value 'x' is no number"):
        metrics_of(record(value="x"))


ENVELOPES = [
    ({"fields": {"a": 1.5}, "name": "cpu", "tags": {}, "timestamp": T}, "telegraf"),
    ({"metrics": [{"fields": {}, "name": "cpu", "tags": {}, "timestamp": T}]}, "telegraf"),
    ({"before": None, "after": {"a": 1}, "op": "c", "ts_ms": T * 1000}, "debezium"),
    ({"schema": {}, "payload": {"before": None, "after": {"a": 1}, "op": "c"}}, "debezium"),
    ({"schema": {}, "payload": {"a": 1}}, "connect"),
    ({"specversion": "1.0", "id": "1", "source": "/x", "type": "m", "data": {}}, "cloudevents"),
    ({"@timestamp": "2026-01-02T03:04:05Z", "metricset": {"name": "cpu"}}, "metricbeat"),
    ({"metric": "sys.cpu", "timestamp": T, "value": 1, "tags": {"host": "a"}}, "opentsdb"),
    ({"machine_id": "m", "timestamp": T, "rpm": 1500}, "factory"),
]


@pytest.mark.parametrize(("content", "preset"), ENVELOPES)
def test_a_reject_names_the_option_that_reads_the_envelope(content: Any, preset: str) -> None:
    body = json.dumps(content).encode()
    for value in (body, b"[" + body + b"]"):
        [reject] = decode([value], MAX_BYTES).rejects
        assert f"set `format: {preset}` under `input`" in reject.reason


def test_a_reject_of_the_wire_format_of_a_registry_names_its_option() -> None:
    [reject] = decode([b"\x00\x00\x00\x00\x07\x02ab"], MAX_BYTES).rejects
    assert "schema registry (schema 7): set `schemas: {registry: URL}`" in reject.reason


def test_a_reject_of_other_json_points_to_mappings() -> None:
    [reject] = decode([b'{"x": 1, "y": 2}'], MAX_BYTES).rejects
    assert "see `format` under `input`" in reject.reason


def test_only_a_batch_of_telegraf_is_taken_for_one() -> None:
    mine = {"metrics": [{"name": "cpu", "fields": {"a": 1}, "tags": {}, "timestamp": T}]}
    assert "Telegraf batch" in forgiving.hint_of(json.dumps(mine).encode())
    others: list[Any] = [[{"n": "temp", "v": 1.0}], [], {}, None, "cpu", [3]]
    for metrics in others:
        other = json.dumps({"ts": T, "device": "d", "metrics": metrics}).encode()
        assert "Telegraf" not in forgiving.hint_of(other)
