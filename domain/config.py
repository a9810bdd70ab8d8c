"""The YAML configuration (`--config`); settings of a single run are pipeline options."""

import re
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from padit.domain.attributes import LONGEST_LABEL, LONGEST_LABEL_NAME, MOST_LABELS
from padit.domain.errors import ConfigurationError
from padit.domain.metric import MetricType
from padit.domain.renamed import accept_detector

__all__ = [
    "AlertSettings",
    "DetectorSetting",
    "JobConfig",
    "Levels",
    "Section",
    "SeriesSetting",
    "load_config",
    "load_model",
]

_Model = TypeVar("_Model", bound=BaseModel)
_CREDENTIALS = re.compile(r"://[^/@\s]*@")


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


class Levels(NamedTuple):
    """Where alerts open and close, for detectors that follow them.

    Attributes:
        open_at: score from which on a window opens an alert.
        close_at: level down to which it stays open.
        accept_after: microseconds inside an alert until what is seen there is the new normal.
    """

    open_at: float = 0.7
    close_at: float = 0.35
    accept_after: int = 7_200_000_000


class AlertSettings(Section):
    """When alerts open and resolve."""

    open_at: float = Field(
        default=0.7, gt=0, le=1, description="Score from which on a window alerts."
    )
    close_at: float = Field(
        default=0.35, gt=0, le=1, description="Level down to which an alert stays open."
    )
    accept_after_sec: float = Field(
        default=7200.0,
        gt=0,
        le=1e9,
        description="Event time inside an alert until what is seen there is learnt as the new "
        "normal, in seconds.",
    )
    resolve_after_sec: float | None = Field(
        default=None,
        gt=0,
        le=1e9,
        description="Event time without an alerting window after which an alert resolves, in "
        "seconds; by default one window.",
    )

    @property
    def levels(self) -> Levels:
        """What detectors follow."""
        return Levels(self.open_at, self.close_at, round(self.accept_after_sec * 1_000_000))


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
        default=(DetectorSetting(name="novelty"), DetectorSetting(name="multivariate")),
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
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
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
    """The first fault of a configuration, with the keys that are allowed where it lies."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    shown = _CREDENTIALS.sub("://...@", str(first["input"]))[:80]
    message = f"{place}: {where}: {first['msg']} (it is {shown!r})"
    if first["type"] == "extra_forbidden":
        allowed = ", ".join(_fields_at(model, first["loc"][:-1]))
        message = f"{place}: unknown key {where}; allowed are: {allowed}"
    return message


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
