"""The shape of a job: all of its options and its configuration that decide results.

Every option is in it unless it stands in `NOT_IN_SHAPE` with the reason, so that a new option
cannot be forgotten.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from padit.connectors.payloads import payload_of
from padit.connectors.uris import Address, parse_address
from padit.domain.config import NEVER_ACCEPT, JobConfig, Levels, SeriesSetting
from padit.domain.shape import Shape
from padit.domain.timestamps import MICROS, format_utc
from padit.pipelines.options import JobOptions
from padit.transforms.alerts import Alerts
from padit.transforms.detect import Detection
from padit.transforms.windows import WindowOptions

__all__ = ["NOT_IN_SHAPE", "shape_of", "units_of"]

_PLACES = "a place of results: what is computed does not depend on it"
_BEGIN = "where reading begins; a job that goes on reads from where it was stopped"
NOT_IN_SHAPE: Mapping[str, str] = {
    "output": _PLACES,
    "features": _PLACES,
    "anomalies": _PLACES,
    "late": _PLACES,
    "dlq": _PLACES,
    "audit": _PLACES,
    "config": "a file name; what the file says is in the shape",
    "start_offset": _BEGIN,
    "start_time": _BEGIN,
    "live_from": "which results are written, and not what they are",
    "live_from_now": "which results are written, and not what they are",
    "overwrite": "what the start does with earlier results",
    "allow_missing": "whether the job may start; what it reads is in the cursor",
    "broker_timeout_sec": "how long the start waits for a broker",
    "max_loss_share": "when the end of a run counts as failed, and not what it computes",
    "strict": "when the end of a run counts as failed, and not what it computes",
    "idle_timeout_sec": "the clock decides there anyway; each decision stands in the audit log",
}
"""Options that may differ when a job goes on from a savepoint, each with the reason."""

_PLACE_OPTIONS = (  # how a broker or an archive is reached, not what it holds
    "client_config", "endpoint", "region", "request_timeout_sec", "attempts",
)  # fmt: skip


def shape_of(job: JobOptions, config: JobConfig, decisions: tuple[Any, ...] = ()) -> Shape:
    """The shape of a job.

    Args:
        job: its options.
        config: detectors and alert settings.
        decisions: those of the audit log that `--decisions` names.
    """
    found: dict[str, Any] = {}
    for field in dataclasses.fields(job):
        if field.name not in NOT_IN_SHAPE:
            name, value = _option(field.name, getattr(job, field.name))
            found[name] = value
    address = parse_address(job.input, config.input)
    found["--input"] = address.path  # the same topic may be reached through other brokers
    found["input"] = _input(address)
    if decisions:
        found["--decisions"] = hashlib.sha256(repr(decisions).encode()).hexdigest()
    detection = Detection(config.detectors, levels=Levels.of(config.alerts))
    windows = WindowOptions(job.window_size, job.extract_interval, job.max_samples)
    alerts = Alerts.of(detection, config.alerts, windows)
    never = detection.levels.accept_after == NEVER_ACCEPT
    found["alerts"] = {
        **config.alerts.model_dump(mode="json", exclude=_unset(config)),
        "close_at": detection.levels.close_at,
        "accept_after": None if never else detection.levels.accept_after / MICROS,
        "resolve_after_sec": alerts.resolve_after / MICROS,  # of which the default is a window
    }
    found["detectors"] = [
        {**setting.model_dump(mode="json"), **resolved}
        for setting, resolved in zip(config.detectors, detection.resolved, strict=True)
    ]
    deciding = [_deciding(one) for one in config.series]
    deciding = [one for one in deciding if _decides(one)]  # labels decide nothing
    if deciding:
        found["series"] = deciding
    return Shape.of(found)


def _unset(config: JobConfig) -> set[str]:
    """Settings that decide nothing as they are; jobs from before they existed have no such key."""
    return {"peers"} if config.alerts.peers is None else set()


def _deciding(setting: SeriesSetting) -> dict[str, Any]:
    """An entry of `series` without its labels; the bad end stands where there are bounds."""
    found = setting.model_dump(mode="json", exclude={"labels", "bad"})
    if setting.bounds is not None or setting.bad is not None:
        found["bad"] = setting.bad or "by name"
    return found


def _decides(setting: Mapping[str, Any]) -> bool:
    given = (setting.get(name) for name in ("unit", "metric_type", "bounds", "bad"))
    return any(one is not None for one in given)


def units_of(config: JobConfig) -> list[tuple[str, str, str]]:
    """The units that a configuration states, which are part of the identity of series."""
    return [(one.source, one.metric, one.unit) for one in config.series if one.unit is not None]


def _input(address: Address) -> dict[str, Any]:
    """Options of the source; of a mapping all its keys, since versions may change a preset."""
    options = {name: value for name, value in address.options.items() if name not in _PLACE_OPTIONS}
    payload = payload_of(address.uri, options.pop("format", None), options.pop("schemas", None))
    if payload.form is not None:
        options["format"] = payload.form.model_dump(  # labels from there decide nothing
            mode="json", exclude_defaults=True, exclude={"labels_below"}
        )
    if payload.schemas is not None:  # the same schemas may be reached in another way
        options["schemas"] = "registry" if payload.schemas.registry else "folder"
    return options


def _seconds(micros: int) -> float:
    return micros / MICROS


_UNITS: Mapping[str, tuple[str, Callable[[int], Any]]] = {
    "window_size": ("window_size_sec", _seconds),
    "extract_interval": ("extract_interval_sec", _seconds),
    "out_of_orderness": ("out_of_orderness_sec", _seconds),
    "max_ahead": ("max_ahead_sec", _seconds),
    "end_time": ("end_time", format_utc),
}


def _option(name: str, value: Any) -> tuple[str, Any]:
    """Name and value as on the command line."""
    given, of = _UNITS.get(name, (name, lambda one: one))
    return f"--{given}", None if value is None else of(value)
