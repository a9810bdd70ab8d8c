"""A mapping that may read a JSON message which nothing else recognises: `format`, guessed by names.

Only a proposal for a person, made after a message was refused; nothing is read by it unasked.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

__all__ = ["suggested"]

_TIMES = ("timestamp", "time", "ts", "datetime", "eventtime", "date", "at", "t", "when", "tsms",
          "timems", "measuredat", "recordedat", "createdat")  # fmt: skip
_SOURCES = ("sourceid", "machineid", "deviceid", "sensorid", "equipmentid", "assetid", "host",
            "hostname", "machine", "device", "sensor", "source", "node", "station", "instance",
            "serial", "id", "name")  # fmt: skip
_METRICS = ("metricname", "metric", "signal", "parameter", "param", "tag", "key", "field", "n",
            "name", "type")  # fmt: skip
_VALUES = ("value", "val", "v", "reading", "measurement")
_UNITS = ("unit", "uom", "units")
_PLAIN = re.compile(r"[A-Za-z_@][\w@-]{0,39}")
_DEEPEST = 3
_MOST = 200  # values of a message that are looked at
_LONGEST = 300
_WORDS = frozenset(("yes", "no", "on", "off", "true", "false", "null", "y", "n"))  # none in YAML
_NUMBER = re.compile(r"[-+]?[0-9]{1,18}(?:\.[0-9]{1,18})?")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ].*|[0-9]{9,19}(?:\.[0-9]+)?")


def suggested(message: Any) -> str:
    """The section `format` as one line of YAML; "" where the names lead to no time or no value.

    >>> suggested({"ts": 1767571200, "dev": {"id": "a"}, "m": [{"n": "bar", "v": 1.5}]})
    '{each: "m[*]", source: $.dev.id, metric: "n", value: v, time: $.ts}'
    """
    if type(message) is not dict:
        return ""
    each = _elements(message)
    element = _at(message, each)[0] if each else message
    found = {"each": f'"{each}[*]"'} if each else {}
    outer = "$." if each else ""
    time = _named(element, _TIMES, _is_time)
    around = "" if time or not each else _named(message, _TIMES, _is_time)
    if not time and not around:
        return ""
    value = _named(element, _VALUES, _is_number, deepest=1)
    metric = _named(element, _METRICS, _is_name, deepest=1) if value else ""
    source = _named(element, _SOURCES, _is_name, without=metric)
    above = "" if source or not each else _named(message, _SOURCES, _is_name)
    if source or above:
        found["source"] = source or f"{outer}{above}"
    else:
        found["source_id"] = "NAME"
    if metric:
        found |= {"metric": metric, "value": value}
        unit = _named(element, _UNITS, lambda one: type(one) is str, deepest=1)
        found |= {"unit": unit} if unit else {}
    elif _has_numbers(element, time, source):
        found |= {"metric": '"{field}"', "values": "."}
    else:
        return ""
    found["time"] = time or f"{outer}{around}"
    text = "{" + ", ".join(f"{name}: {_written(path)}" for name, path in found.items()) + "}"
    return text if len(text) <= _LONGEST else ""


def _written(path: str) -> str:
    """A path as YAML has it."""
    return f'"{path}"' if path[:1] == "@" or path.lower() in _WORDS else path


def _has_numbers(element: Any, *others: str) -> bool:
    return any(type(one) in (int, float) for path, one in islice(_leaves(element), _MOST)
               if path not in others)  # fmt: skip


def _elements(message: dict[str, Any]) -> str:
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
    content: Any, names: tuple[str, ...], fits: Any, *, deepest: int = 9, without: str = ""
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
        return bool(_NUMBER.fullmatch(one))
    return type(one) in (int, float)


def _is_name(one: Any) -> bool:
    return (type(one) is str and 0 < len(one) <= 100) or type(one) is int
