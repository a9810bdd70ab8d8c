"""What a mapping leaves: numbers in a message that no path leads to, counted by their place.

Elements mostly look like the one before them. What has the same names with values of the same
types counts the same fields, so those are found once and how often it came is counted; only text,
which may look like a number, and what is nested is looked at each time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any

from padit.codecs.mapping_paths import EACH
from padit.codecs.mapping_values import BEGINS, looks_like_number
from padit.domain.findings import Unwatched

__all__ = ["Left", "Watch"]

_MOST_KINDS = 50
_LONGEST_PLACE = 200
_MOST_SHAPES = 4096
_DEEPEST = 20
_OTHERS = "other fields"


class Left:
    """Counts what becomes no sample by decision, by kind; bounded.

    Attributes:
        levels: of each tree of paths, what was met at its root.
        alike: what was met of elements that are alike.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Unwatched] = {}
        self._counts: dict[tuple[str, str], list[int]] = {}
        self.levels: dict[_Node, _Level] = {}
        self.alike: list[_Alike] = []
        self._arrays: dict[str, list[int]] = {}

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

    def knows(self, what: str, unit: str) -> bool:
        """Whether one of that kind was counted, so that its reason is known."""
        return (what, unit) in self._counts

    def field(self, place: str, value: Any, reason: str = "", remedy: str = "") -> None:
        """Count a field that holds a number, or text that looks like one."""
        example = str(value)[:40]
        self.add(
            _field(place),
            reason or f"no path leads to it; it holds {example}",
            remedy or "name it in format: values, or in format: ignore",
        )

    def array(self, place: str, numbers: Sequence[int | float]) -> None:
        """Count an array that holds nothing but numbers."""
        counts = self._arrays.get(place)
        if counts is None:
            count_numbers(list(numbers), place, self)
            if len(self._arrays) < _MOST_SHAPES:
                self._arrays[place] = self.counts(_members_of(place))
            return
        counts[0] += len(numbers)
        counts[1] += len(numbers)

    def counts(self, place: str) -> list[int]:
        """What `field` adds to for a place that it has met."""
        found = self._counts.get((_field(place), "fields"))
        return self._counts[_OTHERS, "fields"] if found is None else found

    def all(self) -> tuple[Unwatched, ...]:
        """Everything, in the order it was met."""
        for one in self.alike:
            for counts in one.numbers:
                counts[0] += one.times
                counts[1] += one.times
            one.times = 0
        return tuple(
            one._replace(amount=amount, numeric=numeric)
            for one, (amount, numeric) in zip(
                self._found.values(), self._counts.values(), strict=True
            )
        )


def _field(place: str) -> str:
    short = place if len(place) <= _LONGEST_PLACE else place[: _LONGEST_PLACE - 3] + "..."
    return f"field {short!r}"


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
        if self._root is None:
            return
        if type(value) is not dict:
            _check(self._root, value, "", left)
            return
        level = left.levels.get(self._root)
        if level is None:
            level = left.levels[self._root] = _Level(self._root, "")
        _count_alike(level, value, left, 0)


class _Level:
    """Objects at one place: what was met there, by their names.

    Args:
        node: of the tree of paths; None where no path goes.
        prefix: what stands before a member's name in its place.
    """

    __slots__ = ("node", "prefix", "shapes")

    def __init__(self, node: _Node | None, prefix: str) -> None:
        self.node = node
        self.prefix = prefix
        self.shapes: dict[tuple[str, ...], _Shape] = {}

    def shape(self, names: tuple[str, ...]) -> "_Shape":
        """What objects with these names have in common."""
        unknown, deeper = (names, ()) if self.node is None else self.node.shape(names)
        levels = [(name, _Level(node, f"{self.prefix}{name}.")) for name, node in deeper]
        found = _Shape(unknown, len(unknown) == len(names), levels)
        if len(self.shapes) < _MOST_SHAPES:
            self.shapes[names] = found
        return found


class _Shape:
    """Objects of the same names at one place.

    Attributes:
        unknown: names that no path goes through.
        pick: their values; None if there are none.
        deeper: names below which paths end.
        alike: by the types of the values.
    """

    __slots__ = ("alike", "deeper", "pick", "unknown")

    def __init__(
        self, unknown: tuple[str, ...], whole: bool, deeper: Sequence[tuple[str, _Level]]
    ) -> None:
        self.unknown = unknown
        self.deeper = deeper
        self.alike: dict[tuple[type, ...], _Alike] = {}
        self.pick: Callable[[dict[str, Any]], tuple[Any, ...]] | None = None
        if whole and unknown:
            self.pick = _members
        elif len(unknown) == 1:
            only = unknown[0]
            self.pick = lambda value: (value[only],)
        elif unknown:
            self.pick = itemgetter(*unknown)


class _Alike:
    """Objects of the same names and types at one place.

    Attributes:
        times: how often they came since `numbers` were added to.
        numbers: the counts of each number.
        rest: position and place of whatever else may hold numbers; of an object what was met there.
    """

    __slots__ = ("numbers", "rest", "times")

    def __init__(self, shape: _Shape, types: Sequence[type], prefix: str, left: Left) -> None:
        self.times = 0
        self.numbers: list[list[int]] = []
        self.rest: list[tuple[int, str, _Level | None]] = []
        for at, (name, kind) in enumerate(zip(shape.unknown, types, strict=True)):
            place = f"{prefix}{name}"
            if issubclass(kind, _NUMBERS):
                self.numbers.append(left.counts(place))
            elif kind is dict:
                self.rest.append((at, place, _Level(None, f"{place[:_LONGEST_PLACE]}.")))
            elif kind is str or kind is list or issubclass(kind, Mapping):
                self.rest.append((at, place, None))


_NUMBERS = (int, float, Decimal)
_PLAIN = frozenset({int, float, bool})


def _members(value: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(value.values())


def _count_alike(level: _Level, value: dict[str, Any], left: Left, depth: int) -> None:
    """The same as `_check` of an object, or as `count_numbers` where no path goes."""
    names = tuple(value)
    shape = level.shapes.get(names) or level.shape(names)
    if shape.pick is not None:
        found = shape.pick(value)
        types = tuple(map(type, found))
        alike = shape.alike.get(types)
        if alike is None:
            _count_first(level, shape, found, left, depth)
        else:
            alike.times += 1
            for at, place, inner in alike.rest:
                _count_rest(found[at], place, inner, left, depth)
    for name, below in shape.deeper:
        one = value[name]
        if type(one) is dict:
            _count_alike(below, one, left, depth)
        else:
            _check(below.node, one, below.prefix, left)


def _count_first(
    level: _Level, shape: _Shape, found: Sequence[Any], left: Left, depth: int
) -> None:
    """Values of names and types that were not met before; from now on they are."""
    for name, one in zip(shape.unknown, found, strict=True):
        if type(one) is not str or looks_like_number(one):
            count_numbers(one, f"{level.prefix}{name}", left)
    if len(left.alike) < _MOST_SHAPES and depth < _DEEPEST:
        types = tuple(map(type, found))
        alike = shape.alike[types] = _Alike(shape, types, level.prefix, left)
        left.alike.append(alike)


def _count_rest(one: Any, place: str, inner: _Level | None, left: Left, depth: int) -> None:
    """A value that is no plain number."""
    if inner is not None:
        _count_alike(inner, one, left, depth + 1)
    elif type(one) is str:
        if one[:1] in BEGINS and looks_like_number(one):
            left.field(place, one)
    elif type(one) is list and one and _PLAIN.issuperset(map(type, one)):
        left.array(place, one)
    else:
        count_numbers(one, place, left)


def _pruned(node: _Node | None) -> _Node | None:
    """The same tree, where what covers all its members is one leaf."""
    if node is None or (EACH in node.children and node.children[EACH] is None):
        return None
    node.children = {step: _pruned(child) for step, child in node.children.items()}
    return node


def _check(node: _Node | None, value: Any, place: str, left: Left) -> None:
    if node is None:
        return
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
        if type(one) is not str or looks_like_number(one):
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


def _members_of(place: str) -> str:
    """The place of an array's members, arrays in it included."""
    return place if place.endswith("[*]") else f"{place[:_LONGEST_PLACE]}[*]"


def count_numbers(value: Any, place: str, left: Left, reason: str = "", remedy: str = "") -> int:
    """Count every number below a value, without recursion; how many there are."""
    count = 0
    waiting: list[tuple[str, Any]] = [(place, value)]
    while waiting:
        where, one = waiting.pop()
        if isinstance(one, Mapping):
            waiting += [(f"{where[:_LONGEST_PLACE]}.{name}", one[name]) for name in reversed(one)]
        elif type(one) is list:
            where = _members_of(where)
            waiting += [(where, each) for each in reversed(one)]
        elif isinstance(one, int | float | Decimal) or (
            type(one) is str and looks_like_number(one)
        ):
            left.field(where, one, reason, remedy)
            count += 1
    return count
