"""Records to what a writer gets: samples as columns, results as dictionaries, and dead letters."""

from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from padit.codecs.contract import Reject, bounded
from padit.codecs.dead_letter import DeadRecord
from padit.codecs.validate import Validate
from padit.domain.rows import Rows, concatenate
from padit.domain.timestamps import EARLIEST_US, LATEST_US, MICROS, parse_timestamp
from padit.stores.base import Batch, Content, Place, Records

__all__ = ["Decoder", "float_of", "micros_of", "positions_after"]

_object = msgspec.json.Decoder(dict[str, Any])
_DAY = 86_400 * MICROS
_TIMES = {Content.FEATURES: "window_end", Content.ANOMALIES: "event_time", Content.ALERTS: "time"}


def float_of(value: Any) -> float | None:
    """A number of a message as a float; None: it is none, or larger than all floats."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


@lru_cache(1024)  # all series of a close have the same
def micros_of(time: str | float) -> int:
    """A time of a message, microseconds. Raises ValueError, TypeError."""
    try:
        return parse_timestamp(time)
    except OverflowError as error:  # an integer larger than all floats
        raise ValueError(str(error)) from error


def positions_after(topic: str, records: Records) -> dict[Place, int]:
    """The position behind the last record of each partition."""
    last = dict(zip(records.partition.tolist(), records.offset.tolist(), strict=True))
    return {Place(topic, partition): offset + 1 for partition, offset in last.items()}


class Decoder:
    """Decodes the records of one topic.

    Args:
        topic: its name.
        content: what its records are.
        validate: how samples are read.
        raw: whether nothing is decoded.
    """

    def __init__(self, topic: str, content: Content, validate: Validate, raw: bool) -> None:
        self.topic = topic
        self.content = content
        self._validate = validate
        self._raw = raw

    def __call__(self, records: Records) -> Batch:
        """A batch of these records; no bytes can make it raise."""
        after = positions_after(self.topic, records)
        if self._raw:
            everything = np.arange(len(records))
            return Batch(self.topic, self.content, records, after, Rows.empty(), everything)
        if self.content is Content.METRICS:
            return self._samples(records, after)
        return self._messages(records, after)

    def _samples(self, records: Records, after: dict[Place, int]) -> Batch:
        rows, record, dead = [], [], []
        start = 0
        # A record without a timestamp bounds nothing.
        clock = np.where(records.time < 0, np.iinfo(np.int64).max // 2, records.time)
        while start < len(records):
            decoded = self._validate(records.values[start:], clock[start:])
            rows.append(decoded.rows)
            record.append(decoded.record + start)
            dead += [self._dead(records, start + one.record, one) for one in decoded.rejects]
            start += max(decoded.taken, 1)
        return Batch(
            self.topic,
            self.content,
            records,
            after,
            concatenate(rows),
            np.concatenate(record or [np.empty(0, np.int64)]),
            (),
            tuple(dead),
        )

    def _messages(self, records: Records, after: dict[Place, int]) -> Batch:
        messages: list[dict[str, Any]] = []
        record: list[int] = []
        dead = []
        for number, value in enumerate(records.values):
            try:
                message = _object.decode(value or b"")
                if (wrong := self._wild(message, int(records.time[number]))) is not None:
                    dead.append(self._dead(records, number, Reject(number, wrong)))
                    continue
                messages.append(message)
                record.append(number)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                reason = bounded(f"it is no JSON object: {error}")
                dead.append(self._dead(records, number, Reject(number, reason)))
        numbers = np.array(record, np.int64)
        return Batch(
            self.topic, self.content, records, after, Rows.empty(), numbers, messages, tuple(dead)
        )

    def _wild(self, message: dict[str, Any], record_time: int) -> str | None:
        """Why no store may have a result of this time.

        A Prometheus that has a point of the year 9999 takes none of today, and a key that never
        goes back stays there. Of a file the job takes any time, also local time that was read as
        UTC, and writes its results now: so they have a day. A time that cannot be read is the
        store's to judge.
        """
        name = _TIMES[self.content]
        time = message.get(name)
        if isinstance(time, bool) or not isinstance(time, str | int | float):
            return None
        try:
            micros = micros_of(time)
        except ValueError:
            return None
        limit = max(self._validate.max_ahead, _DAY)
        if not EARLIEST_US <= micros < LATEST_US:
            return f"{name} is {time!r:.80}, not between 2000 and 2200"
        if 0 <= record_time < micros - limit:
            ahead = (micros - record_time) / MICROS
            return (
                f"{name} lies {ahead:.3f} s ahead of its record's timestamp, more than "
                f"{limit / MICROS:g} s (a day, or --max_ahead_sec)"
            )
        return None

    def _dead(self, records: Records, number: int, reject: Reject) -> DeadRecord:
        return DeadRecord(
            records.values[number],
            reject,
            self.topic,
            int(records.partition[number]),
            int(records.offset[number]),
        )
