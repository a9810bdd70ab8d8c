"""Parameters by path: `detectors.rule.p99_above`, `detectors.novelty.warning`, `alerts.open_at`.

Forms of a path:
    detectors.NAME.PATH    PATH within the detector's parameters; list elements by their number
    detectors.NUMBER.PATH  if a detector is configured twice, counted from 0
    detectors.rule.[METRIC.]FEATURE_above, ..._below
                           the limit of the condition with this comparison; .0, .1, ... behind it
                           if there are several
    alerts.NAME            alert settings
"""

import difflib
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from padit.domain.config import AlertSettings, DetectorSetting, JobConfig
from padit.domain.errors import ConfigurationError
from padit.transforms.detectors import create_detector, detector_class

__all__ = ["base_of", "paths_of", "with_values"]

Step = str | int
_SIDES = {">": "above", ">=": "above", "<": "below", "<=": "below"}


def base_of(config: JobConfig | None, paths: list[str]) -> JobConfig:
    """The initial configuration of a sweep: the given one, or the detectors that vary.

    Raises:
        ConfigurationError: a path names a detector that is not registered.
    """
    if config is not None:
        return config
    parts = [path.split(".") for path in paths]
    names = list(dict.fromkeys(part[1] for part in parts if part[0] == "detectors" and part[1:]))
    for name in names:
        detector_class(name)
    if not names:
        return JobConfig()
    return JobConfig(detectors=tuple(DetectorSetting(name=name) for name in names))


def paths_of(config: JobConfig) -> dict[str, tuple[Step, ...]]:
    """All paths of a configuration, and the place of each: ("detectors", 0, "warning")."""
    found: dict[str, list[tuple[Step, ...]]] = {}
    names = [setting.name for setting in config.detectors]
    for number, setting in enumerate(config.detectors):
        label = setting.name if names.count(setting.name) == 1 else str(number)
        parameters = _parameters(setting)
        exact = ((_dotted(steps), steps) for steps in _leaves(parameters, ()))
        for name, steps in itertools.chain(_limits(parameters), exact):
            place = ("detectors", number, *steps)
            found.setdefault(f"detectors.{label}.{name}", []).append(place)
    for name in AlertSettings.model_fields:
        found[f"alerts.{name}"] = [("alerts", name)]
    return {
        path if len(places) == 1 else f"{path}.{number}": place
        for path, places in found.items()
        for number, place in enumerate(places)
    }


def with_values(config: JobConfig, values: Mapping[str, Any]) -> JobConfig:
    """The configuration with other values at some paths.

    Raises:
        ConfigurationError: there is no such path (the message lists all paths), or a value is
            not allowed there.
    """
    known = paths_of(config)
    for path in values:
        if path not in known:
            # Numbers of list elements are shown as N, or the list would fill the screen.
            short = dict.fromkeys(re.sub(r"\.\d+(?=\.)", ".N", one) for one in known)
            near = difflib.get_close_matches(path, known, 1)
            hint = f"; did you mean {near[0]}?" if near else "."
            message = (
                f"there is no parameter {path!r} to vary{hint} There are the window options, "
                f"{', '.join(sorted(short))}"
            )
            raise ConfigurationError(message)
    settings = [setting.model_dump() for setting in config.detectors]
    full = [_parameters(setting) for setting in config.detectors]
    alerts = config.alerts.model_dump()
    for path, value in values.items():
        first, *rest = known[path]
        if first == "alerts":
            alerts[str(rest[0])] = value
            continue
        number, top = int(rest[0]), str(rest[1])
        _put(full[number], rest[1:], value)
        # A list is written out in full, with the defaults of its elements.
        settings[number]["parameters"][top] = full[number][top]
    return _checked(config, settings, alerts, values)


def _checked(
    config: JobConfig, settings: list[Any], alerts: dict[str, Any], values: Mapping[str, Any]
) -> JobConfig:
    try:
        changed = JobConfig(
            detectors=tuple(DetectorSetting(**one) for one in settings),
            input=config.input,
            alerts=AlertSettings(**alerts),
            labels=config.labels,
            series=config.series,
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = f"alerts.{where}: {first['msg']} (it is {first['input']!r})"
        raise ConfigurationError(message) from error
    for setting in changed.detectors:
        try:
            create_detector(setting.name, setting.parameters)
        except ConfigurationError as error:
            given = ", ".join(f"{path}={value}" for path, value in values.items())
            message = f"{error} (with {given})"
            raise ConfigurationError(message) from error
    return changed


def _parameters(setting: DetectorSetting) -> dict[str, Any]:
    """All parameters of a detector, defaults included, as plain values."""
    detector: Any = create_detector(setting.name, setting.parameters)
    full: dict[str, Any] = detector.parameters.model_dump(mode="json")
    return full


def _leaves(value: Any, steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    inner: Iterator[tuple[Step, Any]]
    if isinstance(value, Mapping):
        inner = iter(value.items())
    elif isinstance(value, list):
        inner = iter(enumerate(value))
    else:
        yield steps
        return
    for step, one in inner:
        yield from _leaves(one, (*steps, step))


def _limits(parameters: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """Short names of limits: `p99_above`, and `torque_nm.median_below` for a rule of a metric."""
    for i, rule in enumerate(parameters.get("rules") or ()):
        for k, condition in enumerate(rule.get("conditions") or ()):
            name = f"{condition['feature']}_{_SIDES[condition['op']]}"
            steps = ("rules", i, "conditions", k, "limit")
            yield name, steps
            if rule.get("metric", "*") != "*":
                yield f"{rule['metric']}.{name}", steps


def _dotted(steps: tuple[Step, ...]) -> str:
    return ".".join(map(str, steps))


def _put(place: Any, steps: list[Step], value: Any) -> None:
    for step in steps[:-1]:
        place = place[step]
    place[steps[-1]] = value
