"""Prometheus remote write: a compressed body to the points of its series.

In: the body as it came, snappy over protobuf, version 1.0 or 2.0. Out: one `Point` per series,
also for a series that cannot be used, with the reason, so that one series never costs another.
A body that is no message at all raises `BadRequestError`, before anything was handed out; nothing
else is ever raised.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from padit.codecs.bodies import BadRequestError, unsnappy
from padit.codecs.prometheus_proto import Label, Request, WriteRequest

__all__ = ["Key", "LabelError", "Point", "RemoteWrite", "labels_of", "read_request"]

_V2 = "io.prometheus.write.v2.request"

Key = tuple[bytes, ...] | tuple[str, ...]
"""Labels of a series as they came: encoded, or names and values in turn."""


class LabelError(ValueError):
    """The labels of a series cannot be read."""


class Point(NamedTuple):
    """The part of a request about one series.

    Attributes:
        labels: see `labels_of`.
        kind: type of the metric by its metadata, 0 if unknown.
        unit: by its metadata.
        created: milliseconds since 1970 at which a counter began, 0 if unknown.
        samples: messages with value and timestamp.
        histograms: native histograms.
        fault: why the series cannot be used, "" if it can.
    """

    labels: Key
    kind: int
    unit: str
    created: int
    samples: Sequence[Any]
    histograms: Sequence[Any]
    fault: str = ""


class RemoteWrite(NamedTuple):
    """A request.

    Attributes:
        second: whether it is of version 2.0.
        metadata: messages with metric_family_name, type and unit (1.0 only).
        points: one per series.
    """

    second: bool
    metadata: Sequence[Any]
    points: Iterator[Point]


def read_request(body: bytes, content_type: str, most: int) -> RemoteWrite:
    """Decompress and decode.

    Args:
        body: as it came.
        content_type: names the version; 1.0 if it names none.
        most: bytes that the decompressed body may have.

    Raises:
        BadRequestError: no snappy block, larger than `most`, or no message of its version.
    """
    second = f"proto={_V2}" in content_type.lower().replace(" ", "")
    message = Request() if second else WriteRequest()
    try:
        message.ParseFromString(unsnappy(body, most))
    except DecodeError as error:
        text = f"no {'2.0' if second else '1.0'} message: {error}"
        raise BadRequestError(text) from error
    if not second:
        return RemoteWrite(False, message.metadata, _points_v1(message))
    symbols = list(message.symbols)
    if not symbols or symbols[0]:
        text = "symbols must begin with the empty string"
        raise BadRequestError(text)
    return RemoteWrite(True, (), _points_v2(message, symbols))


def _points_v1(message: Any) -> Iterator[Point]:
    for series in message.timeseries:
        yield Point(tuple(series.labels), 0, "", 0, series.samples, series.histograms)


def _points_v2(message: Any, symbols: list[str]) -> Iterator[Point]:
    for series in message.timeseries:
        labels: Key = ()
        unit = fault = ""
        try:
            labels = tuple(map(symbols.__getitem__, series.labels_refs))
            unit = symbols[series.metadata.unit_ref]
        except IndexError:
            fault = "a label refers to a symbol that is not there"
        if len(labels) % 2:
            fault = "a label without a value"
        yield Point(
            labels,
            series.metadata.type,
            unit,
            series.created_timestamp,
            series.samples,
            series.histograms,
            fault,
        )


def labels_of(key: Key) -> dict[str, str]:
    """Labels by name; raises LabelError if one is damaged."""
    parts: list[str] = []
    for part in key:
        if isinstance(part, str):
            parts.append(part)
            continue
        try:
            label = Label.FromString(part)
        except DecodeError as error:
            text = f"a damaged label: {error}"
            raise LabelError(text) from error
        parts += [label.name, label.value]
    return dict(zip(parts[::2], parts[1::2], strict=False))
