"""Elements of another pipeline to rows of key groups, and to dead letters."""

from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import MAX_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue

from padit.codecs.dead_letter import DeadRecord
from padit.codecs.validate import Validate
from padit.domain.batch import Batch, encode_kept
from padit.domain.message import Message
from padit.domain.metric import Metric
from padit.pipelines.kernels import prepare
from padit.transforms.keying import split_batch

__all__ = ["DEAD", "ReadElements"]

DEAD = "dead"
_TOGETHER = 10_000  # elements that are decoded in one go


class ReadElements(beam.DoFn):  # type: ignore[misc]
    """Elements to (key group, rows as bytes), many at a time, and to dead letters."""

    def __init__(self, validate: Validate, groups: int) -> None:
        self._validate = validate
        self._groups = groups

    def setup(self) -> None:
        """Load the kernels."""
        prepare()

    def start_bundle(self) -> None:
        """Begin with nothing: a bundle that failed leaves nothing behind."""
        self._values: list[bytes] = []
        self._earliest = MAX_TIMESTAMP

    def process(self, element: Any, timestamp: Any = beam.DoFn.TimestampParam) -> Iterator[Any]:
        """Take one element; decode them if many wait."""
        self._values.append(_bytes_of(element))
        self._earliest = min(self._earliest, timestamp)
        return self._decoded() if len(self._values) >= _TOGETHER else iter(())

    def finish_bundle(self) -> Iterator[Any]:
        """Decode what waits, at its earliest timestamp."""
        time = self._earliest
        for one in self._decoded():
            if isinstance(one, beam.pvalue.TaggedOutput):
                value = WindowedValue(one.value, time, [GlobalWindow()])
                yield beam.pvalue.TaggedOutput(one.tag, value)
            else:
                yield WindowedValue(one, time, [GlobalWindow()])

    def _decoded(self) -> Iterator[Any]:
        values = self._values
        self.start_bundle()
        while values:
            decoded = self._validate(values, None)
            for reject in decoded.rejects:
                letter = DeadRecord(values[reject.record], reject, "WatchMetrics", 0, -1).letter()
                message = Message.dead_letter(letter, 0, letter.digest)
                yield beam.pvalue.TaggedOutput(DEAD, message)
            for group, keyed in split_batch(Batch(1, (), decoded.rows), self._groups):
                if len(keyed.rows):
                    yield group, encode_kept(keyed.rows, [])
            values = values[decoded.taken :]


def _bytes_of(element: Any) -> bytes:
    """An element as it would stand on a topic; what cannot be one is a record that is refused."""
    if isinstance(element, bytes):
        return element
    if isinstance(element, str):
        return element.encode()
    if isinstance(element, Mapping | Metric):
        try:
            return msgspec.json.encode(element)
        except (TypeError, ValueError, msgspec.MsgspecError):
            return repr(element).encode()
    return repr(element).encode()
