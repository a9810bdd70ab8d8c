"""What log shippers post around records: batches of Loki, OTLP, Elasticsearch and Splunk.

Pure: a decoded JSON object in, its records out as plain objects. An object that is no such batch is
a record itself.
"""

from collections.abc import Iterator
from typing import Any

__all__ = ["unwrapped"]

_HEC = frozenset(("time", "host", "source", "sourcetype", "index", "event", "fields"))
_ACTIONS = frozenset(("create", "index", "update", "delete"))


def unwrapped(item: dict[str, Any]) -> list[Any]:
    """The records of a posted object; what is none stands there as it came, and is refused.

    >>> unwrapped({"streams": [{"stream": {"app": "shop"}, "values": [["17675712", "x"]]}]})
    [{'service': 'shop', 'app': 'shop', 'timestamp': '17675712', 'message': 'x'}]
    >>> unwrapped({"create": {"_index": "logs"}}), unwrapped({"message": "x"})
    ([], [{'message': 'x'}])
    """
    if isinstance(item.get("streams"), list):
        return [one for stream in item["streams"] for one in _loki(stream)]
    if isinstance(item.get("resourceLogs"), list):
        return [one for resource in item["resourceLogs"] for one in _otlp(resource)]
    if _is_action(item):
        return []
    if isinstance(item.get("event"), dict) and item.keys() <= _HEC:
        rest = {name: value for name, value in item.items() if name != "event"}
        return [{**rest, **item["event"]}]
    return [item]


def _is_action(item: dict[str, Any]) -> bool:
    """Whether it is an action line of a bulk request, such as `{"create": {"_index": "logs"}}`."""
    if len(item) != 1:
        return False
    ((name, value),) = item.items()
    return (
        name in _ACTIONS and isinstance(value, dict) and all(key.startswith("_") for key in value)
    )


def _loki(stream: Any) -> Iterator[Any]:
    """Lines of a stream with its labels; structured metadata are fields, too."""
    values = stream.get("values") if isinstance(stream, dict) else None
    if not isinstance(values, list):
        yield [stream]
        return
    labels = stream["stream"] if isinstance(stream.get("stream"), dict) else {}
    names = ("service", "service_name", "app", "container", "job")
    service = next((labels[name] for name in names if labels.get(name)), None)
    around = {"service": service, **labels} if service else labels
    for one in values:
        if not isinstance(one, list) or len(one) < 2 or not isinstance(one[1], str):
            yield one
            continue
        more = one[2] if len(one) > 2 and isinstance(one[2], dict) else {}
        yield {**around, **more, "timestamp": one[0], "message": one[1]}


def _otlp(resource: Any) -> Iterator[Any]:
    """Log records of a resource with its attributes."""
    scopes = resource.get("scopeLogs") if isinstance(resource, dict) else None
    if not isinstance(scopes, list):
        yield [resource]
        return
    given = resource["resource"] if isinstance(resource.get("resource"), dict) else {}
    around = _attributes(given)
    if "service.name" in around:
        around = {"service": around["service.name"], **around}
    for scope in scopes:
        records = scope.get("logRecords") if isinstance(scope, dict) else None
        if not isinstance(records, list):
            yield [scope]
            continue
        for one in records:
            yield _otlp_record(one, around) if isinstance(one, dict) else one


def _otlp_record(one: dict[str, Any], around: dict[str, Any]) -> dict[str, Any]:
    stamps = (one.get("timeUnixNano"), one.get("observedTimeUnixNano"))
    stamp = next((stamp for stamp in stamps if stamp not in (None, "", 0, "0")), None)
    found = {**around, **_attributes(one), "message": _value(one.get("body"))}
    found |= {"timestamp": stamp} if stamp is not None else {}
    for name in ("severityText", "severityNumber"):
        found |= {name: one[name]} if one.get(name) else {}
    return found


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    pairs = holder.get("attributes")
    return {
        str(pair.get("key")): _value(pair.get("value"))
        for pair in (pairs if isinstance(pairs, list) else [])
        if isinstance(pair, dict)
    }


def _value(given: Any) -> Any:
    """A value of OTLP, which stands in an object named by its type."""
    if not isinstance(given, dict) or len(given) != 1:
        return given
    ((kind, value),) = given.items()
    if kind in ("arrayValue", "kvlistValue") and isinstance(value, dict):
        values = value.get("values")
        if kind == "kvlistValue":
            return _attributes({"attributes": values})
        return [_value(one) for one in values] if isinstance(values, list) else []
    return value
