"""The JSON wire formats: one sample as an object, or an array of such objects."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.codecs.arrow import describe_bad_stamp, parse_timestamps
from padit.codecs.contract import MOST_NAMED, Faults, LeftOut, Sampled, shorten
from padit.codecs.forgiving import (
    UNREADABLE,
    Forgiving,
    LabelledForgiving,
    NumberedForgiving,
    NumberedLabelledForgiving,
    hint_of,
    known_kind,
)
from padit.codecs.json_known import KnownRecords
from padit.codecs.labels import label_reader
from padit.codecs.names import find_unusable, name_fault
from padit.codecs.series_table import SeriesTable
from padit.codecs.tidied import tidied
from padit.domain.attributes import AttributeColumn, Attributes
from padit.domain.errors import WireFormatError
from padit.domain.metric import MetricType, Series
from padit.domain.rows import Rows
from padit.domain.timestamps import EARLIEST_US, LATEST_US, micros_from_numbers

__all__ = [
    "UNREADABLE",
    "Columns",
    "JsonReader",
    "Samples",
    "json_reader",
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


class LabelledSample(Sample, gc=False):
    """A sample whose metadata are read for labels."""

    metadata: msgspec.Raw = msgspec.Raw(b"")


class NumberedLabelledSample(NumberedSample, gc=False):
    """The same with a number for a timestamp."""

    metadata: msgspec.Raw = msgspec.Raw(b"")


Samples = Sequence[Sample] | Sequence[NumberedSample]
_elements = msgspec.json.Decoder(list[msgspec.Raw])
_names = SeriesTable()
_SHORTEST = 8  # bytes between two commas of an array, on average; a sample has four in 60


class Columns(NamedTuple):
    """Samples as columns.

    Attributes:
        rows: those that can be used.
        left_out: those of which a label cannot be used.
        good: bool (n,), which of the samples they are; None: all.
        bad: the positions of the others, ascending.
        reason: why the sample at a position cannot be used.
    """

    rows: Rows
    left_out: LeftOut
    good: NDArray[np.bool_] | None
    bad: NDArray[np.int64]
    reason: Callable[[int], str]


class JsonReader:
    """Reads JSON with the labels that a configuration names.

    Args:
        names: keys of the metadata that become labels.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._labels = label_reader(names)
        self._samples = msgspec.json.Decoder(LabelledSample if names else Sample)
        self._numbered = msgspec.json.Decoder(NumberedLabelledSample if names else NumberedSample)
        kind: Any = list[LabelledSample] if names else list[Sample]
        self._arrays: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)
        self._lenient = msgspec.json.Decoder(
            NumberedLabelledForgiving if names else NumberedForgiving
        )
        self._forgiving = msgspec.json.Decoder(LabelledForgiving if names else Forgiving)
        self.known = KnownRecords(self.parse, labelled=bool(names))

    def parse(self, record: bytes) -> tuple[Series, float, float, Attributes] | None:
        """One record as `KnownRecords` wants it."""
        try:
            sample = self._lenient.decode(record)
        except UNREADABLE:
            return None
        series = Series(sample.source_id, sample.metric_name, sample.unit or "")
        labels, fault = self._labels.read(_metadata(sample))
        if fault or name_fault(series):
            return None
        kind = known_kind(sample.metric_type)
        return series, sample.timestamp, sample.value, Attributes(kind, labels)

    def parse_lines(self, joined: bytes, count: int) -> Samples | None:
        """So many records of one line each, or None where they cannot be read together."""
        for decoder in (self._numbered, self._samples):
            try:
                read: Samples = decoder.decode_lines(joined)
            except UNREADABLE:
                continue
            return read if len(read) == count else None
        try:
            others = self._forgiving.decode_lines(joined)
            return self._forgiven(others) if len(others) == count else None
        except (*UNREADABLE, ValueError):
            return None

    def _forgiven(self, read: Sequence[Forgiving]) -> list[Sample]:
        """Records as others write them. Raises WireFormatError for a value that is none."""
        return [_strict(one, labelled=bool(self._labels.names)) for one in read]

    def _sample(self, record: bytes | msgspec.Raw) -> Sample:
        try:
            return self._samples.decode(record)
        except UNREADABLE:
            return self._forgiven([self._forgiving.decode(record)])[0]

    def decode_object(self, record: bytes) -> Sampled:
        """A JSON object to one row, or several to one each. Raises if it is none; see `Codec`."""
        try:
            sample = self._sample(record)
        except UNREADABLE as error:
            whole = tidied(record)
            if whole:
                return (self.decode_array if whole[:1] == b"[" else self.decode_object)(whole)
            message = f"{error}{hint_of(record)}"
            raise WireFormatError(message) from error
        found = self.columns_of([sample])
        if found.good is not None:
            raise WireFormatError(found.reason(0))
        return Sampled(found.rows, np.zeros(1, np.int32), Faults(), found.left_out)

    def decode_array(self, record: bytes) -> Sampled:
        """A JSON array of objects to rows. Raises if it is none; see `Codec`."""
        faults = Faults()
        read: list[Sample]
        try:
            read = self._arrays.decode(record)
            element_of = np.arange(len(read), dtype=np.int32)
        except UNREADABLE:
            read, element_of = self._readable_elements(record, faults)
        if not read and not faults.count:
            message = "an array without a metric"
            raise WireFormatError(message)
        if not read:
            return Sampled(Rows.empty(), element_of, faults)
        found = self.columns_of(read)
        if found.good is None:
            return Sampled(found.rows, element_of, faults, found.left_out)
        faults.note(element_of[found.bad], lambda i: found.reason(int(found.bad[i])))
        return Sampled(found.rows, element_of[found.good], faults, found.left_out)

    def _readable_elements(
        self, record: bytes, faults: Faults
    ) -> tuple[list[Sample], NDArray[np.int32]]:
        """The samples of an array that can be read one by one, and their numbers."""
        commas = record.count(b",")
        if _SHORTEST * commas > len(record) and commas > _SHORTEST:  # 120 bytes for each element
            message = f"an array of {len(record)} bytes with {commas} commas, too short for metrics"
            raise WireFormatError(message)
        try:
            elements = _elements.decode(record)
        except UNREADABLE:
            whole = tidied(record)
            if whole[:1] != b"[":
                raise
            elements = _elements.decode(whole)
        read: list[Sample] = []
        number: list[int] = []
        for position, element in enumerate(elements):
            try:
                read.append(self._sample(element))
            except (*UNREADABLE, WireFormatError) as error:
                hinted = faults.count < MOST_NAMED and not isinstance(error, WireFormatError)
                faults.note([position], f"{error}{hint_of(bytes(element)) if hinted else ''}")
            else:
                number.append(position)
        return read, np.array(number, np.int32)

    def _attributes(
        self, read: Samples, code: NDArray[np.int32], count: int
    ) -> tuple[AttributeColumn | None, LeftOut]:
        """The attributes of samples as a column over `count` series."""
        metadata = [_metadata(sample) for sample in read] if self._labels.names else ()
        return self._labels.encode([sample.metric_type for sample in read], metadata, code, count)

    def columns_of(self, read: Samples) -> Columns:
        """Samples to checked rows."""
        time, unread = _times(read)
        value = np.array([sample.value for sample in read], np.float64)
        table, code = _names.encode(read)
        attributes, left_out = self._attributes(read, code, len(table))
        unusable = find_unusable(table)
        good = (time >= EARLIEST_US) & (time < LATEST_US) & np.isfinite(value)
        if unusable:
            good &= ~np.isin(code, np.fromiter(unusable, np.int32, len(unusable)))
        rows = Rows(table, code, time, value, attributes)
        none = np.empty(0, np.int64)
        if good.all():
            return Columns(rows, left_out, None, none, str)
        if left_out.samples:  # a sample that is lost has lost no label
            kept: Any = [read[i] for i in np.flatnonzero(good).tolist()]
            _, left_out = self._attributes(kept, code[good], len(table))
        texts = frozenset(unread.tolist())

        def reason(i: int) -> str:
            if int(code[i]) in unusable:
                return unusable[int(code[i])]
            if i in texts:
                return describe_bad_stamp(read[i].timestamp)
            if not np.isfinite(value[i]):
                return f"value {read[i].value} is not a finite number"
            return f"timestamp {shorten(read[i].timestamp)} lies outside the years 2000 to 2199"

        return Columns(rows.select(good), left_out, good, np.flatnonzero(~good), reason)


@lru_cache(maxsize=8)
def json_reader(names: tuple[str, ...]) -> JsonReader:
    """The reader for labels of these names; what it has learned is a cache."""
    return JsonReader(names)


def _strict(one: Forgiving, *, labelled: bool) -> Sample:
    """A metric as others write it, as one of ours."""
    kind, unit = known_kind(one.metric_type), one.unit or ""
    fields = (one.timestamp, one.source_id, one.metric_name, one.number(), unit, kind)
    if labelled:
        return LabelledSample(*fields, getattr(one, "metadata", msgspec.Raw(b"")))
    return Sample(*fields)


def _metadata(sample: Sample | NumberedSample | NumberedForgiving) -> bytes:
    """The metadata of a sample as JSON text; empty without labels."""
    raw = getattr(sample, "metadata", b"")
    return bytes(raw)


def _times(read: Samples) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Event times, and the positions of texts that are no time.

    Never an array of what may be text: numpy would give every row the longest one's length.
    """
    stamps = [sample.timestamp for sample in read]
    if isinstance(read[0], NumberedSample) or all(type(stamp) is float for stamp in stamps):
        return micros_from_numbers(np.array(stamps, np.float64)), np.empty(0, np.int64)
    return parse_timestamps(stamps)
