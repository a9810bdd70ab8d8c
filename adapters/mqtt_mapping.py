"""MQTT messages by a mapping of the option `format`, as records of Kafka are read; no I/O.

In: a subscription with `format`, the topic and payload of one message. Out: a `Reading`, with what
the mapping refuses as faults and what it leaves as unwatched, in the mapping's own units (fields,
elements, messages). The source is that of the mapping; where it leads to nothing, or the mapping
names none, a template over the topic gives it.
"""

import string

import numpy as np
from msgspec.structs import replace

from padit.adapters.encode import metrics_of
from padit.adapters.mqtt_reading import Reading
from padit.adapters.mqtt_subscription import Subscription, topic_part
from padit.codecs.mapping import Mapping
from padit.codecs.names import shortened

__all__ = ["MappedReader"]

_LARGEST = 268_435_455  # bytes of a message that MQTT allows
_KINDS = {"field": "not_chosen", "other": "not_chosen", "null": "null", "text": "text",
          "filtered": "filtered"}  # fmt: skip


class MappedReader:
    """Reads the messages of one subscription with `format`.

    Args:
        subscription: what they mean.
    """

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self._mapping = Mapping(subscription.mapping())
        self._source = self._mapping.form.source_id if subscription.has_topic_source else ""

    def read(self, topic: str, payload: bytes, time: float) -> Reading:
        """The samples in one message, and what else there is; never raises.

        Args:
            topic: of the message.
            payload: of the message.
            time: of arrival, epoch seconds; of the samples if the mapping has no `time`.
        """
        reading = Reading()
        mapping = self._mapping
        if self._source:
            try:
                mapping = mapping.with_source_id(_filled(self._source, topic))
            except ValueError as error:
                reading.fault("malformed", f"{topic}: {error}")
                return reading
        arrived = np.array([round(time * 1e6)], np.int64)
        found = mapping.decode([payload], _LARGEST, arrived)
        reading.samples = [replace(one, protocol="mqtt") for one in metrics_of(found.rows)]
        for reject in found.rejects:
            reading.fault("malformed", f"{topic}: {reject.reason}", reject.lost)
        for left in found.unwatched:
            remedy = f"; {left.remedy}" if left.remedy else ""
            kind = _KINDS.get(left.what.split(" ", 1)[0], "empty")
            reading.unwatched(kind, f"{topic}: {left.what}: {left.reason}{remedy}", left.amount)
        return reading


def _filled(template: str, topic: str) -> str:
    """A template over a topic; the topic itself where it gives nothing."""
    parts = [
        text + (topic_part(name, topic) if name is not None else "")
        for text, name, _, _ in string.Formatter().parse(template)
    ]
    return shortened("".join(parts) or topic)
