"""`padit.WatchMetrics`: detection as a step of another Beam pipeline.

    bounded:    ReadMetrics > ByGroup (all rows of a group)        > Order > WatchGroup
    unbounded:  ReadMetrics > Order (rows wait for the watermark)          > WatchGroup

A job of PADIT's own carries progress in its data; elements of another pipeline have none, so this
is the one place where the runner's watermark decides: a slot (`extract_interval_sec`) closes when
the watermark of the pipeline passes its end, and a sample that comes later is late. Event time is
that of the samples; elements should have timestamps no later than it (`TimestampedValue`). A
bounded collection is watched as a file is: nothing in it is late, and its end closes the windows.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam
import msgspec
import numpy as np
from apache_beam.coders import BytesCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import (
    BagStateSpec,
    ReadModifyWriteStateSpec,
    TimerSpec,
    on_timer,
)
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.timestamp import Timestamp

from padit.codecs.validate import Validate
from padit.connectors.coders import register_coders
from padit.connectors.side_outputs import late_messages
from padit.domain.batch import (
    KeyedBatch,
    decode_kept,
    decode_rows,
    encode_kept,
    encode_keyed_batch,
)
from padit.domain.config import JobConfig, load_config
from padit.domain.errors import ConfigurationError
from padit.domain.message import Message
from padit.domain.rows import Rows, concatenate
from padit.domain.shape import Shape
from padit.domain.timestamps import seconds_to_micros
from padit.domain.watermark import WATERMARK_END, WATERMARK_NONE, Position
from padit.pipelines.elements import DEAD, ReadElements
from padit.pipelines.kernels import prepare
from padit.pipelines.options import JobOptions, parse_options
from padit.pipelines.shape import shape_of
from padit.transforms.watch import ALERTS, ANOMALIES, FEATURES, FLEET, REFUSED, WatchGroup
from padit.transforms.watch_fleet import fleet_of, told
from padit.transforms.windows import WindowOptions

__all__ = ["Watched", "WatchMetrics"]

_KEYED = beam.typehints.Tuple[int, bytes]
_LATE = "late"
_OPTIONS = (
    "window_size_sec", "extract_interval_sec", "max_samples", "key_groups", "max_series_per_group",
    "max_record_bytes", "out_of_orderness_sec",
)  # fmt: skip


class Watched(NamedTuple):
    """Results, each a collection of JSON objects as bytes, the values that the job writes.

    Attributes:
        alerts: transitions of alerts, as CloudEvents.
        anomalies: scores of anomalous windows.
        features: of every window and series, with its score.
        late: samples that came after their slot was closed.
        dead_letters: elements that are no sample, with the reason; series beyond the limit.
    """

    alerts: Any
    anomalies: Any
    features: Any
    late: Any
    dead_letters: Any


class WatchMetrics(beam.PTransform):  # type: ignore[misc]
    """Watches a collection of metrics; gives `Watched`.

    An element is one metric: a `padit.domain.metric.Metric`, a mapping with its fields
    (timestamp, source_id, metric_name, value ...), or bytes or text as on a topic (JSON, a JSON
    array, an Arrow stream). Anything else is a dead letter. Unit of parallelism: the key group, a
    hash of the source. In a crash the runner restores what it has saved; the same transitions may
    be written again, with the same ids. State of other options is refused.

    Args:
        config: a YAML file with detectors and alert settings, or its content; None: the shipped
            configuration. Of `input` only `labels` of the configuration count.
        options: of `padit run`, without dashes: window_size_sec, extract_interval_sec,
            max_samples, key_groups, max_series_per_group, max_record_bytes; of a bounded
            collection out_of_orderness_sec, by which its end lies before its newest sample.
        quiet_sec: of an unbounded collection how long the time of a key group without samples goes
            on, so that silence is noticed; the next sample continues it.

    Raises:
        ConfigurationError: an option or the configuration is wrong.
    """

    def __init__(
        self,
        config: str | Mapping[str, Any] | None = None,
        *,
        quiet_sec: float = 3600.0,
        **options: str | float,
    ) -> None:
        super().__init__()
        self._quiet = seconds_to_micros(quiet_sec)
        unknown = sorted(set(options) - set(_OPTIONS))
        if unknown:
            message = f"{unknown[0]} is no option of WatchMetrics; it takes {', '.join(_OPTIONS)}"
            raise ConfigurationError(message)
        argv = [f"--{name}={value}" for name, value in options.items()]
        self._job = JobOptions.of(parse_options(["--input=elements.jsonl", *argv]))
        self._config = _configured(config)
        self._shape: Shape = shape_of(self._job, self._config)
        self._windows = WindowOptions(
            self._job.window_size, self._job.extract_interval, self._job.max_samples
        )

    def expand(self, metrics: beam.PCollection) -> Any:  # Beam looks at the type: not `Watched`
        """Add the steps and return `Watched`; the input may have any windows, which are ignored."""
        register_coders()
        validate = Validate(self._job.max_record_bytes, 1 << 62, self._config.labels)
        elements = metrics | "GlobalTime" >> beam.WindowInto(GlobalWindows())
        read = elements | "ReadMetrics" >> beam.ParDo(
            ReadElements(validate, self._job.key_groups)
        ).with_outputs(DEAD, main="rows")
        read.rows.element_type = _KEYED
        ordered = _all_of(read.rows, self._job) if metrics.is_bounded else self._live(read.rows)
        keyed = ordered.keyed
        keyed.element_type = _KEYED
        watch = WatchGroup(
            self._windows,
            self._config,
            frozenset((ALERTS, ANOMALIES, FEATURES, REFUSED)),
            "",
            shape=self._shape,
            most_series=self._job.max_series_per_group,
            prepare=prepare,
            fleet=fleet_of(self._config, self._job.key_groups),
        )
        watched = keyed | "WatchGroup" >> beam.ParDo(watch).with_outputs(
            ALERTS, ANOMALIES, FEATURES, REFUSED, FLEET
        )
        alerts, _ = told(watched, self._config, self._windows, ())
        for one in (alerts, *(watched[name] for name in (ANOMALIES, FEATURES, REFUSED)),
                    ordered.late, read[DEAD]):  # fmt: skip
            one.element_type = Message
        dead = (read[DEAD], watched[REFUSED]) | "MergeDeadLetters" >> beam.Flatten()
        return Watched(
            alerts | "Alerts" >> beam.Map(_json),
            watched[ANOMALIES] | "Anomalies" >> beam.Map(_json),
            watched[FEATURES] | "Features" >> beam.Map(_json),
            ordered.late | "Late" >> beam.Map(_json),
            dead | "DeadLetters" >> beam.Map(_json),
        )

    def _live(self, rows: beam.PCollection) -> "_Ordered":
        ordered = rows | "Order" >> beam.ParDo(
            _Hold(self._windows.interval, self._quiet)
        ).with_outputs(_LATE, main="keyed")
        return _Ordered(ordered.keyed, ordered[_LATE])


class _Ordered(NamedTuple):
    keyed: Any
    late: Any


def _configured(config: str | Mapping[str, Any] | None) -> JobConfig:
    if isinstance(config, Mapping):
        return JobConfig.model_validate(dict(config))
    return load_config(config)


def _json(message: Message) -> bytes:
    return message.json


def _all_of(rows: beam.PCollection, job: JobOptions) -> _Ordered:
    """The rows of each group of a bounded collection at once, up to where all of it ends."""
    newest = rows | "Newest" >> beam.Map(_newest) | beam.CombineGlobally(_latest)
    ordered = (
        rows
        | "ByGroup" >> beam.GroupByKey()
        | "Order"
        >> beam.ParDo(
            _Join(job.out_of_orderness), newest=beam.pvalue.AsSingleton(newest)
        ).with_outputs(_LATE, main="keyed")
    )
    return _Ordered(ordered.keyed, ordered[_LATE])


def _newest(element: tuple[int, bytes]) -> int:
    return int(decode_rows(element[1]).time.max())


def _latest(times: Iterable[int]) -> int:
    return max(times, default=WATERMARK_NONE)


class _Join(beam.DoFn):  # type: ignore[misc]
    """All rows of a group to one keyed batch that ends it."""

    def __init__(self, out_of_orderness: int) -> None:
        self._out_of_orderness = out_of_orderness

    def process(
        self, element: tuple[int, Iterable[bytes]], newest: int
    ) -> Iterator[tuple[int, bytes]]:
        """Take one group."""
        group, parts = element
        rows = _sorted(concatenate([decode_rows(part) for part in sorted(parts)]))
        position = Position(
            0, 0, 0, 1, WATERMARK_END, len(rows), reached=newest - self._out_of_orderness
        )
        yield group, encode_keyed_batch(KeyedBatch(1, (position,), rows))


def _sorted(rows: Rows) -> Rows:
    return rows.select(np.lexsort((rows.value, rows.code, rows.time)))


class _Mark(msgspec.Struct, array_like=True, frozen=True):
    """Where a group stands.

    Attributes:
        watermark: up to which slots are closed, microseconds.
        due: for when the timer is set; None: for never.
        newest: latest event time seen.
        batches: keyed batches handed on; they number the next one.
        read, late: samples so far.
    """

    watermark: int = WATERMARK_NONE
    due: int | None = None
    newest: int = WATERMARK_NONE
    batches: int = 0
    read: int = 0
    late: int = 0


_marks = msgspec.msgpack.Decoder(_Mark)


class _Hold(beam.DoFn):  # type: ignore[misc]
    """Rows wait until the watermark has passed the end of their slot; late ones leave.

    State is bounded by the slots that are open; some time after the last sample the timer ends.
    """

    ROWS = BagStateSpec("rows", BytesCoder())
    MARK = ReadModifyWriteStateSpec("mark", BytesCoder())
    SLOT = TimerSpec("slot", TimeDomain.WATERMARK)
    _ROWS_PARAM = beam.DoFn.StateParam(ROWS)
    _MARK_PARAM = beam.DoFn.StateParam(MARK)
    _SLOT_PARAM = beam.DoFn.TimerParam(SLOT)

    def __init__(self, interval: int, quiet: int) -> None:
        self._interval = interval
        self._quiet = quiet

    def process(
        self,
        element: tuple[int, bytes],
        waiting: Any = _ROWS_PARAM,
        saved: Any = _MARK_PARAM,
        slot: Any = _SLOT_PARAM,
    ) -> Iterator[Any]:
        """Keep rows that are in time; those of a closed slot are late."""
        mark = _read_mark(saved)
        rows = decode_kept(element[1])[0].rows
        behind = rows.time < mark.watermark
        late, rows = rows.select(behind), rows.select(~behind)
        for message in late_messages("WatchMetrics", 0, mark.late, late):
            yield beam.pvalue.TaggedOutput(_LATE, message)
        due, newest = mark.due, mark.newest
        if len(rows):
            waiting.add(encode_kept(rows, []))
            end = self._end_of_slot(int(rows.time.min()))
            newest = max(newest, int(rows.time.max()))
            if due is None or end < due:
                due = end
                slot.set(Timestamp(micros=due))
        _write_mark(
            saved,
            msgspec.structs.replace(
                mark,
                due=due,
                newest=newest,
                read=mark.read + len(rows) + len(late),
                late=mark.late + len(late),
            ),
        )

    @on_timer(SLOT)  # type: ignore[untyped-decorator]
    def close(
        self,
        group: Any = beam.DoFn.KeyParam,
        waiting: Any = _ROWS_PARAM,
        saved: Any = _MARK_PARAM,
        slot: Any = _SLOT_PARAM,
    ) -> Iterator[Any]:
        """Hand on the rows of all slots up to the one that is due."""
        mark = _read_mark(saved)
        if mark.due is None:
            return
        end = mark.due
        rows = concatenate([decode_kept(one)[0].rows for one in waiting.read()])
        ready = rows.time < end
        rest = rows.select(~ready)
        waiting.clear()
        if len(rest):
            waiting.add(encode_kept(rest, []))
        due: int | None = end + self._interval
        if end - mark.newest > self._quiet:
            due = self._end_of_slot(int(rest.time.min())) if len(rest) else None
        if due is not None:
            slot.set(Timestamp(micros=due))
        position = Position(
            0, 0, mark.batches, mark.batches + 1, end, mark.read - len(rest), mark.late
        )
        moved = msgspec.structs.replace(mark, watermark=end, due=due, batches=mark.batches + 1)
        _write_mark(saved, moved)
        keyed = KeyedBatch(1, (position,), _sorted(rows.select(ready)))
        yield group, encode_keyed_batch(keyed)

    def _end_of_slot(self, time: int) -> int:
        return (time // self._interval + 1) * self._interval


def _read_mark(saved: Any) -> _Mark:
    data = saved.read()
    return _marks.decode(data) if data else _Mark()


def _write_mark(saved: Any, mark: _Mark) -> None:
    saved.write(msgspec.msgpack.encode(mark))
