"""Ground truth for a recording: labels of `padit simulate`, or windows as NAB writes them."""

import json
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from padit.analysis.report.read import read_labels
from padit.analysis.report.truth import Truth
from padit.codecs.names import some_of
from padit.domain.errors import ConfigurationError, SourceError
from padit.domain.metric import Series
from padit.domain.timestamps import parse_timestamp

__all__ = ["Labels", "labels_for"]


class Labels(NamedTuple):
    """Known faults in a recording.

    Attributes:
        truths: faults of series and times in the recording.
        ignored: number of others in the file.
    """

    truths: list[Truth]
    ignored: int


def labels_for(path: str, series: Sequence[Series], span: tuple[int, int]) -> Labels:
    """Read labels and keep those that lie in the recording.

    Args:
        path: JSON or CSV as of `padit simulate --labels`, or JSON as of NAB: lists of
            [start, end] by file name, which stands for the source_id with or without its
            folder and suffix.
        series: of the recording.
        span: first and last event time of the recording, microseconds.

    Raises:
        SourceError: unreadable.
        ConfigurationError: no label lies in the recording.
    """
    sources = {one.source_id for one in series}
    keys = {one.key for one in series}
    truths = _read(path, sources)
    mine = [one for one in truths if one.source_id in sources and _shows(one, keys)]
    if not mine:
        there = sorted({one.source_id for one in truths})
        message = (
            f"{path}: none of its {len(truths)} labels belongs to a series of the recording; "
            f"labels name {some_of(there)}, the recording has {some_of(sorted(sources))}"
        )
        raise ConfigurationError(message)
    inside = [one for one in mine if one.start <= span[1] and one.end >= span[0]]
    if not inside:
        message = (
            f"{path}: all {len(mine)} labels of the recording's series lie outside its time; "
            "see --start_time and --end_time"
        )
        raise ConfigurationError(message)
    return Labels(inside, len(truths) - len(inside))


def _read(path: str, sources: set[str]) -> list[Truth]:
    content = _nab(path)
    if content is None:
        return read_labels(path)
    try:
        return [
            Truth(_source(name, sources), "anomaly", parse_timestamp(start), parse_timestamp(end))
            for name, windows in content.items()
            for start, end in windows
        ]
    except (TypeError, ValueError) as error:
        message = f"{path}: a window of NAB labels is [start, end], two timestamps ({error})"
        raise SourceError(message) from error


def _nab(path: str) -> dict[str, Any] | None:
    """The content, if it looks like NAB's: nothing but lists by file name."""
    if path.endswith(".csv"):
        return None
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # `read_labels` reports the fault
    if not isinstance(content, dict) or not content or "faults" in content:
        return None
    return content if all(isinstance(one, list) for one in content.values()) else None


def _source(name: str, sources: set[str]) -> str:
    """The source of a file name."""
    path = PurePath(name)
    names = (name, str(path.with_suffix("")), path.name, path.stem)
    return next((one for one in names if one in sources), name)


def _shows(truth: Truth, keys: set[tuple[str, str]]) -> bool:
    return not truth.metrics or any((truth.source_id, name) in keys for name in truth.metrics)
