"""A recording as columns on disk, in groups of sources, so that processes can share it."""

import heapq
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.connectors.losses import dead_losses, far_loss, late_loss
from padit.connectors.source import Decoder, PartitionRange, Source
from padit.domain.attributes import AttributeColumn, Attributes
from padit.domain.errors import ConfigurationError, LossError, PaditError
from padit.domain.findings import Unwatched, UnwatchedCounts
from padit.domain.losses import Loss, add_losses
from padit.domain.metric import Series
from padit.domain.rows import Rows, concatenate
from padit.domain.watermark import WATERMARK_NONE, find_late

__all__ = ["Recording", "read_recording"]

_SERIES = 64
"""Series of a group, if there are many: enough to be computed side by side."""


@dataclass(frozen=True, slots=True)
class Recording:
    """n samples, sorted by (group, event time); equal times keep the order of their log.

    Attributes:
        series: the distinct series.
        rows: all samples over `series`.
        bounds: int64 (groups + 1,); group g has the rows bounds[g] to bounds[g + 1].
        late: by allowed out-of-orderness in microseconds a mask (n,) of late samples, or None
            if there are none.
        dead_lettered: samples that could not be read.
        losses: what is lost with the largest out-of-orderness, by kind of reason.
        unwatched: what was left unwatched while it was read.
    """

    rows: Rows
    bounds: NDArray[np.int64]
    late: dict[int, NDArray[np.bool_] | None]
    dead_lettered: int = 0
    losses: tuple[Loss, ...] = ()
    unwatched: tuple[Unwatched, ...] = ()

    @property
    def late_at_best(self) -> int:
        """Samples that are late with the largest out-of-orderness."""
        masks = [0 if mask is None else int(mask.sum()) for mask in self.late.values()]
        return min(masks, default=0)

    @property
    def span(self) -> tuple[int, int]:
        """First and last event time, microseconds."""
        return int(self.rows.time.min()), int(self.rows.time.max())

    @property
    def groups(self) -> int:
        """Number of groups; like the job's key groups they change no result."""
        return len(self.bounds) - 1

    def group(self, number: int, out_of_orderness: int) -> Rows:
        """The rows of a group that are in time, in the order of their event time."""
        chosen = slice(int(self.bounds[number]), int(self.bounds[number + 1]))
        part = self.rows.select(chosen)
        late = self.late[out_of_orderness]
        return part if late is None else part.select(~late[chosen])

    def save(self, folder: Path) -> None:
        """Write it so that `load` can map it into memory."""
        for name in ("code", "time", "value"):
            np.save(folder / f"{name}.npy", getattr(self.rows, name))
        np.save(folder / "bounds.npy", self.bounds)
        for allowed, mask in self.late.items():
            if mask is not None:
                np.save(folder / f"late-{allowed}.npy", mask)
        about: dict[str, Any] = {"series": self.rows.series, "late": {str(k): v is not None
                 for k, v in self.late.items()}}  # fmt: skip
        known = self.rows.attributes
        if known is not None:
            np.save(folder / "attribute.npy", known.code)
            about |= {"attributes": known.table, "of_series": known.of_series}
        (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> "Recording":
        """Map what `save` wrote; processes share the pages."""
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        columns: list[Any] = [
            np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("code", "time", "value")
        ]
        late = {
            int(allowed): np.load(folder / f"late-{allowed}.npy", mmap_mode="r") if some else None
            for allowed, some in about["late"].items()
        }
        series = tuple(Series(*one) for one in about["series"])
        known = None
        if "attributes" in about:
            table = msgspec.convert(about["attributes"], tuple[Attributes, ...])
            numbers = np.load(folder / "attribute.npy", mmap_mode="r")
            known = AttributeColumn(table, numbers, about["of_series"])
        code, time, value = columns
        rows = Rows(series, code, time, value, known)
        return Recording(rows, np.load(folder / "bounds.npy"), late)


def read_recording(
    source: Source,
    ranges: Sequence[PartitionRange],
    decode: Decoder,
    allowed: Sequence[int],
    processes: int,
    note: Callable[[int], None],
) -> Recording:
    """Read all of a bounded source.

    Args:
        source: of the rows.
        ranges: of the source, all of them with an end.
        decode: the decoder of the job.
        allowed: the out-of-orderness values that the sweep tries, microseconds.
        processes: number of processes that will use it; each gets a group, if there are sources.
        note: called with the rows of each read.

    Raises:
        SourceError: the source cannot be read.
        ConfigurationError: there is no row in it.
        LossError: none of its records can be read.
    """
    reader = source.open(ranges, decode)
    parts: dict[int, list[Rows]] = {one.partition: [] for one in ranges}
    waiting, dead = set(parts), 0
    losses: tuple[Loss, ...] = ()
    left = UnwatchedCounts()
    try:
        while waiting:
            for read in reader.read(1.0):
                parts[read.partition].append(read.rows)
                dead += read.lost
                losses = add_losses(losses, dead_losses(read.dead))
                left.add(read.unwatched)
                note(len(read.rows) + read.lost)
                if read.ended:
                    waiting.discard(read.partition)
    finally:
        reader.close()
    logs = [concatenate(parts[number]) for number in sorted(parts)]
    if not any(len(log) for log in logs):
        raise _nothing_there(source.name, dead, losses)
    recording = _arrange(logs, allowed, processes)
    late = _late_losses(source.name, dict(zip(sorted(parts), logs, strict=True)), max(allowed))
    losses = add_losses(losses, late)
    return replace(recording, dead_lettered=dead, losses=losses, unwatched=tuple(left.all()))


def _nothing_there(name: str, dead: int, losses: Sequence[Loss]) -> PaditError:
    if not dead:
        message = (
            f"{name} has no rows between the bounds; "
            "see --start_time, --end_time, --start_offset and --end_offset"
        )
        return ConfigurationError(message)
    first = max(losses, key=lambda one: one.count)
    return LossError(
        f"none of the {dead} samples of {name} can be read, {first.count} of them as "
        f"{first.where}: {first.reason}; `padit look` shows what would be read"
    )


def _late_losses(name: str, logs: Mapping[int, Rows], out_of_orderness: int) -> Iterator[Loss]:
    """Late rows and those of clocks far ahead, as the job finds them."""
    for number, log in logs.items():
        found = find_late(log, WATERMARK_NONE, out_of_orderness)
        if found.late is not None and found.behind is not None:
            yield late_loss(name, number, log.select(found.late), found.behind)
        if found.far is not None:
            yield far_loss(name, number, log.select(found.far))


def _arrange(logs: Sequence[Rows], allowed: Sequence[int], processes: int) -> Recording:
    rows = concatenate(logs)
    late = {one: _late(logs, one) for one in allowed}
    groups = max(processes, -(-len(rows.series) // _SERIES))
    group = _deal(rows, groups)[rows.code]
    order = np.lexsort((rows.time, group))
    bounds = np.searchsorted(group[order], np.arange(groups + 1))
    masks = {one: None if mask is None else mask[order] for one, mask in late.items()}
    return Recording(rows.select(order), bounds, masks)


def _deal(rows: Rows, groups: int) -> NDArray[np.int16]:
    """Group of each series: sources stay whole; the largest first, each into the smallest group."""
    count = np.bincount(rows.code, minlength=len(rows.series)).tolist()
    sizes: dict[str, int] = {}
    for series, size in zip(rows.series, count, strict=True):
        sizes[series.source_id] = sizes.get(series.source_id, 0) + size
    load = [(0, number) for number in range(groups)]
    of_source = {}
    for source, size in sorted(sizes.items(), key=lambda one: (-one[1], one[0])):
        least, number = heapq.heappop(load)
        of_source[source] = number
        heapq.heappush(load, (least + size, number))
    return np.array([of_source[series.source_id] for series in rows.series], np.int16)


def _late(logs: Sequence[Rows], out_of_orderness: int) -> NDArray[np.bool_] | None:
    """Late rows and those of clocks far ahead, by each partition's log, as the job finds them."""
    masks = []
    for log in logs:
        found = find_late(log, WATERMARK_NONE, out_of_orderness)
        nothing = np.zeros(len(log), bool)
        masks += [np.logical_or.reduce([nothing, *(one for one in found[:2] if one is not None)])]
    late = np.concatenate(masks)
    return late if late.any() else None
