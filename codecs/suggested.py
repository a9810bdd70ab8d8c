"""A mapping that may read a JSON message which nothing else recognises: `format`, guessed by names.

Only a proposal for a person, made after a message was refused; nothing is read by it unasked. What
tells series apart (a name beside several numbers, an object of tags) is part of it, so that two
series are never mixed by following it.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from padit.codecs.mapping_values import has_comma, has_thousands

__all__ = ["suggested"]

_TIMES = ("timestamp", "time", "ts", "datetime", "eventtime", "date", "at", "t", "when", "tsms",
          "timems", "measuredat", "recordedat", "createdat", "clock", "receivedat", "lastchanged",
          "lastupdated", "timestampms", "timestampns", "epoch", "starttime")  # fmt: skip
_SOURCES = ("sourceid", "machineid", "deviceid", "sensorid", "equipmentid", "assetid", "host",
            "hostname", "machine", "device", "sensor", "source", "node", "nodename", "station",
            "instance", "instanceid", "entityid", "itemid", "resourceid", "serial", "id",
            "name")  # fmt: skip
_METRICS = ("metricname", "metric", "signal", "parameter", "param", "tag", "key", "field", "n",
            "name", "type")  # fmt: skip
_METRICS_FOR_SURE = ("metricname", "metric", "countername", "namevalue")
_VALUES = ("value", "val", "v", "reading", "measurement")
_UNITS = ("unit", "uom", "units", "unitsabbreviation")
_TAGS = ("tags", "labels", "dimensions")
_PLAIN = re.compile(r"[A-Za-z_@][\w@-]{0,39}")
_DEEPEST = 3
_MOST = 200  # values of a message that are looked at
_FIRST = 20  # elements of which the fullest is looked at
_LONGEST = 300
_WORDS = frozenset(("yes", "no", "on", "off", "true", "false", "null", "y", "n"))  # none in YAML
_NUMBER = re.compile(r"[-+]?[0-9]{1,18}(?:\.[0-9]{1,18})?")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ].*|[0-9]{9,19}(?:\.[0-9]+)?")
# An element and what lies around it, the element first, each with the beginning of its paths.
_Levels = Sequence[tuple[Any, str]]
_Fits = Callable[[Any], bool]


def suggested(message: Any) -> str:
    """The section `format` as one line of YAML; "" where the names lead to no time or no value.

    >>> suggested({"ts": 1767571200, "dev": {"id": "a"}, "m": [{"n": "bar", "v": 1.5}]})
    '{each: "m[*]", source: $.dev.id, metric: "n", value: v, time: $.ts}'
    """
    if type(message) is not dict:
        return ""
    each, levels = _levels(message)
    time = _around(levels, _TIMES, _is_time)
    if not time:
        return ""
    element = levels[0][0]
    found = {"each": f'"{each}"'} if each else {}
    value = _named(element, _VALUES, _is_number, deepest=2)
    metric = _named(element, _METRICS, _is_name, deepest=1) if value else ""
    source = _around(levels, _SOURCES, _is_name, without=metric)
    found |= {"source": source} if source else {"source_id": "NAME"}
    tags = _tags(levels)
    numbers = _numbers_of(element, time, source, value)
    if metric:
        found |= {"metric": metric, "value": value}
    elif not (value or numbers):
        return ""
    else:
        found |= _values(levels, value, numbers)
    unit = _named(element, _UNITS, lambda one: type(one) is str, deepest=1) if value else ""
    found |= {"unit": unit} if unit and "values" not in found else {}
    found |= {"by": f'"{tags}.*"'} if tags else {}
    found |= {"decimal": "comma"} if _has_commas(element, numbers, value) else {}
    found["time"] = time
    text = "{" + ", ".join(f"{name}: {_written(path)}" for name, path in found.items()) + "}"
    return text if len(text) <= _LONGEST else ""


def _has_commas(element: Any, numbers: Sequence[Any], value: str) -> bool:
    """Whether numbers of an element are texts with a decimal comma, beyond doubt."""
    found = [*numbers, _at(element, value)] if value else numbers
    texts = [one for one in found if type(one) is str]
    return any(has_comma(one) and not has_thousands(one) for one in texts)


def _values(levels: _Levels, value: str, numbers: Sequence[Any]) -> dict[str, str]:
    """The values of an element that are not named one by one, and how."""
    name = _around(levels, _METRICS_FOR_SURE, lambda one: type(one) is str and _is_name(one))
    if value and not any(type(one) in (int, float) for one in numbers):
        if name:
            return {"metric": name, "value": value}
        return {"values": f"{{value: {value}}}"}
    found = {"metric": f'"{{{name}}}_{{field}}"' if name else '"{field}"', "values": "."}
    texts = [one for one in numbers if type(one) is str]
    if not value and (2 * len(texts) >= len(numbers) or any(map(has_comma, texts))):
        found["text_numbers"] = "true"
    return found


def _levels(message: dict[str, Any]) -> tuple[str, _Levels]:
    """The path of the elements, and the first of them with what lies around it.

    An array of objects counts if they hold more numbers than what lies beside it; and one inside of
    its objects where those have no time of their own.
    """
    path, around = "", [message]
    while len(around) <= _DEEPEST:
        inner = _elements(around[-1])
        if not inner:
            break
        elements = _at(around[-1], inner)
        timed = bool(_named(around[-1], _TIMES, _is_time))
        held = sum(1 for one in elements[:_MOST] for _ in _numbers_of(one))
        if timed and (len(around) > 1 or len(_numbers_of(around[-1])) > held + 1):
            break
        path = f"{path}.{inner}[*]" if path else f"{inner}[*]"
        around.append(max(elements[:_FIRST], key=lambda one: len(_numbers_of(one))))
    depth = len(around) - 1
    begins = ["" if not out else "$." if out == depth else "^." * out for out in range(depth + 1)]
    return path, list(zip(reversed(around), begins, strict=True))


def _around(levels: _Levels, names: Sequence[str], fits: _Fits, *, without: str = "") -> str:
    """The path of the best name: in the element, else in what lies around it, the nearest first."""
    for content, begin in levels:
        found = _named(content, names, fits, without="" if begin else without)
        if found:
            return f"{begin}{found}"
    return ""


def _tags(levels: _Levels) -> str:
    """The path of an object of texts that tell series apart; "" where there is none."""
    content, begin = levels[0]
    for path in _objects(content):
        one = _at(content, path)
        if path.rpartition(".")[2].lower() in _TAGS and one and all(
            type(each) is str for each in [*one.values()][:_MOST]
        ):  # fmt: skip
            return f"{begin}{path}"
    return ""


def _objects(content: Any, path: str = "", depth: int = 0) -> Iterator[str]:
    """Paths of the objects within an object, as far as those are plain."""
    for name, one in list(content.items())[:100] if type(content) is dict else ():
        if type(one) is dict and _PLAIN.fullmatch(name) and depth < _DEEPEST:
            inner = f"{path}.{name}" if path else name
            yield inner
            yield from _objects(one, inner, depth + 1)


def _written(path: str) -> str:
    """A path as YAML has it."""
    plain = path[:1] != "@" and path.lower() not in _WORDS
    return path if plain or path == "true" else f'"{path}"'


def _numbers_of(element: Any, *others: str) -> list[Any]:
    """Numbers of an element, also in text, but those at some paths."""
    return [
        one for path, one in islice(_leaves(element), _MOST)
        if path not in others and type(one) is not bool and _is_number(one)
    ]  # fmt: skip


def _elements(message: Any) -> str:
    """The path of the longest array of objects; "" where there is none."""
    arrays = [
        (len(one), path)
        for path, one in islice(_leaves(message), _MOST)
        if type(one) is list and one and all(type(inner) is dict for inner in one[:3])
    ]
    return max(arrays, key=lambda one: one[0])[1] if arrays else ""


def _leaves(content: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Values that are no objects, with their paths, as far as those are plain."""
    for name, one in list(content.items())[:100] if type(content) is dict else ():
        if not _PLAIN.fullmatch(name):
            continue
        inner = f"{path}.{name}" if path else name
        if type(one) is dict and depth < _DEEPEST:
            yield from _leaves(one, inner, depth + 1)
        else:
            yield inner, one


def _at(message: Any, path: str) -> Any:
    for name in path.split("."):
        message = message[name]
    return message


def _named(
    content: Any, names: Sequence[str], fits: _Fits, *, deepest: int = 9, without: str = ""
) -> str:
    """The path of the best of some names: the first of them, and of those the least deep."""
    found = []
    for path, one in islice(_leaves(content), _MOST):
        words = path.split(".")
        plain = [re.sub(r"[^a-z]", "", word.lower()) for word in words]
        last = next((n for n in ("".join(plain[-2:]), plain[-1]) if n in names), None)
        if last is not None and path != without and len(words) <= deepest and fits(one):
            found.append((names.index(last), len(words), path))
    return min(found)[2] if found else ""


def _is_time(one: Any) -> bool:
    return bool(_TIME.fullmatch(str(one))) if type(one) in (str, int, float) else False


def _is_number(one: Any) -> bool:
    if type(one) is str:
        return bool(_NUMBER.fullmatch(one)) or has_comma(one)
    return type(one) in (int, float)


def _is_name(one: Any) -> bool:
    return (type(one) is str and 0 < len(one) <= 100) or type(one) is int
