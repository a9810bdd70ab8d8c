"""Search space of a sweep: the file of `--grid`, and the values drawn or listed from it."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from padit.domain.config import load_model
from padit.domain.errors import ConfigurationError
from padit.domain.renamed import accept_detector

__all__ = ["Range", "SweepFile", "combinations", "draws", "read_sweep_file"]

Value = bool | int | float | str
Values = dict[str, Value]

MOST = 20_000
"""Configurations of a grid."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Range(_Section):
    """Numbers between two bounds, both included."""

    first: float = Field(alias="from", description="Smallest value.")
    last: float = Field(alias="to", description="Largest value.")
    steps: int | None = Field(default=None, ge=2, description="Number of values in a grid.")
    step: float | None = Field(
        default=None, gt=0, description="Distance of two values, also of random draws."
    )
    scale: Literal["linear", "log"] = Field(
        default="linear", description="log: equal factors instead of equal distances."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not (math.isfinite(self.first) and math.isfinite(self.last)):
            message = "from and to must be finite"
            raise ValueError(message)
        if self.first >= self.last:
            message = f"from={self.first:g} must be less than to={self.last:g}"
            raise ValueError(message)
        if self.scale == "log" and (self.first <= 0 or self.step is not None):
            message = "scale: log needs from above 0, and steps instead of step"
            raise ValueError(message)
        return self

    @property
    def whole(self) -> bool:
        """Whether the values are whole numbers."""
        ends = (self.first, self.last, 0.0 if self.step is None else self.step)
        return self.scale == "linear" and all(end == int(end) for end in ends)

    def listed(self, path: str) -> list[Value]:
        """The values of a grid."""
        distances = 0 if self.step is None else self._distances(self.step)
        if max(distances + 1, self.steps or 0) > MOST:
            message = (
                f"{path}: {max(distances + 1, self.steps or 0):,} values, and a grid has at most "
                f"{MOST:,} configurations: take fewer, or --search random --trials 500"
            )
            raise ConfigurationError(message)
        if self.step is not None:
            found = self.first + self.step * np.arange(distances + 1)
        elif self.steps is None:
            message = (
                f"{path}: a grid needs steps (how many values) or step (their distance) between "
                f"{self.first:g} and {self.last:g}; --search random needs neither"
            )
            raise ConfigurationError(message)
        elif self.scale == "log":
            found = np.geomspace(self.first, self.last, self.steps)
        else:
            found = np.linspace(self.first, self.last, self.steps)
        return list(dict.fromkeys(self._plain(one) for one in found.tolist()))

    def draw(self, random: np.random.Generator) -> Value:
        """One value."""
        if self.scale == "log":
            return self._plain(math.exp(random.uniform(math.log(self.first), math.log(self.last))))
        if self.step is not None or self.whole:
            step = self.step or 1.0
            count = self._distances(step)
            return self._plain(self.first + step * int(random.integers(0, count + 1)))
        return self._plain(float(random.uniform(self.first, self.last)))

    def _distances(self, step: float) -> int:
        """How often a step fits between the bounds; no more than can be counted exactly."""
        return int(min((self.last - self.first) / step + 1e-9, 2.0**53))

    def _plain(self, value: float) -> Value:
        """Four digits: enough for tuning, and readable."""
        return round(value) if self.whole else float(f"{value:.4g}")


def _kind(value: Any) -> str:
    if isinstance(value, Mapping | Range):
        return "range"
    return "list" if isinstance(value, list | tuple) else "value"


Choice = Annotated[
    Annotated[Range, Tag("range")]
    | Annotated[tuple[Value, ...], Tag("list")]
    | Annotated[Value, Tag("value")],
    Discriminator(_kind),
]


class SweepFile(_Section):
    """All keys of the file of `--grid`."""

    config: str | None = Field(
        default=None, description="Configuration to start from, as of --config; without one the "
        "configuration is made of the detectors that `vary` names, with their defaults.",
    )  # fmt: skip
    vary: dict[str, Choice] = Field(
        description="Values by parameter: a list, a range {from, to, steps or step, scale}, or "
        "one value.",
        examples=[{"window_size_sec": [120, 300], "detectors.rule.p99_above": [8, 10]}],
    )

    @field_validator("vary")
    @classmethod
    def _current(cls, vary: dict[str, Choice]) -> dict[str, Choice]:
        """Paths of a renamed detector get its new name."""
        renamed = {_current_path(path): choice for path, choice in vary.items()}
        if len(renamed) < len(vary):
            message = "the same parameter stands under the old and the new name of its detector"
            raise ValueError(message)
        return renamed


def _current_path(path: str) -> str:
    first, *rest = path.split(".")
    if first == "detectors" and rest:
        rest[0] = accept_detector(rest[0])
    return ".".join([first, *rest])


def read_sweep_file(path: str) -> SweepFile:
    """Read the file of `--grid`.

    Raises:
        ConfigurationError: unreadable, a key that is not allowed, or nothing to vary.
    """
    found = load_model(path, SweepFile)
    if not found.vary:
        message = (
            f"{path}: vary is empty, so there is nothing to try; for example\n"
            "  vary:\n    window_size_sec: [120, 300]\n    detectors.rule.p99_above: [8, 10, 12]"
        )
        raise ConfigurationError(message)
    for name, choice in found.vary.items():
        if isinstance(choice, tuple) and not choice:
            message = f"{path}: vary.{name} is an empty list; give at least one value"
            raise ConfigurationError(message)
    return found


def combinations(vary: Mapping[str, Choice]) -> Iterator[Values]:
    """Every combination, the last parameter changing first.

    Raises:
        ConfigurationError: a range without steps, or too many combinations.
    """
    lists = [_listed(path, choice) for path, choice in vary.items()]
    count = math.prod(map(len, lists))
    if count > MOST:
        message = (
            f"the grid has {count:,} configurations, more than {MOST:,}; "
            "take fewer values, or --search random --trials 500"
        )
        raise ConfigurationError(message)
    for values in itertools.product(*lists):
        yield dict(zip(vary, values, strict=True))


def draws(vary: Mapping[str, Choice], seed: int) -> Iterator[Values]:
    """Random values for ever, the same for the same seed.

    Raises:
        ConfigurationError: no parameter has bounds or more than one value.
    """
    if not any(isinstance(one, Range) or len(_listed("", one)) > 1 for one in vary.values()):
        message = (
            f"--search random has nothing to draw from: give {next(iter(vary))} bounds, "
            "like {from: 5, to: 20}, or a list of values"
        )
        raise ConfigurationError(message)
    random = np.random.default_rng(seed)
    while True:
        yield {path: _draw(choice, random) for path, choice in vary.items()}


def _listed(path: str, choice: Choice) -> Sequence[Value]:
    if isinstance(choice, Range):
        return choice.listed(path)
    return list(dict.fromkeys(choice)) if isinstance(choice, tuple) else [choice]


def _draw(choice: Choice, random: np.random.Generator) -> Value:
    if isinstance(choice, Range):
        return choice.draw(random)
    values = _listed("", choice)
    return values[int(random.integers(len(values)))]
