"""The samples in an MQTT message, and what else stands in it; no I/O.

In: a subscription, the topic and payload of one message. Out: a `Reading` with the samples and,
counted, everything else that stands in the message. The unit of the books is the value: a leaf of
a JSON payload, an item of an array of metrics, or a whole payload that is not JSON or cannot be
read. A value that gives the time, the name, the source or the unit of others is none of them.
"""

import re
import string
from collections.abc import Iterator
from typing import Any, NamedTuple

from padit.adapters.encode import usable
from padit.adapters.mqtt_reading import Reading
from padit.adapters.mqtt_subscription import Subscription, plain_path, topic_part
from padit.codecs.forgiving import known_form
from padit.codecs.names import shortened
from padit.codecs.payload_text import Notation
from padit.codecs.payloads import (
    Leaf,
    at_path,
    json_of,
    leaf_count,
    leaf_of,
    leaves_of,
    metrics_of,
    number_of,
)
from padit.domain.metric import Metric

__all__ = ["MessageReader"]

_MILLIS, _MICROS, _NANOS = 1e11, 1e14, 1e17
_REMEDIES = {
    "null": "there is no value",
    "text": "it is text; `states` turns words into numbers",
    "time": "`timestamp_field: {path}` takes it as the time of the samples",
    "empty": "there is nothing in it",
    "array": "raise `array_limit`",
    "objects": "`items: {path}` reads its elements, `value_field` names the value of each",
    "deep": "it lies more than 8 levels deep; name it with `value_field`",
}
_MOST_LOOKS = 100
_ALIKE = ("factory", "columns", "pandas")  # plain objects look like these, too
_FAULTS = {"number_text", "not_finite"}
_DATE = re.compile(r"'[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]")


class MessageReader:
    """Reads the messages of one subscription.

    Args:
        subscription: what they mean.
    """

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.notation = subscription.notation
        self.labels = _labels_of(subscription)
        self.source = _parsed(subscription.source_id or "{parent}")
        self.name = _parsed(subscription.metric_name or "{-1}_{field}")
        self.name_alone = _parsed(subscription.metric_name or "{-1}")
        self._looks = _MOST_LOOKS

    def read(self, topic: str, payload: bytes, time: float) -> Reading:
        """The samples in one message, and what else there is; never raises.

        Args:
            topic: of the message.
            payload: of the message.
            time: of arrival, epoch seconds.
        """
        reading = Reading()
        try:
            _Message(self, topic, time, reading).read(payload)
        except (ValueError, KeyError, RecursionError) as error:
            text = error.args[0] if error.args else type(error).__name__
            reading.fault("malformed", f"{topic}: {text}")
        return reading

    def recognise(self, topic: str, content: Any, reading: Reading) -> None:
        """Say of the first messages what tells the series apart that they would mix."""
        if self._looks <= 0 or self.subscription.items or self.subscription.value_field:
            return
        self._looks -= 1
        preset, what = known_form(content)
        if preset and preset not in _ALIKE:
            text = f"{topic}: this looks like {what}: `format: {preset}` tells its series apart"
            reading.unwatched("form", text, 0)


class _Template(NamedTuple):
    """Text with parts of the topic and of the payload."""

    parts: tuple[tuple[str, str | None], ...]

    @property
    def same_for_all(self) -> bool:
        """Whether all values of a message get the same text."""
        return not any(name and (name == "field" or name[0] == "$") for _, name in self.parts)


class _Message:
    """One message on its way to samples."""

    def __init__(self, reader: MessageReader, topic: str, time: float, reading: Reading) -> None:
        self._reader = reader
        self._subscription = reader.subscription
        self._topic = topic
        self._time = time
        self._reading = reading
        self._notation = reader.notation
        self._whole: Any = None
        self._labels = reader.labels
        self._source = ""

    def read(self, payload: bytes) -> None:
        """Take everything in the payload; raises ValueError where it cannot be read."""
        kind = self._subscription.payload
        if not payload:
            message = f"{self._topic}: an empty message, as one that removes a retained one"
            self._reading.unwatched("empty", message)
            return
        if kind == "auto":
            start = payload.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
            kind = "json" if start in (b"{", b"[", b'"') else "number"
        if kind == "metric":
            self._metrics(payload)
        elif kind == "number":
            self._number(payload)
        else:
            self._whole, twice = json_of(payload)
            if twice:
                message = f"{self._topic}: a key stands twice in one object; the last one counts"
                self._reading.fault("duplicate_key", message, twice)
            self._reader.recognise(self._topic, self._whole, self._reading)
            self._items()

    def _number(self, payload: bytes) -> None:
        try:
            value, unit = number_of(payload, self._notation)
        except ValueError as error:
            if not self._topic.startswith("spBv1.0/"):
                raise
            message = f"{error}; it may be Sparkplug B: `payload: sparkplug` reads it"
            raise ValueError(message) from error
        self._add(Leaf("", value, unit), None, self._time)

    def _metrics(self, payload: bytes) -> None:
        found, reasons = metrics_of(payload)
        for metric in found:
            if usable(metric):
                self._reading.samples.append(metric)
            else:
                self._reading.fault("malformed", f"{self._topic}: no usable sample: {metric!r}")
        for reason in reasons:
            self._reading.fault("malformed", f"{self._topic}: {reason}")
        if not found and not reasons:
            self._reading.unwatched("empty", f"{self._topic}: an array without items")

    def _items(self) -> None:
        """Every item of the payload; all that stands beside them is unwatched."""
        path = self._subscription.items
        if not path:
            self._item(self._whole, "")
            return
        path = "" if path == "$" else path
        try:
            items = at_path(self._whole, path)
        except KeyError as error:
            message = f"`items: {path}` is not in the payload"
            raise ValueError(message) from error
        if not isinstance(items, list | dict) or not items:
            message = f"`items: {path or '$'}` is no array with elements"
            raise ValueError(message)
        pairs = items.items() if isinstance(items, dict) else enumerate(items)
        for place, item in pairs:
            self._item(item, str(place))
        beside = leaf_count(self._whole) - leaf_count(items)
        beside -= self._label_count(self._whole, path)
        if beside > 0:
            message = f"{self._topic}: fields beside `items: {path}` are not read"
            self._reading.unwatched("not_chosen", message, beside)

    def _item(self, item: Any, place: str) -> None:
        """One item: an object or array with its values, or a value."""
        chosen = self._subscription.value_field
        if not isinstance(item, dict | list):
            found = list(self._leaves(item, place))
        elif not chosen:
            found = [leaf for leaf in self._leaves(item, "") if leaf.path not in self._labels]
        elif _has(item, chosen):
            content = at_path(item, chosen)
            found = list(self._leaves(content, chosen))
            beside = leaf_count(item) - leaf_count(content) - self._label_count(item, chosen)
            if beside > 0:
                message = f"{self._topic}: fields beside `value_field: {chosen}` are not read"
                self._reading.unwatched("not_chosen", message, beside)
        else:
            message = f"{self._topic}: {place or 'the payload'} has no field {chosen}"
            self._reading.fault("no_value", message, leaf_count(item))
            return
        self._give(item, found)

    def _give(self, item: Any, found: list[Leaf]) -> None:
        """Samples of the numbers, at the time of their item; the other leaves are counted."""
        good = [leaf for leaf in found if not leaf.lack]
        for leaf in found:
            if leaf.lack:
                self._leave(leaf)
        if not good:
            return
        try:
            time = self._time_of(item)
        except ValueError as error:
            self._reading.fault("time", f"{self._topic}: {error}", len(good))
            return
        for leaf in good:
            self._add(leaf, item, time)

    def _label_count(self, content: Any, path: str) -> int:
        """How many of the labels are values of `content`, outside of `path`."""
        outside = (one for one in self._labels if one != path and not one.startswith(f"{path}."))
        if not path:
            return 0
        return sum(
            _has(content, one) and not isinstance(at_path(content, one), dict | list)
            for one in outside
        )

    def _leaves(self, content: Any, path: str) -> Iterator[Leaf]:
        return leaves_of(content, self._notation, self._subscription.array_limit, path)

    def _leave(self, leaf: Leaf) -> None:
        """Count a leaf that is no number."""
        message = f"{self._topic}: {leaf.path or 'the payload'} is {leaf.shown}"
        if leaf.lack in _FAULTS:
            self._reading.fault(leaf.lack, message, leaf.size)
            return
        lack = "time" if leaf.lack == "text" and _DATE.match(leaf.shown) else leaf.lack
        remedy = _REMEDIES[lack].format(path=leaf.path or "$")
        self._reading.unwatched(lack, f"{message}: {remedy}", leaf.size)

    def _field(self, item: Any, path: str) -> Any:
        """A field of the item, or else of the whole payload; raises KeyError."""
        try:
            return at_path(item, path)
        except KeyError:
            return at_path(self._whole, path)

    def _time_of(self, item: Any) -> float | str:
        path = self._subscription.timestamp_field
        if not path:
            return self._time
        try:
            return _time_in(self._field(item, path))
        except (KeyError, OverflowError, ValueError) as error:
            message = f"the field {path} is missing or no time"
            raise ValueError(message) from error

    def _add(self, leaf: Leaf, item: Any, time: float | str) -> None:
        reader, subscription = self._reader, self._subscription
        try:
            unit = leaf.unit or subscription.unit
            if subscription.unit_field:
                unit = str(self._field(item, subscription.unit_field))
            name = reader.name if leaf.path else reader.name_alone
            metric = Metric(
                time,
                self._source_of(leaf.path, item),
                shortened(self._filled(name, leaf.path, item)),
                leaf.value,
                shortened(unit),
                subscription.metric_type,
                "mqtt",
            )
            texts = f"{metric.source_id}{metric.metric_name}{metric.unit}"
            if not texts.isascii():
                texts.encode()
        except UnicodeEncodeError:
            self._reading.fault("malformed", f"{self._topic}: {leaf.path!r}: a name is no Unicode")
            return
        except (KeyError, ValueError) as error:
            self._reading.fault("malformed", f"{self._topic}: {error.args[0]}")
            return
        if usable(metric):
            self._reading.samples.append(metric)
        else:
            message = f"{self._topic}: no usable sample: {str(metric)[:300]}"
            self._reading.fault("malformed", message)

    def _source_of(self, path: str, item: Any) -> str:
        if self._source:
            return self._source
        source = shortened(self._filled(self._reader.source, path, item) or self._topic)
        if self._reader.source.same_for_all:
            self._source = source
        return source

    def _filled(self, template: _Template, field: str, item: Any) -> str:
        parts = []
        for text, name in template.parts:
            parts.append(text)
            if name is None:
                continue
            if name == "field":
                parts.append(field)
            elif name.startswith("$."):
                parts.append(self._text_at(item, name[2:]))
            else:
                parts.append(topic_part(name, self._topic))
        return "".join(parts)

    def _text_at(self, item: Any, path: str) -> str:
        try:
            found = self._field(item, path)
        except KeyError as error:
            message = f"the field {path} is missing"
            raise ValueError(message) from error
        if isinstance(found, dict | list) or found is None:
            message = f"the field {path} is no text and no number"
            raise ValueError(message)
        return str(found)


def _has(content: Any, path: str) -> bool:
    try:
        at_path(content, path)
    except KeyError:
        return False
    return True


def _parsed(template: str) -> _Template:
    found = []
    for text, name, _, _ in string.Formatter().parse(template):
        of_payload = name is not None and name.startswith("$.")
        found.append((text, f"$.{plain_path(name)}" if of_payload and name else name))
    return _Template(tuple(found))


def _labels_of(subscription: Subscription) -> frozenset[str]:
    """Paths that give the time, unit, source or name of samples."""
    found = {subscription.timestamp_field, subscription.unit_field}
    for template in (subscription.source_id, subscription.metric_name):
        found |= {name[2:] for _, name in _parsed(template).parts if name and name[0] == "$"}
    return frozenset(found - {""})


def _time_in(content: Any) -> float | str:
    """Epoch seconds, or a text as it stands.

    >>> _time_in("1767571200000"), _time_in(1767571200), _time_in("2026-01-05T00:00:00Z")
    (1767571200.0, 1767571200.0, '2026-01-05T00:00:00Z')
    """
    if isinstance(content, bool) or not isinstance(content, int | float | str):
        message = "no time"
        raise ValueError(message)
    if isinstance(content, str):
        found = leaf_of(content, "", Notation())
        if found.lack:
            return content
        content = found.value
    seconds = float(content)
    for limit, unit in ((_NANOS, 1e9), (_MICROS, 1e6), (_MILLIS, 1e3)):
        if abs(seconds) >= limit:
            return seconds / unit
    return seconds
