"""Messages of one call, read element by element into columns, as a `Plan` says."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any, NamedTuple

from padit.codecs import records
from padit.codecs.contract import shorten
from padit.codecs.layouts import LayoutError
from padit.codecs.mapping_columns import Collected
from padit.codecs.mapping_labels import ElementAttributes
from padit.codecs.mapping_model import Format
from padit.codecs.mapping_paths import EACH, MISSING, Get, first_of, getter
from padit.codecs.mapping_plan import WHOLE, Plan, Steps
from padit.codecs.mapping_values import is_number_text, looks_like_number, number_from, remedy_of
from padit.codecs.mapping_watch import Left, count_numbers
from padit.codecs.names import shortened

__all__ = ["Reading"]

_NUMBERS = frozenset({int, float})
_VALUES = frozenset({int, float, bool, Decimal})
_DEEPEST = 8
_MOST_SHAPES = 4096


_Named = tuple[str, Get, Sequence[Get]]
"""A value's name, what its first path leads to, and each of its paths."""


class _Wide(NamedTuple):
    """What to take from an object with a certain set of names."""

    code: tuple[int, ...]
    pick: Callable[[Any], Sequence[Any]]


class Reading:
    """The records of one call."""

    def __init__(self, form: Format, plan: Plan) -> None:
        self.columns = Collected()
        self.left = Left()
        self.attributes = ElementAttributes(plan, self.columns)
        self._label = self.attributes.note
        self._form = form
        self._comma = form.decimal == "comma"
        self._plan = plan
        self._wide: dict[Any, _Wide] = {}
        self._names: dict[Any, int] = {}
        self._shapes: dict[tuple[str, ...], Sequence[_Named]] = {}
        self._skip = _tree(plan.skip)

    def message(self, record: int, message: Any, received: Any) -> str:
        """Read a message, an array of them, or a layout's elements; a fault, also of this code."""
        columns = self.columns
        mark = columns.mark()
        try:
            many = message if isinstance(message, list | Iterator) else (message,)
            one: Any = MISSING
            for one in many:
                self._message(record, one, received)
            if one is MISSING:
                self.left.add("empty array", "a message without an element", "", "messages", 0)
        except LayoutError as error:
            columns.back_to(mark)
            return f"{error}"
        except Exception as error:  # no record may stop the job, whatever is wrong with this code
            records.note_unexpected(error)
            columns.back_to(mark)
            return f"{type(error).__name__}: {error}"
        return ""

    def _message(self, record: int, message: Any, received: Any) -> None:
        plan = self._plan
        for get in plan.root:
            found = get(message, ())
            if type(found) is dict or type(found) is list:
                message = found
                break
        for parts in plan.each:
            if parts is WHOLE:
                break
            inner = _follow(message, parts[0])
            if type(inner) is dict or (type(inner) is list and len(parts) > 1):
                self._elements(record, message, parts, received)
                return
        else:
            if plan.each:
                paths = ", ".join(self._form.each)
                reason = (
                    f"nothing at {paths}, where format: each looks for elements (of an array: a[*])"
                )
                self.columns.lose(record, reason)
                return
        self._element(record, message, (), received)

    def _elements(self, record: int, message: Any, parts: Sequence[Steps], received: Any) -> None:
        count = 0
        for element, around in _elements_of(message, parts, ()):
            count += 1
            self._element(record, element, around, received)
        if not count:
            reason = f"no element at {', '.join(self._form.each)}"
            self.left.add("empty message", reason, "format: each", "messages", 0)
        if len(parts) > 1:
            self._plan.around.check(message, self.left)

    def _element(self, record: int, element: Any, around: Sequence[Any], received: Any) -> None:
        plan, columns = self._plan, self.columns
        if type(element) is not dict:
            columns.lose(record, f"{shorten(element)} is no object")
            return
        if plan.where and not self._chosen(element, around):
            return
        context = self._context(record, element, around)
        if context is None:
            return
        before, lost = len(columns.value), len(columns.lost)
        single = plan.value is not None and self._single(record, element, around, context)
        if not single:
            self._several(record, element, around, context)
        count = len(columns.value) - before
        if count:
            if self._label is not None:
                self._label(element, around)
            columns.stamp.append(plan.time(element, around) if plan.time else received)
            columns.count.append(count)
            columns.record.append(record)
        elif len(columns.lost) == lost and not plan.is_null(element, around):
            what = "message without a number"  # elements may share what is long to show
            shown = "" if self.left.knows(what, "messages") else shorten(element)
            self.left.add(what, f"{shown} holds no number", "format: values", "messages", 0)
        (plan.with_value if single else plan.with_values).check(element, self.left)

    def _context(
        self, record: int, element: Any, around: Sequence[Any]
    ) -> tuple[str, str, str] | None:
        """Source, unit and suffix of the names; None where there is no source."""
        plan = self._plan
        source = plan.source(element, around) if plan.source else None
        if source is None:
            source = self._form.source_id
            if not source:
                paths = ", ".join(self._form.source)
                reason = f"no source at {paths}; name its place in format: source"
                self.columns.lose(record, reason)
                return None
        unit = plan.unit(element, around) if plan.unit else ""
        suffix = plan.suffix(element, around) if plan.suffix else ""
        return source, unit or "", suffix or ""

    def _several(
        self, record: int, element: Any, around: Sequence[Any], context: tuple[str, str, str]
    ) -> None:
        """The values of an element that has not the one value."""
        if self._plan.named:
            self._named(record, element, around, context)
        elif self._plan.below is not None:
            self._below(record, element, around, context)
        else:
            paths = ", ".join(self._form.value)
            if self._plan.is_null(element, around):
                self.left.add(f"null of {paths}", "null: absent is no number", "", "fields", 0)
            else:
                self.columns.lose(record, f"no value at {paths}; name its place in format: value")

    def _chosen(self, element: Any, around: Sequence[Any]) -> bool:
        """Whether the filter lets an element through; others are counted."""
        for path, get, allowed in self._plan.where:
            found = get(element, around)
            if not any(_equal(found, one) for one in allowed):
                what, shown = f"filtered by {path}", f"{path} is {shorten(found)}"
                self.left.add(what, shown, "format: where", "elements", 0)
                return False
        return True

    def _single(
        self, record: int, element: Any, around: Sequence[Any], context: tuple[str, str, str]
    ) -> bool:
        """The one value of an element; whether there is one."""
        plan = self._plan
        found = plan.value(element, around) if plan.value else None
        if found is None or found is MISSING:
            return False
        metric = plan.metric(element, around) if plan.metric else None
        if metric is None:
            if plan.named or plan.below is not None:
                return False
            paths = ", ".join(self._form.metric)
            self.columns.lose(record, f"no metric name at {paths}; see format: metric")
            return True
        self._add(record, context, metric, found)
        return True

    def _add(self, record: int, context: tuple[str, str, str], metric: str, found: Any) -> None:
        """A value of which the path is named."""
        columns = self.columns
        if type(found) is not float and type(found) is not int:
            number = number_from(found, comma=self._comma)
            if type(number) is str:
                remedy = remedy_of(found, comma=self._comma, read=True)
                columns.lose(record, f"{shorten(metric)}: {number}{remedy and f'; {remedy}'}")
                return
            found = number
        key = (context, metric)
        code = self._names.get(key)
        if code is None:
            code = self._names[key] = self._code(context, metric)
        columns.code.append(code)
        columns.value.append(found)

    def _code(self, context: tuple[str, str, str], metric: str) -> int:
        source, unit, suffix = context
        return self.columns.series(
            source,
            shortened(metric + suffix) if suffix else metric,
            unit or self._form.units.get(metric, ""),
        )

    def _named(
        self, record: int, element: Any, around: Sequence[Any], context: tuple[str, str, str]
    ) -> None:
        """Values by name."""
        there = 0
        shape = tuple(element)
        for name, get, every in self._shapes.get(shape) or self._shape(shape):
            found = get(element, around)
            if found is MISSING:
                continue
            there += 1
            if found is None:
                self.left.add(f"null of {name}", "null: absent is no number", "", "fields", 0)
                continue
            self._add(record, context, name, found)
            if len(every) > 1:
                self._twice(name, element, around, every)
        if not there:
            names = ", ".join(name for name, _ in self._plan.named)
            self.columns.lose(record, f"none of the values is there: {names}; see format: values")

    def _shape(self, shape: tuple[str, ...]) -> Sequence[_Named]:
        """Where elements with these names may have values; found once for all of them."""
        chosen: list[_Named] = []
        for name, paths in self._plan.named:
            there = [one for one in paths if one.outer or one.steps[:1] == (EACH,) or not one.steps
                     or one.steps[0] in shape]  # fmt: skip
            if there:
                chosen.append((name, first_of(there), [getter(one) for one in there]))
        if len(self._shapes) >= _MOST_SHAPES:
            self._shapes.clear()
        self._shapes[shape] = chosen
        return chosen

    def _twice(self, name: str, element: Any, around: Sequence[Any], every: Sequence[Any]) -> None:
        """Further paths of a value that lead to something as well."""
        found = [one for one in (get(element, around) for get in every)
                 if one is not MISSING and one is not None]  # fmt: skip
        for one in found[1:]:
            count_numbers(one, name, self.left, f"another path of {name} came first")

    def _below(
        self, record: int, element: Any, around: Sequence[Any], context: tuple[str, str, str]
    ) -> None:
        """Every number below a path."""
        plan = self._plan
        found = plan.below(element, around) if plan.below else MISSING
        path = self._form.values[0] if isinstance(self._form.values, tuple) else ""
        if type(found) is list:
            count_numbers(found, path, self.left, "in an array", "format: each")
            return
        if type(found) is not dict:
            what = "nothing is there" if found is MISSING else f"there is {shorten(found)}"
            self.columns.lose(record, f"no object at {path}: {what}; see format: values")
            return
        names = self._pieces(element, around)
        if names is None:
            metrics = ", ".join(self._form.metric)
            self.columns.lose(record, f"no metric name at {metrics}; see format: metric")
            return
        key = (context, names, tuple(found))
        wide = self._wide.get(key)
        if wide is None:
            wide = self._wide[key] = self._widely(context, names, found)
        values = wide.pick(found)
        if _NUMBERS.issuperset(map(type, values)):
            self.columns.code.extend(wide.code)
            self.columns.value.extend(values)
        else:
            prefix = "" if path == "." else f"{path}."
            self._walk(record, found, self._skip, _Place(context, names, prefix, "", 0))

    def _pieces(self, element: Any, around: Sequence[Any]) -> tuple[str, str] | None:
        """What stands around the field in a metric's name."""
        for before, behind in self._plan.pieces:
            first = before(element, around)
            last = behind if isinstance(behind, str) else behind(element, around)
            if first is not None and last is not None:
                return first, last
        return None

    def _widely(self, context: tuple[str, str, str], names: tuple[str, str], found: Any) -> _Wide:
        kept = [name for name in found if self._skip.get(name, _TREE) is not None]
        code = tuple(self._code(context, name.join(names)) for name in kept)
        if len(kept) == len(found):
            return _Wide(code, dict.values)  # type: ignore[arg-type]
        if len(kept) == 1:
            only = kept[0]
            return _Wide(code, lambda one: (one[only],))
        return _Wide(code, itemgetter(*kept) if kept else lambda _: ())

    def _walk(self, record: int, found: Any, skip: Any, place: "_Place") -> None:
        """Every number below an object, one by one."""
        for name, value in found.items():
            below = skip.get(name, _TREE) if skip else _TREE
            if below is None:
                continue
            field = f"{place.field}.{name}" if place.field else name
            kind = type(value)
            if kind is dict and place.depth < _DEEPEST:
                inner = place._replace(field=field, depth=place.depth + 1)
                self._walk(record, value, below, inner)
            elif kind is list or kind is dict:
                count_numbers(
                    value, f"{place.prefix}{field}", self.left, "in an array", "format: each"
                )
            elif kind in _VALUES or (kind is str and self._is_value(value)):
                self._add(record, place.context, field.join(place.names), value)
            else:
                self._left_out(f"{place.prefix}{field}", value)

    def _is_value(self, text: str) -> bool:
        return self._form.text_numbers and is_number_text(text, comma=self._comma)

    def _left_out(self, place: str, value: Any) -> None:
        """Text and null below `values`."""
        if type(value) is str and looks_like_number(value):
            remedy = remedy_of(value, comma=self._comma, read=self._form.text_numbers)
            self.left.field(place, value, f"a number as text: {value[:40]}", remedy)
            return
        what = "null" if value is None else f"text, such as {shorten(value)}"
        self.left.add(f"text of {shorten(place)}", what, "", "fields", 0)


class _Place(NamedTuple):
    """Where `_walk` is, and how it names what it finds."""

    context: tuple[str, str, str]
    names: tuple[str, str]
    prefix: str
    field: str
    depth: int


_TREE: dict[str | int, Any] = {}


def _tree(paths: Sequence[Steps]) -> dict[str | int, Any]:
    """Paths as nested dictionaries; None covers all that is below."""
    root: dict[str | int, Any] = {}
    for steps in sorted(paths, key=len, reverse=True):
        node = root
        for step in steps[:-1]:
            node = node.setdefault(step, {})
        node[steps[-1]] = None
    return root


def _follow(value: Any, steps: Steps) -> Any:
    for step in steps:
        if type(value) is dict:
            value = value.get(step, MISSING)
        elif type(value) is list and type(step) is int and step < len(value):
            value = value[step]
        else:
            return MISSING
    return value


def _elements_of(
    value: Any, parts: Sequence[Steps], around: tuple[Any, ...]
) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """(element, what lies around it) of a message."""
    inner = _follow(value, parts[0])
    if len(parts) == 1:
        if inner is not MISSING:
            yield inner, around
        return
    members = inner if type(inner) is list else inner.values() if type(inner) is dict else ()
    for member in members:
        yield from _elements_of(member, parts[1:], (*around, value))


def _equal(found: Any, one: Any) -> bool:
    """Whether a value is the one of a filter; `*` is anything but nothing."""
    if one == "*":
        return found is not MISSING and found is not None
    return bool(found == one) and isinstance(found, bool) == isinstance(one, bool)
