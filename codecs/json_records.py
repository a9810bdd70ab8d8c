"""The JSON wire formats: one sample as an object, or an array of such objects."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.codecs.arrow import describe_bad_stamp, parse_timestamps
from padit.codecs.contract import MOST_NAMED, Faults, Sampled, shorten
from padit.codecs.forgiving import (
    UNREADABLE,
    Forgiving,
    forgiving_samples,
    hint_of,
    note_kind,
)
from padit.codecs.names import find_unusable
from padit.codecs.series_table import SeriesTable
from padit.domain.errors import WireFormatError
from padit.domain.metric import MetricType
from padit.domain.rows import Rows
from padit.domain.timestamps import EARLIEST_US, LATEST_US, micros_from_numbers

__all__ = [
    "UNREADABLE",
    "Columns",
    "Samples",
    "columns_of",
    "decode_array",
    "decode_object",
    "forgiven",
    "numbered_samples",
    "samples",
]


class Sample(msgspec.Struct, gc=False):
    """The fields of a metric that the job computes with; the rest is skipped unread."""

    timestamp: float | str
    source_id: str
    metric_name: str
    value: float
    unit: str = ""
    metric_type: MetricType = "custom"


class NumberedSample(msgspec.Struct, gc=False):
    """`Sample` with a number for a timestamp, which most have; 100 ns faster to parse."""

    timestamp: float
    source_id: str
    metric_name: str
    value: float
    unit: str = ""
    metric_type: MetricType = "custom"


Samples = list[Sample] | list[NumberedSample]
numbered_samples = msgspec.json.Decoder(NumberedSample)
samples = msgspec.json.Decoder(Sample)
_arrays = msgspec.json.Decoder(list[Sample])
_elements = msgspec.json.Decoder(list[msgspec.Raw])
_names = SeriesTable()
_SHORTEST = 8  # bytes between two commas of an array, on average; a sample has four in 60


class Columns(NamedTuple):
    """Samples as columns.

    Attributes:
        rows: those that can be used.
        good: bool (n,), which of the samples they are; None: all.
        bad: the positions of the others, ascending.
        reason: why the sample at a position cannot be used.
    """

    rows: Rows
    good: NDArray[np.bool_] | None
    bad: NDArray[np.int64]
    reason: Callable[[int], str]


def decode_object(record: bytes) -> Sampled:
    """A JSON object to one row. Raises if it is none; see `Codec`."""
    try:
        sample = _sample(record)
    except UNREADABLE as error:
        message = f"{error}{hint_of(record)}"
        raise WireFormatError(message) from error
    found = columns_of([sample])
    if found.good is not None:
        raise WireFormatError(found.reason(0))
    return Sampled(found.rows, np.zeros(1, np.int32), Faults())


def _sample(record: bytes | msgspec.Raw) -> Sample:
    try:
        return samples.decode(record)
    except UNREADABLE:
        return forgiven([forgiving_samples.decode(record)])[0]


def forgiven(read: Sequence[Forgiving]) -> list[Sample]:
    """Records as others write them to samples. Raises WireFormatError for a value that is none."""
    for one in read:
        note_kind(one.metric_type)
    return [
        Sample(one.timestamp, one.source_id, one.metric_name, one.number(), one.unit or "")
        for one in read
    ]


def decode_array(record: bytes) -> Sampled:
    """A JSON array of objects to rows. Raises if it is none; see `Codec`."""
    faults = Faults()
    try:
        read = _arrays.decode(record)
        element_of = np.arange(len(read), dtype=np.int32)
    except UNREADABLE:
        read, element_of = _readable_elements(record, faults)
    if not read and not faults.count:
        message = "an array without a metric"
        raise WireFormatError(message)
    if not read:
        return Sampled(Rows.empty(), element_of, faults)
    found = columns_of(read)
    if found.good is None:
        return Sampled(found.rows, element_of, faults)
    faults.note(element_of[found.bad], lambda i: found.reason(int(found.bad[i])))
    return Sampled(found.rows, element_of[found.good], faults)


def _readable_elements(record: bytes, faults: Faults) -> tuple[list[Sample], NDArray[np.int32]]:
    """The samples of an array that can be read one by one, and their numbers."""
    commas = record.count(b",")
    if _SHORTEST * commas > len(record) and commas > _SHORTEST:  # 120 bytes for each element
        message = f"an array of {len(record)} bytes with {commas} commas, too short for metrics"
        raise WireFormatError(message)
    read: list[Sample] = []
    number: list[int] = []
    for position, element in enumerate(_elements.decode(record)):
        try:
            read.append(_sample(element))
        except (*UNREADABLE, WireFormatError) as error:
            hinted = faults.count < MOST_NAMED and not isinstance(error, WireFormatError)
            faults.note([position], f"{error}{hint_of(bytes(element)) if hinted else ''}")
        else:
            number.append(position)
    return read, np.array(number, np.int32)


def columns_of(read: Samples) -> Columns:
    """Samples to checked rows."""
    time, unread = _times(read)
    value = np.array([sample.value for sample in read], np.float64)
    table, code = _names.encode(read)
    unusable = find_unusable(table)
    good = (time >= EARLIEST_US) & (time < LATEST_US) & np.isfinite(value)
    if unusable:
        good &= ~np.isin(code, np.fromiter(unusable, np.int32, len(unusable)))
    rows = Rows(table, code, time, value)
    none = np.empty(0, np.int64)
    if good.all():
        return Columns(rows, None, none, str)
    texts = frozenset(unread.tolist())

    def reason(i: int) -> str:
        if int(code[i]) in unusable:
            return unusable[int(code[i])]
        if i in texts:
            return describe_bad_stamp(read[i].timestamp)
        if not np.isfinite(value[i]):
            return f"value {read[i].value} is not a finite number"
        return f"timestamp {shorten(read[i].timestamp)} lies outside the years 2000 to 2199"

    return Columns(rows.select(good), good, np.flatnonzero(~good), reason)


def _times(read: Samples) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Event times, and the positions of texts that are no time.

    Never an array of what may be text: numpy would give every row the longest one's length.
    """
    stamps = [sample.timestamp for sample in read]
    if type(read[0]) is NumberedSample or all(type(stamp) is float for stamp in stamps):
        return micros_from_numbers(np.array(stamps, np.float64)), np.empty(0, np.int64)
    return parse_timestamps(stamps)
