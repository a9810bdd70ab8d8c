"""What a mapping leaves: numbers in a message that no path leads to, counted by their place."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from padit.codecs.mapping_paths import EACH
from padit.codecs.mapping_values import is_number_text
from padit.domain.findings import Unwatched

__all__ = ["Left", "Watch"]

_MOST_KINDS = 50
_LONGEST_PLACE = 200
_MOST_SHAPES = 4096
_OTHERS = "other fields"


class Left:
    """Counts what becomes no sample by decision, by kind; bounded."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Unwatched] = {}
        self._counts: dict[tuple[str, str], list[int]] = {}

    def add(
        self, what: str, reason: str, remedy: str, unit: str = "fields", numeric: int = 1
    ) -> None:
        """Count one; reason and remedy of the first of each kind are kept.

        Args:
            what: the kind, such as "field 'a.b'".
            reason: with an example.
            remedy: the option that changes it.
            unit: "fields", "elements" or "messages".
            numeric: 1 if it holds a number or text that looks like one.
        """
        counts = self._counts.get((what, unit))
        if counts is None:
            if len(self._found) >= _MOST_KINDS and what != _OTHERS:
                self.add(_OTHERS, reason, remedy, unit, numeric)
                return
            self._found[what, unit] = Unwatched("", what, reason, remedy, 0, unit)
            counts = self._counts[what, unit] = [0, 0]
        counts[0] += 1
        counts[1] += numeric

    def field(self, place: str, value: Any, reason: str = "", remedy: str = "") -> None:
        """Count a field that holds a number, or text that looks like one."""
        place = place if len(place) <= _LONGEST_PLACE else place[: _LONGEST_PLACE - 3] + "..."
        example = str(value)[:40]
        self.add(
            f"field {place!r}",
            reason or f"no path leads to it; it holds {example}",
            remedy or "name it in format: values, or in format: ignore",
        )

    def all(self) -> tuple[Unwatched, ...]:
        """Everything, in the order it was met."""
        return tuple(
            one._replace(amount=amount, numeric=numeric)
            for one, (amount, numeric) in zip(
                self._found.values(), self._counts.values(), strict=True
            )
        )


class _Node:
    """A level of the tree of paths: children by step; None covers everything below."""

    __slots__ = ("children", "shapes")

    def __init__(self) -> None:
        self.children: dict[str | int, _Node | None] = {}
        self.shapes: dict[tuple[str, ...], tuple[tuple[str, ...], tuple[Any, ...]]] = {}

    def shape(self, names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        """(names that no path goes through, (name, node) of those below which paths end)."""
        children = self.children
        every = children.get(EACH, self)
        if every is None:
            found: tuple[tuple[str, ...], tuple[Any, ...]] = ((), ())
        else:
            unknown = tuple(name for name in names if name not in children)
            deeper = [(name, children[name]) for name in names if children.get(name) is not None]
            if every is not self:
                deeper += [(name, every) for name in unknown]
                unknown = ()
            found = (unknown, tuple(deeper))
        if len(self.shapes) >= _MOST_SHAPES:
            self.shapes.clear()
        self.shapes[names] = found
        return found


class Watch:
    """Finds the numbers that no path leads to.

    Args:
        paths: steps of each path; everything below its end is watched.
    """

    def __init__(self, paths: Iterable[Sequence[str | int]]) -> None:
        self._root: _Node | None = _Node()
        for steps in paths:
            self._add(steps)
        self._root = _pruned(self._root)

    def _add(self, steps: Sequence[str | int]) -> None:
        if not steps:
            self._root = None
        node = self._root
        for number, step in enumerate(steps):
            if node is None:
                return
            if number == len(steps) - 1:
                node.children[step] = None
                return
            if step not in node.children:
                node.children[step] = _Node()
            node = node.children[step]

    def check(self, value: Any, left: Left) -> None:
        """Note what is left in a value."""
        if self._root is not None:
            _check(self._root, value, "", left)


def _pruned(node: _Node | None) -> _Node | None:
    """The same tree, where what covers all its members is one leaf."""
    if node is None or (EACH in node.children and node.children[EACH] is None):
        return None
    node.children = {step: _pruned(child) for step, child in node.children.items()}
    return node


def _check(node: _Node, value: Any, place: str, left: Left) -> None:
    if type(value) is list:
        _check_list(node, value, f"{place[:-1]}[*]", left)
        return
    if type(value) is not dict:
        count_numbers(value, place[:-1], left)
        return
    names = tuple(value)
    unknown, deeper = node.shapes.get(names) or node.shape(names)
    for name in unknown:
        one = value[name]
        if type(one) is not str or is_number_text(one):
            count_numbers(one, f"{place}{name}", left)
    for name, child in deeper:
        _check(child, value[name], f"{place}{name}.", left)


def _check_list(node: _Node, value: Sequence[Any], place: str, left: Left) -> None:
    every = node.children.get(EACH, node)
    for i, one in enumerate(value):
        child = node.children.get(i, every)
        if child is node:
            count_numbers(one, place, left)
        elif child is not None:
            _check(child, one, f"{place}.", left)


def count_numbers(value: Any, place: str, left: Left, reason: str = "", remedy: str = "") -> int:
    """Count every number below a value, without recursion; how many there are."""
    count = 0
    waiting: list[tuple[str, Any]] = [(place, value)]
    while waiting:
        where, one = waiting.pop()
        if isinstance(one, Mapping):
            waiting += [(f"{where[:_LONGEST_PLACE]}.{name}", one[name]) for name in reversed(one)]
        elif type(one) is list:
            where = where if where.endswith("[*]") else f"{where[:_LONGEST_PLACE]}[*]"
            waiting += [(where, each) for each in reversed(one)]
        elif isinstance(one, int | float | Decimal) or (type(one) is str and is_number_text(one)):
            left.field(where, one, reason, remedy)
            count += 1
    return count
