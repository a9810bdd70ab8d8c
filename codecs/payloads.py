"""Payloads of messages and posts that hold numbers, JSON or metrics in PADIT's own JSON.

Pure: bytes in, values out. A payload that cannot be read raises ValueError with the reason; in a
list, an unreadable item is reported and the others are kept.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, cast

import msgspec

from padit.codecs.forgiving import forgiving_samples, note_kind
from padit.domain.metric import METRIC_TYPES, Metric, MetricType

__all__ = ["json_of", "leaves_of", "metrics_of", "number_of"]

_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?")
_WORDS = {"true": 1.0, "on": 1.0, "online": 1.0, "false": 0.0, "off": 0.0, "offline": 0.0}
_LONGEST_NUMBER = 64
_DEEPEST = 8


def number_of(payload: bytes) -> float:
    """One number, or a word for 0 or 1 such as `on`.

    >>> number_of(b" +1.5e3 "), number_of(b"OFF")
    (1500.0, 0.0)
    """
    text = payload[: 4 * _LONGEST_NUMBER].decode("utf-8", "replace").strip().lower()
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= _LONGEST_NUMBER and _NUMBER.fullmatch(text):
        value = float(text)
        if math.isfinite(value):
            return value
    message = f"{text[:_LONGEST_NUMBER]!r} is no finite number"
    raise ValueError(message)


def json_of(payload: bytes) -> Any:
    """Any JSON."""
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        message = f"no JSON: {error}"
        raise ValueError(message) from error


def leaves_of(content: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, float]]:
    """(path, value) of every finite number and boolean, keys joined by dots.

    >>> list(leaves_of({"a": {"b": 1, "c": "x"}, "d": True}))
    [('a.b', 1.0), ('d', 1.0)]
    """
    if isinstance(content, bool | int | float):
        try:
            value = float(content)
        except OverflowError:
            return
        if math.isfinite(value):
            yield path, value
    elif isinstance(content, dict) and depth < _DEEPEST:
        for key, inner in content.items():
            yield from leaves_of(inner, f"{path}.{key}" if path else str(key), depth + 1)


def metrics_of(payload: bytes) -> tuple[list[Metric], list[str]]:
    """Metrics of an object or an array of them, and why other items of the array are unusable."""
    if payload.lstrip()[:1] != b"[":
        return [_metric(payload)], []
    found: list[Metric] = []
    refused: list[str] = []
    try:
        items = msgspec.json.decode(payload, type=list[msgspec.Raw])
    except (ValueError, RecursionError) as error:
        message = f"no JSON array: {error}"
        raise ValueError(message) from error
    for number, item in enumerate(items, 1):
        try:
            found.append(_metric(item))
        except ValueError as error:
            refused.append(f"item {number}: {error}")
    return found, refused


def _metric(payload: bytes | msgspec.Raw) -> Metric:
    try:
        return msgspec.json.decode(payload, type=Metric)
    except msgspec.ValidationError as error:
        return _forgiven(payload, error)
    except (ValueError, RecursionError) as error:
        message = f"no metric: {error}"
        raise ValueError(message) from error


def _forgiven(payload: bytes | msgspec.Raw, strict: Exception) -> Metric:
    """A metric with null, a number as text or an unknown type, as on a topic."""
    try:
        one = forgiving_samples.decode(payload)
        rest = _rest.decode(payload)
        value = one.number()
    except (ValueError, RecursionError) as error:
        message = f"no metric: {error}"
        raise ValueError(message) from strict
    note_kind(one.metric_type)
    kind = cast("MetricType", one.metric_type if one.metric_type in METRIC_TYPES else "custom")
    return Metric(
        one.timestamp, one.source_id, one.metric_name, value, one.unit or "", kind,
        protocol=rest.protocol or "", metadata=rest.metadata or {},
    )  # fmt: skip


class _Rest(msgspec.Struct):
    """The fields that the job does not compute with."""

    protocol: str | None = None
    metadata: dict[str, Any] | None = None


_rest = msgspec.json.Decoder(_Rest)
