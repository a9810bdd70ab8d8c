"""One subscription of the `mqtt` adapter: its topic filter and what its messages mean."""

import re
import string
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from padit.adapters.base import Options
from padit.codecs.mapping_model import Format, format_of
from padit.codecs.payload_text import Notation
from padit.domain.metric import MetricType

__all__ = ["Subscription", "delivered_filter", "plain_path", "topic_part"]

_REPLACED = frozenset({
    "payload", "metric_name", "unit", "metric_type", "timestamp_field", "items", "value_field",
    "unit_field", "array_limit", "decimal_comma", "strip_units", "states",
})  # fmt: skip
"""Options whose part a mapping takes."""
_INDEX = re.compile(r"\[(?:([0-9]+)|[\"']([^\"']*)[\"'])\]")


class Subscription(Options):
    """A topic filter and what its messages mean."""

    topic: str = Field(
        description="Topic filter; `+` stands for one level, `#` for all that follow. "
        "`$share/GROUP/FILTER` shares the messages with the other clients of the group.",
        examples=["plant/+/press/#"],
    )
    qos: Literal[0, 1] = Field(default=1, description="Quality of service.")
    payload: Literal["auto", "number", "json", "metric", "sparkplug"] = Field(
        default="auto",
        description="What a message holds: one number, JSON, metrics in PADIT's own JSON, or "
        "Sparkplug B. `auto` takes a payload that begins with a brace, a bracket or a quote as "
        "JSON, and any other as a number.",
    )
    format: str | dict[str, Any] = Field(
        default="",
        description="A preset or a mapping of JSON payloads, as in docs/payloads.md, instead of "
        "`payload` and the options below. Only `retained` and `source_id` go with it: the latter, "
        "a template over the topic, is the source where the mapping's own leads to nothing.",
        examples=["telegraf"],
    )
    source_id: str = Field(
        default="",
        description="Template of the source, of parts of the topic (`{0}`, `{-1}`, `{topic}`, "
        "`{parent}`) and of fields of the payload (`{$.device.id}`); by default `{parent}`, for "
        "Sparkplug group, node and device.",
    )
    metric_name: str = Field(
        default="",
        description="Template of the name, with `{field}` as well; by default `{-1}` for a number "
        "and `{-1}_{field}` for JSON. Sparkplug metrics have names of their own.",
    )
    unit: str = Field(default="", description="Unit of the samples.")
    metric_type: MetricType = Field(default="custom", description="Family of the metrics.")
    timestamp_field: str = Field(
        default="",
        description="Path of the field with the time: RFC 3339 (UTC if it has no offset), or epoch "
        "seconds, ms, us or ns, also as text; by default the time of arrival counts.",
    )
    items: str = Field(
        default="",
        description="Path of an array whose elements are read one by one, such as `data.points`; "
        "`$` is the payload itself.",
        examples=["$"],
    )
    value_field: str = Field(
        default="", description="Path of the value; by default every number is a sample."
    )
    unit_field: str = Field(default="", description="Path of a field with the unit.")
    array_limit: int = Field(
        default=32,
        ge=0,
        le=10_000,
        description="Longest array of numbers whose elements become samples, named by their place.",
    )
    decimal_comma: bool = Field(default=False, description='Read "22,5" as 22.5.')
    strip_units: bool = Field(default=False, description='Read "22.5 °C" as 22.5 in °C.')
    states: dict[str, float] = Field(
        default_factory=dict,
        description="Numbers for words, besides on, off, true, false, online and offline.",
        examples=[{"running": 1, "stopped": 0}],
    )
    retained: Literal["skip", "mark", "read"] = Field(
        default="skip",
        description="A retained message is as old as its last change: leave it out unread (and "
        "count it as one value), mark its samples with `retained` in their metadata, or read it "
        "like any other.",
    )

    @field_validator("topic")
    @classmethod
    def _is_filter(cls, value: str) -> str:
        levels = delivered_filter(value).split("/")
        wrong = levels == [""]
        if value.startswith("$share/"):
            wrong |= len(value.split("/")) < 3 or value[7:8] == "/"
        wrong |= any("#" in level and level != "#" for level in levels) or "#" in levels[:-1]
        wrong |= any("+" in level and level != "+" for level in levels)
        if wrong:
            message = f"{value!r} is no topic filter: `+` and a final `#` stand for whole levels"
            raise ValueError(message)
        return value

    @field_validator("timestamp_field", "items", "value_field", "unit_field")
    @classmethod
    def _path(cls, value: str) -> str:
        return plain_path(value)

    @field_validator("source_id", "metric_name")
    @classmethod
    def _template(cls, value: str) -> str:
        try:
            names = [name for _, name, _, _ in string.Formatter().parse(value) if name is not None]
        except ValueError as error:
            message = f"{value!r} is no template: {error}"
            raise ValueError(message) from error
        for name in names:
            known = name in ("topic", "parent", "field") or name.startswith("$.")
            if not known and not name.removeprefix("-").isdecimal():
                message = (
                    f"{value!r}: {{{name}}} is none of {{topic}}, {{parent}}, {{field}}, {{0}}, "
                    "{$.path}"
                )
                raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _fits(self) -> "Subscription":
        shared = self.topic != delivered_filter(self.topic)
        if self.payload == "sparkplug" and shared:
            message = (
                f"{self.topic!r}: a shared subscription sees a part of the messages only, and "
                "Sparkplug needs all of a node, in order; subscribe without `$share`"
            )
            raise ValueError(message)
        if self.format:
            self._check_format()
        return self

    def _check_format(self) -> None:
        both = sorted(self.model_fields_set & _REPLACED)
        if both:
            message = f"{self.topic!r}: `format` takes the part of `{both[0]}`: leave one of them"
            raise ValueError(message)
        for _, name, _, _ in string.Formatter().parse(self.source_id):
            if name is not None and (name == "field" or name.startswith("$.")):
                message = (
                    f"{self.topic!r}: {{{name}}} is of the payload: beside `format`, name it in "
                    "`format: {source: ...}`"
                )
                raise ValueError(message)
        if self.source_id and isinstance(self.format, dict) and self.format.get("source_id"):
            message = f"{self.topic!r}: give `source_id` or `format: {{source_id: ...}}`, not both"
            raise ValueError(message)
        self.mapping()

    def mapping(self) -> Format:
        """The mapping of `format`; a source over the topic stands in its `source_id`.

        Raises:
            ConfigurationError: it is none.
        """
        given = {"preset": self.format} if isinstance(self.format, str) else dict(self.format)
        if self.has_topic_source:
            given["source_id"] = self.source_id or "{parent}"
        return format_of(self.topic, given)

    @property
    def has_topic_source(self) -> bool:
        """Whether the topic gives the source that a mapping does not."""
        own = self.format if isinstance(self.format, dict) else {"preset": self.format}
        return bool(self.source_id) or not any(
            own.get(k) for k in ("preset", "source", "source_id")
        )

    @property
    def notation(self) -> Notation:
        """How numbers are written in its payloads."""
        states = {word.strip().lower(): number for word, number in self.states.items()}
        return Notation(self.decimal_comma, self.strip_units, states)


def topic_part(name: str, topic: str) -> str:
    """What a name in a template gives of a topic; raises ValueError for an absent level.

    >>> topic_part("parent", "a/b/c"), topic_part("topic", "a/b/c"), topic_part("-1", "a/b/c")
    ('a/b', 'a/b/c', 'c')
    """
    levels = topic.split("/")
    if name == "topic":
        return topic
    if name == "parent":
        return "/".join(levels[:-1])
    place = int(name)
    if not -len(levels) <= place < len(levels):
        message = f"the topic {topic} has no level {{{name}}}"
        raise ValueError(message)
    return levels[place]


def plain_path(path: str) -> str:
    """A path in its one form: keys and places joined by dots, from the item or the payload on.

    >>> plain_path("$.a[0].b"), plain_path('a["host.name"]'), plain_path("readings[*]")
    ('a.0.b', 'a.host.name', 'readings')
    """
    if path == "$":
        return path
    return _INDEX.sub(r".\1\2", path.removesuffix("[*]")).removeprefix("$").removeprefix(".")


def delivered_filter(topic: str) -> str:
    """The filter that topics of delivered messages match, without the way of sharing.

    >>> delivered_filter("$share/padit/plant/#"), delivered_filter("$queue/a")
    ('plant/#', 'a')
    """
    if topic.startswith(("$share/", "$oshare/")):
        return topic.split("/", 2)[-1]
    for prefix in ("$queue/", "$exclusive/"):  # of EMQX
        if topic.startswith(prefix):
            return topic[len(prefix) :]
    return topic
