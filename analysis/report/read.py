"""Reads input rows, alerts, features and ground truth of a run."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from padit.analysis.report.truth import Episode, Features, Truth
from padit.codecs.validate import Validate
from padit.connectors.units import with_units
from padit.connectors.uris import source_from_uri
from padit.domain.config import SeriesSetting
from padit.domain.errors import SourceError
from padit.domain.features import FEATURES
from padit.domain.rows import Rows, concatenate
from padit.domain.timestamps import parse_timestamp

__all__ = ["read_alerts", "read_features", "read_labels", "read_rows"]

_MAX_RECORD_BYTES = 4 << 20
_MAX_AHEAD = 3_600_000_000
_SCORE_NAMES = ("score", "composite")


def read_rows(
    uri: str, mapping: Mapping[str, Any] | None = None, series: Sequence[SeriesSetting] = ()
) -> Rows:
    """All readable rows of a source, as the job reads them; broken records are left out.

    Args:
        uri: of the source.
        mapping: options of the source from a configuration file.
        series: what the configuration states about series; of it the units count.

    Raises:
        PaditError: the source cannot be read.
    """
    source = with_units(source_from_uri(uri, None, mapping), series)
    ranges = source.ranges()
    reader = source.open(ranges, Validate(_MAX_RECORD_BYTES, _MAX_AHEAD))
    parts, open_ranges = [], {one.partition for one in ranges}
    try:
        while open_ranges:
            for read in reader.read(1.0):
                parts.append(read.rows)
                if read.ended:
                    open_ranges.discard(read.partition)
    finally:
        reader.close()
    return concatenate(parts)


def read_alerts(path: str) -> list[Episode]:
    """Alerts of a file of CloudEvents, one for each id, in the order they opened.

    Raises:
        SourceError: the file cannot be read, or a line is no transition of an alert.
    """
    episodes: dict[str, Episode] = {}
    for number, event in _lines(path):
        try:
            _follow(episodes, event)
        except (KeyError, TypeError, ValueError) as error:
            message = f"{path}, line {number}: no transition of an alert ({error!r})"
            raise SourceError(message) from error
    return sorted(episodes.values(), key=lambda one: (one.opened, one.source_id, one.metric_name))


def read_features(path: str) -> dict[tuple[str, str], Features]:
    """Window features by (source_id, metric_name); unknown fields are left out.

    Raises:
        SourceError: the file cannot be read, or a line lacks its series or its window's end.
    """
    found: dict[tuple[str, str], list[tuple[int, dict[str, Any]]]] = {}
    for number, record in _lines(path):
        try:
            key = (str(record["source_id"]), str(record["metric_name"]))
            found.setdefault(key, []).append((parse_timestamp(record["window_end"]), record))
        except (KeyError, TypeError, ValueError) as error:
            message = f"{path}, line {number}: not the features of a window ({error!r})"
            raise SourceError(message) from error
    return {key: _columns(windows) for key, windows in found.items()}


def read_labels(path: str) -> list[Truth]:
    """Ground truth as `padit simulate` writes it: JSON (a list, or under `faults`) or CSV.

    Raises:
        SourceError: the file cannot be read, or an entry lacks its source, start or end.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        if path.endswith(".csv"):
            entries: Any = list(csv.DictReader(text.splitlines()))
        else:
            content = json.loads(text)
            entries = content.get("faults", []) if isinstance(content, dict) else content
        return sorted(map(_truth, entries), key=lambda truth: (truth.start, truth.source_id))
    except OSError as error:
        message = f"the labels {path} cannot be read: {error.strerror or error}"
        raise SourceError(message) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = (
            f"{path} holds no labels ({error!r}): an entry needs source_id, start and end, "
            "and may have fault, failure and metrics"
        )
        raise SourceError(message) from error


def _lines(path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with Path(path).open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, msgspec.json.decode(line, type=dict[str, Any])
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise SourceError(message) from error
    except msgspec.DecodeError as error:
        message = f"{path}: a line is not a JSON object: {error}"
        raise SourceError(message) from error


def _follow(episodes: dict[str, Episode], event: dict[str, Any]) -> None:
    alert, kind = event["data"], str(event["type"]).rsplit(".", 1)[-1]
    time = parse_timestamp(event["time"])
    episode = episodes.get(alert["id"])
    if episode is None:
        # A file may begin in the middle of an alert's life.
        opened = (parse_timestamp(alert["opened"]), str(alert["severity"]))
        episode = episodes[alert["id"]] = Episode(
            alert["id"], alert["source_id"], alert["metric_name"], 0.0, "", "", [opened]
        )
    episode.score = max(episode.score, float(alert["score"]))
    episode.summary = str(alert["summary"])
    detector = alert.get("detector") or {}
    episode.detector = f"{detector.get('name', '?')} {detector.get('version', '')}".strip()
    episode.evidence = alert.get("evidence") or {}
    if kind == "resolved":
        episode.resolved = time
    elif alert["severity"] != episode.severity:
        episode.levels.append((time, str(alert["severity"])))


def _columns(windows: list[tuple[int, dict[str, Any]]]) -> Features:
    windows.sort(key=lambda window: window[0])
    records = [record for _, record in windows]
    nested = [record.get("features") or record for record in records]
    names = [name for name in FEATURES if any(name in record for record in nested)]
    score_name = next((name for name in _SCORE_NAMES if name in records[0]), _SCORE_NAMES[0])
    return Features(
        np.array([end for end, _ in windows], np.int64),
        {name: _floats(nested, name) for name in names},
        _floats(records, score_name),
    )


def _floats(records: list[dict[str, Any]], name: str) -> "np.typing.NDArray[np.float64]":
    values = [record.get(name) for record in records]
    return np.array([np.nan if value is None else float(value) for value in values])


def _truth(entry: dict[str, Any]) -> Truth:
    metrics = entry.get("metrics") or ()
    failure = entry.get("failure")
    return Truth(
        str(entry["source_id"]),
        str(entry.get("fault") or "fault"),
        parse_timestamp(entry["start"]),
        parse_timestamp(entry["end"]),
        parse_timestamp(failure) if failure else None,
        tuple(metrics.split()) if isinstance(metrics, str) else tuple(metrics),
    )
