"""From values to configurations, grouped by window setting."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from padit.analysis.sweep.evaluate import Job, WindowSetting
from padit.analysis.sweep.paths import base_of, with_values
from padit.analysis.sweep.space import SweepFile, Value, Values, combinations, draws
from padit.domain.config import JobConfig
from padit.domain.errors import ConfigurationError

__all__ = ["WINDOW_OPTIONS", "Trial", "Trials", "jobs_of", "make_trials"]

WINDOW_OPTIONS = (
    "window_size_sec", "extract_interval_sec", "max_samples", "out_of_orderness_sec",
)  # fmt: skip


class Trial(NamedTuple):
    """One configuration with its windows.

    Attributes:
        values: of the parameters of the file, by path.
        config: as of `--config`.
        setting: shape of the windows.
        options: the window options, as on the command line.
    """

    values: Values
    config: JobConfig
    setting: WindowSetting
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trials:
    """All trials of a sweep.

    Attributes:
        tried: in the order of the file, or of the draws.
        left_out: combinations of window options that make no windows, with the reason.
    """

    tried: list[Trial]
    left_out: list[tuple[Values, str]]

    @property
    def varied(self) -> list[str]:
        """Parameters that have more than one value."""
        first = self.tried[0].values
        return [path for path in first if len({one.values[path] for one in self.tried}) > 1]


def make_trials(
    file: SweepFile,
    config: JobConfig | None,
    options: Mapping[str, Any],
    check: Callable[[Mapping[str, Any]], WindowSetting],
    random: tuple[int, int] | None,
) -> Trials:
    """All configurations of a sweep.

    Args:
        file: the parameters that vary.
        config: the initial one; None: the detectors that vary.
        options: the window options of the command line.
        check: makes the setting of window options, as the job does; its ConfigurationError
            leaves a combination out.
        random: (trials, seed) of a random search; None for a grid.

    Raises:
        ConfigurationError: an unknown parameter, a value that is not allowed, or nothing left.
    """
    base = base_of(config, list(file.vary))
    chosen = combinations(file.vary) if random is None else draws(file.vary, random[1])
    wanted = None if random is None else random[0]
    settings: dict[tuple[Any, ...], WindowSetting | str] = {}
    trials = Trials([], [])
    for values in _distinct(chosen, wanted):
        mine = {name: values.get(name, options[name]) for name in WINDOW_OPTIONS}
        key = tuple(mine.values())
        if key not in settings:
            settings[key] = _checked(check, mine)
        setting = settings[key]
        inner = {path: value for path, value in values.items() if path not in WINDOW_OPTIONS}
        changed = with_values(base, inner)
        if isinstance(setting, str):
            trials.left_out.append((values, setting))
            continue
        trials.tried.append(Trial(values, changed, setting, mine))
        if len(trials.tried) == wanted:
            break
    if not trials.tried:
        message = f"no combination makes windows: {trials.left_out[0][1]}"
        raise ConfigurationError(message)
    return trials


def _distinct(chosen: Iterator[Values], wanted: int | None) -> Iterator[Values]:
    """Each combination once; at most a hundred draws for each wanted one."""
    seen: set[tuple[Value, ...]] = set()
    for values in chosen if wanted is None else itertools.islice(chosen, 100 * wanted):
        key = tuple(values.values())
        if key not in seen:
            seen.add(key)
            yield values


def _checked(
    check: Callable[[Mapping[str, Any]], WindowSetting], options: Mapping[str, Any]
) -> WindowSetting | str:
    for name in ("window_size_sec", "extract_interval_sec", "out_of_orderness_sec", "max_samples"):
        if isinstance(options[name], bool | str):
            message = f"{name}={options[name]!r} is not a number"
            raise ConfigurationError(message)
    try:
        return check(options)
    except ConfigurationError as error:
        return str(error)


def jobs_of(trials: Sequence[Trial]) -> tuple[list[Job], list[tuple[int, int]]]:
    """The work, by window setting, and the place of each trial: (job, index in it)."""
    by_setting: dict[WindowSetting, list[JobConfig]] = {}
    where: dict[WindowSetting, int] = {}
    places = []
    for trial in trials:
        configs = by_setting.setdefault(trial.setting, [])
        number = where.setdefault(trial.setting, len(where))
        places.append((number, len(configs)))
        configs.append(trial.config)
    return [Job(setting, tuple(configs)) for setting, configs in by_setting.items()], places
