"""Results as Parquet: columns by `codecs.schemas`, nested fields as JSON text.

What an item must look like: a `Message`; columns id, key and time come from it, the others from
its JSON. Unit of parallelism: the directory; one worker writes.
In a crash: a flush writes a part, `part-*.parquet`, under a hidden name and renames it, so a
part is there as a whole or not at all. An id that is in a part is not written twice.

`results/` is a directory of parts that readers (pandas, DuckDB, Spark) take as one table, also
while the job runs; small parts are merged. `results.parquet` is one file, made when the run
ends, until then the parts lie in `results.parquet.parts/`: for a run without end take the
directory.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from padit.codecs.schemas import columns_of, layout_of
from padit.connectors.sink import Message, Sink, Writer
from padit.connectors.sinks._local import Remembered, cannot_write, lock, replace, sync, unseen
from padit.connectors.uris import Address, sink_for
from padit.domain.errors import SinkError

__all__ = ["ParquetSink"]

SMALL_ROWS = 65_536
"""A part with fewer rows is merged with others like it."""
SMALL_PARTS = 32
"""So many small parts are merged into one."""
_IDENTITY = pa.schema(
    [("id", pa.string()), ("key", pa.string()), ("time", pa.timestamp("us", "UTC"))]
)


@dataclass
class ParquetSink:
    """See the module.

    Attributes:
        path: of the file, or of the directory if it ends with a slash.
        name: the path as given.
        single_writer: true.
        opens_early: false.
    """

    path: str
    name: str = field(init=False)
    single_writer: bool = field(init=False, default=True)
    opens_early: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        """Make the path absolute: a worker may start in another directory."""
        self.name = self.path
        self.path = os.path.abspath(self.path) + ("/" if self.path.endswith("/") else "")

    def prepare(self, fresh: bool) -> None:
        """Make the directory, empty if `fresh`; only parts of this sink are removed."""
        place = _Place(self.path)
        try:
            if fresh:
                place.clear()
            place.parts.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(place.parts, error) from error

    def open(self) -> Writer:
        """Open the directory; it is read and written at the first flush."""
        return _ParquetWriter(_Place(self.path))

    def finish(self) -> None:
        """Put all rows, by (time, key, id) and each id once, into one file.

        All rows are in memory for this, as Arrow columns: about the size of the JSON.
        """
        place = _Place(self.path)
        try:
            with lock(place.parts):
                self._finish(place)
            if place.file is not None:
                shutil.rmtree(place.parts)
        except OSError as error:
            raise cannot_write(place.parts, error) from error

    def _finish(self, place: "_Place") -> None:
        paths = place.all_parts()
        table = _in_order(_read(paths))
        if place.file is not None:
            _write(table, place.file)
        else:
            made = place.part(table)
            _write(table, made)
            _remove(path for path in paths if path != made)


class _Place:
    """Where the parts lie and the file goes."""

    def __init__(self, path: str) -> None:
        target = Path(path).absolute()
        self.file = None if path.endswith("/") else target
        self.parts = target if self.file is None else target.with_name(target.name + ".parts")

    def all_parts(self) -> list[Path]:
        """Parts, and the finished file of an earlier run."""
        before = [self.file] if self.file is not None and self.file.exists() else []
        return [*before, *sorted(self.parts.glob("part-*.parquet"))]

    def part(self, table: pa.Table) -> Path:
        """Name of a part: the same rows always have the same."""
        digest = hashlib.sha256("\n".join(table["id"].to_pylist()).encode()).hexdigest()
        return self.parts / f"part-{digest[:24]}.parquet"

    def clear(self) -> None:
        _remove(self.all_parts())


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


class _ParquetWriter:
    """Adds parts; parts that others add are taken into account."""

    def __init__(self, place: _Place) -> None:
        self._place = place
        self._pending: list[Message] = []
        self._seen = Remembered()
        self._known: set[Path] = set()

    def write(self, messages: Sequence[Message]) -> None:
        self._pending += messages

    def flush(self) -> None:
        if not self._pending:
            return
        try:
            with lock(self._place.parts):
                self._catch_up()
                self._add()
                self._merge_small()
        except OSError as error:
            raise cannot_write(self._place.parts, error) from error
        self._pending = []

    def close(self) -> None:
        self._pending = []

    def _catch_up(self) -> None:
        found = self._place.all_parts()
        for path in found:
            if path not in self._known:
                self._seen.add(_read([path], ["id"])["id"].to_pylist())
        self._known = set(found)

    def _add(self) -> None:
        new = unseen(self._pending, self._seen)
        if not new:
            return
        table = _table(new)
        path = self._place.part(table)
        _write(table, path)
        self._known.add(path)
        self._seen.add(one.id for one in new)

    def _merge_small(self) -> None:
        if len(self._known) < SMALL_PARTS:
            return
        small = [
            path
            for path in sorted(self._known)
            if path != self._place.file and pq.read_metadata(path).num_rows < SMALL_ROWS
        ]
        if len(small) < SMALL_PARTS:
            return
        table = _in_order(_read(small))
        made = self._place.part(table)
        _write(table, made)
        _remove(path for path in small if path != made)
        self._known = (self._known - set(small)) | {made}


def _table(messages: Sequence[Message]) -> pa.Table:
    """Messages of any kinds as one table; a column that a kind does not have is null."""
    kinds: dict[str, list[Message]] = {}
    layouts = {}
    for one in messages:
        layout = layout_of(one.value)
        layouts[layout.name] = layout
        kinds.setdefault(layout.name, []).append(one)
    tables = []
    for name, chosen in kinds.items():
        identity = [
            pa.array([one.id for one in chosen], _IDENTITY.field("id").type),
            pa.array([one.key for one in chosen], _IDENTITY.field("key").type),
            pa.array([one.time for one in chosen], pa.int64()).cast(_IDENTITY.field("time").type),
        ]
        try:
            columns = columns_of(layouts[name], [one.value for one in chosen])
        except ValueError as error:
            message = f"a result does not fit the columns of {name}: {error}"
            raise SinkError(message) from error
        names = dict(zip(_IDENTITY.names, identity, strict=True))
        tables.append(pa.table(names | columns))
    return pa.concat_tables(tables, promote_options="default")


def _read(paths: Sequence[Path], columns: list[str] | None = None) -> pa.Table:
    try:
        tables = [pq.ParquetFile(path).read(columns=columns) for path in paths]
    except pa.ArrowException as error:
        message = f"parts in {paths[0].parent} cannot be read: {error}; remove what is damaged"
        raise SinkError(message) from error
    return pa.concat_tables([*tables] or [_IDENTITY.empty_table()], promote_options="default")


def _in_order(table: pa.Table) -> pa.Table:
    """Rows by (time, key, id), each id once."""
    table = table.sort_by([(name, "ascending") for name in ("time", "key", "id")])
    ids = table["id"].combine_chunks().to_numpy(zero_copy_only=False)
    return table.filter(pa.array(np.append(True, ids[1:] != ids[:-1])[: len(ids)]))


def _write(table: pa.Table, path: Path) -> None:
    hidden = path.with_name(f".{path.name}.new")
    pq.write_table(table, hidden, compression="zstd", row_group_size=SMALL_ROWS)
    replace(hidden, path)
    sync(path.parent)


@sink_for(".parquet", "/")
def _from_address(address: Address, dead_letters: bool) -> Sink:
    address.refuse_options()
    return ParquetSink(address.path)
