"""JSON metrics that differ a little from the contract: read where nothing is lost by it.

Null in an optional field is as good as its absence, a number may be text, a boolean is 1 or 0,
and a metric_type that is unknown is `custom` (said once). These records are parsed here only
after the strict parser has refused them, so they cost the others nothing.
"""

import logging
import threading
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from padit.codecs.contract import shorten
from padit.codecs.decimals import PERHAPS_COMMA
from padit.codecs.layouts import layout_of
from padit.codecs.mapping_values import has_comma, has_thousands, number_from
from padit.codecs.presets import BATCH, LAID_OUT, SIGNS
from padit.codecs.suggested import suggested
from padit.domain.errors import WireFormatError
from padit.domain.findings import Unwatched
from padit.domain.metric import METRIC_TYPES, MetricType

__all__ = [
    "UNREADABLE",
    "Forgiving",
    "LabelledForgiving",
    "NumberedForgiving",
    "NumberedLabelledForgiving",
    "forgiving_samples",
    "hint_of",
    "known_form",
    "known_kind",
    "note_kind",
    "unwatched_kinds",
]

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Exceptions that parsing any text may raise."""

_LOG = logging.getLogger(__name__)
_MOST_NAMED = 20
_MOST_KINDS = 50
_OTHER_KINDS = "other metric types"
_LONGEST_HINTED = 16 << 20  # as long as a line of a file may be
_REGISTRY = b"\x00"
_OTLP = (
    "; this looks like OTLP as JSON, which the adapter `otlp` receives: send it there, with "
    "OTEL_EXPORTER_OTLP_ENDPOINT or the Collector's exporter `otlphttp` (docs/adapters.md)"
)
_OWN = (
    "{source: source_id, metric: metric_name, value: value, unit: unit, metric_type: metric_type, "
    "time: timestamp, labels_below: metadata}"
)
_DECIMAL_COMMA = f"set `format: {_OWN[:-1]}, decimal: comma}}` under `input`"
_REQUIRED = {"timestamp", "source_id", "metric_name", "value"}
_anything = msgspec.json.Decoder()


class Forgiving(msgspec.Struct, gc=False):
    """A metric as others write it."""

    timestamp: float | str
    source_id: str
    metric_name: str
    value: float | str | bool
    unit: str | None = None
    metric_type: str | None = None

    def number(self) -> float:
        """The value. Raises WireFormatError if it is none."""
        found = number_from(self.value)
        if isinstance(found, str):
            remedy = _comma_remedy(self.value) if type(self.value) is str else ""
            message = f"{found}{remedy}"
            raise WireFormatError(message)
        return found


class NumberedForgiving(msgspec.Struct, gc=False):
    """The same with two JSON numbers."""

    timestamp: float
    source_id: str
    metric_name: str
    value: float
    unit: str | None = None
    metric_type: str | None = None


class LabelledForgiving(Forgiving, gc=False):
    """A metric whose metadata are read for labels."""

    metadata: msgspec.Raw = msgspec.Raw(b"")


class NumberedLabelledForgiving(NumberedForgiving, gc=False):
    """The same with two JSON numbers."""

    metadata: msgspec.Raw = msgspec.Raw(b"")


forgiving_samples = msgspec.json.Decoder(Forgiving)


def _comma_remedy(text: str) -> str:
    """The mapping that reads a number with a decimal comma; "" for other text."""
    if not has_comma(text):
        return ""
    return f"; {f'{PERHAPS_COMMA}, ' * has_thousands(text)}{_DECIMAL_COMMA}"


class _Kinds:
    """The unknown metric types that were met, to name each once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._met: set[str] = set()

    def note(self, kind: str) -> None:
        with self._lock:
            if kind in self._met or len(self._met) >= _MOST_NAMED:
                return
            self._met.add(kind)
        _LOG.warning(
            "metric_type %s is none of %s; such samples are read as custom",
            shorten(kind),
            ", ".join(METRIC_TYPES),
        )


_kinds = _Kinds()


def note_kind(kind: str | None) -> None:
    """Name an unknown metric type once; the first twenty of a process."""
    if kind is not None and kind not in METRIC_TYPES:
        _kinds.note(kind[:100])


def known_kind(kind: str | None) -> MetricType:
    """A metric type, or `custom` for one that is absent or unknown, which is named once."""
    if kind in METRIC_TYPES:
        return cast(MetricType, kind)
    note_kind(kind)
    return "custom"


def unwatched_kinds(counts: Mapping[str, int], unit: str = "fields") -> tuple[Unwatched, ...]:
    """Unknown metric types, by how many samples state each; those beyond the first 50 as one."""
    reason = f"it is none of {', '.join(METRIC_TYPES)}, and read as custom"
    remedy = "series: in the configuration states the type"
    found: dict[str, int] = {}
    for kind, count in counts.items():
        what = f"metric_type {shorten(kind)}" if len(found) < _MOST_KINDS else _OTHER_KINDS
        found[what] = found.get(what, 0) + count
    return tuple(Unwatched("", what, reason, remedy, n, unit) for what, n in found.items())


def hint_of(record: bytes) -> str:
    """What a record that is no metric looks like, with the option that reads it; or nothing.

    >>> hint_of(b'{"fields": {"a": 1}, "name": "cpu", "tags": {}, "timestamp": 1}')
    '; this looks like a Telegraf record: set `format: telegraf` under `input`'
    """
    if record[:1] == _REGISTRY and len(record) > 4:
        number = int.from_bytes(record[1:5], "big")
        return (
            f"; this looks like a record of the schema registry (schema {number}): set "
            "`schemas: {registry: URL}` and a `format` under `input`"
        )
    if len(record) > _LONGEST_HINTED:
        return ""
    try:
        content = _anything.decode(record)
    except UNREADABLE:
        return _malformed(record)
    if type(content) is dict and "resourceMetrics" in content:
        return _OTLP
    preset, what = known_form(content)
    if preset:
        return f"; this looks like {what}: set `format: {preset}` under `input`"
    return _other_json(content)


def _malformed(record: bytes) -> str:
    """What text that is no JSON looks like."""
    if record.startswith((b"{'", b"[{'")):
        return "; this is how Python prints a dict: let the sender write it with json.dumps"
    if record.strip() in (b"{", b"[", b"[{"):
        return (
            "; samples of several lines each are read from files that end with .json, or with "
            "?suffix=json behind the name"
        )
    return ""


def known_form(content: object) -> tuple[str, str]:
    """The preset that reads a message, and what that is for people; empty where none does.

    >>> known_form({"fields": {"a": 1}, "name": "cpu", "tags": {}, "timestamp": 1})
    ('telegraf', 'a Telegraf record')
    """
    layout = layout_of(content)
    if layout:
        return layout, LAID_OUT[layout]
    for preset, what, paths in SIGNS:
        leads = all(_leads(content, path) for path in paths)
        if leads and (what != BATCH or _is_batch(content)):
            return preset, what
    return "", ""


def _other_json(content: object) -> str:
    """That a mapping reads it, with one that may fit."""
    if type(content) is not dict:
        return ""
    if content.keys() >= _REQUIRED:
        numbered = any(type(content[name]) is int for name in ("source_id", "metric_name"))
        return f"; numbers are names with a mapping: set `format: {_OWN}` under `input`" * numbered
    mapping = suggested(content)
    text = "; other JSON is read with a mapping: "
    if mapping:
        return f"{text}perhaps set `format: {mapping}` under `input`; see docs/payloads.md"
    return f"{text}see `format` under `input`, docs/payloads.md" if len(content) > 1 else ""


def _is_batch(content: Any) -> bool:
    """Whether the elements of `metrics` are metrics of Telegraf: others use that name, too."""
    first = next(iter(content["metrics"]), None) if type(content["metrics"]) is list else None
    return type(first) is dict and {"fields", "name"} <= first.keys()


def _leads(content: object, path: str) -> bool:
    for name in path.split("."):
        if type(content) is not dict or name not in content:
            return False
        content = content[name]
    return True
