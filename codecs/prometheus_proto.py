"""The two message formats of Prometheus remote write, built from their field numbers.

Prometheus publishes no Python package; the field numbers are those of remote write 1.0
(`prometheus.WriteRequest`) and 2.0 (`io.prometheus.write.v2.Request`). Fields that are not read
here are left out: protobuf passes over them.
"""

from padit.codecs.proto import Fields, build_messages

__all__ = ["Label", "ReceivedRequest", "ReceivedWriteRequest", "Request", "WriteRequest"]

_HISTOGRAM: dict[str, Fields] = {  # the same in both versions
    "BucketSpan": {"offset": (1, "sint32", False), "length": (2, "uint32", False)},
    "Histogram": {
        "count_int": (1, "uint64", False),
        "count_float": (2, "double", False),
        "sum": (3, "double", False),
        "schema": (4, "sint32", False),
        "zero_threshold": (5, "double", False),
        "zero_count_int": (6, "uint64", False),
        "zero_count_float": (7, "double", False),
        "negative_spans": (8, "BucketSpan", True),
        "negative_deltas": (9, "sint64", True),
        "negative_counts": (10, "double", True),
        "positive_spans": (11, "BucketSpan", True),
        "positive_deltas": (12, "sint64", True),
        "positive_counts": (13, "double", True),
        "reset_hint": (14, "int32", False),
        "timestamp": (15, "int64", False),
        "custom_values": (16, "double", True),
    },
}
_V1: dict[str, Fields] = {
    "Label": {"name": (1, "string", False), "value": (2, "string", False)},
    "Sample": {"value": (1, "double", False), "timestamp": (2, "int64", False)},
    **_HISTOGRAM,
    "TimeSeries": {
        # On the wire a message is bytes: undecoded they are a key that costs nothing.
        "labels": (1, "bytes", True),
        "samples": (2, "Sample", True),
        "histograms": (4, "Histogram", True),
    },
    "MetricMetadata": {
        "type": (1, "int32", False),
        "metric_family_name": (2, "string", False),
        "unit": (5, "string", False),
    },
    "WriteRequest": {
        "timeseries": (1, "TimeSeries", True),
        "metadata": (3, "MetricMetadata", True),
    },
}
_V2: dict[str, Fields] = {
    "Sample": {
        "value": (1, "double", False),
        "timestamp": (2, "int64", False),
        "start_timestamp": (3, "int64", False),
    },
    **_HISTOGRAM,
    "Metadata": {
        "type": (1, "int32", False),
        "help_ref": (3, "uint32", False),
        "unit_ref": (4, "uint32", False),
    },
    "TimeSeries": {
        "labels_refs": (1, "uint32", True),
        "samples": (2, "Sample", True),
        "histograms": (3, "Histogram", True),
        "metadata": (5, "Metadata", False),
        "created_timestamp": (6, "int64", False),
    },
    "Request": {"symbols": (4, "string", True), "timeseries": (5, "TimeSeries", True)},
}

_AS_BYTES = {"string": "bytes"}


def _tolerant(messages: dict[str, Fields], *names: str) -> dict[str, Fields]:
    """The same with undecoded texts in some: one that is no UTF-8 costs its own series only."""
    return messages | {
        name: {
            field: (number, _AS_BYTES.get(kind, kind), repeated)
            for field, (number, kind, repeated) in messages[name].items()
        }
        for name in names
    }


WriteRequest, Label = build_messages("prometheus", _V1, "WriteRequest", "Label")
"""Remote write 1.0; labels are undecoded `Label`s."""

(Request,) = build_messages("io.prometheus.write.v2", _V2, "Request")
"""Remote write 2.0."""

(ReceivedWriteRequest,) = build_messages(
    "prometheus", _tolerant(_V1, "MetricMetadata"), "WriteRequest"
)
"""Remote write 1.0 as it is read: names and units of the metadata are bytes."""

(ReceivedRequest,) = build_messages("io.prometheus.write.v2", _tolerant(_V2, "Request"), "Request")
"""Remote write 2.0 as it is read: symbols are bytes."""
