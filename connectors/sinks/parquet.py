"""Results as Parquet: columns by `codecs.schemas`, nested fields as JSON text.

What an item must look like: a `Message`; columns id, key and time come from it, the others from
its JSON by its kind. Unit of parallelism: the directory; one worker writes.
In a crash: a flush writes a part, `part-*.parquet`, under a hidden name and renames it, so a
part is there as a whole or not at all. An id that is in a part is not written twice.

`results/` is a directory of parts that readers (pandas, DuckDB, Spark) take as one table, also
while the job runs; small parts are merged. No row is ever there twice: the merged part is complete
under a hidden name, and named in `.swap.json`, before the small ones go; then it takes its name.
Between the two its rows are missing for a moment, and after a crash there until the next start,
which completes the merge that `.swap.json` records. `results.parquet` is one file, made when the
run ends, until then the parts are in `results.parquet.parts/`: for a run without end take the
directory. The record of the run that wrote a place, `.run.json` in the directory or
`.results.parquet.run.json` beside the file, decides which run may replace it, see
`connectors.runs`; a result that will replace another is in `.new/` or `.results.parquet.parts.new/`
until the end.
"""

import hashlib
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from padit.codecs.schemas import LAYOUTS, columns_of
from padit.connectors.sink import Message, Sink, Start, Writer
from padit.connectors.sinks._local import (
    Remembered,
    cannot_write,
    lock,
    replace,
    sync,
    unseen,
)
from padit.connectors.sinks._staged import StagedSink
from padit.connectors.uris import Address, sink_for
from padit.domain.errors import ConfigurationError, SinkError
from padit.domain.message import Kind

__all__ = ["ParquetSink"]

SMALL_ROWS = 65_536
"""A part with fewer rows is merged with others like it."""
SMALL_PARTS = 32
"""So many small parts are merged into one."""
_PART = re.compile(r"part-[0-9a-f]{24}\.parquet")
_IDENTITY = pa.schema(
    [("id", pa.string()), ("key", pa.string()), ("time", pa.timestamp("us", "UTC"))]
)


class _Swap(msgspec.Struct):
    """Parts that go, and the hidden one that takes their place; names in the directory."""

    gone: list[str]
    hidden: str
    made: str


_swaps = msgspec.json.Decoder(_Swap)


class _Place:
    """The paths of the parts and of the file.

    Args:
        path: of the file, or of the directory if it ends with a slash.
        staged: the result that will take the place of the one there.
    """

    def __init__(self, path: str, staged: bool = False) -> None:
        target = Path(path).absolute()
        self.staged = staged
        self.file = None if path.endswith("/") or staged else target
        if path.endswith("/"):
            inside = target / ".new" if staged else target
            self.parts = self.results = inside
            self.run = inside / ".run.json"
            self.lock = target / ".lock"
        else:
            new = _shadow(target, "parts.new")
            self.parts = new if staged else target.with_name(target.name + ".parts")
            self.results = self.parts
            self.run = new / ".run.json" if staged else _shadow(target, "run.json")
            self.lock = _shadow(target, "lock")
        self.swap = self.parts / ".swap.json"

    def own_parts(self) -> list[Path]:
        """The parts, by name."""
        found = sorted(self.parts.glob("part-*.parquet"))
        return [path for path in found if _PART.fullmatch(path.name)]

    def all_parts(self) -> list[Path]:
        """Parts, and the finished file of an earlier run."""
        before = [self.file] if self.file is not None and self.file.exists() else []
        return [*before, *self.own_parts()]

    def holds(self) -> bool:
        """Whether there are results."""
        return bool(self.all_parts())

    def foreign(self) -> str:
        """The file, if this sink did not write it."""
        if self.file is None or not self.file.exists():
            return ""
        try:
            names = pq.read_schema(self.file).names
        except pa.ArrowException:
            return str(self.file)
        return "" if names[: len(_IDENTITY.names)] == _IDENTITY.names else str(self.file)

    def refuse_others(self) -> None:
        """Raise ConfigurationError for a directory with Parquet files of another program.

        Readers take the directory as one table, and only parts of this sink are ever removed.
        """
        others = set(self.parts.glob("[!.]*.parquet")) - set(self.own_parts())
        if self.file is None and others:
            message = (
                f"{min(others)} was not written by PADIT, and {self.parts}/ is read as one table; "
                "name another directory"
            )
            raise ConfigurationError(message)

    def part(self, table: pa.Table) -> Path:
        """Name of a part: the same rows always have the same."""
        digest = hashlib.sha256("\n".join(table["id"].to_pylist()).encode()).hexdigest()
        return self.parts / f"part-{digest[:24]}.parquet"

    def clear(self) -> None:
        """Remove the results; first the record of the run, without which they count as none."""
        self.run.unlink(missing_ok=True)
        if self.staged or self.file is not None:
            shutil.rmtree(self.parts, ignore_errors=True)
        if not self.staged:
            _remove(self.all_parts())

    def take(self, table: pa.Table, gone: Sequence[Path]) -> None:
        """Put a table in the place of the parts it replaces."""
        if self.file is not None:
            _write(table, self.file)
            shutil.rmtree(self.parts, ignore_errors=True)
        else:
            self.merge(table, gone)

    def merge(self, table: pa.Table, gone: Sequence[Path]) -> Path:
        """Put a part in the place of others, so that no row is ever there twice."""
        self.parts.mkdir(parents=True, exist_ok=True)
        made = self.part(table)
        hidden = self.parts / f".{made.name}.merged"
        _write(table, hidden)
        swap = _Swap([path.name for path in gone], hidden.name, made.name)
        new = self.parts / ".swap.json.new"
        new.write_bytes(msgspec.json.encode(swap))
        replace(new, self.swap)
        self.recover()
        return made

    def make(self) -> None:
        """Make the directory."""
        self.parts.mkdir(parents=True, exist_ok=True)

    def recover(self) -> None:
        """Complete the merge in `.swap.json`; can be repeated after a crash at any point."""
        if not self.swap.exists():
            return
        swap = _swaps.decode(self.swap.read_bytes())
        if (self.parts / swap.hidden).exists():
            _remove(self.parts / name for name in swap.gone)
            (self.parts / swap.hidden).rename(self.parts / swap.made)
            sync(self.parts)
        self.swap.unlink()


class ParquetSink(StagedSink["_Place"]):
    """See the module."""

    PLACE = _Place

    def prepare(self, start: Start) -> None:
        """Make the directory, or check that the run may write there."""
        self.place(False).refuse_others()
        super().prepare(start)

    def open(self) -> Writer:
        """Open the directory; it is read and written at the first flush."""
        return _ParquetWriter(_Place(self.path, self.staged))

    def in_order(self, place: "_Place") -> pa.Table:
        """All rows in memory, as Arrow columns: about the size of the JSON."""
        return _in_order(_read(place.all_parts()))

    def take(self, place: "_Place", ready: pa.Table) -> None:
        """Put all rows into one file."""
        place.take(ready, place.all_parts())


def _shadow(target: Path, name: str) -> Path:
    return target.with_name(f".{target.name}.{name}")


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
            with lock(self._place.lock):
                self._place.parts.mkdir(parents=True, exist_ok=True)
                self._place.recover()
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
        made = self._place.merge(_in_order(_read(small)), small)
        self._known = (self._known - set(small)) | {made}


def _table(messages: Sequence[Message]) -> pa.Table:
    """Messages of any kinds as one table; a column that a kind does not have is null."""
    kinds: dict[Kind, list[Message]] = {}
    for one in messages:
        kinds.setdefault(one.kind, []).append(one)
    tables = []
    for kind, chosen in kinds.items():
        identity = [
            pa.array([one.id for one in chosen], _IDENTITY.field("id").type),
            pa.array([one.key for one in chosen], _IDENTITY.field("key").type),
            pa.array([one.time for one in chosen], pa.int64()).cast(_IDENTITY.field("time").type),
        ]
        try:
            columns = columns_of(LAYOUTS[kind], [one.json for one in chosen])
        except ValueError as error:
            message = f"a result does not fit the columns of {LAYOUTS[kind].name}: {error}"
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
def _from_address(address: Address) -> Sink:
    address.refuse_options()
    return ParquetSink(address.path)
