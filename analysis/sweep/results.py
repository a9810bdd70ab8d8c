"""Results of a sweep: a table, a CSV file, and the best configuration, ready for use."""

import csv
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from typing import Any

import yaml

from padit.analysis.documents import write_document
from padit.analysis.report.table import duration_text
from padit.analysis.sweep.score import Measures, Wish
from padit.analysis.sweep.trials import Trial
from padit.domain.config import JobConfig
from padit.domain.timestamps import MICROS

__all__ = [
    "Results",
    "command_of",
    "config_text",
    "share",
    "short_names",
    "table_of",
    "time_text",
    "write_csv",
]

_DASH = "-"


@dataclass(frozen=True, slots=True)
class Results:
    """A finished sweep.

    Attributes:
        recording: its URI.
        trials: the configurations.
        measures: of each.
        order: numbers of the trials, the best first.
        varied: parameters that have more than one value.
        wish: the labels or the target.
        rows: samples of the recording.
        grid: whether the values are a grid.
    """

    recording: str
    trials: Sequence[Trial]
    measures: Sequence[Measures]
    order: Sequence[int]
    varied: Sequence[str]
    wish: Wish
    rows: int
    grid: bool

    @property
    def labelled(self) -> bool:
        """Whether the truth is known."""
        return self.wish.truths is not None


def short_names(paths: Sequence[str]) -> list[str]:
    """The shortest endings of the paths that are distinct.

    >>> short_names(["window_size_sec", "detectors.rule.p99_above", "detectors.novelty.warning"])
    ['window_size_sec', 'p99_above', 'warning']
    """
    parts = [path.split(".") for path in paths]
    names = []
    for mine in parts:
        size = 1
        # A number alone is no name.
        while size < len(mine) and (
            mine[-size].isdigit() or sum(mine[-size:] == other[-size:] for other in parts) > 1
        ):
            size += 1
        names.append(".".join(mine[-size:]))
    return names


def table_of(results: Results, most: int) -> str:
    """The best configurations as text."""
    labelled = results.labelled
    head = ["", *short_names(results.varied), "score"]
    head += ["precision", "recall", "delay", "p95"] if labelled else ["volume", "stability"]
    head += ["alerts", "a day", "flaps"]
    rows = [head]
    for place, number in enumerate(results.order[:most], 1):
        one = results.measures[number]
        cells = [str(place), *(_plain(results.trials[number].values[p]) for p in results.varied)]
        cells.append(f"{one.score:.3f}")
        if labelled:
            cells += [share(one.precision), share(one.recall)]
            cells += [time_text(one.delay_median), time_text(one.delay_p95)]
        else:
            cells += [share(one.volume), share(one.stability)]
        rows.append([*cells, str(one.alerts), f"{one.per_day:.4g}", str(one.flaps)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("─" * width for width in widths))
    left = len(results.order) - most
    if left > 0:
        lines.append(f"and {left} more; --csv has all")
    return "\n".join(lines) + "\n"


def write_csv(path: str, results: Results) -> None:
    """All configurations, the best first; raises SinkError."""
    text = StringIO()
    names = list(asdict(results.measures[0]))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["rank", "configuration", *results.trials[0].values, *names])
    for rank, number in enumerate(results.order, 1):
        values = results.trials[number].values.values()
        found = asdict(results.measures[number]).values()
        writer.writerow([rank, number, *values, *("" if one is None else one for one in found)])
    write_document(path, text.getvalue(), "rank,configuration")


def command_of(results: Results, number: int, config: str, bounds: Sequence[str]) -> str:
    """The `padit replay` that gives the alerts of a configuration."""
    options = [f"--{name}={_plain(one)}" for name, one in results.trials[number].options.items()]
    parts = ["padit", "replay", "--input", results.recording, "--config", config,
             *options, *bounds, "--output", "alerts.jsonl"]  # fmt: skip
    return shlex.join(parts)


def config_text(results: Results, number: int, config: str, bounds: Sequence[str]) -> str:
    """A configuration as YAML for `--config`, with the command that uses it as a comment."""
    trial, found = results.trials[number], results.measures[number]
    tried = len(results.trials)
    lines = [
        f"# The best of {tried} configurations that `padit sweep` tried." if tried > 1
        else "# The only configuration that `padit sweep` tried.",
        f"# {_sentence(found)}",
        "# Window options are not part of a configuration; with them:",
        f"#   {command_of(results, number, config, bounds)}",
    ]  # fmt: skip
    return "\n".join([*lines, yaml.safe_dump(_content(trial.config), sort_keys=False, width=96)])


def _content(config: JobConfig) -> dict[str, Any]:
    """Settings that differ from the defaults of the job; detectors always."""
    content = config.model_dump(mode="json", exclude_defaults=True)
    content["detectors"] = [
        {"name": setting.name, **setting.model_dump(mode="json", exclude_defaults=True)}
        for setting in config.detectors
    ]
    names = ("detectors", "alerts", "input", "labels", "series")
    return {name: content[name] for name in names if name in content}


def _sentence(one: Measures) -> str:
    parts = list(_said(one))
    return ", ".join(parts) + "."


def _said(one: Measures) -> Iterator[str]:
    yield f"Score {one.score:.3f}: {one.alerts} alerts ({one.per_day:.3g} a day)"
    if one.faults is not None:
        yield f"{one.found} of {one.faults} labels found, precision {share(one.precision)}"
        yield f"median delay {time_text(one.delay_median)}"
    yield f"{one.flaps} flaps"
    yield f"stability {share(one.stability)}"


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def share(value: float | None) -> str:
    """A number in [0, 1]."""
    return _DASH if value is None else f"{value:.3f}"


def time_text(seconds: float | None) -> str:
    """A duration in seconds."""
    return _DASH if seconds is None else duration_text(round(seconds * MICROS))
