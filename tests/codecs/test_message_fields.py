"""Protobuf messages that are built from numbers have the fields of their published definitions.

The definitions are `prompb/types.proto`, `prompb/remote.proto` and `io/prometheus/write/v2` of
Prometheus, and `sparkplug_b.proto` of Eclipse Tahu: of each message the fields that are read here.
What is `bytes` below is a string or a message there, kept undecoded.
"""

import re
from typing import Any

import pytest

from padit.codecs.prometheus_proto import (
    Label,
    ReceivedRequest,
    ReceivedWriteRequest,
    Request,
    WriteRequest,
)
from padit.codecs.sparkplug_proto import Payload

HISTOGRAM = """
message Histogram {
  uint64 count_int = 1; double count_float = 2; double sum = 3; sint32 schema = 4;
  double zero_threshold = 5; uint64 zero_count_int = 6; double zero_count_float = 7;
  repeated BucketSpan negative_spans = 8; repeated sint64 negative_deltas = 9;
  repeated double negative_counts = 10; repeated BucketSpan positive_spans = 11;
  repeated sint64 positive_deltas = 12; repeated double positive_counts = 13;
  int32 reset_hint = 14; int64 timestamp = 15; repeated double custom_values = 16;
}
message BucketSpan { sint32 offset = 1; uint32 length = 2; }
"""
WRITE = f"""{HISTOGRAM}
message WriteRequest {{ repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3; }}
message TimeSeries {{
  repeated bytes labels = 1; repeated Sample samples = 2; repeated Histogram histograms = 4;
}}
message Sample {{ double value = 1; int64 timestamp = 2; }}
message MetricMetadata {{ int32 type = 1; string metric_family_name = 2; string unit = 5; }}
"""
WRITE_2 = f"""{HISTOGRAM}
message Request {{ repeated string symbols = 4; repeated TimeSeries timeseries = 5; }}
message TimeSeries {{
  repeated uint32 labels_refs = 1; repeated Sample samples = 2; repeated Histogram histograms = 3;
  Metadata metadata = 5; int64 created_timestamp = 6;
}}
message Sample {{ double value = 1; int64 timestamp = 2; int64 start_timestamp = 3; }}
message Metadata {{ int32 type = 1; uint32 help_ref = 3; uint32 unit_ref = 4; }}
"""
SPARKPLUG = """
message Payload {
  uint64 timestamp = 1; repeated Metric metrics = 2; uint64 seq = 3; string uuid = 4;
  bytes body = 5;
}
message Metric {
  string name = 1; uint64 alias = 2; uint64 timestamp = 3; uint32 datatype = 4;
  bool is_historical = 5; bool is_transient = 6; bool is_null = 7; PropertySet properties = 9;
  uint32 int_value = 10; uint64 long_value = 11; float float_value = 12; double double_value = 13;
  bool boolean_value = 14; string string_value = 15; bytes bytes_value = 16;
  bytes dataset_value = 17; Template template_value = 18;
}
message PropertySet { repeated string keys = 1; repeated PropertyValue values = 2; }
message PropertyValue {
  uint32 type = 1; bool is_null = 2; uint32 int_value = 3; uint64 long_value = 4;
  string string_value = 8;
}
message Template {
  string version = 1; repeated Metric metrics = 2; string template_ref = 4; bool is_definition = 5;
}
"""
_KINDS = ("", "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string",
          "group", "message", "bytes", "uint32", "enum", "sfixed32", "sfixed64", "sint32",
          "sint64")  # fmt: skip


def _published(text: str) -> dict[str, set[tuple[str, ...]]]:
    """By message its fields: label, type, name and number."""
    return {
        name: set(re.findall(r"(repeated|) ?(\w+) (\w+) = (\d+);", body))
        for name, body in re.findall(r"message (\w+) \{(.*?)\}", text, re.DOTALL)
    }


def _built(message: Any) -> dict[str, set[tuple[str, ...]]]:
    """The same of a message and all that it holds."""
    found: dict[str, set[tuple[str, ...]]] = {}
    left = [message.DESCRIPTOR]
    while left:
        one = left.pop()
        if one.name in found:
            continue
        found[one.name] = set()
        for field in one.fields:
            inner = field.message_type
            kind = inner.name if inner is not None else _KINDS[field.type]
            label = "repeated" if field.is_repeated else ""
            found[one.name].add((label, kind, field.name, str(field.number)))
            left += [inner] if inner is not None else []
    return found


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (WriteRequest, WRITE), (Request, WRITE_2), (Payload, SPARKPLUG),
        (Label, "message Label { string name = 1; string value = 2; }"),
        (ReceivedWriteRequest, WRITE.replace("string", "bytes")),
        (ReceivedRequest, WRITE_2.replace("repeated string", "repeated bytes")),
    ],
)  # fmt: skip
def test_every_field_is_that_of_the_published_definition(message: Any, text: str) -> None:
    assert _built(message) == _published(text)


def test_fields_of_sparkplug_know_whether_they_are_there() -> None:
    metric = Payload().metrics.add(long_value=0)
    assert metric.HasField("long_value")
    assert not metric.HasField("int_value")
