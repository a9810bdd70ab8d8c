"""Trains a model: reads a recording as the job does, joins its rows, fits, and checks the fit."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from padit.analysis.report.truth import Truth
from padit.analysis.sweep.recording import read_recording
from padit.analysis.training.fit import fit, moving_of
from padit.codecs.validate import Validate
from padit.connectors.units import with_units
from padit.connectors.uris import Bounds, source_from_uri
from padit.domain.config import SeriesSetting
from padit.domain.errors import ConfigurationError
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.timestamps import format_utc
from padit.transforms.detectors.artefact import VERSION, Artefact, Metric, Recording, judge
from padit.transforms.detectors.joint import join
from padit.transforms.windows import WindowOptions, close_windows

__all__ = ["LEAST_ROWS", "Trained", "Training", "model_of", "train_model"]

Array = NDArray[np.float64]

LEAST_ROWS = 256  # joint rows in all; fewer give no 1 % tail
_APART = 32  # rows without an alarm between two alarms
_OPEN_END = 2**62


@dataclass(frozen=True, slots=True)
class Training:
    """Input and options of a training.

    Attributes:
        input: URI, as of `padit replay`.
        mapping: options of the source, as in the configuration's `input`.
        bounds: the part of it to read.
        source: pattern of the sources to learn from.
        metric: pattern of the metrics to learn.
        faults: known faults in the recording; rows of these times are left out.
        valid_from: event time from which on the model scores, microseconds; 0: always.
        interval: extraction interval, microseconds.
        out_of_orderness: as in the job, microseconds.
        series: what the configuration states about series; of it the units count.
    """

    input: str
    mapping: dict[str, Any] = field(default_factory=dict)
    bounds: Bounds = field(default_factory=Bounds)
    source: str = "*"
    metric: str = "*"
    faults: Sequence[Truth] = ()
    valid_from: int = 0
    interval: int = 60_000_000
    out_of_orderness: int = 10_000_000
    series: Sequence[SeriesSetting] = ()


@dataclass(frozen=True, slots=True)
class Trained:
    """A model, and the data for its report.

    Attributes:
        model: complete, with its quality.
        sources: the rows (u, d) of each source that the model is fitted to.
        left_out: sources that lack one of the metrics.
        checked: for each source the highest score of each row of the last quarter, by a model
            made from the others.
    """

    model: Artefact
    sources: dict[str, Array]
    left_out: list[str]
    checked: dict[str, Array]


def train_model(training: Training, note: Callable[[int], None] = lambda _: None) -> Trained:
    """Read a recording and make a model of it.

    Args:
        training: input and options.
        note: called with the number of records of each read.

    Raises:
        PaditError: the input cannot be read, or it has too few rows.
    """
    source = with_units(
        source_from_uri(training.input, training.bounds, training.mapping), training.series
    )
    ranges = source.ranges()
    if any(one.stop is None for one in ranges):
        message = f"{training.input} has no end: give --end_time or --end_offset"
        raise ConfigurationError(message)
    allowed = training.out_of_orderness
    decode = Validate(4 << 20, 3_600_000_000)
    recording = read_recording(source, ranges, decode, [allowed], 1, note)
    parts = [recording.group(i, allowed) for i in range(recording.groups)]
    return model_of([_without(part, training) for part in parts], training)


def model_of(parts: Sequence[Rows], training: Training) -> Trained:
    """A model of rows; a source's rows all lie in one part.

    Raises:
        ConfigurationError: there are too few rows.
    """
    windows = WindowOptions(training.interval, training.interval, 1)
    tables = []
    for part in parts:
        end = int(part.time.max(initial=0)) // training.interval + 1
        tables.append(close_windows([part], -_OPEN_END, end, windows).table)
    metrics, left_out = _metrics(tables)
    joined: dict[str, Array] = {}
    for table in tables:
        joined |= _joint(table, metrics, left_out)
    joined = {name: rows for name, rows in sorted(joined.items()) if len(rows) >= 4}
    total = sum(map(len, joined.values()))
    if total < LEAST_ROWS:
        message = (
            f"{training.input} gives {total} rows in which each of the metrics "
            f"{', '.join(one.name for one in metrics)} is known, at least {LEAST_ROWS} are "
            "needed: record for longer"
        )
        raise ConfigurationError(message)
    rows = list(joined.values())
    first, later = _split(rows, 0.75)
    quality, checked = _check(metrics, first, later)
    model = Artefact(
        version=VERSION,
        valid_from=training.valid_from,
        metrics=metrics,
        channels=fit(metrics, first, later),
        recording=_about(tables, joined),
        parameters={
            "source": training.source,
            "metric": training.metric,
            "extract_interval_sec": training.interval / 1e6,
            "faults_left_out": len(training.faults),
        },
        quality=quality,
    )
    return Trained(model, joined, sorted(left_out), dict(zip(joined, checked, strict=True)))


def _without(rows: Rows, training: Training) -> Rows:
    """The selected rows, without those recorded during a fault."""
    wanted = np.array(
        [
            fnmatchcase(one.source_id, training.source)
            and fnmatchcase(one.metric_name, training.metric)
            for one in rows.series
        ],
        bool,
    )
    keep = wanted[rows.code]
    for fault in training.faults:
        ill = np.array([one.source_id == fault.source_id for one in rows.series], bool)
        keep &= ~(ill[rows.code] & (rows.time >= fault.start) & (rows.time < fault.end))
    return rows.select(keep)


def _metrics(tables: Sequence[FeatureTable]) -> tuple[list[Metric], set[str]]:
    """Metrics that at least half of the sources have, and the sources that lack one of them."""
    of: dict[str, set[Metric]] = {}
    for table in tables:
        for series in table.series:
            of.setdefault(series.source_id, set()).add(Metric(series.metric_name, series.unit))
    count: dict[Metric, int] = {}
    for found in of.values():
        for metric in found:
            count[metric] = count.get(metric, 0) + 1
    metrics = sorted(metric for metric, sources in count.items() if 2 * sources >= len(of))
    if len(metrics) < 2:
        names = ", ".join(sorted(f"{one.name} ({one.unit})" for one in count)) or "none"
        message = (
            "a model relates at least two metrics that half of the sources have in common; the "
            f"recording has {names}, of {len(of)} sources"
        )
        raise ConfigurationError(message)
    left_out = {source for source, found in of.items() if not set(metrics) <= found}
    if len(left_out) == len(of):
        message = (
            f"no source has all of {', '.join(one.name for one in metrics)}: name fewer with "
            "--metric, or other sources with --source"
        )
        raise ConfigurationError(message)
    return metrics, left_out


def _joint(table: FeatureTable, metrics: Sequence[Metric], left_out: set[str]) -> dict[str, Array]:
    """Complete joint rows of each source."""
    column = {metric: i for i, metric in enumerate(metrics)}

    def place(series: Series) -> int:
        if series.source_id in left_out:
            return -1
        return column.get(Metric(series.metric_name, series.unit), -1)

    names = sorted({series.source_id for series in table.series})
    number = {name: i for i, name in enumerate(names)}
    owner = np.array([number[series.source_id] for series in table.series], np.int64)
    places = np.array([place(series) for series in table.series], np.int64)
    before = np.full((len(names), len(metrics)), np.nan)
    joint = join(table, 0, len(table), owner, places, before)
    found = {}
    for i, name in enumerate(names):
        rows = joint.rows[joint.start[i] : joint.start[i + 1]]
        found[name] = rows[~np.isnan(rows).any(axis=1)]
    return found


def _split(sources: Sequence[Array], share: float) -> tuple[list[Array], list[Array]]:
    edges = [int(share * len(rows)) for rows in sources]
    first = [rows[:edge] for rows, edge in zip(sources, edges, strict=True)]
    return first, [rows[edge:] for rows, edge in zip(sources, edges, strict=True)]


def _check(
    metrics: list[Metric], first: Sequence[Array], later: Sequence[Array]
) -> tuple[dict[str, float], list[Array]]:
    """Scores of the last quarter, by a model of the first three."""
    channels = fit(metrics, *_split(first, 2 / 3))
    trial = Artefact(
        version=VERSION,
        valid_from=0,
        metrics=metrics,
        channels=channels,
        recording=Recording("", 0, [], "", ""),
        parameters={},
        quality={},
    )
    scores = []
    for rows, moving in zip(later, moving_of(later), strict=True):
        judged = judge(trial, rows, moving).score
        scores.append(np.fmax.reduce(judged, axis=1) if len(rows) else np.empty(0))
    total = sum(map(len, scores))
    quality: dict[str, float] = {"rows": float(total)}
    for name, limit in (("warnings", 0.7), ("criticals", 0.9)):
        quality[name] = float(sum(_episodes(score >= limit) for score in scores))
    quality["rows_per_warning"] = total / max(quality["warnings"], 1.0)
    return quality, scores


def _episodes(alarm: NDArray[np.bool_]) -> int:
    at = np.flatnonzero(alarm)
    return int((np.diff(at) > _APART).sum()) + bool(at.size)


def _about(tables: Sequence[FeatureTable], joined: dict[str, Array]) -> Recording:
    digest = hashlib.sha256()
    for name, rows in joined.items():
        digest.update(f"{name} {rows.shape}".encode() + rows.astype("<f8").tobytes())
    times = [table.time for table in tables if len(table.time)]
    first = min(int(time.min()) for time in times)
    last = max(int(time.max()) for time in times)
    total = sum(map(len, joined.values()))
    return Recording(digest.hexdigest(), total, list(joined), format_utc(first), format_utc(last))
