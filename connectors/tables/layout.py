"""A table's layout: which column is what, how its cells are written, and what is left unwatched.

It is found out once, before reading begins, and decides for every cell of the file; a cell that
does not fit it is a reject.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from padit.connectors.file_columns import Forms
from padit.connectors.file_labels import with_labels
from padit.connectors.file_options import FileOptions
from padit.connectors.file_plan import (
    Narrow,
    NoMetricError,
    NoTimeError,
    Plan,
    Wide,
    file_stem,
    labelled,
    make_plan,
)
from padit.connectors.tables.again import cycle_of, with_turns
from padit.connectors.tables.detected import detect_times
from padit.connectors.tables.dialect import Dialect
from padit.connectors.tables.forms import (
    CELLS_ARE_TEXT,
    Column,
    NumberOptions,
    family_targets,
    judge,
)
from padit.connectors.tables.likely import likely_by_cells
from padit.connectors.tables.parse import Typed, parse
from padit.connectors.tables.records import Block
from padit.connectors.tables.reports import options_of
from padit.connectors.tables.roles import of_the_day
from padit.connectors.tables.sentinels import sentinels_of, without_missing
from padit.connectors.tables.survey import Survey, Surveyor
from padit.connectors.tables.times import (
    EPOCHS,
    TimeForm,
    convert_times,
    is_clock,
    is_range,
    text_of,
)
from padit.connectors.tables.values import NumberForm
from padit.connectors.tables.zones import passes_of
from padit.domain.errors import SourceError
from padit.domain.findings import Findings, Guess, Unwatched

__all__ = ["Layout", "guess_of_passes", "lay_out", "lay_out_report"]

_NAMES = pa.dictionary(pa.int32(), pa.string())
_USUAL = (EPOCHS["epoch_s"], EPOCHS["epoch_ms"])


class Layout(NamedTuple):
    """The layout of one table.

    Attributes:
        dialect: how its text is written.
        plan: which column is what.
        forms: how cells are written.
        types: columns that can be read as numbers and times at once, where all cells are plain.
        records: of the file, empty ones too.
        findings: what was guessed and what is left unwatched.
    """

    dialect: Dialect
    plan: Plan
    forms: Forms
    types: Typed
    records: int
    findings: Findings

    def labelled(self, names: tuple[str, ...]) -> "Layout":
        """The same with columns of labels, which are not left unwatched then.

        Args:
            names: labels of the configuration.
        """
        plan = labelled(self.plan, self.dialect.names, names)
        needed = plan.labels.needed
        types = dict.fromkeys(needed, _NAMES) | self.types
        findings = with_labels(self.findings, plan, names)
        return self._replace(plan=plan, types=types, findings=findings)


def lay_out_report(
    path: str, options: FileOptions, dialect: Dialect, blocks: Callable[[], Iterable[Block]]
) -> Layout:
    """Look at the table that a report becomes. Raises as `lay_out` does."""
    surveyor = Surveyor()
    for block in blocks():
        surveyor.add(block)
    layout = lay_out(path, options_of(options), dialect, surveyor.end(), blocks)
    left = dialect.report.unwatched if dialect.report is not None else []
    found = layout.findings
    return layout._replace(findings=found._replace(unwatched=[*found.unwatched, *left]))


def lay_out(
    path: str,
    options: FileOptions,
    dialect: Dialect,
    seen: Survey,
    blocks: Callable[[], Iterable[Block]],
) -> Layout:
    """Look at a table.

    Args:
        path: of its file.
        options: of the mapping.
        dialect: how its text is written.
        seen: its records.
        blocks: reads them again.

    Raises:
        SourceError: it cannot be read as a table.
        ConfigurationError: options that do not fit its columns.
    """
    names = dialect.names
    sample = parse(seen.sample, names, names, dialect.cut.delimiter).table
    sample = without_missing(sample, options.timestamp, options.missing)
    columns = _judge(sample, dialect, options)
    numeric = frozenset(
        name for name in names if columns[name].form is not None and name not in dialect.unnamed
    )
    try:
        plan = make_plan(options, names, numeric, path, file_stem(path))
    except NoTimeError as error:
        raise error.with_likely(likely_by_cells(sample, names, error.likely)) from error
    except NoMetricError as error:
        message = f"{error}{_why_none(columns, options)}"
        raise SourceError(message) from error
    guesses = list(dialect.guesses)
    time = _time_form(sample, plan, options, path, guesses)
    values = {name: columns[name].form or NumberForm() for name in plan.value_columns}
    values = {name: one._replace(missing=options.missing) for name, one in values.items()}
    time = _said_of_cells(path, sample, blocks, dialect, plan, time, values, guesses)
    plan = _with_units(plan, options, values)
    for name in values:
        guesses += [Guess(path, *one) for one in columns[name].guesses]
    targets = family_targets([unit for name in values for unit in columns[name].units])
    forms = Forms(time, values, targets)
    if time.zone and time.repeated == "order" and isinstance(plan.time, str):
        forms = forms._replace(time=_with_passes(path, blocks(), dialect, plan, time, guesses))
    unwatched = _unwatched(path, sample, dialect, plan, columns, options, seen)
    findings = Findings(list(dict.fromkeys(guesses)), unwatched)
    return Layout(dialect, plan, forms, _types(sample, plan, forms), seen.records, findings)


def _said_of_cells(
    path: str,
    sample: pa.Table,
    blocks: Callable[[], Iterable[Block]],
    dialect: Dialect,
    plan: Plan,
    time: TimeForm,
    values: Mapping[str, NumberForm],
    guesses: list[Guess],
) -> TimeForm:
    """Add what cells and names show to the guesses; the times with the days that begin."""
    what, numbers = sentinels_of(sample, values)
    if what:
        guesses.append(Guess(path, what, f"missing={','.join(numbers)}"))
    if told := of_the_day(dialect.names):
        guesses.append(Guess(path, told, ""))
    cycle = cycle_of(time, clocks=is_clock(_first(sample, plan)))
    if not cycle:
        return time
    return with_turns(path, blocks(), dialect, plan, (time, cycle), guesses)


def _judge(sample: pa.Table, dialect: Dialect, options: FileOptions) -> dict[str, Column]:
    stated = {name: options.units.get(options.rename.get(name, name), "") for name in dialect.names}
    numbers = NumberOptions(options.decimal, options.thousands, tuple(options.states.items()))
    narrow = options.metric_column in dialect.names and not options.metrics
    mixed = frozenset([options.value_column] if narrow else [])
    return judge(sample, dialect.names, numbers, dialect.cut.delimiter, stated, mixed)


def _with_units(plan: Plan, options: FileOptions, values: dict[str, NumberForm]) -> Plan:
    """Units that stand in cells become the units of series, unless units= states others."""
    if not isinstance(plan.body, Wide):
        return plan
    body = plan.body
    units = tuple(
        options.units.get(name, values[column].unit)
        for column, name in zip(body.columns, body.names, strict=True)
    )
    return plan._replace(body=body._replace(units=units))


def _why_none(columns: Mapping[str, Column], options: FileOptions) -> str:
    """Why the first columns of a table without a metric are none."""
    times = (options.timestamp, *options.timestamp.split("+"))
    why = [
        f"{name!r}: {one.why}, such as {one.example!r}" + (f" ({one.remedy})" if one.remedy else "")
        for name, one in columns.items()
        if one.why and one.example and name not in times
    ]
    return "; " + "; ".join(why[:3]) if why else ""


def _time_form(
    sample: pa.Table, plan: Plan, options: FileOptions, path: str, guesses: list[Guess]
) -> TimeForm:
    form = TimeForm()
    written = _first(sample, plan)
    if is_range(written):
        guesses.append(Guess(path, f"times such as {written!r} are ranges; the begin counts", ""))
    if options.base is not None:
        return _counted(sample, plan, options)
    if options.time_format in EPOCHS:
        form = TimeForm(EPOCHS[options.time_format])
    elif options.time_format not in (None, "iso"):
        form = TimeForm(format=options.time_format or "")
    elif options.time_format is None and plan.time_columns:
        text = text_of(sample, plan.time_columns)
        form, guess = detect_times(text, path, plan.time_columns)
        if guess:
            guesses.append(Guess(path, *guess, certain=form.per_second in _USUAL))
    return form._replace(zone=options.timezone or "", repeated=options.repeated_hour)


def _counted(sample: pa.Table, plan: Plan, options: FileOptions) -> TimeForm:
    """The form of times that count from `start`, or begin on its day."""
    stated, base = options.time_format, options.base or 0
    if stated is None or stated in EPOCHS:
        form = TimeForm(EPOCHS.get(stated or "", 1), base=base)
        return form
    zone = options.timezone or ""
    return TimeForm(format=stated, zone=zone, repeated=options.repeated_hour, base=base)


def _first(sample: pa.Table, plan: Plan) -> str:
    """The first time as it is written."""
    cells = sample[plan.time_columns[0]].to_pylist() if plan.time_columns else []
    return next((one for one in cells if one), "")


def _with_passes(
    path: str,
    blocks: Iterable[Block],
    dialect: Dialect,
    plan: Plan,
    time: TimeForm,
    guesses: list[Guess],
) -> TimeForm:
    """Look through the times of a table for hours that come twice."""
    plain = time._replace(zone="")
    needed = list(plan.time_columns)

    def locals_of(block: Block) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        parsed = parse(block, dialect.names, needed, dialect.cut.delimiter)
        number = parsed.position + block.first
        times = convert_times(text_of(parsed.table, plan.time_columns), plain, number)
        chosen = times.local & ~times.bad
        return times.micros[chosen], number[chosen]

    alone = isinstance(plan.body, Wide) and plan.source is None
    passes = passes_of(map(locals_of, blocks), time.zone, alone=alone)
    if passes:
        guesses.append(guess_of_passes(path, time.zone))
    return time._replace(passes=passes)


def guess_of_passes(path: str, zone: str) -> Guess:
    """That the order of rows told apart the hours that come twice."""
    what = f"the order of rows shows which hour of two is which in {zone}"
    return Guess(path, what, "repeated_hour=first")


def _types(sample: pa.Table, plan: Plan, forms: Forms) -> Typed:
    """Columns that Arrow can convert while it reads, where every cell is as plain as the sample."""
    types: Typed = {name: pa.float64() for name, form in forms.values.items() if form.plain}
    if isinstance(plan.time, str) and not (plan.more or forms.time.format or forms.time.zone):
        cells = sample[plan.time].drop_null()
        for kind in (pa.int64(), pa.timestamp("us"), pa.timestamp("us", "UTC")):
            try:
                cells.cast(kind)
            except pa.ArrowInvalid:
                continue
            types[plan.time] = kind
            break
    names = [plan.source]
    if isinstance(plan.body, Narrow):
        names += [plan.body.metric, plan.body.unit, plan.body.kind]
    types |= {name: _NAMES for name in names if name is not None}
    return types


def _unwatched(
    path: str,
    sample: pa.Table,
    dialect: Dialect,
    plan: Plan,
    columns: dict[str, Column],
    options: FileOptions,
    seen: Survey,
) -> list[Unwatched]:
    rows, wide = seen.records - seen.empty, isinstance(plan.body, Wide)
    needed, valued = set(plan.needed), set(plan.value_columns)
    found = []
    for name in dialect.names:
        if name in needed:
            if wide and name in valued and rows == len(sample) and not columns[name].numbers:
                reason = "no cell holds a value"
                found.append(Unwatched(path, f"column {name!r}", reason, "", 0, "cells"))
            continue
        column = columns[name]
        if name in dialect.unnamed and sample[name].null_count == len(sample):
            continue  # behind a trailing delimiter is nothing
        reason, remedy, counts = _reason(name, plan, column, options, dialect, sample)
        numeric = round(column.numbers * rows) if counts else 0
        if counts and column.numbers:
            numeric = max(1, numeric)
        found.append(
            Unwatched(path, f"column {name!r}", reason, remedy, rows, "cells", min(numeric, rows))
        )
    return found


def _reason(
    name: str,
    plan: Plan,
    column: Column,
    options: FileOptions,
    dialect: Dialect,
    sample: pa.Table,
) -> tuple[str, str, bool]:
    """Why a column is not watched, what changes that, and whether its numbers count as lost."""
    if name in options.ignore:
        return "ignore= names it", f"ignore= without {name}", False
    if options.metrics:
        return "metrics= does not name it", f"metrics={','.join((*options.metrics, name))}", False
    cell = column.example or next((one for one in sample[name].to_pylist() if one), "")
    example = f", such as {cell[:40]!r}" if cell else ""
    if name in dialect.unnamed:
        index = [str(i) for i in range(len(sample))] == sample[name].to_pylist()
        return f"it has no name in the header{example}", f"metrics={name}", not index
    if isinstance(plan.body, Narrow):
        numbers = column.form is not None and column.numbers > 0
        reason = f"a row is one sample, of the column {plan.body.value!r}{example}"
        remedy = f"metrics={name} to watch it, ignore={name} to leave it out" if numbers else ""
        return reason, remedy, numbers
    if column.form is not None:
        return f"another column has its place{example}", f"metrics={name}", True
    remedy = column.remedy
    if (
        not remedy
        and column.why == CELLS_ARE_TEXT
        and plan.source is None
        and _repeats(sample[name])
    ):
        remedy = f"source_column={name} if it tells series apart"
    return f"{column.why}{example}", remedy, column.numbers > 0


def _repeats(cells: pa.ChunkedArray) -> bool:
    """Whether names come again, as those of machines do in the rows of several."""
    many = len(cells) - cells.null_count
    return bool(2 <= len(cells.drop_null().unique()) <= many // 2)
