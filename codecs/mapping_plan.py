"""A mapping compiled: the functions that read an element, and the trees of what they read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from padit.codecs.mapping_model import FIELD, Format
from padit.codecs.mapping_paths import (
    EACH,
    Get,
    Path,
    Text,
    as_text,
    first_of,
    getter,
    holes_of,
    parse_path,
    template_of,
    text_of,
)
from padit.codecs.mapping_watch import Watch

__all__ = ["WHOLE", "Plan", "plan_of"]

Steps = tuple[str | int, ...]
WHOLE: Sequence[Steps] = ((),)
"""The way to the elements where the message is the only one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How an element is read.

    Attributes:
        root: where a message begins in its envelope, in order.
        each: (parts of the path between `[*]`) of each way to the elements, in order.
        where: path, getter and allowed values of the filter.
        source, unit, metric: texts; None where there is none.
        pieces: of each template with `{field}`, the text before and behind it; a fixed text as
            it is.
        suffix: what tells series apart, as `{name="text"}`; None: nothing.
        value: the one value of an element.
        named: metric_name and the paths of each named value.
        below: the path below which every number counts.
        skip: steps below it that are no values.
        time: the event time; None: the record's.
        labels: label and getter, sorted by label.
        kind: the metric type; None where there is none.
    """

    root: Sequence[Get]
    each: Sequence[Sequence[Steps]]
    where: Sequence[tuple[str, Get, tuple[Any, ...]]]
    source: Text | None
    source_id: str
    unit: Text | None
    metric: Text | None
    pieces: Sequence[tuple[Text, Text | str]]
    suffix: Text | None
    value: Get | None
    named: Sequence[tuple[str, Sequence[Path]]]
    below: Get | None
    below_path: Path | None
    skip: Sequence[Steps]
    time: Get | None
    labels: Sequence[tuple[str, Get]]
    kind: Text | None
    around: Watch
    with_value: Watch
    with_values: Watch

    def is_null(self, element: Any, around: Sequence[Any]) -> bool:
        """Whether all that an element may hold is one value, and that is null."""
        if self.value is None or self.named or self.below is not None:
            return False
        return self.value(element, around) is None


def plan_of(form: Format, labels: Sequence[str] = ()) -> Plan:
    """Compile a mapping.

    Args:
        form: the mapping.
        labels: that the configuration names; `labels_below` of the mapping says where they are.
    """
    below_labels = _labels_below(form, labels)
    below = form.values if isinstance(form.values, tuple) and form.values else ()
    named = form.values if isinstance(form.values, dict) else {}
    below_path = parse_path(below[0]) if below else None
    single = [one for one in form.metric if FIELD not in one]
    wide = [one for one in form.metric if FIELD in one] or [FIELD]
    read = [path for paths in below_labels.values() for path in paths]
    each = [WHOLE if path == "." else _parts(path) for path in form.each]
    return Plan(
        root=[getter(parse_path(path)) for path in form.root],
        each=each,
        where=[
            (path, getter(parse_path(path)), allowed if isinstance(allowed, tuple) else (allowed,))
            for path, allowed in form.where.items()
        ],
        source=_first_text(form.source),
        source_id=form.source_id,
        unit=_first_text(form.unit),
        metric=_first_text(single),
        pieces=[_around_field(one) for one in wide],
        suffix=_suffix(form),
        value=_first(form.value),
        named=[(name, [parse_path(path) for path in paths]) for name, paths in named.items()],
        below=getter(below_path) if below_path else None,
        below_path=below_path,
        skip=_skipped(form, below_path),
        time=_first(form.time),
        labels=_label_getters(form, below_labels),
        kind=_first_text(form.metric_type),
        around=_around(form),
        with_value=_watch(form, form.value, read),
        with_values=_watch(
            form, below or [path for paths in named.values() for path in paths], read
        ),
    )  # fmt: skip


def _first(paths: Sequence[str]) -> Get | None:
    return first_of([parse_path(path) for path in paths]) if paths else None


def _first_text(texts: Sequence[str]) -> Text | None:
    found = [text_of(text) for text in texts]
    if len(found) < 2:
        return found[0] if found else None

    def text(element: Any, around: Sequence[Any]) -> str | None:
        for one in found:
            name = one(element, around)
            if name is not None:
                return name
        return None

    return text


def _around_field(template: str) -> tuple[Text, Text | str]:
    before, _, behind = template.partition(FIELD)
    return template_of(before), template_of(behind) if "{" in behind else behind


def _parts(path: str) -> list[Steps]:
    """The steps of a path between its `[*]`."""
    parts: list[Steps] = [()]
    for step in parse_path(path).steps:
        if step == EACH:
            parts.append(())
        else:
            parts[-1] = (*parts[-1], step)
    return parts


def _suffix(form: Format) -> Text | None:
    """What `by` adds to a name."""
    if not form.by:
        return None
    used = {path.steps for path in _structural(form) if EACH not in path.steps}
    single: list[tuple[str, Get]] = []
    every: list[tuple[Get, frozenset[str | int]]] = []
    for text in form.by:
        path = parse_path(text)
        if path.steps[-1:] == (EACH,):
            parent = path._replace(steps=path.steps[:-1])
            depth = len(parent.steps)
            taken = frozenset(
                steps[depth] for steps in used
                if len(steps) == depth + 1 and steps[:depth] == parent.steps
            )  # fmt: skip
            every.append((getter(parent), taken))
        else:
            single.append((path.text.removeprefix("$.").lstrip("^."), getter(path)))
    if len(every) == 1 and not single:
        return _remembered(*every[0])

    def text_(element: Any, around: Sequence[Any]) -> str:
        pairs = [(name, as_text(get(element, around))) for name, get in single]
        for get, taken in every:
            pairs += _pairs(get(element, around), taken)
        return _rendered(pairs)

    return text_


def _remembered(get: Get, taken: frozenset[str | int]) -> Text:
    """All members of one object; the last few thousand sets are remembered."""
    known: dict[Any, str] = {}

    def text(found: dict[str, Any]) -> str:
        if not _TEXT.issuperset(map(type, found.values())):  # True, 1 and 1.0 are equal keys
            return _rendered(_pairs(found, taken))
        key = tuple(found.items())
        rendered = known.get(key)
        if rendered is None:
            if len(known) >= _MOST_REMEMBERED:
                known.clear()
            rendered = _rendered(_pairs(found, taken))
            if len(rendered) < _LONGEST_REMEMBERED:
                known[key] = rendered
        return rendered

    return _once_each(get, text)


def _once_each(get: Get, text: Callable[[dict[str, Any]], str]) -> Text:
    """Elements of one series may share the very object, of any size: it is looked at once."""
    last: tuple[Any, str] = (None, "")

    def found_text(element: Any, around: Sequence[Any]) -> str:
        nonlocal last
        found = get(element, around)
        if type(found) is not dict:
            return ""
        former = last  # one name: another thread may set it
        if found is not former[0]:
            former = last = found, text(found)
        return former[1]

    return found_text


_TEXT = frozenset({str})
_DEEPEST = 8
_MOST_REMEMBERED = 10_000
_LONGEST_REMEMBERED = 1000


def _pairs(found: Any, taken: frozenset[str | int]) -> list[tuple[str, str | None]]:
    """Names and texts of an object's members; those of an object inside are joined by dots."""
    if type(found) is not dict:
        return []
    pairs: list[tuple[str, str | None]] = []
    for name, value in found.items():
        if name in taken:
            continue
        if type(value) is dict:
            pairs += _inner(value, f"{name}.", 1)
        else:
            pairs.append((name, _worded(value)))
    return pairs


def _inner(found: dict[str, Any], prefix: str, depth: int) -> list[tuple[str, str | None]]:
    pairs: list[tuple[str, str | None]] = []
    for name, value in found.items():
        if type(value) is dict and depth < _DEEPEST:
            pairs += _inner(value, f"{prefix}{name}.", depth + 1)
        else:
            pairs.append((f"{prefix}{name}", _worded(value)))
    return pairs


def _worded(value: Any) -> str | None:
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is list:
        return ",".join(text for text in map(as_text, value) if text)
    return as_text(value)


def _rendered(pairs: Sequence[tuple[str, str | None]]) -> str:
    quoted = [f'{name}="{_escaped(text)}"' for name, text in sorted(p for p in pairs if p[1])
              if text]  # fmt: skip
    return "{" + ",".join(quoted) + "}" if quoted else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _structural(form: Format) -> list[Path]:
    """Paths that lead to anything but values."""
    texts = [*form.where, *form.time, *form.by, *form.ignore, *form.labels.values()]
    for text in (*form.source, *form.metric, *form.unit, *form.metric_type):
        texts += holes_of(text) if "{" in text else [text]
    return [parse_path(text) for text in texts if f"{{{text}}}" != FIELD]


def _skipped(form: Format, below: Path | None) -> list[Steps]:
    """Steps from the path below which values lie to what is no value there."""
    if below is None:
        return []
    depth = len(below.steps)
    outer = 0 if not form.each and below.outer < 0 else below.outer
    found = []
    for path in _structural(form):
        own = 0 if not form.each and path.outer < 0 else path.outer
        if own == outer and len(path.steps) > depth and path.steps[:depth] == below.steps:
            found.append(path.steps[depth:])
    return found


def _labels_below(form: Format, names: Sequence[str]) -> dict[str, list[Path]]:
    """Paths of the labels that the configuration names and the mapping does not.

    They change no name: labels may change while a series stays the same.
    """
    parents = [parse_path(text) for text in form.labels_below]
    return {
        name: [
            parent._replace(steps=(*parent.steps, *steps))
            for parent in parents
            for steps in dict.fromkeys([(name,), tuple(name.split("."))])
        ]
        for name in names
        if parents and name not in form.labels
    }


def _label_getters(form: Format, below: dict[str, list[Path]]) -> list[tuple[str, Get]]:
    found = {name: getter(parse_path(path)) for name, path in form.labels.items()}
    found |= {name: first_of(paths) for name, paths in below.items()}
    return sorted(found.items(), key=lambda one: one[0])


def _watch(form: Format, values: Sequence[str], labels: Sequence[Path]) -> Watch:
    """The tree of paths that begin at the element."""
    paths = [*_structural(form), *(parse_path(text) for text in values), *labels]
    whole = not form.each or "." in form.each  # an element may be the whole message
    own = [path for path in paths if path.outer == 0 or (path.outer < 0 and whole)]
    return Watch([path.steps for path in own])


def _around(form: Format) -> Watch:
    """The tree of paths that begin at the message, where elements lie within it."""
    paths = _structural(form)
    found: list[Steps] = [path.steps for path in paths if path.outer < 0]
    for text in form.each:
        steps = parse_path(text).steps
        if not steps:
            continue
        found.append(steps)
        levels = [i + 1 for i, step in enumerate(steps) if step == EACH]
        for path in paths:
            if path.outer == len(levels):
                found.append(path.steps)
            elif 0 < path.outer < len(levels):
                found.append((*steps[: levels[-path.outer - 1]], *path.steps))
    return Watch(found)
