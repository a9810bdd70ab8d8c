"""JSON of any form to rows, as a `Format` maps it.

    mapping = Mapping(format_of("config.yaml", {"preset": "telegraf"}))
    decoded = mapping.decode([payload], max_bytes)

Bytes in; rows, at most one reject a record, and counts of what stays unwatched, out: the contract
of `codecs.contract`, and the same `Decoded` as from PADIT's own formats. A message is read into
its elements (`each`); the elements that the filter leaves give values. Every number that no path
leads to is counted by its place.

Speed: names are made once for each distinct (source, set of fields) of a call; values of an
object without nesting are taken all at once.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.codecs.contract import Reject, bounded
from padit.codecs.mapping_model import Format
from padit.codecs.mapping_plan import plan_of
from padit.codecs.mapping_reading import Reading
from padit.codecs.mapping_times import Times
from padit.codecs.records import Decoded, note_unexpected
from padit.domain.errors import SourceError

__all__ = ["Mapping", "Parse"]

Parse = Callable[[bytes], Any]
"""Bytes of a record to plain values; raises ValueError with the reason."""

_MOST_ROWS = 1 << 20  # of one call; later records are for the next one
_json = msgspec.json.Decoder()
_RECEIVED = Times("us", "UTC")


class Mapping:
    """A compiled mapping. Safe to share between threads; keeps nothing that decides results.

    Args:
        form: the mapping.
        parse: bytes to values; JSON by default.
    """

    def __init__(self, form: Format, parse: Parse | None = None) -> None:
        self.form = form
        self._plan = plan_of(form)
        self._times = Times(form.time_format, form.timezone)
        self._parse = parse or _json.decode

    def decode(
        self,
        values: Sequence[bytes | None],
        max_bytes: int,
        received: NDArray[np.int64] | None = None,
    ) -> Decoded:
        """Records to rows; no bytes can make it raise.

        Args:
            values: the records' values; None is a tombstone.
            max_bytes: a longer record is rejected unread.
            received: int64 (n,), microseconds: the time of elements of a mapping without `time`.
        """
        reading = Reading(self.form, self._plan)
        rejects: list[Reject] = []
        taken = 0
        for position, value in enumerate(values):
            if len(reading.columns.value) > _MOST_ROWS:
                break
            taken += 1
            fault = self._one(reading, position, value, max_bytes, received)
            if fault:
                rejects.append(Reject(position, bounded(fault)))
        found = reading.columns.finish(self._times if self._plan.time else _RECEIVED)
        rejects = sorted([*rejects, *found.rejects])
        left = reading.left.all()
        return Decoded(found.rows, found.record, rejects, found.element, taken, left)

    def _one(
        self,
        reading: Reading,
        position: int,
        value: bytes | None,
        max_bytes: int,
        received: NDArray[np.int64] | None,
    ) -> str:
        """Read one record; why it cannot be read at all, or nothing."""
        if not value:
            if value is None:
                reading.left.add("tombstone", "a record without a value", "", "messages", 0)
            return "empty" if value is not None else ""
        if len(value) > max_bytes:
            return f"{len(value)} bytes, more than the {max_bytes} of --max_record_bytes"
        try:
            message = self._parse(value)
        except SourceError:  # a registry that is away is no fault of the record
            raise
        except (ValueError, RecursionError) as error:
            return f"{error}"
        except Exception as error:  # no record may stop the job
            note_unexpected(error)
            return f"{type(error).__name__}: {error}"
        mark = reading.columns.mark()
        try:
            reading.message(
                position, message, None if received is None else int(received[position])
            )
        except Exception as error:  # no record may stop the job
            note_unexpected(error)
            reading.columns.back_to(mark)
            return f"{type(error).__name__}: {error}"
        return ""
