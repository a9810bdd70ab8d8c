"""Old alerts under present names, so that they can be compared with new ones."""

from collections.abc import Sequence
from typing import Any

import msgspec

from padit.analysis.alert_files import Event
from padit.domain.alert import Alert, Transition, alert_id
from padit.domain.metric import Series
from padit.domain.renamed import DETECTORS, current_detector
from padit.domain.timestamps import parse_timestamp

__all__ = ["old_names_in", "with_current_names"]

# Keys and words of the evidence of version 1 of `silence`, and those of `no_data`.
_KEYS = {"silence_sec": "no_data_sec", "source_silent": "source_without_data"}
_WORDS = ("series of the source are silent", "series of the source have no data")


def old_names_in(events: Sequence[Event]) -> list[str]:
    """Old names of detectors that these alerts hold, sorted."""
    found: set[str] = set()
    for event in events:
        if _may_be_old(event):
            names = {str(one["name"]) for one in _detectors(event.content["data"])}
            found |= names & DETECTORS.keys()
    return sorted(found)


def with_current_names(event: Event) -> Event:
    """The event with the new names of its detectors, and with the ids that follow from them.

    An event without an old name, and one that is no alert of PADIT, is returned as it is.
    """
    if not _may_be_old(event):
        return event
    content = event.content
    data = content["data"]
    for one in _detectors(data):
        one["name"] = current_detector(one["name"])
    if isinstance(data.get("evidence"), dict):
        data["evidence"] = {
            _KEYS.get(key, key): _words(one) for key, one in data["evidence"].items()
        }
    data["summary"] = _words(data.get("summary", ""))
    try:
        alert = msgspec.convert(data, Alert)
        alert.id = data["id"] = _current_id(alert)
        kind: Any = content["type"].rpartition(".")[2]
        content["id"] = Transition(kind, event.time, alert).id
    except (msgspec.ValidationError, KeyError, ValueError):
        return event
    return event._replace(id=content["id"], line=msgspec.json.encode(content))


def _may_be_old(event: Event) -> bool:
    return any(f'"{old}"'.encode() in event.line for old in DETECTORS)


def _detectors(data: dict[str, Any]) -> list[dict[str, Any]]:
    evidence = data.get("evidence")
    judged = evidence.get("detectors") if isinstance(evidence, dict) else None
    found = [data.get("detector"), *(judged if isinstance(judged, list) else ())]
    return [one for one in found if isinstance(one, dict) and isinstance(one.get("name"), str)]


def _words(text: Any) -> Any:
    return text.replace(*_WORDS) if isinstance(text, str) else text


def _current_id(alert: Alert) -> str:
    """The id under the new name if it was made from the old name; any other stays."""
    series = Series(alert.source_id, alert.metric_name, alert.evidence["unit"])
    opened = parse_timestamp(alert.opened)
    for old, new in DETECTORS.items():
        if alert.id == alert_id(series, old, opened):
            return alert_id(series, new, opened)
    return alert.id
