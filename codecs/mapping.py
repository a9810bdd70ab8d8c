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

import copy
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.codecs.contract import Reject, bounded
from padit.codecs.forgiving import UNREADABLE, unwatched_kinds
from padit.codecs.layouts import elements_of
from padit.codecs.mapping_model import Format
from padit.codecs.mapping_plan import plan_of
from padit.codecs.mapping_reading import Reading
from padit.codecs.mapping_times import Times
from padit.codecs.records import Decoded, note_unexpected
from padit.codecs.tidied import tidied
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
        labels: that the configuration names, beside those of the mapping.
    """

    def __init__(
        self, form: Format, parse: Parse | None = None, labels: tuple[str, ...] = ()
    ) -> None:
        self.form = form
        self._plan = plan_of(form, labels)
        self._times = Times(form.time_format, form.timezone)
        self._parse = parse or _json.decode

    def with_source_id(self, source_id: str) -> "Mapping":
        """The same with another `source_id`, for elements whose `source` leads to nothing."""
        made = copy.copy(self)
        made.form = self.form.model_copy(update={"source_id": source_id})
        return made

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
        parse, message = self._parse, reading.message
        stamps = _stamps(received, len(values))
        for position, value in enumerate(values):
            if len(reading.columns.value) > _MOST_ROWS:
                break
            taken += 1
            if not value or len(value) > max_bytes:
                fault = _unread(value, max_bytes, reading)
            else:
                try:
                    content = parse(value)
                except Exception as error:
                    content, fault = self._parsed_again(value, error)
                else:
                    fault = ""
                if self.form.layout and not fault:
                    content = elements_of(self.form.layout, content, reading.left)
                fault = fault or message(position, content, stamps[position])
            if fault:
                rejects.append(Reject(position, bounded(fault)))
        times = self._times if self._plan.time else _RECEIVED
        found = reading.columns.finish(times, reading.attributes.table)
        rejects = sorted([*rejects, *found.rejects])
        left = (*reading.left.all(), *unwatched_kinds(found.unknown))
        return Decoded(
            found.rows, found.record, rejects, found.element, taken, found.left_out, left
        )

    def _parsed_again(self, value: bytes, error: Exception) -> tuple[Any, str]:
        """What a record that cannot be parsed holds nevertheless, and its fault if nothing."""
        whole = tidied(value) if self._parse == _json.decode else b""
        try:
            return (_json.decode(whole), "") if whole else (None, _unparsed(error))
        except UNREADABLE:
            return None, _unparsed(error)


def _stamps(received: NDArray[np.int64] | None, count: int) -> Sequence[int | None]:
    """The time of each record, as plain numbers; None where it has none."""
    return [None] * count if received is None else received.tolist()


def _unread(value: bytes | None, max_bytes: int, reading: Reading) -> str:
    """Why a record is not parsed, as a fault; a tombstone is none."""
    if value is None:
        reading.left.add("tombstone", "a record without a value", "", "messages", 0)
        return ""
    if not value:
        return "empty"
    return f"{len(value)} bytes, more than the {max_bytes} of --max_record_bytes"


def _unparsed(error: Exception) -> str:
    """The fault of a record that cannot be parsed."""
    if isinstance(error, SourceError):  # a registry that is away is no fault of the record
        raise error
    if isinstance(error, ValueError | RecursionError):
        return f"{error}"
    note_unexpected(error)  # no record may stop the job, whatever is wrong with this code
    return f"{type(error).__name__}: {error}"
