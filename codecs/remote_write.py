"""Prometheus remote write: a compressed body to the points of its series.

In: the body as it came, snappy over protobuf, version 1.0 or 2.0. Out: one `Point` per series,
also for a series that cannot be used, with the reason, so that one series never costs another.
A body that is no message at all raises `BadRequestError`, before anything was handed out; nothing
else is ever raised.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from padit.codecs.bodies import BadRequestError, EncodingError, unsnappy
from padit.codecs.prometheus_proto import Label, ReceivedRequest, ReceivedWriteRequest

__all__ = ["Key", "LabelError", "Metadata", "Point", "RemoteWrite", "labels_of", "read_request"]

_TYPE = "application/x-protobuf"
_MESSAGE_V1, _MESSAGE_V2 = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"
_FIELDS_V2 = frozenset((4, 5))  # version 1.0 has none of these numbers, to be told apart

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


class Metadata(NamedTuple):
    """What a family is: its type's number and its unit."""

    family: str
    kind: int
    unit: str


class RemoteWrite(NamedTuple):
    """A request.

    Attributes:
        second: whether it is of version 2.0.
        metadata: of families (1.0 only); a name that cannot be read is left out.
        points: one per series.
    """

    second: bool
    metadata: Sequence[Metadata]
    points: Iterator[Point]


def read_request(body: bytes, content_type: str, most: int) -> RemoteWrite:
    """Decompress and decode.

    Args:
        body: as it came.
        content_type: names the version; 1.0 if it names none.
        most: bytes that the decompressed body may have.

    Raises:
        BadRequestError: no snappy block, larger than `most`, or no message of its version; an
            EncodingError where the content type names another message.
    """
    second = _is_second(content_type)
    message = ReceivedRequest() if second else ReceivedWriteRequest()
    if _is_text(body):
        text = (
            "the body is text, and remote write is protobuf in snappy: the adapter "
            "`prometheus-scrape` reads pages of metrics, `influx` lines"
        )
        raise BadRequestError(text)
    try:
        message.ParseFromString(unsnappy(body, most))
    except DecodeError as error:
        text = f"no {'2.0' if second else '1.0'} message: {error}"
        raise BadRequestError(text) from error
    if not second:
        if not (message.timeseries or message.metadata) and _fields(message) & _FIELDS_V2:
            text = f"the body is of version 2.0: say so with {_TYPE}; proto={_MESSAGE_V2}"
            raise BadRequestError(text)
        return RemoteWrite(False, list(_metadata(message)), _points_v1(message))
    symbols = [_decoded(symbol) for symbol in message.symbols]
    if not symbols or symbols[0] != "":
        text = "symbols must begin with the empty string"
        raise BadRequestError(text)
    return RemoteWrite(True, (), _points_v2(message, symbols))


def _is_text(body: bytes) -> bool:
    """Whether a body is plain ASCII, which no snappy block of a request with times is."""
    return (
        bool(body)
        and body.isascii()
        and all(32 <= one < 127 or one in b"\t\r\n" for one in body[:200])
    )


def _is_second(content_type: str) -> bool:
    """Whether a content type names version 2.0; raises EncodingError if it names no known one."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() != "proto":
            continue
        given = value.strip().strip('"').lower()
        if given not in (_MESSAGE_V1.lower(), _MESSAGE_V2.lower()):
            text = f"the message {given[:60]!r}; one of: {_MESSAGE_V1}, {_MESSAGE_V2}"
            raise EncodingError(text)
        return given == _MESSAGE_V2.lower()
    return False


def _fields(message: Any) -> frozenset[int]:
    """Numbers of the fields that a message has and its version does not."""
    return frozenset(field.field_number for field in UnknownFieldSet(message))


def _decoded(text: bytes) -> str | None:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _metadata(message: Any) -> Iterator[Metadata]:
    for entry in message.metadata:
        name, unit = _decoded(entry.metric_family_name), _decoded(entry.unit)
        if name:
            yield Metadata(name, entry.type, unit or "")


def _points_v1(message: Any) -> Iterator[Point]:
    for series in message.timeseries:
        yield Point(tuple(series.labels), 0, "", 0, series.samples, series.histograms)


def _points_v2(message: Any, symbols: list[str | None]) -> Iterator[Point]:
    for series in message.timeseries:
        labels: tuple[str | None, ...] = ()
        unit: str | None = ""
        fault = ""
        try:
            labels = tuple(map(symbols.__getitem__, series.labels_refs))
            unit = symbols[series.metadata.unit_ref]
        except IndexError:
            fault = "a label refers to a symbol that is not there"
        if len(labels) % 2:
            fault = "a label without a value"
        if None in labels:
            fault = "a label that is no UTF-8"
        yield Point(
            () if fault else labels,  # type: ignore[arg-type]  # None is a fault
            series.metadata.type,
            unit or "",
            series.created_timestamp,
            series.samples,
            series.histograms,
            fault,
        )


def labels_of(key: Key) -> dict[str, str]:
    """Labels by name, without empty ones, which count as absent; raises LabelError.

    A label that is damaged, that has no name, or that is there twice makes the series unusable:
    none of its values is the right one.

    >>> labels_of(("__name__", "up", "zone", "a", "env", ""))
    {'__name__': 'up', 'zone': 'a'}
    """
    labels: dict[str, str] = {}
    for name, value in _pairs(key):
        if not name:
            text = f"a label without a name (its value is {value[:60]!r})"
            raise LabelError(text)
        if name in labels:
            text = f"the label {name[:60]} is there twice: {labels[name][:60]!r}, {value[:60]!r}"
            raise LabelError(text)
        labels[name] = value
    return {name: value for name, value in labels.items() if value}


def _pairs(key: Key) -> Iterator[tuple[str, str]]:
    texts = [part for part in key if isinstance(part, str)]
    yield from zip(texts[::2], texts[1::2], strict=False)
    for part in key:
        if isinstance(part, bytes):
            try:
                label = Label.FromString(part)
            except DecodeError as error:
                text = "a label that is no UTF-8, or damaged"
                raise LabelError(text) from error
            yield label.name, label.value
