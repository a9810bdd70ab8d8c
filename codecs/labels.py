"""Labels of samples: the keys of `metadata` that a configuration names, and nothing else of it.

In: metadata as JSON text. Out: labels, or the reason why one was left out; the sample itself stays
good. A value is text of at most `LONGEST_LABEL` characters; a number or a boolean becomes its JSON
text; null and empty text count as absent. Keys that are not named are skipped unread, however many
they are.
"""

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.codecs.contract import NOTHING_LEFT_OUT, LeftOut, bounded
from padit.domain.attributes import LONGEST_LABEL, UNSTATED, AttributeColumn, Attributes, Labels
from padit.domain.metric import METRIC_TYPES

__all__ = ["LabelReader", "label_fault", "label_reader"]

_MOST = 1 << 16
_MOST_BYTES = 32 << 20
_KINDS = {b"{": "an object", b"[": "a list"}
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_FAMILIES = tuple(map(Attributes, METRIC_TYPES))
_NUMBERS = {kind: i for i, kind in enumerate(METRIC_TYPES)}
_strings = msgspec.json.Decoder(str)


class LabelReader:
    """Reads labels from metadata; it remembers what it has read, because metadata repeat.

    Args:
        names: keys of the metadata; none: metadata is not read at all.
    """

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.names = names
        fields: list[Any] = [
            (f"f{i}", msgspec.Raw, msgspec.field(default=msgspec.Raw(b""), name=name))
            for i, name in enumerate(names)
        ]
        self._decoder = msgspec.json.Decoder(msgspec.defstruct("_Named", fields))
        self._lock = threading.Lock()
        self._clear()

    def encode(
        self, kinds: Sequence[str], metadata: Sequence[bytes], series: NDArray[np.int32], count: int
    ) -> tuple[AttributeColumn | None, LeftOut]:
        """Attributes of n samples as a column over `count` series.

        Args:
            kinds: metric_type of each.
            metadata: JSON text of each, empty for none.
            series: int32 (n,), the series of each.
            count: number of series.
        """
        if not self.names:
            return _of_kinds(kinds, series, count), NOTHING_LEFT_OUT
        with self._lock:
            if len(self._entries) > _MOST or self._size > _MOST_BYTES:
                self._clear()
            keys = list(zip(kinds, metadata, strict=True))
            entries = self._entries
            try:
                code = [entries[key] for key in keys]
            except KeyError:
                for key in keys:
                    if key not in entries:
                        self._add(*key)
                code = [entries[key] for key in keys]
            column = AttributeColumn.of(self._table, np.array(code, np.int32), series, count)
            if not self._faults:
                return column, NOTHING_LEFT_OUT
            faults = [self._faults[key] for key in keys if key in self._faults]
        return column, LeftOut(len(faults), faults[0]) if faults else NOTHING_LEFT_OUT

    def read(self, metadata: bytes) -> tuple[Labels, str]:
        """Labels of one sample, and why others were left out; an empty text if none was."""
        if not metadata or metadata == b"null" or not self.names:
            return (), ""
        if metadata[:1] != b"{":
            return (), "metadata is no object: labels are read from its keys"
        try:
            raws = msgspec.structs.astuple(self._decoder.decode(metadata))
        except _UNREADABLE as error:
            return (), bounded(f"metadata: {error}")
        labels, faults = [], []
        for name, raw in zip(self.names, raws, strict=True):
            text, fault = _text(name, bytes(raw))
            if text:
                labels.append((name, text))
            if fault:
                faults.append(fault)
        return tuple(labels), faults[0] if faults else ""

    def _clear(self) -> None:
        self._entries: dict[tuple[str, bytes], int] = {}
        self._faults: dict[tuple[str, bytes], str] = {}
        self._table: list[Attributes] = []
        self._numbers: dict[Attributes, int] = {}
        self._size = 0

    def _add(self, kind: str, metadata: bytes) -> None:
        labels, fault = self.read(metadata)
        one = Attributes(kind, labels)
        number = self._numbers.setdefault(one, len(self._numbers))
        if number == len(self._table):
            self._table.append(one)
        self._entries[kind, metadata] = number
        self._size += len(metadata)
        if fault:
            self._faults[kind, metadata] = fault


@lru_cache(maxsize=8)
def label_reader(names: tuple[str, ...]) -> LabelReader:
    """The reader for these names; what it remembers is a cache."""
    return LabelReader(names)


def _of_kinds(
    kinds: Sequence[str], series: NDArray[np.int32], count: int
) -> AttributeColumn | None:
    """A column of families alone."""
    if kinds.count(kinds[0]) == len(kinds):
        if kinds[0] == UNSTATED.metric_type:
            return None
        return AttributeColumn((Attributes(kinds[0]),), np.zeros(count, np.int32), True)
    code = np.array([_NUMBERS[kind] for kind in kinds], np.int32)
    return AttributeColumn.of(_FAMILIES, code, series, count)


def _text(name: str, raw: bytes) -> tuple[str, str]:
    """The text of a label; or an empty one, and why it cannot be used if it is not just absent."""
    first = raw[:1]
    if not raw or first == b"n":
        return "", ""
    if first in _KINDS:
        return "", f"label {name} is {_KINDS[first]}, it must be text, a number or a boolean"
    if len(raw) > 6 * LONGEST_LABEL + 2:  # no character takes more bytes than \\uXXXX
        return "", f"label {name} has {len(raw)} bytes, at most {LONGEST_LABEL} characters are read"
    try:
        text = _strings.decode(raw) if first == b'"' else raw.decode()
    except _UNREADABLE as error:
        return "", bounded(f"label {name}: {error}")
    fault = label_fault(name, text)
    return ("", fault) if fault else (text, "")


def label_fault(name: str, text: str) -> str:
    """Why a text cannot be the value of a label; empty if it can."""
    if len(text) <= LONGEST_LABEL:
        return ""
    return f"label {name} has {len(text)} characters, at most {LONGEST_LABEL} are allowed"
