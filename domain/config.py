"""The YAML configuration (`--config`); settings of a single run are pipeline options."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from padit.domain.attributes import LONGEST_LABEL, LONGEST_LABEL_NAME, MOST_LABELS, BadEnd
from padit.domain.errors import ConfigurationError
from padit.domain.metric import MetricType
from padit.domain.renamed import accept_detector
from padit.domain.secret_options import shown, without_credentials
from padit.domain.timestamps import MICROS, parse_duration
from padit.domain.yaml_text import read_yaml

__all__ = [
    "AlertSettings",
    "Budget",
    "DetectorSetting",
    "JobConfig",
    "Levels",
    "NEVER_ACCEPT",
    "Section",
    "SeriesSetting",
    "explain",
    "load_config",
    "load_model",
]

NEVER_ACCEPT = 2**62
"""An `accept_after` that no event time reaches, microseconds."""
_Model = TypeVar("_Model", bound=BaseModel)
_BUDGET = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) per (?:([0-9]{1,9}) )?series (?:a|per) day")


class Section(BaseModel):
    """A section of a configuration; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DetectorSetting(Section):
    """One detector and the series it looks at."""

    name: str = Field(description="Name of the detector.", examples=["rule"])
    source: str = Field(default="*", description="Pattern of source_id; `*` and `?` match.")
    metric: str = Field(default="*", description="Pattern of metric_name.")
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="Parameters of the detector."
    )

    @field_validator("name")
    @classmethod
    def _current(cls, name: str) -> str:
        return accept_detector(name)


class AlertSettings(Section):
    """When alerts open and resolve."""

    open_at: float = Field(
        default=0.7, gt=0, le=1, description="Score from which on a window opens an alert."
    )
    close_at: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Level from which on a window keeps an alert open; by default 0.35, or "
        "`open_at` where that is lower.",
    )
    budget: str | None = Field(
        default="5 per 1000 series a day",
        description="Alerts that ordinary behaviour may cost, in event time. It raises the score "
        "from which on a series opens an alert, by the series' own past, where that calls for it; "
        "null: `open_at` for all. What a detector judges by stated limits is not affected.",
        examples=["2 per 100 series a day"],
    )
    critical_budget: str = Field(
        default="1 per 1000 series a day",
        description="The same for alerts that are CRITICAL, of which the least score is 0.9; it "
        "goes with `budget`.",
    )
    resolve_after_sec: float | None = Field(
        default=None,
        gt=0,
        le=1e9,
        description="Event time without a window that keeps it open after which an alert "
        "resolves, in seconds; by default one window.",
    )
    accept_after: str | None = Field(
        default="2h",
        description="Event time that an alert has stood after which what goes on is the new normal "
        "and the alert resolves, with a unit (s, min, h, d); null: never. Missing data, fixed "
        "limits and what else a detector holds are never accepted.",
        examples=["30min"],
    )

    peers: str | None = Field(
        default=None,
        min_length=1,
        max_length=LONGEST_LABEL_NAME,
        description="Alerts that tell a level, and are not critical, are silenced where it was no "
        "news on two other sources of the same metric; `*`: all sources are peers, or the name of "
        "a label: those with the same value of it; null: nothing is silenced.",
        examples=["*", "site"],
    )

    @field_validator("budget", "critical_budget")
    @classmethod
    def _rate(cls, text: str | None) -> str | None:
        if text is not None:
            Budget.parse(text)
        return text

    @field_validator("accept_after", mode="before")
    @classmethod
    def _duration(cls, given: Any) -> Any:
        if given is not None:
            parse_duration(str(given))
        return given

    @model_validator(mode="after")
    def _in_order(self) -> "AlertSettings":
        if self.close_at is not None and self.close_at > self.open_at:
            message = (
                f"close_at {self.close_at:g} is above open_at {self.open_at:g}, so an alert would "
                "close while it opens: lower close_at, or leave it out"
            )
            raise ValueError(message)
        return self


@dataclass(frozen=True, slots=True)
class Budget:
    """A rate of alerts.

    Attributes:
        text: as it was written.
        daily: alerts a series and day of event time, above 0.
    """

    text: str
    daily: float

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """Read "5 per 1000 series a day".

        Raises:
            ValueError: it has another form, or is not above 0.

        >>> Budget.parse("5 per 1000 series a day").daily
        0.005
        """
        found = _BUDGET.fullmatch(text.strip())
        alerts, series = (float(found[1]), float(found[2] or 1)) if found else (0.0, 0.0)
        if not (alerts > 0 and series > 0):
            message = f"{text!r} is no budget; write it like '5 per 1000 series a day'"
            raise ValueError(message)
        return cls(text, alerts / series)


@dataclass(frozen=True, slots=True)
class Levels:
    """Where alerts open and close, for detectors and for the alerts themselves.

    Attributes:
        open_at: score in [0, 1] from which on a window opens an alert.
        close_at: level in [0, 1] from which on a window keeps it open, at most `open_at`.
        accept_after: event time that an alert has stood after which what goes on is the new normal,
            microseconds; `NEVER_ACCEPT`: never.
    """

    open_at: float = 0.7
    close_at: float = 0.35
    accept_after: int = 2 * 3600 * MICROS

    @classmethod
    def of(cls, settings: AlertSettings) -> "Levels":
        """The levels of a configuration.

        >>> Levels.of(AlertSettings(open_at=0.3, accept_after=None)).close_at
        0.3
        """
        close_at, after = settings.close_at, settings.accept_after
        return cls(
            settings.open_at,
            min(0.35, settings.open_at) if close_at is None else close_at,
            NEVER_ACCEPT if after is None else parse_duration(after),
        )


LabelName = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_LABEL_NAME, pattern=r'^[^"\\\x00-\x1f]+$'),
]
LabelValue = Annotated[str, Field(min_length=1, max_length=LONGEST_LABEL)]


class SeriesSetting(Section):
    """What is known of some series; it comes before what their samples state.

    All entries that match a series count, in order: of two that state the same, the later one.
    """

    source: str = Field(default="*", description="Pattern of source_id; `*` and `?` match.")
    metric: str = Field(default="*", description="Pattern of metric_name.", examples=["*_percent"])
    unit: str | None = Field(
        default=None,
        max_length=512,
        description="Unit of the values. It is part of the identity of a series: samples that "
        "came in different units are one series then.",
        examples=["%"],
    )
    metric_type: MetricType | None = Field(default=None, description="Family of the metric.")
    bounds: tuple[float | None, float | None] | None = Field(
        default=None,
        description="Least and greatest value that is possible, in that unit; null: no bound on "
        "that side.",
        examples=[[0, 100]],
    )
    bad: BadEnd | None = Field(
        default=None,
        description="The end of the bounds that is bad to reach: high, low or both; by default as "
        "family, name and unit say.",
        examples=["low"],
    )
    labels: dict[LabelName, LabelValue] = Field(
        default_factory=dict,
        max_length=MOST_LABELS,
        description="Labels, by name; beside those that samples bring.",
        examples=[{"site": "a"}],
    )

    @field_validator("bounds")
    @classmethod
    def _ordered(
        cls, bounds: tuple[float | None, float | None] | None
    ) -> tuple[float | None, float | None] | None:
        if bounds and None not in bounds and not bounds[0] < bounds[1]:  # type: ignore[operator]
            message = "the least value must be below the greatest"
            raise ValueError(message)
        return bounds


class JobConfig(Section):
    """All keys of a configuration file."""

    detectors: tuple[DetectorSetting, ...] = Field(
        default=(
            DetectorSetting(name="usual"),
            DetectorSetting(name="relation"),
            DetectorSetting(name="lasting"),
            DetectorSetting(name="discord"),
            DetectorSetting(name="no_data", parameters={"lived_sec": 3600}),
        ),
        description="Detectors, in any number; the highest score of a series counts.",
    )
    input: dict[str, Any] = Field(
        default_factory=dict,
        description="Options of the source, as in the query of its URI (columns of a CSV file).",
    )
    alerts: AlertSettings = Field(default=AlertSettings(), description="Life of alerts.")
    labels: tuple[LabelName, ...] = Field(
        default=(),
        max_length=MOST_LABELS,
        description="Keys of the samples' `metadata`, and columns of tables, that become labels of "
        "alerts.",
        examples=[["site", "cluster"]],
    )
    series: tuple[SeriesSetting, ...] = Field(
        default=(), description="Units, families, bounds and labels by patterns of names."
    )

    @model_validator(mode="after")
    def _asks_somebody(self) -> "JobConfig":
        if self.alerts.peers is not None and all(one.name != "usual" for one in self.detectors):
            message = (
                "alerts.peers silences alerts of the detector `usual`, which is not among the "
                "detectors: add it, or leave peers out"
            )
            raise ValueError(message)
        return self

    @field_validator("labels")
    @classmethod
    def _each_once(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(labels)))


def load_config(path: str | None) -> JobConfig:
    """Read the job's YAML file; None, or an empty file, gives the defaults.

    Raises:
        ConfigurationError: unreadable, or a key or value that is not allowed.
    """
    return JobConfig() if path is None else load_model(path, JobConfig, empty=JobConfig())


def load_model(path: str, model: type[_Model], *, empty: _Model | None = None) -> _Model:
    """Read a YAML file as a model; an empty file gives `empty`, or is an error without one.

    Raises:
        ConfigurationError: unreadable, or a key or value that is not allowed.
    """
    try:
        content = read_yaml(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        message = f"the configuration {path} cannot be read: {error}"
        raise ConfigurationError(message) from error
    if content is None and empty is not None:
        return empty
    if not isinstance(content, dict):
        message = f"the configuration {path} must be a mapping, it is a {type(content).__name__}"
        raise ConfigurationError(message)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(explain(path, model, error)) from error


def explain(place: str, model: type[BaseModel], error: ValidationError) -> str:
    """The first fault of a configuration, with the keys that are allowed where it lies.

    An unknown key comes first: where one is misspelled, another seems to be missing. What may be
    secret is not shown (`domain.secret_options`).
    """
    place = without_credentials(place)
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"])
    text = first["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
    if first["type"] == "extra_forbidden":
        allowed = _fields_at(model, first["loc"][:-1])
        meant = get_close_matches(str(first["loc"][-1]), allowed, 1)
        hint = f"perhaps {meant[0]} is meant; " if meant else ""
        return f"{place}: unknown key {where}; {hint}allowed are: {', '.join(allowed)}"
    if first["type"] == "missing":
        return f"{place}: {where}: {text}"
    it_is = shown(first["loc"], first["input"])
    return f"{place}: {where}: {text} (it is {it_is})" if where else f"{place}: {text}"


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    for part in path:
        if isinstance(part, int) or part not in model.model_fields:
            continue
        inner = _model_in(model.model_fields[part].annotation)
        if inner is not None:
            model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        inner = _model_in(argument)
        if inner is not None:
            return inner
    return None
