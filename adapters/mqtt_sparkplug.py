"""Sparkplug B over MQTT: births, deaths, gaps in the sequence, and asking for a new birth; no I/O.

In: the topic and payload of a message. Out: a `Reading` as for every other payload, and the
command to publish if a birth is missing and may be asked for. What births have named is kept until
`forget`, bounded. A message that the sequence number of its edge node shows to be lost is a fault
(`sequence_gap`), counted like one that could not be read; a death is counted as unwatched and
named, because from then on the node's metrics are stale.
"""

import string
from collections import OrderedDict

from msgspec.structs import replace

from padit.adapters.edges import depending_on
from padit.adapters.encode import usable
from padit.adapters.mqtt_reading import Reading
from padit.adapters.mqtt_subscription import Subscription
from padit.codecs.names import shortened
from padit.codecs.sparkplug import Births, read_message, rebirth_request
from padit.domain.metric import Metric

__all__ = ["Command", "Nodes"]

_PATIENCE_SEC = 60.0
_MOST_ASKED = 10_000
_DEVICE_LEVELS = 5  # namespace, group, kind of message, edge node, device

Command = tuple[str, bytes]
"""Topic and payload of a message to publish."""


class Nodes:
    """Edge nodes whose messages are read.

    Args:
        rebirth: whether a birth that is missing is asked for.
    """

    def __init__(self, rebirth: bool) -> None:
        self._rebirth = rebirth
        self._births = Births()
        self._asked: OrderedDict[str, float] = OrderedDict()

    def forget(self) -> None:
        """Forget all births: messages may have been missed."""
        self._births = Births()

    def read(
        self, subscription: Subscription, topic: str, payload: bytes, time: float
    ) -> tuple[Reading, Command | None]:
        """The samples of a message, and a command to publish.

        Args:
            subscription: that the message came by.
            topic: of the message.
            payload: of the message.
            time: of arrival, epoch seconds.
        """
        found = read_message(topic, payload, self._births, time)
        reading = Reading()
        for metric in found.metrics:
            self._add(subscription, topic, metric, reading)
        for note in found.rejects:
            remedy = "" if self._rebirth or note.what != "no birth" else "; `rebirth: true` asks"
            reading.fault(_cause(note.what), f"{topic}: {note.message}{remedy}", note.amount)
        for note in found.unwatched:
            reading.unwatched(_cause(note.what), f"{topic}: {note.message}", note.amount)
        if found.missed:
            text = f"{topic}: {found.missed} messages of the node before this one did not arrive"
            reading.fault("sequence_gap", text, found.missed)
        if not found.metrics and not found.rejects and not found.unwatched:
            reading.unwatched("empty", f"{topic}: a message without metrics")
        wanted = found.rebirth and self._rebirth
        return reading, self._ask(topic, time) if wanted else None

    def _add(
        self, subscription: Subscription, topic: str, metric: Metric, reading: Reading
    ) -> None:
        """One sample, with the names that the subscription wants."""
        levels = topic.split("/")
        source = _filled(subscription.source_id, levels, metric) or metric.source_id
        changed = replace(
            metric,
            timestamp=float(metric.timestamp) / 1e3,
            source_id=source,
            metadata=metric.metadata | _edge(subscription, levels, metric, source),
            metric_name=_filled(subscription.metric_name, levels, metric) or metric.metric_name,
            unit=metric.unit or subscription.unit,
            metric_type=subscription.metric_type,
        )
        if usable(changed):
            reading.samples.append(changed)
        else:
            reading.fault("malformed", f"{topic}: no usable sample: {str(changed)[:300]}")

    def _ask(self, topic: str, time: float) -> Command | None:
        """The command for a new birth, at most once a minute for each node."""
        command = rebirth_request(topic)
        if time - self._asked.get(command[0], 0.0) < _PATIENCE_SEC:
            return None
        self._asked[command[0]] = time
        self._asked.move_to_end(command[0])
        if len(self._asked) > _MOST_ASKED:
            self._asked.popitem(last=False)
        return command


def _cause(what: str) -> str:
    """A kind as a name in metrics: one for all types that the standard does not know."""
    return "unknown_type" if what.startswith("type ") else what.replace(" ", "_").lower()


def _edge(
    subscription: Subscription, levels: list[str], metric: Metric, source: str
) -> dict[str, str]:
    """A device is heard by way of its edge node."""
    if len(levels) < _DEVICE_LEVELS:
        return {}
    node = _filled(subscription.source_id, levels[: _DEVICE_LEVELS - 1], metric)
    return depending_on(node or metric.source_id.rpartition("/")[0], source)


def _filled(template: str, levels: list[str], metric: Metric) -> str:
    """A template over the topic; a level that the topic does not have is left out."""
    fixed = {
        "topic": "/".join(levels),
        "parent": "/".join(levels[:-1]),
        "field": metric.metric_name,
    }
    parts = []
    for text, name, _, _ in string.Formatter().parse(template):
        parts.append(text)
        if name in fixed:
            parts.append(fixed[name])
        elif name is not None and name.removeprefix("-").isdecimal():
            place = int(name)
            parts.append(levels[place] if -len(levels) <= place < len(levels) else "")
    return shortened("".join(parts)) if template else ""
