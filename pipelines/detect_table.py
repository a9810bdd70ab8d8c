"""`padit.detect`: the job over a table in memory, for notebooks and scripts.

The table is written as Parquet to a folder of its own and read by the job as any other file, in
this process. So columns are recognised, guesses reported and results computed by the same code as
`padit run --input table.parquet`, and they have the same bytes.
"""

import html
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from padit.analysis.report import read_alerts, read_features, read_rows, write_report
from padit.codecs.schemas import ALERTS, DEAD_LETTERS, FEATURE_ROWS, METRICS, SCORES, columns_of
from padit.domain.config import load_config
from padit.domain.errors import ConfigurationError, LossError
from padit.pipelines.job import Summary, run_to_end
from padit.pipelines.run_report import say

__all__ = ["Detected", "Plot", "detect"]

_LAYOUTS = {
    "alerts": ALERTS,
    "anomalies": SCORES,
    "features": FEATURE_ROWS,
    "late": METRICS,
    "dlq": DEAD_LETTERS,
}
_SCORES = (
    "source_id", "metric_name", "window_end", "score", "level", "expected_low", "expected_high",
    "judged_by",
)  # fmt: skip
_OURS = ("input", "output", *(name for name in _LAYOUTS if name != "alerts"), "audit", "config")
_READ = ("columns", "timestamp", "source", "metrics", "format", "order", "repeats")


@dataclass(frozen=True)
class Plot:
    """The report of a run as one HTML page that needs no network; a notebook shows it.

    Attributes:
        page: the HTML.
    """

    page: str = field(repr=False)

    def save(self, path: str) -> None:
        """Write the page to a file. Raises OSError if that cannot be written."""
        Path(path).write_text(self.page, encoding="utf-8")

    def _repr_html_(self) -> str:
        """What a notebook shows: the page in a frame of its own, so its styles stay there."""
        return (
            f'<iframe srcdoc="{html.escape(self.page)}" sandbox="allow-scripts" '
            'style="width:100%;height:720px;border:0"></iframe>'
        )


@dataclass(frozen=True)
class Detected:
    """What the job found in a table.

    Attributes:
        summary: totals, with the conservation line.
        lines: what the run lost or is still waiting for, in words.
        json: by output (alerts, anomalies, features, late, dlq, audit) the JSON Lines that
            `padit run` writes, to the byte.
        table: what was read.
        input: options of the input.
    """

    summary: Summary
    lines: tuple[str, ...]
    json: Mapping[str, bytes] = field(repr=False)
    table: pa.Table = field(repr=False)
    input: Mapping[str, Any] = field(repr=False)

    @property
    def alerts(self) -> pa.Table:
        """Every transition of an alert (opened, updated, resolved), by time."""
        return self._columns("alerts")

    @property
    def anomalies(self) -> pa.Table:
        """Every anomalous window, with the scores of each detector and their evidence."""
        return self._columns("anomalies")

    @property
    def features(self) -> pa.Table:
        """The features of every window and series, with its score."""
        return self._columns("features")

    @property
    def scores(self) -> pa.Table:
        """Of every window and series the score, and the range in which values were expected.

        A score is null while no detector judges the series yet (warming up).
        """
        return self.features.select(_SCORES)

    @property
    def late(self) -> pa.Table:
        """Samples older than the watermark when they came; a table's rows are sorted first."""
        return self._columns("late")

    @property
    def dead_letters(self) -> pa.Table:
        """Rows that cannot be used, each with its reason."""
        return self._columns("dlq")

    def plot(self, title: str = "PADIT") -> Plot:
        """Series, windows, features, scores and alerts as a page, as `padit report` draws it."""
        with tempfile.TemporaryDirectory(prefix="padit-") as folder:
            files = _Folder(Path(folder))
            files.write_table(self.table)
            for name in ("alerts", "features"):
                files.result(name).write_bytes(self.json[name])
            write_report(
                str(files.page),
                rows=read_rows(str(files.table), self.input),
                alerts=read_alerts(str(files.result("alerts"))),
                features=read_features(str(files.result("features"))),
                summary=msgspec.to_builtins(self.summary),
                title=title,
            )
            return Plot(files.page.read_text(encoding="utf-8"))

    def _columns(self, name: str) -> pa.Table:
        layout = _LAYOUTS[name]
        return pa.table(columns_of(layout, self.json[name].splitlines()), schema=layout.schema)


class _Folder:
    """The files of one run."""

    def __init__(self, place: Path) -> None:
        self.table = place / "table.parquet"
        self.config = place / "config.yaml"
        self.page = place / "report.html"
        self._place = place

    def result(self, name: str) -> Path:
        return self._place / f"{name}.jsonl"

    def write_table(self, table: pa.Table) -> None:
        pq.write_table(table, self.table)

    def read(self) -> dict[str, bytes]:
        places = {name: self.result(name) for name in (*_LAYOUTS, "audit")}
        return {
            name: place.read_bytes() if place.exists() else b"" for name, place in places.items()
        }


def detect(
    table: Any, config: str | Mapping[str, Any] | None = None, **options: str | float | bool
) -> Detected:
    """Run the job over a table, in this process; it returns when all windows are closed.

    Args:
        table: a pandas or Polars DataFrame, an Arrow table, or anything else that has
            `__arrow_c_stream__`. One row a sample (timestamp, source_id, metric_name, value), or
            one row a time with a column for each metric. `padit look` describes what is recognised;
            `input:` in the configuration names the columns where that guesses wrong. The order of
            the rows has no meaning. The index of a DataFrame counts if it has a name.
        config: a YAML file or its content as a mapping; None: the shipped configuration.
        options: of `padit run`, without dashes: `window_size_sec=600`, `max_loss_share=1`. Where
            results go is not among them.

    Returns:
        Alerts, scores and features; the same bytes as `padit run` over the rows as a file.

    Raises:
        ConfigurationError: no table, or an option or the configuration is wrong.
        LossError: nothing in the table is of use, or more was lost than `max_loss_share`
            allows; the message names the reasons.
        PaditError: see `padit run`.
    """
    arrow = _arrow(table)
    argv = _options(options)
    with tempfile.TemporaryDirectory(prefix="padit-") as folder:
        files = _Folder(Path(folder))
        files.write_table(arrow)
        argv += [f"--input={files.table}", f"--output={files.result('alerts')}"]
        argv += [f"--{one}={files.result(one)}" for one in (*_LAYOUTS, "audit") if one != "alerts"]
        place = _config(config, files)
        if place is not None:
            argv.append(f"--config={place}")
        ended = run_to_end(argv, live=False)
        if ended is None or ended.verdict.failed:
            lines = ended.verdict.lines if ended else ()
            raise LossError("; ".join(one.strip() for one in lines) or "nothing was read")
        say(ended.verdict.lines)
        mapping = load_config(place).input
        return Detected(ended.summary, tuple(ended.verdict.lines), files.read(), arrow, mapping)


def _arrow(table: Any) -> pa.Table:
    """Any table as Arrow, by the interface that all of them share."""
    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    message = (
        f"a {type(table).__name__} is no table: pass a pandas or Polars DataFrame or an Arrow "
        "table; a file goes to `padit run --input FILE`"
    )
    if not hasattr(table, "__arrow_c_stream__"):
        raise ConfigurationError(message)
    try:
        found = pa.table(table)
    except pa.ArrowInvalid as error:  # a single column, such as a Series
        message = f"{message} ({error})"
        raise ConfigurationError(message) from error
    for number, column in enumerate(found.columns):
        if pa.types.is_dictionary(column.type) and pa.types.is_string_view(column.type.value_type):
            found = found.set_column(number, found.column_names[number], _decoded(column))
    return found


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Categories of Polars as text; Arrow cannot write their dictionaries as Parquet yet."""
    chunks = [
        pa.DictionaryArray.from_arrays(
            one.indices, one.dictionary.cast(pa.string())
        ).dictionary_decode()
        for one in column.chunks
    ]
    return pa.chunked_array(chunks, pa.string())


def _options(options: Mapping[str, str | float | bool]) -> list[str]:
    """Options of the command line."""
    for name in options:
        if name in _OURS or name == "dlq":
            message = f"{name} is set by detect(): results are in what it returns"
            raise ConfigurationError(message)
        if name in _READ:
            message = f"{name} belongs to the configuration: config={{'input': {{{name!r}: ...}}}}"
            raise ConfigurationError(message)
    return [
        f"--{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in options.items()
    ]


def _config(config: str | Mapping[str, Any] | None, files: _Folder) -> str | None:
    """The path of the configuration; a mapping is written as YAML first."""
    if config is None:
        return None
    if isinstance(config, Mapping):
        files.config.write_text(yaml.safe_dump(dict(config), sort_keys=False), encoding="utf-8")
        return str(files.config)
    return str(config)
