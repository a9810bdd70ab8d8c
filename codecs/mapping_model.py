"""The section `format` of a configuration: how JSON of any form maps to metrics.

A preset is a mapping of this same form (`codecs.presets`); the keys of a configuration replace
its own.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from padit.codecs.mapping_paths import holes_of, parse_path
from padit.codecs.mapping_times import Times
from padit.codecs.presets import LAID_OUT, PRESETS
from padit.domain.attributes import LONGEST_LABEL_NAME, MOST_LABELS
from padit.domain.config import Section, explain
from padit.domain.errors import ConfigurationError

__all__ = ["FIELD", "Format", "format_of"]

FIELD = "{field}"
"""In a metric's template: the path of a value below `values`."""


def _several(value: Any) -> Any:
    """One text, or a list of them."""
    return (value,) if isinstance(value, str) else value


def _checked_path(text: str) -> str:
    parse_path(text)
    return text


def _checked_text(text: str) -> str:
    if "{" in text or "}" in text:
        for hole in holes_of(text):
            parse_path(hole)
    else:
        parse_path(text)
    return text


def _paths(value: Any) -> Any:
    value = _several(value)
    return tuple(_checked_path(one) if isinstance(one, str) else one for one in value or ())


def _texts(value: Any) -> Any:
    value = _several(value)
    return tuple(_checked_text(one) if isinstance(one, str) else one for one in value or ())


def _values(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _paths(paths) for name, paths in value.items()}
    return _paths(value)


Paths = Annotated[tuple[str, ...], BeforeValidator(_paths)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Scalar = str | int | float | bool


class Format(Section):
    """A mapping. Of several paths or templates in a list the first that leads to something counts.

    A *path* reads `a.b[0]["c.d"]`, from the element of `each`, with `$.` from the message, with
    `^.` from one `each` further out. A *template* is text with paths in braces.
    """

    preset: str = Field(
        default="", description="Mapping to begin with; see the presets.", examples=["telegraf"]
    )
    layout: str = Field(
        default="",
        description="How a message that is no list of samples is laid out as elements before all "
        "else: the name of a preset that has one.",
        examples=["prometheus"],
    )
    root: Paths = Field(
        default=(), description="Where a message begins inside its envelope, a path."
    )
    each: Paths = Field(
        default=(),
        description="Elements of a message, a path with `[*]`; by default the message is one. An "
        "array as a message is always read element by element.",
        examples=["points[*]"],
    )
    where: dict[str, Scalar | tuple[Scalar, ...]] = Field(
        default_factory=dict,
        description="Path to a value, or a list of them; other elements are left out, and counted.",
        examples=[{"type": "metric"}],
    )
    source: Texts = Field(
        default=(), description="Path or template of source_id.", examples=["{tags.host}/{name}"]
    )
    source_id: str = Field(
        default="", description="The source_id as it is, where `source` leads to nothing."
    )
    metric: Texts = Field(
        default=(),
        description="Path or template of metric_name. `{field}` is the path of the value below "
        "`values`.",
    )
    value: Paths = Field(default=(), description="Path of the value, one in an element.")
    values: Annotated[
        tuple[str, ...] | dict[str, Annotated[tuple[str, ...], BeforeValidator(_paths)]],
        BeforeValidator(_values),
    ] = Field(
        default=(),
        description="Several values in an element: metric_name to path; or one path, below which "
        "every number is a metric. With `value` as well they count where that leads to nothing.",
    )
    ignore: Paths = Field(
        default=(), description="Paths below which nothing is a metric, and nothing is missed."
    )
    by: Paths = Field(
        default=(),
        description="Paths of what tells series of a source apart, added to the name as "
        '`{cpu="cpu0"}`; `tags.*` is all of an object but what is used elsewhere.',
    )
    time: Paths = Field(
        default=(),
        description="Path of the event time; without one the time of the Kafka record counts.",
    )
    time_format: str = Field(
        default="auto",
        description="`auto`: RFC 3339, or epoch seconds, ms, us or ns by the magnitude; or `s`, "
        "`ms`, `us`, `ns`, or a pattern like `%d.%m.%Y %H:%M:%S`.",
    )
    timezone: str = Field(
        default="UTC", description="Of times without an offset.", examples=["Europe/Berlin"]
    )
    unit: Texts = Field(default=(), description="Path or template of the unit.")
    units: dict[str, str] = Field(default_factory=dict, description="metric_name to unit.")
    metric_type: Texts = Field(default=(), description="Path or template of metric_type.")
    labels: Annotated[dict[str, str], BeforeValidator(lambda v: v)] = Field(
        default_factory=dict,
        description="Label to path; a label is no part of the identity of a series.",
        examples=[{"site": "tags.site"}],
    )
    labels_below: Paths = Field(
        default=(),
        description="Objects whose members become labels where `labels` of the configuration "
        "names them; others are not read.",
        examples=["tags"],
    )
    text_numbers: bool = Field(
        default=False,
        description="Below `values`: whether text like `12.5` is a value. Where a path names a "
        "value, it always is.",
    )
    decimal: Literal["point", "comma"] = Field(
        default="point",
        description="Decimal mark of numbers in text; with `comma` a point stands between "
        "thousands.",
        examples=["comma"],
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Format":
        below = isinstance(self.values, tuple) and bool(self.values)
        unnamed = below and not self.value and any(FIELD not in one for one in self.metric)
        faults = {
            f"layout {self.layout!r} is none of {', '.join(LAID_OUT)}": (
                bool(self.layout) and self.layout not in LAID_OUT
            ),
            "give value, values or both": not self.value and not self.values,
            "give source, source_id or both": not self.source and not self.source_id,
            "value needs metric, the path or template of its name": (
                bool(self.value) and not self.metric
            ),
            f"metric needs {FIELD}, which names what is below values": unnamed,
            f"metric holds {FIELD} more than once": any(
                one.count(FIELD) > 1 for one in self.metric
            ),
            "values is one path, or a mapping of metric_name to path": (
                below and len(self.values) > 1
            ),
        }
        for fault, applies in faults.items():
            if applies:
                raise ValueError(fault)
        Times(self.time_format, self.timezone)
        self._check_labels()
        return self

    def _check_labels(self) -> None:
        if len(self.labels) > MOST_LABELS:
            message = f"labels names {len(self.labels)} labels, at most {MOST_LABELS} are allowed"
            raise ValueError(message)
        for name, text in self.labels.items():
            if not 0 < len(name) <= LONGEST_LABEL_NAME:
                message = f"labels: {name[:40]!r} must have 1 to {LONGEST_LABEL_NAME} characters"
                raise ValueError(message)
            parse_path(text)


def format_of(place: str, given: Any) -> Format:
    """Check a mapping, or the name of a preset.

    Args:
        place: of the configuration or URI, for the message.
        given: a name, or the mapping.

    Raises:
        ConfigurationError: an unknown preset or key, or a value that is not allowed.
    """
    if isinstance(given, Format):
        return given
    if isinstance(given, str):
        given = {"preset": given}
    if not isinstance(given, Mapping):
        message = f"{place}: format is the name of a preset or a mapping, not {given!r}"
        raise ConfigurationError(message)
    preset = given.get("preset", "")
    if preset and preset not in PRESETS:
        message = f"{place}: format {preset!r} is unknown; known are: {', '.join(sorted(PRESETS))}"
        raise ConfigurationError(message)
    merged = {**(PRESETS[preset] if preset else {}), **given}
    try:
        return Format.model_validate(merged)
    except ValidationError as error:
        raise ConfigurationError(_explained(place, Format, error)) from error


def _explained(place: str, model: type[BaseModel], error: ValidationError) -> str:
    return explain(f"{place}: format", model, error)
