"""Which column of a Parquet file is what, what of that was guessed, and what is not watched."""

import math
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from padit.codecs.contract import shorten
from padit.connectors.file_columns import numbers
from padit.connectors.file_labels import with_labels
from padit.connectors.file_options import FileOptions
from padit.connectors.file_plan import Narrow, Plan, labelled, make_plan
from padit.connectors.file_types import Leaf, flattened, leaves_of, shown, valid_text
from padit.connectors.tables.times import TimeForm
from padit.domain.errors import SourceError
from padit.domain.findings import Findings, Guess, Unwatched

__all__ = ["Layout", "lay_out"]

_LOOKED_AT = 1000  # rows by which text is judged to be numbers
_COUNTED = 100_000  # counts of empty cells that are looked up
_UNITS = ((1e11, "seconds"), (1e14, "milliseconds"), (1e17, "microseconds"), (1e20, "nanoseconds"))


class Layout(NamedTuple):
    """The columns of a file.

    Attributes:
        plan: which one is what.
        texts: needed columns of text, which are read as dictionaries.
        special: needed columns that have to be converted first, and their types.
        guesses: what was detected.
        unwatched: column, reason, remedy, and whether the cells hold numbers.
        form: zone of times that have none.
    """

    plan: Plan
    texts: list[str]
    special: dict[str, pa.DataType]
    guesses: tuple[Guess, ...]
    unwatched: tuple[tuple[Leaf, str, str, bool], ...]
    form: TimeForm = TimeForm()

    def findings(self, metadata: pq.FileMetaData, path: str) -> Findings:
        """Guesses, and every column that is not watched with the number of its filled cells."""
        filled = _filled(metadata, [leaf.name for leaf, *_ in self.unwatched])
        filled |= {leaf.name: 0 for leaf, *_ in self.unwatched if pa.types.is_null(leaf.type)}
        return Findings(
            self.guesses,
            [
                Unwatched(
                    path,
                    f"column {leaf.name!r}",
                    reason,
                    remedy,
                    filled[leaf.name],
                    "cells",
                    filled[leaf.name] if numeric else 0,
                )
                for leaf, reason, remedy, numeric in self.unwatched
            ],
        )


def lay_out(
    options: FileOptions, file: pq.ParquetFile, path: str, stem: str, labels: tuple[str, ...] = ()
) -> Layout:
    """Decide.

    Args:
        options: of the mapping.
        file: open; its first rows are looked at.
        path: for messages.
        stem: default of the source_id.
        labels: that the configuration names.

    Raises:
        SourceError: a column is missing, or cannot be what it is to be.
    """
    leaves = {leaf.name: leaf for leaf in leaves_of(file.schema_arrow)}
    index = _index_of(file.schema_arrow)
    guesses: list[Guess] = []
    options = _with_time(options, leaves, index, path, guesses)
    head = _head(file, [leaf.name for leaf in leaves.values() if leaf.text])
    as_text = {name for name, column in head.items() if _mostly_numbers(column)}
    numeric = {leaf.name for leaf in leaves.values() if leaf.numeric} - index | as_text
    names = [leaf.name for leaf in leaves_of(file.schema_arrow)]
    plan = make_plan(options, names, frozenset(numeric), path, stem)
    plan = labelled(plan, [one.name for one in leaves.values() if _is_label(one)], labels)
    used = [leaves[name] for name in plan.needed]
    _check_kinds(plan, leaves, path)
    metrics = set(plan.value_columns)
    guesses += _of_metrics([leaf for leaf in used if leaf.name in metrics], as_text, path)
    guesses += _of_time(plan, file, leaves, path, counted=options.base is not None)
    guesses += with_labels(Findings(), plan, labels).guesses
    left = [leaf for leaf in leaves.values() if leaf not in used]
    return Layout(
        plan,
        [leaf.name for leaf in used if leaf.text],
        {leaf.name: leaf.plain for leaf in used if leaf.text or _is_special(leaf, metrics)},
        tuple(guesses),
        tuple(
            (
                leaf,
                *_why(leaf, options, plan, index, head),
                leaf.numeric and leaf.name not in index and leaf.name not in options.ignore,
            )
            for leaf in left
        ),
        _time_form(options),
    )


def _is_label(leaf: Leaf) -> bool:
    """Whether a column of this type can hold labels."""
    return leaf.text or (leaf.numeric and not pa.types.is_duration(leaf.plain))


def _is_special(leaf: Leaf, metrics: set[str]) -> bool:
    if leaf.name not in metrics:
        return False
    kind = leaf.plain
    return pa.types.is_boolean(kind) or pa.types.is_duration(kind) or leaf.temporal


def _index_of(schema: pa.Schema) -> set[str]:
    """Columns in which pandas has kept an index."""
    try:
        known = msgspec.json.decode((schema.metadata or {}).get(b"pandas", b"{}"))
        found = known.get("index_columns", ()) if isinstance(known, dict) else ()
        return {name for name in found if isinstance(name, str)}
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError):
        return set()


def _with_time(
    options: FileOptions,
    leaves: dict[str, Leaf],
    index: set[str],
    path: str,
    guesses: list[Guess],
) -> FileOptions:
    """The options with the column of the time, where they do not name it and it has another name.

    It is pandas' index, if that holds times, or the only column that holds dates and times.
    """
    named = "timestamp" in options.model_fields_set or options.start is not None
    if named or options.timestamp in leaves:
        return options
    dated = [leaf for leaf in leaves.values()
             if pa.types.is_timestamp(leaf.plain) or pa.types.is_date(leaf.plain)]  # fmt: skip
    chosen = [leaf for leaf in dated if leaf.name in index] or dated
    if len(chosen) != 1:
        return options
    name = chosen[0].name
    what = "index" if name in index else "only column with times"
    guesses.append(Guess(path, f"the event time is the {what}, {name!r}", f"timestamp={name}"))
    return options.model_copy(update={"timestamp": name})


def _head(file: pq.ParquetFile, texts: list[str]) -> dict[str, Any]:
    """The first rows of some columns of text."""
    if not texts or not file.metadata.num_rows:
        return {}
    for batch in file.iter_batches(_LOOKED_AT, columns=texts, use_threads=False):
        table = flattened(pa.Table.from_batches([batch]))
        return {name: valid_text(table[name]) for name in texts}
    return {}


def _mostly_numbers(column: pa.ChunkedArray) -> bool:
    """At least half of the filled cells, of which there is one."""
    filled = [text for text in column.to_pylist() if text is not None]
    # A loop over at most 1,000 cells; to convert a column of text and fail takes a hundred times.
    return bool(filled) and 2 * sum(map(_is_number, filled)) >= len(filled)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _check_kinds(plan: Plan, leaves: dict[str, Leaf], path: str) -> None:
    """Refuse columns that can never hold what they are to hold."""
    for name in plan.value_columns:
        leaf = leaves[name]
        if not (leaf.numeric or leaf.temporal or leaf.text or pa.types.is_null(leaf.plain)):
            message = f"{path}: the column {name!r} holds {leaf.held}, which cannot be a metric"
            raise SourceError(message)
    if isinstance(plan.time, str):
        leaf = leaves[plan.time]
        dated = pa.types.is_timestamp(leaf.plain) or pa.types.is_date(leaf.plain)
        number = leaf.numeric and not pa.types.is_boolean(leaf.plain)
        number = number and not pa.types.is_duration(leaf.plain)
        if not (dated or number or leaf.text):
            message = (
                f"{path}: the column {plan.time!r} is of the type {leaf.type}, which is no event "
                "time; name another with timestamp=COLUMN, or give start=TIME and step=SECONDS"
            )
            raise SourceError(message)


def _of_metrics(used: list[Leaf], as_text: set[str], path: str) -> list[Guess]:
    found = []
    for leaf in used:
        form = ""
        if leaf.name in as_text:
            form = "numbers written as text"
        elif pa.types.is_duration(leaf.plain):
            form = "durations, read as seconds"
        elif pa.types.is_boolean(leaf.plain):
            form = "booleans, read as 0 and 1"
        if form:
            found.append(Guess(path, f"{leaf.name!r} holds {form}", f"ignore={leaf.name}"))
    return found


def _time_form(options: FileOptions) -> TimeForm:
    return TimeForm(
        0 if options.base is None else 1, "", options.timezone or "", options.repeated_hour,
        base=options.base or 0,
    )  # fmt: skip


def _of_time(
    plan: Plan, file: pq.ParquetFile, leaves: dict[str, Leaf], path: str, *, counted: bool
) -> list[Guess]:
    """The unit of times that are numbers, by the size of the first one."""
    if not isinstance(plan.time, str) or counted or not leaves[plan.time].numeric:
        return []
    for batch in file.iter_batches(1, columns=[plan.time], use_threads=False):
        first, _ = numbers(flattened(pa.Table.from_batches([batch]))[plan.time].chunk(0))
        for limit, unit in _UNITS:
            if len(first) and abs(first[0]) < limit:
                what = f"the times in {plan.time!r} are {unit} since 1970"
                return [Guess(path, what, "timestamp=COLUMN for another column")]
        break
    return []


def _why(
    leaf: Leaf, options: FileOptions, plan: Plan, index: set[str], head: dict[str, Any]
) -> tuple[str, str]:
    """Why a column is not watched, and the option that changes it."""
    if leaf.name in options.ignore:
        return "ignore= names it", "ignore= without it"
    if leaf.name in index:
        return "it is the index of pandas", f"metrics={leaf.name}"
    if options.metrics:
        return "metrics= does not name it", f"metrics={','.join((*options.metrics, leaf.name))}"
    if isinstance(plan.body, Narrow):
        return "a narrow table has one column of values", f"value_column={leaf.name}"
    example = ""
    if leaf.text and leaf.name in head and len(filled := head[leaf.name].drop_null()):
        example = f", such as {shorten(shown({'': filled[0]})[''])}"
    remedy = f"metrics={leaf.name}" if leaf.temporal else ""
    return f"it holds {leaf.held}{example}", remedy


def _filled(metadata: pq.FileMetaData, names: list[str]) -> dict[str, int]:
    """Cells of columns that are not empty; all cells where the file does not count the others."""
    filled = dict.fromkeys(names, int(metadata.num_rows))
    if metadata.num_row_groups * metadata.num_columns > _COUNTED:
        return filled
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            name = column.path_in_schema
            statistics = column.statistics if name in filled else None
            if statistics is not None and statistics.has_null_count:
                filled[name] -= statistics.null_count
    return filled
