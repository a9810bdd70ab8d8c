"""Attributes of the elements of mapped messages: metric type and labels."""

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from padit.codecs.contract import bounded
from padit.codecs.forgiving import known_kind
from padit.codecs.labels import label_fault
from padit.codecs.mapping_columns import Collected
from padit.codecs.mapping_paths import MISSING, Text
from padit.codecs.mapping_plan import Plan
from padit.domain.attributes import Attributes
from padit.domain.metric import METRIC_TYPES

__all__ = ["ElementAttributes"]

_LONGEST_BITS = 1024
_KINDS: Mapping[type[Any], str] = {dict: "an object", list: "a list"}


class ElementAttributes:
    """Numbers the attributes of elements; of one call.

    Attributes:
        table: different attributes, each once.
        note: takes an element and what lies around it, and adds its number to the columns; None
            where the mapping has neither labels nor types.
    """

    def __init__(self, plan: Plan, columns: Collected) -> None:
        self._plan = plan
        self._columns = columns
        self._kinds: dict[str | None, int] = {}
        self._numbers: dict[tuple[str, ...], int] = {}
        self._unknown: dict[tuple[str, ...], int] = {}
        self._entries: dict[Attributes, int] = {}
        self.table: list[Attributes] = []
        self.note: Callable[[Any, Sequence[Any]], None] | None = None
        if plan.labels:
            self.note = self._note
        elif plan.kind is not None:
            self.note = self._kind_alone(plan.kind)

    def _kind_alone(self, kind_of: Text) -> Callable[[Any, Sequence[Any]], None]:
        kinds, append = self._kinds, self._columns.known.append

        def note(element: Any, around: Sequence[Any]) -> None:
            kind = kind_of(element, around)
            number = kinds.get(kind)
            if number is None:
                number = self._number((kind or "",))
                if not self._is_unknown(kind):
                    kinds[kind] = number
            append(number)

        return note

    def _note(self, element: Any, around: Sequence[Any]) -> None:
        plan, columns = self._plan, self._columns
        kind = plan.kind(element, around) if plan.kind else None
        texts, first = [kind or ""], ""
        for name, get in plan.labels:
            found = get(element, around)
            if type(found) is str:
                fault = label_fault(name, found)
            else:
                found, fault = _text(name, found)
            texts.append("" if fault else found)
            first = first or fault
        key = tuple(texts)
        number = self._numbers.get(key)
        if number is None:
            number = self._number(key)
        columns.known.append(number)
        if first:
            columns.faults.append((len(columns.stamp), first))

    @staticmethod
    def _is_unknown(kind: str | None) -> bool:
        return bool(kind) and kind not in METRIC_TYPES

    def _number(self, key: tuple[str, ...]) -> int:
        """The number of attributes that are new, or whose type is unknown, which is noted."""
        if not self._is_unknown(key[0]):
            self._numbers[key] = number = self._add(key)
            return number
        self._columns.unknown.append((len(self._columns.stamp), key[0]))
        known = self._unknown.get(key)
        if known is None:
            known = self._unknown[key] = self._add(key)
        return known

    def _add(self, key: tuple[str, ...]) -> int:
        names = (name for name, _ in self._plan.labels)
        labels = tuple((name, text) for name, text in zip(names, key[1:], strict=True) if text)
        one = Attributes(known_kind(key[0] or None), labels)
        number = self._entries.setdefault(one, len(self._entries))
        if number == len(self.table):
            self.table.append(one)
        return number


def _text(name: str, found: Any) -> tuple[str, str]:
    """The text of a value that is none; or an empty one, and why it cannot be used."""
    if found is MISSING or found is None:
        return "", ""
    kind = type(found)
    if kind is bool:
        return ("true" if found else "false"), ""
    if kind is float and math.isfinite(found):
        return repr(found), ""
    if (kind is int and found.bit_length() < _LONGEST_BITS) or kind is Decimal:
        text = str(found)
    else:
        what = _KINDS.get(kind, f"a value of the type {kind.__name__}")
        return "", bounded(f"label {name} is {what}, it must be text, a number or a boolean")
    fault = label_fault(name, text)
    return ("", fault) if fault else (text, "")
