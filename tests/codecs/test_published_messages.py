"""Messages built from field numbers are those that their standards publish.

The texts are excerpts of prompb/types.proto, remote.proto and io/prometheus/write/v2/types.proto
(Prometheus, remote write 1.0 and 2.0) and of sparkplug_b.proto (Eclipse Tahu): what is read here.
OTLP comes with a package of its own, opentelemetry-proto.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

from padit.codecs import otlp_salvage
from padit.codecs.prometheus_proto import (
    Label,
    ReceivedRequest,
    ReceivedWriteRequest,
    Request,
    WriteRequest,
)
from padit.codecs.proto import build_messages
from padit.codecs.sparkplug_proto import Payload

_HISTOGRAM = """
message BucketSpan { sint32 offset = 1; uint32 length = 2; }
message Histogram {
  uint64 count_int = 1; double count_float = 2; double sum = 3; sint32 schema = 4;
  double zero_threshold = 5; uint64 zero_count_int = 6; double zero_count_float = 7;
  repeated BucketSpan negative_spans = 8; repeated sint64 negative_deltas = 9;
  repeated double negative_counts = 10; repeated BucketSpan positive_spans = 11;
  repeated sint64 positive_deltas = 12; repeated double positive_counts = 13;
  ResetHint reset_hint = 14; int64 timestamp = 15; repeated double custom_values = 16;
}
"""
REMOTE_WRITE_1 = (
    _HISTOGRAM
    + """
message WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3; }
message MetricMetadata {
  MetricType type = 1; string metric_family_name = 2; string help = 4; string unit = 5;
}
message Sample { double value = 1; int64 timestamp = 2; }
message TimeSeries {
  repeated Label labels = 1; repeated Sample samples = 2; repeated Exemplar exemplars = 3;
  repeated Histogram histograms = 4;
}
message Label { string name = 1; string value = 2; }
"""
)
REMOTE_WRITE_2 = (
    _HISTOGRAM
    + """
message Request { repeated string symbols = 4; repeated TimeSeries timeseries = 5; }
message TimeSeries {
  repeated uint32 labels_refs = 1; repeated Sample samples = 2; repeated Histogram histograms = 3;
  repeated Exemplar exemplars = 4; Metadata metadata = 5; int64 created_timestamp = 6;
}
message Sample { double value = 1; int64 timestamp = 2; int64 start_timestamp = 3; }
message Metadata { MetricType type = 1; uint32 help_ref = 3; uint32 unit_ref = 4; }
"""
)
SPARKPLUG = """
message Template {
  string version = 1; repeated Metric metrics = 2; repeated Parameter parameters = 3;
  string template_ref = 4; bool is_definition = 5;
}
message PropertyValue {
  uint32 type = 1; bool is_null = 2; uint32 int_value = 3; uint64 long_value = 4;
  float float_value = 5; double double_value = 6; bool boolean_value = 7; string string_value = 8;
}
message PropertySet { repeated string keys = 1; repeated PropertyValue values = 2; }
message Metric {
  string name = 1; uint64 alias = 2; uint64 timestamp = 3; uint32 datatype = 4;
  bool is_historical = 5; bool is_transient = 6; bool is_null = 7; MetaData metadata = 8;
  PropertySet properties = 9; uint32 int_value = 10; uint64 long_value = 11;
  float float_value = 12; double double_value = 13; bool boolean_value = 14;
  string string_value = 15; bytes bytes_value = 16; DataSet dataset_value = 17;
  Template template_value = 18;
}
message Payload {
  uint64 timestamp = 1; repeated Metric metrics = 2; uint64 seq = 3; string uuid = 4;
  bytes body = 5;
}
"""
Published = dict[tuple[str, str], tuple[int, str, bool]]
_NAMES = {
    getattr(FieldDescriptor, f"TYPE_{name.upper()}"): name
    for name in ("double", "float", "int64", "uint64", "int32", "uint32", "sint32", "sint64",
                 "bool", "string", "bytes")
}  # fmt: skip


def published(text: str) -> Published:
    found: Published = {}
    for name, body in re.findall(r"message (\w+) \{(.*?)\}", text, re.DOTALL):
        for repeated, kind, field, number in re.findall(r"(repeated )?(\w+) (\w+) = (\d+);", body):
            found[name, field] = int(number), kind, bool(repeated)
    return found


def fields(descriptor: Any, seen: set[str]) -> Iterator[tuple[str, Any]]:
    if descriptor.name not in seen:
        seen.add(descriptor.name)
        for field in descriptor.fields:
            yield descriptor.name, field
            if field.message_type is not None:
                yield from fields(field.message_type, seen)


@pytest.mark.parametrize(
    ("built", "text"),
    [
        (WriteRequest, REMOTE_WRITE_1), (ReceivedWriteRequest, REMOTE_WRITE_1),
        (Label, REMOTE_WRITE_1), (Request, REMOTE_WRITE_2), (ReceivedRequest, REMOTE_WRITE_2),
        (Payload, SPARKPLUG),
    ],
)  # fmt: skip
def test_every_field_that_is_read_has_the_number_and_type_of_the_standard(
    built: Any, text: str
) -> None:
    known = published(text)
    read = list(fields(built.DESCRIPTOR, set()))
    assert read
    for message, field in read:
        number, kind, repeated = known[message, field.name]
        assert (field.number, field.is_repeated) == (number, repeated), field.full_name
        if field.message_type is not None:
            assert field.message_type.name == kind
        elif kind in _NAMES.values() and field.type != FieldDescriptor.TYPE_BYTES:
            assert _NAMES[field.type] == kind, field.full_name
        elif field.type == FieldDescriptor.TYPE_BYTES:  # undecoded: a text or a message
            assert kind in ("string", "bytes") or (message, kind) in UNDECODED, field.full_name
        else:
            assert field.type == FieldDescriptor.TYPE_INT32, field.full_name  # an enumeration


UNDECODED = {("TimeSeries", "Label"), ("Metric", "DataSet")}


def test_what_is_needed_of_a_message_is_there() -> None:
    wanted = {"1": WriteRequest, "2": Request, "B": Payload}
    there = {name: {one.name for one in built.DESCRIPTOR.fields} for name, built in wanted.items()}
    assert there == {
        "1": {"timeseries", "metadata"},
        "2": {"symbols", "timeseries"},
        "B": {"timestamp", "metrics", "seq", "uuid", "body"},
    }


def test_the_outer_form_of_otlp_is_that_of_its_package() -> None:
    resource = metrics_service_pb2.ExportMetricsServiceRequest.DESCRIPTOR.fields_by_name[
        "resource_metrics"
    ]
    scope = resource.message_type.fields_by_name["scope_metrics"]
    metrics = scope.message_type.fields_by_name["metrics"]
    ours = otlp_salvage._OUTER.DESCRIPTOR.fields_by_name["resources"]
    our_scope = ours.message_type.fields_by_name["scopes"]
    assert ours.number == resource.number
    assert our_scope.number == scope.number
    numbers = {one.name: one.number for one in our_scope.message_type.fields}
    assert numbers == {
        name: scope.message_type.fields_by_name[name].number
        for name in ("scope", "metrics", "schema_url")
    }
    inner = resource.message_type.fields_by_name["resource"]
    assert ours.message_type.fields_by_name["resource"].number == inner.number
    official = metrics.message_type.fields_by_name
    for field in otlp_salvage._METRIC.DESCRIPTOR.fields:
        assert field.number == official[field.name].number, field.name
        if field.message_type is not None:
            points = official[field.name].message_type.fields_by_name
            data = field.message_type.fields_by_name
            assert data["points"].number == points["data_points"].number
            if "aggregation_temporality" in points:
                assert data["temporality"].number == points["aggregation_temporality"].number
            if "is_monotonic" in points:
                assert data["monotonic"].number == points["is_monotonic"].number


def test_only_fields_of_proto2_know_whether_they_are_there() -> None:
    for syntax, known in (("proto2", True), ("proto3", False)):
        (made,) = build_messages(
            f"test.{syntax}",
            {"It": {"count": (1, "uint32", False), "names": (2, "string", True)}},
            "It",
            syntax=syntax,
        )
        assert made.DESCRIPTOR.fields_by_name["count"].has_presence is known
        assert list(made.FromString(b"\x08\x05\x12\x01a\x12\x01b").names) == ["a", "b"]
