"""Layouts of things and tests: SenML, NGSI and iperf3.

See `codecs.layouts`. Each layout is a pair: whether an object has it, and its elements.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from padit.codecs.mapping_watch import Left, count_numbers
from padit.codecs.names import shortened

__all__ = ["iperf", "ngsi", "senml"]

_SENML = frozenset(
    ("bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut")
)
_SENML_VALUES = ("v", "vb", "vs", "vd", "s")
_ABSOLUTE = 1 << 28  # RFC 8428: what is less counts from now
_TIMES = ("observedAt", "TimeInstant", "dateObserved", "timestamp", "dateModified", "modifiedAt",
          "dateCreated", "createdAt")  # fmt: skip
_NO_VALUES = ("id", "type", "@context", *_TIMES)
_IPERF_TIMES = ("socket", "start", "end", "seconds", "omitted", "sender")


def _is_number(one: Any) -> bool:
    return type(one) in (int, float)


def _element(source: str, when: Any, unit: Any, values: dict[str, Any]) -> dict[str, Any]:
    return {"source": source, "labels": {}, "time": when, "values": values,
            "unit": unit if type(unit) is str else ""}  # fmt: skip


def _is_senml(one: dict[str, Any]) -> bool:
    """A record of RFC 8428: no other members, a name, and a value or what the others begin with."""
    named = any(type(one.get(name)) is str for name in ("bn", "n"))
    return named and one.keys() <= _SENML and bool({*_SENML_VALUES, "bt", "bn"} & one.keys())


def _senml(pack: Any, left: Left) -> Iterator[Any]:
    """A pack: each record with what the ones before have stated as the base."""
    base: dict[str, Any] = {}
    for one in pack if type(pack) is list else (pack,):
        if type(one) is not dict:
            yield one
            continue
        base |= {name: value for name, value in one.items() if name[:1] == "b"}
        source, name = _senml_names(str(base.get("bn", "")), str(one.get("n", "")))
        if {"vs", "vd"} & one.keys():
            left.add(f"text of {name}", "a field of text is no metric", "", "fields", 0)
        values = _senml_values(name, one, base)
        if values:
            yield _element(source, _senml_time(one, base), one.get("u", base.get("bu")), values)


def _senml_time(one: dict[str, Any], base: dict[str, Any]) -> Any:
    when = _sum(base.get("bt", 0), one.get("t", 0))
    if _is_number(when) and when < _ABSOLUTE:
        return f"{when} (it counts from the moment of sending, which nothing says)"
    return when


def _senml_values(name: str, one: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """The number or the state of a record, and its sum."""
    values = {}
    other = {"vb", "vs", "vd"} & one.keys()
    if "v" in one or ("bv" in base and "n" in one and not other):
        values[name] = _sum(base.get("bv", 0), one.get("v", 0))
    elif "vb" in one:
        values[name] = int(one["vb"]) if type(one["vb"]) is bool else one["vb"]
    if "s" in one:
        values[f"{name}_sum"] = _sum(base.get("bs", 0), one["s"])
    return values


def _senml_names(base: str, name: str) -> tuple[str, str]:
    """Source and metric: the base name and the name, or the parts of the name alone."""
    if not base:
        found = re.fullmatch(r"(.+)[/:]([^/:]+)", name)
        base, name = (found[1], found[2]) if found else ("", name)
    return shortened(base.rstrip(":/-_")), shortened(name) or "value"


def _sum(base: Any, one: Any) -> Any:
    """Of two numbers; what is none is handed on, and so refused."""
    if not _is_number(base):
        return base
    return base + one if _is_number(one) else one


def _entities(message: Mapping[str, Any]) -> list[Any]:
    """Entities of a notification, or the one that a message is."""
    data = message.get("data")
    notified = type(data) is list and "subscriptionId" in message
    return list(data) if notified and type(data) is list else [message]


def _is_entity(one: Any) -> bool:
    """An entity of NGSI v2 or NGSI-LD with attributes as objects."""
    if type(one) is not dict or not all(type(one.get(name)) is str for name in ("id", "type")):
        return False
    if "TimeInstant" in one:  # attributes may be plain values, as `options=keyValues` gives them
        return True
    return any(
        type(each) is dict and "value" in each and type(each.get("type")) is str
        for name, each in one.items()
        if name not in ("id", "type")
    )


def _is_ngsi(message: dict[str, Any]) -> bool:
    entities = _entities(message)
    return bool(entities) and all(map(_is_entity, entities[:20]))


def _ngsi(message: dict[str, Any], left: Left) -> Iterator[Any]:
    """Entities: an element for each attribute, which may have a time and a unit of its own."""
    told = message.get("notifiedAt")
    for entity in _entities(message):
        if not _is_entity(entity):
            yield entity
            continue
        when = _first(entity, told)
        for name, one in entity.items():
            if name in _NO_VALUES:
                continue
            one = {"value": one} if type(one) in (int, float, bool) else one
            if type(one) is not dict or "value" not in one:
                count_numbers(one, name, left, "it is no attribute with a value")
                continue
            value = one["value"]
            if type(value) in (dict, list):
                count_numbers(value, f"{name}.value", left, "an attribute of structure")
                continue
            value = int(value) if type(value) is bool else value
            metadata = one["metadata"] if type(one.get("metadata")) is dict else {}
            unit = one.get("unitCode") or _plain(metadata.get("unit") or metadata.get("unitCode"))
            at = _first(metadata, _first(one, when))
            yield _element(str(entity["id"]), at, unit, {shortened(name): value})


def _plain(one: Any) -> Any:
    """A value that may stand in an object of its own."""
    value = one.get("value", one.get("@value")) if type(one) is dict else one
    return value.get("@value") if type(value) is dict else value


def _first(one: Mapping[str, Any], other: Any) -> Any:
    """The first time that an object has."""
    found = (_plain(one[name]) for name in _TIMES if name in one)
    return next((time for time in found if time), other)


def _is_iperf(one: dict[str, Any]) -> bool:
    start = one.get("start")
    return (
        type(one.get("intervals")) is list
        and type(start) is dict
        and type(start.get("timestamp")) is dict
    )


def _iperf(message: dict[str, Any], left: Left) -> Iterator[Any]:
    """A test: an element for each interval, at its end; streams where there are several."""
    start = message["start"]
    begun = start["timestamp"].get("timesecs")
    connected = start.get("connected")
    first = connected[0] if type(connected) is list and connected else {}
    source = first.get("local_host") if type(first) is dict else ""
    for name in (one for one in message if one != "intervals"):
        left.add(f"field {name!r}", "settings and summaries are no metrics", "", "fields", 0)
    for one in message["intervals"]:
        if type(one) is not dict:
            yield one
            continue
        streams = one["streams"] if type(one.get("streams")) is list else []
        sums = {name: each for name, each in one.items() if name[:3] == "sum"}
        several = len(streams) > 1 or not sums
        parts = [(name.removeprefix("sum").strip("_"), "", each) for name, each in sums.items()]
        parts += [("", str(at), each) for at, each in enumerate(streams) if several]
        for direction, stream, each in parts:
            if type(each) is not dict:
                yield each
                continue
            alone = not (several or direction) and bool(streams) and type(streams[0]) is dict
            held = streams[0] | each if alone else each
            labels = {"direction": direction, "stream": stream}
            element = _element(source or "", _sum(begun, held.get("end", 0)), "", {
                name: value for name, value in held.items() if name not in _IPERF_TIMES
            })  # fmt: skip
            yield element | {"labels": {name: text for name, text in labels.items() if text}}


senml = _is_senml, _senml
ngsi = _is_ngsi, _ngsi
iperf = _is_iperf, _iperf
