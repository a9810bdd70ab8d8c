"""Payloads of messages and posts that hold numbers, JSON or metrics in PADIT's own JSON.

Pure: bytes in, values out. A payload that cannot be read raises ValueError with the reason; in a
list, an unreadable item is reported and the others are kept. `leaves_of` walks a JSON value and
passes nothing over: every leaf comes out, as a number or with the reason why it is none.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from padit.codecs.decimals import PERHAPS_COMMA, THOUSANDS, whole_number
from padit.codecs.forgiving import forgiving_samples, known_kind
from padit.codecs.payload_text import LONGEST, Notation, looks_numeric, read_text
from padit.codecs.tidied import tidied
from padit.domain.metric import Metric

__all__ = [
    "Leaf",
    "at_path",
    "json_of",
    "leaf_count",
    "leaf_of",
    "leaves_of",
    "metrics_of",
    "number_of",
]

_DEEPEST = 8
_SHORT = 60
_MARK = b"\xef\xbb\xbf"
_ABSENT = ("nan", "inf", "infinity", "null", "none")
_ENGLISH = Notation()
_WAYS = {
    "`decimal_comma`": Notation(comma=True),
    "`strip_units`": Notation(units=True),
    "`decimal_comma` and `strip_units`": Notation(comma=True, units=True),
}
_WORD = r"(?:\\.|[^\s,=\\])+"
_INFLUX = re.compile(rf'{_WORD}(?:,{_WORD}={_WORD})*[ ]+{_WORD}=(?:[-+]?[0-9]|["tTfF])[^ ]*(?: |$)')
_THOUSANDS = re.compile(rf"{THOUSANDS}(?![0-9])")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")


class Leaf(NamedTuple):
    """One value of a JSON payload.

    Attributes:
        path: where it stands, keys joined by dots.
        value: the number; NaN where there is none.
        unit: that stood behind a number in a text.
        lack: why it is no number: "" (it is one), "null", "text", "number_text", "not_finite",
            "empty" (no value in braces or brackets), "objects" (an array of objects), "array"
            (an array that is too long) or "deep" (too deep inside).
        shown: the beginning of what stands there.
        size: leaves that this one stands for.
    """

    path: str
    value: float
    unit: str = ""
    lack: str = ""
    shown: str = ""
    size: int = 1


def number_of(payload: bytes, notation: Notation = _ENGLISH) -> tuple[float, str]:
    """One number and its unit; also a word for 0 or 1 such as `on`.

    >>> number_of(b" +1.5e3 "), number_of(b"OFF")
    ((1500.0, ''), (0.0, ''))
    """
    text = _bare(payload[: 4 * LONGEST]).decode("utf-8", "replace").strip()
    found = read_text(text, notation)
    if found is None:
        message = f"{text[:LONGEST]!r} is no finite number{_remedy(text)}"
        raise ValueError(message)
    return found.value, found.unit


def _bare(payload: bytes) -> bytes:
    """A payload without a byte order mark, and without the zero bytes that end a C string."""
    return payload.removeprefix(_MARK).rstrip(b"\0")


def _remedy(text: str) -> str:
    if _INFLUX.match(text):
        return (
            "; it looks like InfluxDB's line protocol: the adapter `influx` receives that, or let "
            "the sender write JSON (Telegraf: data_format and `format: telegraf`)"
        )
    if not looks_numeric(text):
        word = text.isalpha() and text.lower() not in _ABSENT
        return "; `states` turns words into numbers" if word else ""
    for ways, notation in _WAYS.items():
        if read_text(text, notation) is not None:
            doubt = notation.comma and _THOUSANDS.match(text)
            return f"; {ways} would read it{f', {PERHAPS_COMMA}' if doubt else ''}"
    return ""


def json_of(payload: bytes) -> tuple[Any, int]:
    """Any JSON, and how many values are lost because their key stands there twice."""
    twice = 0

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        made = dict(found)
        twice += len(found) - len(made)
        return made

    try:
        found = json.loads(_bare(payload), object_pairs_hook=pairs, parse_int=whole_number)
        return found, twice
    except (ValueError, RecursionError) as error:
        message = f"no JSON: {error}"
        raise ValueError(message) from error


def at_path(content: Any, path: str) -> Any:
    """What stands at a path: keys and places in arrays joined by dots; a key may hold dots.

    Raises:
        KeyError: nothing stands there.

    >>> at_path({"a": [{"b.c": 5}]}, "a.0.b.c")
    5
    """
    if not path:
        return content
    if isinstance(content, dict) and path in content:
        return content[path]
    first, _, rest = path.partition(".")
    if isinstance(content, dict):
        return at_path(content[first], rest)
    if isinstance(content, list) and first.isdecimal() and int(first) < len(content):
        return at_path(content[int(first)], rest)
    raise KeyError(path)


def leaf_of(content: Any, path: str, notation: Notation) -> Leaf:
    """A single value that is no array and no object.

    >>> leaf_of("21.5", "t", Notation()).value, leaf_of("22,5", "t", Notation()).lack
    (21.5, 'number_text')
    """
    if isinstance(content, bool | int | float):
        try:
            value = float(content)
        except OverflowError:
            value = math.inf if content > 0 else -math.inf
        if math.isfinite(value):
            return Leaf(path, value)
        return Leaf(path, math.nan, lack="not_finite", shown=str(value))
    if content is None:
        return Leaf(path, math.nan, lack="null", shown="null")
    text = str(content)
    found = None if _LEADING_ZERO.match(text.strip()) else read_text(text, notation)
    if found is not None:
        return Leaf(path, found.value, found.unit)
    lack = "number_text" if looks_numeric(text) else "text"
    shown = repr(text[:_SHORT]) + (_remedy(text) if lack == "number_text" else "")
    return Leaf(path, math.nan, lack=lack, shown=shown)


def leaves_of(
    content: Any, notation: Notation = _ENGLISH, longest: int = 32, path: str = "", depth: int = 0
) -> Iterator[Leaf]:
    """Every leaf of a JSON value.

    Args:
        content: of `json_of`.
        notation: of numbers in strings.
        longest: elements of an array that are read one by one, named by their place.
        path: of the value; for the recursion.
        depth: of the value; for the recursion.

    >>> [(leaf.path, leaf.value) for leaf in leaves_of({"a": {"b": 1}, "c": "7", "d": [True]})]
    [('a.b', 1.0), ('c', 7.0), ('d.0', 1.0)]
    >>> next(leaves_of({"a": [{"n": "x", "v": 1}, {"n": "y", "v": 2}]}))[3:]
    ('objects', '2 elements', 4)
    """
    if not isinstance(content, dict | list):
        yield leaf_of(content, path, notation)
        return
    lack = _lack_of(content, longest, depth)
    if lack:
        shown = f"{len(content)} elements" if isinstance(content, list) else "{...}"
        yield Leaf(path, math.nan, lack=lack, shown=shown, size=leaf_count(content))
        return
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    for key, inner in pairs:
        below = f"{path}.{key}" if path else str(key)
        yield from leaves_of(inner, notation, longest, below, depth + 1)


def _lack_of(content: dict[str, Any] | list[Any], longest: int, depth: int) -> str:
    """Why no value inside is read, or ""."""
    if not content:
        return "empty"
    if depth >= _DEEPEST:
        return "deep"
    if isinstance(content, list):
        if any(isinstance(inner, dict) for inner in content):
            return "objects"
        if len(content) > longest:
            return "array"
    return ""


def leaf_count(content: Any) -> int:
    """How many leaves a value has; an empty array or object is one.

    >>> leaf_count({"a": [1, {}, {"b": None}]})
    3
    """
    size, left = 0, [content]
    while left:
        one = left.pop()
        inner = list(one.values()) if isinstance(one, dict) else one
        if isinstance(inner, list) and inner:
            left.extend(inner)
        else:
            size += 1
    return size


def metrics_of(payload: bytes) -> tuple[list[Metric], list[str]]:
    """Metrics of an object, several or an array of them, and why other items are unusable."""
    try:
        return _metrics_of(payload)
    except ValueError:
        whole = tidied(payload)
        if not whole:
            raise
        return _metrics_of(whole)


def _metrics_of(payload: bytes) -> tuple[list[Metric], list[str]]:
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
    return Metric(
        one.timestamp, one.source_id, one.metric_name, value, one.unit or "",
        known_kind(one.metric_type),
        protocol=rest.protocol or "", metadata=rest.metadata or {},
    )  # fmt: skip


class _Rest(msgspec.Struct):
    """The fields that the job does not compute with."""

    protocol: str | None = None
    metadata: dict[str, Any] | None = None


_rest = msgspec.json.Decoder(_Rest)
