"""Paths and templates of a mapping, compiled to functions.

A path is `a.b.c`, `a[0].b` or `tags["a.b"]`. It begins at the element that `each` gives, or at the
message where there is no `each`; `.` alone is that itself. With `$.` a path begins at the message,
with `^.` one level of `each` further out. A template is text with paths in braces:
`{tags.host}/{name}`.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

__all__ = [
    "EACH",
    "MISSING",
    "Get",
    "Path",
    "Text",
    "as_text",
    "first_of",
    "getter",
    "holes_of",
    "parse_path",
    "template_of",
    "text_of",
]


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING: Final = _Missing()
"""What a getter gives where there is nothing."""

EACH: Final = "[*]"
"""Step of a path: every element of an array, or every member of an object."""

Get = Callable[[Any, Sequence[Any]], Any]
"""(element, what lies around it from the message inwards) to a value, or `MISSING`."""
Text = Callable[[Any, Sequence[Any]], str | None]
"""The same to text; None where there is none."""

_STEP = re.compile(
    r"""\.?(?P<name>[^.\[\]"'{}$^]+) | \[(?P<index>\d{1,6})\] | (?P<each>\.?\[?\*\]?)(?=[.\[]|$)
    | \[(?P<quote>["'])(?P<quoted>.*?)(?P=quote)\]""",
    re.VERBOSE,
)
_HOLE = re.compile(r"\{((?:[^{}\"']|\"[^\"]*\"|'[^']*')*)\}")
_DEEPEST = 16


class Path(NamedTuple):
    """A parsed path.

    Attributes:
        text: as it was written.
        outer: 0: begins at the element; n: so many levels of `each` further out; -1: at the
            message.
        steps: names, positions, and `EACH`.
    """

    text: str
    outer: int
    steps: tuple[str | int, ...]


def parse_path(text: str) -> Path:
    """Parse a path.

    Raises:
        ValueError: it is none.

    >>> parse_path("$.tags['a.b'][0]").steps
    ('tags', 'a.b', 0)
    """
    rest = text.strip()
    outer = 0
    if rest == ".":
        return Path(text, 0, ())
    if rest.startswith("$"):
        outer, rest = -1, rest[1:]
    while outer >= 0 and rest.startswith("^"):
        outer, rest = outer + 1, rest[1:].removeprefix(".") if rest[1:2] == "." else rest[1:]
    steps: list[str | int] = []
    at = 0
    while at < len(rest):
        match = _STEP.match(rest, at)
        if match is None or match.end() == at:
            message = f"{text!r} is no path: {rest[at:]!r} is not understood; see docs/payloads.md"
            raise ValueError(message)
        steps.append(_step(match))
        at = match.end()
    if len(steps) > _DEEPEST or (not text.strip()):
        message = f"{text!r} is no path: it must have at most {_DEEPEST} steps, like a.b.c"
        raise ValueError(message)
    return Path(text, outer, tuple(steps))


def _step(match: "re.Match[str]") -> str | int:
    if match["index"] is not None:
        return int(match["index"])
    if match["quoted"] is not None:
        return match["quoted"]
    return EACH if match["each"] is not None or match["name"] == "*" else match["name"]


def getter(path: Path) -> Get:
    """What a path leads to; `MISSING` where it leads nowhere."""
    if path.outer:
        return _outer(path)
    names = path.steps
    if len(names) == 1 and isinstance(names[0], str):
        return _one(names[0])
    if len(names) == 2 and isinstance(names[0], str) and isinstance(names[1], str):
        return _two(names[0], names[1])

    def get(element: Any, _: Sequence[Any]) -> Any:
        return _follow(element, names)

    return get


def _one(name: str) -> Get:
    def get(element: Any, _: Sequence[Any]) -> Any:
        return element.get(name, MISSING) if type(element) is dict else MISSING

    return get


def _two(first: str, second: str) -> Get:
    def get(element: Any, _: Sequence[Any]) -> Any:
        inner = element.get(first) if type(element) is dict else None
        return inner.get(second, MISSING) if type(inner) is dict else MISSING

    return get


def _outer(path: Path) -> Get:
    steps, outer = path.steps, path.outer

    def get(element: Any, around: Sequence[Any]) -> Any:
        if not around:
            return _follow(element, steps) if outer < 0 else MISSING
        if outer > len(around):
            return MISSING
        return _follow(around[0] if outer < 0 else around[-outer], steps)

    return get


def _follow(value: Any, steps: Sequence[str | int]) -> Any:
    for step in steps:
        if type(step) is int:
            if type(value) is not list or step >= len(value):
                return MISSING
            value = value[step]
        else:
            if type(value) is not dict or step not in value:
                return MISSING
            value = value[step]
    return value


def first_of(paths: Sequence[Path]) -> Get:
    """What the first of several paths that leads to more than null leads to."""
    getters = [getter(path) for path in paths]
    if len(getters) == 1:
        return getters[0]

    def get(element: Any, around: Sequence[Any]) -> Any:
        for one in getters:
            found = one(element, around)
            if found is not MISSING and found is not None:
                return found
        return MISSING

    return get


def holes_of(template: str) -> list[str]:
    """The paths in the braces of a template. Raises ValueError for an open brace.

    >>> holes_of("{tags.host}/{name}")
    ['tags.host', 'name']
    """
    rest = _HOLE.sub("", template.replace("{{", "").replace("}}", ""))
    if "{" in rest or "}" in rest:
        message = f"{template!r} is no template: a brace is open; {{{{ is a brace as text"
        raise ValueError(message)
    return [match[1] for match in _HOLE.finditer(template.replace("{{", "").replace("}}", ""))]


def text_of(text: str) -> Text:
    """The text that a template, or without a brace a path, gives."""
    if "{" in text or "}" in text:
        return template_of(text)
    return _text_at(parse_path(text))


def template_of(template: str) -> Text:
    """The text that a template gives; one without a hole gives itself."""
    parts: list[str | Text] = []
    at = 0
    for match in re.finditer(r"\{\{|\}\}|" + _HOLE.pattern, template):
        parts.append(template[at : match.start()])
        at = match.end()
        hole = match[0] not in ("{{", "}}")
        parts.append(_text_at(parse_path(match[1])) if hole else match[0][0])
    parts.append(template[at:])
    return _filled([part for part in parts if part != ""])


def _filled(parts: Sequence[str | Text]) -> Text:
    if len(parts) == 1 and not isinstance(parts[0], str):
        return parts[0]
    holes = [part for part in parts if not isinstance(part, str)]
    if not holes:
        whole = "".join(part for part in parts if isinstance(part, str))
        return lambda _element, _around: whole
    if len(holes) == 1:
        at = parts.index(holes[0])
        return _around_one("".join(parts[:at]), holes[0], "".join(parts[at + 1 :]))  # type: ignore[arg-type]

    def text(element: Any, around: Sequence[Any]) -> str | None:
        found = []
        for part in parts:
            one = part if isinstance(part, str) else part(element, around)
            if one is None:
                return None
            found.append(one)
        return "".join(found)

    return text


def _around_one(before: str, hole: Text, behind: str) -> Text:
    def text(element: Any, around: Sequence[Any]) -> str | None:
        found = hole(element, around)
        return None if found is None else before + found + behind

    return text


def _text_at(path: Path) -> Text:
    """The text at a path; the two shortest forms without a further call."""
    steps = path.steps
    if path.outer or len(steps) not in (1, 2) or not all(isinstance(one, str) for one in steps):
        return _plain(getter(path))
    if len(steps) == 1:
        only = steps[0]

        def text(element: Any, _: Sequence[Any]) -> str | None:
            found = element.get(only)
            return found if type(found) is str and found else as_text(found)

        return text
    first, second = steps

    def text_(element: Any, _: Sequence[Any]) -> str | None:
        inner = element.get(first)
        if type(inner) is not dict:
            return None
        found = inner.get(second)
        return found if found is None or (type(found) is str and found) else as_text(found)

    return text_


def _plain(get: Get) -> Text:
    def text(element: Any, around: Sequence[Any]) -> str | None:
        return as_text(get(element, around))

    return text


def as_text(value: Any) -> str | None:
    """A name from a value: text or a number; None from anything else, and from empty text."""
    if type(value) is str:
        return value or None
    if type(value) is int:
        return str(value) if -(1 << 64) < value < 1 << 64 else None
    return repr(value) if type(value) is float else None
