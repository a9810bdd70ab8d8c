"""Labels from metadata: every codec reads the same, and what is no label costs no sample."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs.labels import LabelReader
from padit.codecs.records import Decoded, decode
from padit.domain.attributes import LONGEST_LABEL, UNSTATED, Attributes
from tests.codecs.samples import MAX_BYTES, T, arrow, attributes, plain, record, steady

NAMES = ("cluster", "site")
VALUES = (
    st.text(max_size=6)
    | st.sampled_from(["s1", "s2", "x" * LONGEST_LABEL, "x" * (LONGEST_LABEL + 1), 'é\n"\\'])
    | st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from([1.5, -0.25, [], ["a"], {}, {"site": "inner"}])
)
METADATA = st.dictionaries(st.sampled_from([*NAMES, "trace", "Site", "a b"]), VALUES, max_size=5)


def _expected(metadata: dict[str, Any]) -> Attributes:
    """The slow, obvious way."""
    labels = []
    for name in NAMES:
        value = metadata.get(name)
        if isinstance(value, bool | int | float):
            value = json.dumps(value)
        if isinstance(value, str) and 0 < len(value) <= LONGEST_LABEL:
            labels.append((name, value))
    return Attributes("custom", tuple(labels))


def _faulty(metadata: dict[str, Any]) -> bool:
    values = [metadata.get(name) for name in NAMES]
    return any(
        isinstance(one, list | dict) or (isinstance(one, str) and len(one) > LONGEST_LABEL)
        for one in values
    )


def _forms(metadata: list[dict[str, Any]]) -> dict[str, list[bytes]]:
    """The same samples as every codec has them."""
    objects = [record(metadata=one, value=float(i)) for i, one in enumerate(metadata)]
    texts = [json.dumps(one) for one in metadata]
    n = len(metadata)
    columns: dict[str, Any] = {
        "timestamp": pa.array([float(T)] * n), "source_id": pa.array(["a"] * n),
        "metric_name": pa.array(["b"] * n), "value": pa.array([float(i) for i in range(n)]),
    }  # fmt: skip
    return {
        "objects": objects,
        "one by one": [*objects, b"{"],
        "array": [b"[" + b",".join(objects) + b"]"],
        "array with a fault": [b"[" + b",".join([*objects, b"5"]) + b"]"],
        "Arrow, text": [arrow(**columns, metadata=pa.array(texts))],
        "Arrow, dictionary": [arrow(**columns, metadata=pa.array(texts).dictionary_encode())],
    }


@steady
@given(st.lists(METADATA, min_size=1, max_size=12))
def test_every_codec_reads_the_same_labels(metadata: list[dict[str, Any]]) -> None:
    expected = [_expected(one) for one in metadata]
    lost = sum(map(_faulty, metadata))
    for form, values in _forms(metadata).items():
        found = decode(values, 1 << 20, NAMES)
        assert attributes(found.rows) == expected, form
        assert found.left_out.samples == lost, form
        assert bool(found.left_out.reason) == bool(lost)
        unlabelled = decode(values, 1 << 20)
        assert plain(unlabelled.rows) == plain(found.rows)
        assert unlabelled.rows.attributes is None


def _one(metadata: bytes) -> Decoded:
    whole = record(metadata=0).replace(b'"metadata":0', b'"metadata":' + metadata)
    return decode([whole], 1 << 20, NAMES)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        (b'{"site":{"a":1}}', "label site is an object, it must be text, a number or a boolean"),
        (b'{"site":[1]}', "label site is a list"),
        (
            b'{"site":"' + b"x" * 10_000 + b'"}',
            "label site has 10002 bytes, at most 256 characters",
        ),
        (b'{"site":"' + b"x" * 300 + b'"}', "label site has 300 characters, at most 256"),
        (b'{"site":' + b"9" * 300 + b"}", "label site has 300 characters"),
        (b"[1]", "metadata is no object"),
        (b'"site"', "metadata is no object"),
    ],
)
def test_a_label_that_is_no_label_is_counted_with_its_reason(metadata: bytes, reason: str) -> None:
    found = _one(metadata)
    assert len(found.rows) == 1
    assert found.rejects == []
    assert found.rows.attributes is None
    assert found.left_out.samples == 1
    assert reason in found.left_out.reason
    assert len(found.left_out.reason) < 300


@pytest.mark.parametrize("metadata", [b"null", b"{}", b'{"site":null}', b'{"site":""}', b'{"a":1}'])
def test_an_absent_label_is_no_fault(metadata: bytes) -> None:
    found = _one(metadata)
    assert found.rows.attributes is None
    assert found.left_out.samples == 0


def test_of_a_thousand_keys_only_those_named_are_read() -> None:
    many = {f"k{i}": {"nested": ["x" * 50]} for i in range(1000)} | {"site": "a", "cluster": 7}
    found = _one(json.dumps(many).encode())
    assert attributes(found.rows) == [Attributes("custom", (("cluster", "7"), ("site", "a")))]
    assert found.left_out.samples == 0


def test_a_struct_of_arrow_gives_labels_field_by_field() -> None:
    n = 5
    metadata = pa.StructArray.from_arrays(
        [
            pa.array(["s1", "s1", None, "", "x" * 300]),
            pa.array([7, 7, None, 8, 7]),
            pa.array([["no"]] * n, pa.list_(pa.string())).cast(pa.list_(pa.string())).flatten(),
        ],
        ["site", "cluster", "other"],
    )
    columns = {"timestamp": pa.array([float(T)] * n), "source_id": pa.array(["a"] * n),
               "metric_name": pa.array(["b"] * n), "value": pa.array([1.0] * n)}  # fmt: skip
    found = decode([arrow(**columns, metadata=metadata)], MAX_BYTES, NAMES)
    both = Attributes("custom", (("cluster", "7"), ("site", "s1")))
    eight = Attributes("custom", (("cluster", "8"),))
    seven = Attributes("custom", (("cluster", "7"),))
    assert attributes(found.rows) == [both, both, UNSTATED, eight, seven]
    assert found.left_out.samples == 1
    assert "label site has 300 characters" in found.left_out.reason


def test_a_struct_field_of_another_type_and_another_kind_of_metadata_are_counted() -> None:
    columns = {"timestamp": pa.array([float(T)] * 2), "source_id": pa.array(["a"] * 2),
               "metric_name": pa.array(["b"] * 2), "value": pa.array([1.0] * 2)}  # fmt: skip
    times = pa.StructArray.from_arrays([pa.array([0, None], pa.timestamp("s"))], ["site"])
    found = decode([arrow(**columns, metadata=times)], MAX_BYTES, NAMES)
    assert (found.left_out.samples, len(found.rows)) == (1, 2)
    assert "label site is of the type timestamp[s]" in found.left_out.reason
    pairs = pa.array([[("site", "a")], []], pa.map_(pa.string(), pa.string()))
    found = decode([arrow(**columns, metadata=pairs)], MAX_BYTES, NAMES)
    assert (found.left_out.samples, len(found.rows)) == (2, 2)
    assert "labels are read from JSON text or a struct" in found.left_out.reason


@pytest.mark.parametrize("kind", ["latency", "custom"])
def test_a_family_travels_without_being_asked_for(kind: str) -> None:
    column = pa.array([kind] * 2).dictionary_encode()
    stream = arrow(
        timestamp=pa.array([float(T)] * 2), source_id=pa.array(["a"] * 2),
        metric_name=pa.array(["b"] * 2), value=pa.array([1.0] * 2), metric_type=column,
    )  # fmt: skip
    one = record(metric_type=kind)
    for values in ([one], [one] * 300, [b"[" + one + b"]"], [stream], [stream] * 2):
        rows = decode(values, MAX_BYTES).rows
        assert set(attributes(rows)) == {Attributes(kind)}
        assert (rows.attributes is None) == (kind == "custom")


def test_families_that_differ_within_a_series_stay_with_their_rows() -> None:
    kinds = ["latency", "custom", "throughput", "latency"] * 100
    values = [record(metric_type=kind, value=float(i)) for i, kind in enumerate(kinds)]
    found = decode(values, MAX_BYTES)
    assert found.rows.series == [("a", "b", "")]
    assert [one.metric_type for one in attributes(found.rows)] == kinds


def test_labels_that_never_come_again_do_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("padit.codecs.labels._MOST", 2000)
    reader = LabelReader(("trace",))
    series = np.zeros(1000, np.int32)
    held = []
    for block in range(20):
        texts = [b'{"trace":"%d-%d"}' % (block, i) for i in range(1000)]
        column, left_out = reader.encode(["custom"] * 1000, texts, series, 1)
        assert column is not None
        assert len(column.table) == 1000
        assert left_out.samples == 0
        held.append(len(reader._entries) + len(reader._table) + len(reader._faults))
    assert max(held) <= 6 * 1000
