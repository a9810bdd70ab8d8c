"""State of the detectors as shipped: bytes a series by part, and bytes written a minute.

`python -m benchmarks.state_size` prints all of it. No Beam, no Kafka; the same figures on every
machine.
"""

import argparse
import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from benchmarks.topics import METRICS, START_MS, Shape, source_of
from padit.connectors.read_shard import ReadOptions
from padit.domain.batch import KeyedBatch
from padit.domain.config import JobConfig
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.timestamps import MICROS
from padit.domain.watermark import WATERMARK_END, Position
from padit.transforms.alerts import Alerts
from padit.transforms.changes import DetectionCell
from padit.transforms.checksum import ChecksummedStore
from padit.transforms.detect import Detection
from padit.transforms.group import GroupMachine
from padit.transforms.store import MemoryStore
from padit.transforms.windows import WindowOptions

__all__ = [
    "StateSize",
    "Written",
    "measure_state",
    "measure_written",
    "most_of",
    "parts_of",
    "saved_of",
    "written_by_replay",
]

_WINDOW, _INTERVAL, _OUT_OF_ORDERNESS = 300_000_000, 60_000_000, 10_000_000
_SECONDS = 430  # a window, an interval, and the out-of-orderness before it closes
_GROUPS = 32  # as a job without options has
_FEW = 32  # series of a group that show what one writes
# Rows of a reader's batches in a replay (connectors/read_shard.py).
_FIRST_ROWS = ReadOptions(0, 0.0).bundle_rows
_LATER_ROWS = 4 * _FIRST_ROWS
_FULL_SECONDS = 360  # after which windows are full
_MORE_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class StateSize:
    """State of one key group, divided by its series.

    Attributes:
        peak: the most there is, just before a window closes.
        after_close: what is left when it has closed.
    """

    peak: float
    after_close: float
    seconds: float


def measure_state(series: int = 100, seconds_per_fragment: int = 1) -> StateSize:
    """One group at one sample per second and series, window 300/60, the default detector.

    Args:
        series: in the group.
        seconds_per_fragment: how much of the stream comes at a time; the less, the more often
            names are repeated in the state.
    """
    machine, store = _machine(), MemoryStore()
    peak = after = 0
    started = time.perf_counter()
    for keyed in _keyed(series, _SECONDS, seconds_per_fragment):
        outcome = machine.advance(store, keyed)
        size = _size(store)
        peak = max(peak, size)
        if outcome.closings:
            after = size
    return StateSize(peak / series, after / series, time.perf_counter() - started)


def _machine(interval: int = _INTERVAL) -> GroupMachine:
    detection = Detection(JobConfig().detectors)
    windows = WindowOptions(_WINDOW, interval, 1000)
    return GroupMachine(windows, detection, Alerts(detection, _WINDOW, windows))


def _keyed(
    series: int, seconds: int, at_once: int, first_at_once: int | None = None
) -> Iterator[KeyedBatch]:
    """A sample a second of each series, so many seconds at a time; the first piece may differ."""
    names = [
        Series(f"cell-{source_of(n):05d}", METRICS[n % len(METRICS)], "ms") for n in range(series)
    ]
    columns = list(Shape(series * seconds, series).columns())
    start = at_once if first_at_once is None else first_at_once
    for first in (0, *range(start, seconds, at_once)):
        part = columns[first : first + (at_once if first else start)]
        moments = np.concatenate([one[0] for one in part]) * 1000
        values = np.concatenate([one[1] for one in part]) / 1000
        code = np.tile(np.arange(series, dtype=np.int32), len(part))
        position = Position(
            0, 0, first * series, (first + len(part)) * series, int(moments[-1]) - _OUT_OF_ORDERNESS
        )
        yield KeyedBatch(1, (position,), Rows(names, code, moments, values))


def _grown(series: int, weeks: int, seconds: int = 2 * _FULL_SECONDS) -> Iterator[KeyedBatch]:
    """A sample a minute of each series for so many weeks, then one a second for so many seconds.

    The values have all digits, so that nothing is packed that another series could not be.
    """
    names = [
        Series(f"cell-{source_of(n):05d}", METRICS[n % len(METRICS)], "ms") for n in range(series)
    ]
    random = np.random.default_rng(3)
    begin = START_MS * 1000
    hours = [(k * 8 * 3600, 60, 480) for k in range(weeks * 21)]
    minutes = [(weeks * 7 * 86400 + at, 1, 10) for at in range(0, seconds, 10)]
    first = 0
    for since, step, count in (*hours, *minutes):
        moments = begin + 1_000_000 * (since + step * np.arange(count, dtype=np.int64))
        day = np.abs(moments // 1_000_000 % 86400 / 43200 - 1)
        values = 5 + 2 * np.repeat(day, series) + random.normal(size=count * series)
        until = first + count * series
        position = Position(0, 0, first, until, int(moments[-1]) - _OUT_OF_ORDERNESS)
        code = np.tile(np.arange(series, dtype=np.int32), count)
        first = until
        yield KeyedBatch(1, (position,), Rows(names, code, np.repeat(moments, series), values))


def _full(batches: Iterator[KeyedBatch]) -> MemoryStore:
    """The state of a key group just before the last window closes."""
    machine, store = _machine(), MemoryStore()
    last = store
    for keyed in batches:
        before = store.copy()
        if machine.advance(store, keyed).closings:
            last = before
    return last


def saved_of(series: int = 100, weeks: int = 0) -> dict[str, float]:
    """Bytes a series of each cell of the state, as saved, just before a window closes.

    Args:
        series: in the group.
        weeks: that were seen before, of values that cannot be packed; 0: new series.
    """
    last = _full(_grown(series, weeks) if weeks else _keyed(series, _SECONDS, 10))
    found = {
        "detectors and alerts, packed": len(last.detection or b""),
        "samples of closed slots": sum(len(one) for cell in last.kept for one in cell),
        "samples that wait": sum(map(len, last.rows)),
        "progress": len(last.header or b""),
        "changes, not yet merged": sum(map(len, last.changes)),
    }
    return {name: size / series for name, size in found.items()}


def most_of(series: int = 100, weeks: int = 0) -> float:
    """Bytes a series of all state when it has most, over half an hour of full windows."""
    machine, store = _machine(), MemoryStore()
    seconds = _FULL_SECONDS + _MORE_SECONDS
    batches = _grown(series, weeks, seconds) if weeks else _keyed(series, seconds, 10)
    sizes = []
    for keyed in batches:
        machine.advance(store, keyed)
        sizes.append(_size(store))
    return max(sizes[-_MORE_SECONDS // 10 :]) / series


def parts_of(series: int = 100, seconds_per_fragment: int = 10) -> dict[str, float]:
    """Bytes a series of each part of the state when read, just before a window closes."""
    last = _full(_keyed(series, _SECONDS, seconds_per_fragment))
    parts = DetectionCell(ChecksummedStore(last)).read() or []
    names = [f"detector {one.name}" for one in JobConfig().detectors]
    names = ["index", *names, "alerts, budget, usual ranges", "warm-up", "census", "attributes"]
    found = dict(zip(names, (len(one) for one in parts), strict=True))
    found["changes, not yet merged"] = sum(map(len, last.changes))
    found["samples of closed slots"] = sum(len(one) for cell in last.kept for one in cell)
    found["samples that wait"] = sum(map(len, last.rows))
    found["progress"] = len(last.header or b"")
    return {name: size / series for name, size in found.items()}


@dataclass(slots=True)
class _Counting(MemoryStore):
    """Counts the bytes that are written, by cell."""

    written: dict[str, int] = field(default_factory=dict)

    def _note(self, cell: str, data: bytes | None) -> None:
        self.written[cell] = self.written.get(cell, 0) + len(data or b"")

    def write_header(self, data: bytes) -> None:
        self._note("header", data)
        MemoryStore.write_header(self, data)

    def add_rows(self, data: bytes) -> None:
        self._note("rows", data)
        MemoryStore.add_rows(self, data)

    def replace_rows(self, data: bytes | None) -> None:
        self._note("rows", data)
        MemoryStore.replace_rows(self, data)

    def add_kept(self, cell: int, data: bytes) -> None:
        self._note("kept", data)
        MemoryStore.add_kept(self, cell, data)

    def write_detection(self, data: bytes) -> None:
        self._note("detection", data)
        MemoryStore.write_detection(self, data)

    def add_change(self, data: bytes) -> None:
        self._note("changes", data)
        MemoryStore.add_change(self, data)

    def replace_changes(self, data: bytes) -> None:
        self._note("changes", data)
        MemoryStore.replace_changes(self, data)


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes that one key group writes in a minute of event time.

    Attributes:
        cells: by cell, as a mean over all minutes with full windows.
        state: bytes of all state at the end.
    """

    cells: dict[str, float]
    state: int


def measure_written(series: int, minutes: int, seconds_per_fragment: int = 10) -> Written:
    """What a group of so many series writes a minute, once its windows are full."""
    machine, store = _machine(), _Counting()
    before: dict[str, int] = {}
    seconds = _FULL_SECONDS + 60 * minutes
    for number, keyed in enumerate(_keyed(series, seconds, seconds_per_fragment)):
        if number == _FULL_SECONDS // seconds_per_fragment:
            before = dict(store.written)
        machine.advance(store, keyed)
    cells = {name: (size - before.get(name, 0)) / minutes for name, size in store.written.items()}
    return Written(cells, _size(store))


def written_by_replay(series: int, seconds: int, interval: float) -> float:
    """Bytes of state that a replay writes for each of its series, a sample a second of each.

    Args:
        series: of the job; they decide how many seconds a batch of the reader holds.
        seconds: of event time.
        interval: between two extractions, seconds.
    """
    of_group = min(series // _GROUPS, _FEW)
    machine, store = _machine(round(interval * MICROS)), _Counting()
    first, later = (max(1, rows // series) for rows in (_FIRST_ROWS, _LATER_ROWS))
    batches = list(_keyed(of_group, seconds, later, min(first, seconds)))
    for number, keyed in enumerate(batches):
        if number == len(batches) - 1:
            last = keyed.positions[0]._replace(watermark=WATERMARK_END)
            keyed = dataclasses.replace(keyed, positions=(last,))
        machine.advance(store, keyed)
    return sum(store.written.values()) / of_group


def _size(store: MemoryStore) -> int:
    return sum(map(len, store.pieces()))


def _print(found: dict[str, float]) -> None:
    for name, size in found.items():
        print(f"  {name:32}{size:>10,.0f}")
    lasting = sum(size for name, size in found.items() if not name.startswith("changes"))
    print(f"  {'all without changes':32}{lasting:>10,.0f}")
    print(f"  {'all':32}{sum(found.values()):>10,.0f}")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.state_size",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--series", default="1000,100000", help="of the whole job")
    parser.add_argument("--weeks", type=int, default=4, help="that grown series have seen")
    parser.add_argument("--minutes", type=int, default=10, help="of event time, windows full")
    args = parser.parse_args()
    print("bytes a series, one sample a second, window 300/60, 100 series a group; as it is read")
    _print(parts_of())
    saved, grown = saved_of(), saved_of(_FEW, args.weeks)
    print("\nas it is saved: series of seven minutes")
    _print(saved)
    print(f"  {'most in half an hour':32}{most_of():>10,.0f}")
    print(f"\nas it is saved: series of {args.weeks} weeks, values of all digits")
    _print(grown)
    print(f"  {'most in half an hour':32}{most_of(_FEW, args.weeks):>10,.0f}")
    print(f"\nwritten a minute of event time, {_GROUPS} key groups, in pieces of 10 s")
    for series in map(int, args.series.split(",")):
        of_group = max(series // _GROUPS, 1)
        written = measure_written(of_group, args.minutes)
        cells = ", ".join(f"{name} {size * _GROUPS / 1e6:,.2f}" for name, size in
                          sorted(written.cells.items()))  # fmt: skip
        whole = sum(written.cells.values()) * _GROUPS / 1e6
        print(
            f"  {series:,} series: {whole:,.2f} MB ({cells}); "
            f"{sum(written.cells.values()) / of_group:,.0f} bytes a series, state "
            f"{written.state / of_group:,.0f} bytes a series"
        )


if __name__ == "__main__":
    main()
