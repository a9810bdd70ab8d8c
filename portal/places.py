"""Finds what a run wrote in a folder, and what the page lacks without it."""

from pathlib import Path
from typing import NamedTuple

import msgspec

from padit.domain.errors import ConfigurationError

__all__ = ["Places", "places_in"]

_READINGS = ("metrics.jsonl", "readings.jsonl", "metrics.parquet", "metrics.csv", "input.jsonl")


class Places(NamedTuple):
    """Files of a run; None: not there.

    Attributes:
        alerts: of `--output`; None: alerts come from a team's store.
        features: of `--features`: windows, scores and usual ranges.
        readings: of `--input`.
        audit: audit log of the run.
        lacks: what cannot be shown, and the option that changes it.
    """

    alerts: Path | None
    features: Path | None
    readings: Path | None
    audit: Path | None
    lacks: tuple[str, ...]


def places_in(
    folder: Path | None, alerts: Path | None, features: Path | None, readings: Path | None
) -> Places:
    """The files that options name, or that lie in a folder under the usual names.

    Raises:
        ConfigurationError: there is no folder, or a file that was named.
    """
    for one in (features, readings):
        if one is not None and not one.exists():
            message = f"{one} does not exist"
            raise ConfigurationError(message)
    if folder is not None:
        if not folder.is_dir():
            message = f"{folder} is no folder; --data names one that a run wrote to"
            raise ConfigurationError(message)
        alerts = alerts or folder / "alerts.jsonl"
        features = features or _there(folder / "features.jsonl", also_later=not alerts.exists())
        readings = readings or _readings(folder, alerts)
    if alerts is None:
        message = "give --data FOLDER of a run, or --alerts FILE"
        raise ConfigurationError(message)
    lacks = []
    if readings is None:
        lacks.append("readings: series show only the windows in the evidence; give --readings FILE")
    if features is None:
        lacks.append("features: no bands and scores; run the job with --features FILE")
    audit = _there(alerts.with_name(alerts.stem + ".audit.jsonl"))
    return Places(alerts, features, readings, audit, tuple(lacks))


def _there(path: Path, *, also_later: bool = False) -> Path | None:
    return path if also_later or path.exists() else None


def _readings(folder: Path, alerts: Path) -> Path | None:
    """By the usual names, else what the run says it has read."""
    found = next((folder / name for name in _READINGS if (folder / name).exists()), None)
    if found is not None:
        return found
    record = alerts.with_name(f".{alerts.name}.run.json")
    try:
        source = msgspec.json.decode(record.read_bytes(), type=dict[str, object]).get("source")
    except (OSError, msgspec.DecodeError):
        return None
    path = Path(str(source))
    return path if path.is_file() else None
