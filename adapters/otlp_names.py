"""Names for series of OTLP: source and metadata from the resource, the rest in the name.

A resource with `service.name` is a service. Its source is `service.name/service.instance.id`, or
else with the host's name, or the service's name alone. The attributes that OpenTelemetry defines to
describe a process, its host or its container (`naming.descriptive`) go to the metadata of the
samples; all others stay in the name, because two series may differ in them alone. A resource may
have no `service.name`: a host or a pod that a collector watches. All of its attributes identify it
then, so all but `telemetry.*` stay in its name.

An id that changes with every restart (a random UUID, a container's id, the name of a pod of a
Deployment) goes to the metadata and not into the name of a service: each restart would begin new
series. `naming.source_labels`, if it is given, overrides all of this.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from google.protobuf import json_format
from pydantic import Field

from padit.adapters.series import Labels, Namer, Naming

__all__ = ["IdentityError", "OtlpNaming", "ResourceName", "ResourceNamer", "pairs_of", "text_of"]

_MOST_METADATA = 64
_LONGEST_METADATA = 256
_INSTANCES = ("service.instance.id", "host.name")
_ALWAYS_DESCRIPTIVE = "telemetry.*"
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-([0-9a-fA-F])[0-9a-fA-F]{3}-"
                   r"[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")  # fmt: skip
_CONTAINER = re.compile(r"[0-9a-f]{12}|[0-9a-f]{64}")
_POD = re.compile(r".+-[bcdfghjklmnpqrstvwxz2456789]{6,10}-[bcdfghjklmnpqrstvwxz2456789]{5}")
_STABLE_UUIDS = "358"  # versions made from names; all others hold a random part or the time


class IdentityError(ValueError):
    """A set of attributes that cannot be an identity."""


class OtlpNaming(Naming):
    """How attributes become names."""

    descriptive: tuple[str, ...] = Field(
        default=(
            "telemetry.*", "process.*", "os.*", "host.*", "container.*", "k8s.*", "cloud.*",
            "oci.*", "aws.*", "gcp.*", "azure.*", "heroku.*", "faas.*", "webengine.*", "device.*",
            "browser.*", "user_agent.*", "service.version",
        ),
        description="Attributes of a service's resource that describe it, as patterns; they go to "
        "the metadata of its samples, all others stay in the names.",
    )  # fmt: skip


class ResourceName(NamedTuple):
    """What a resource gives to the names of its series.

    Attributes:
        source: "" if none of its attributes can be the source.
        labels: what stays in the names.
        metadata: of every sample.
        facts: stable attributes, of which one may name what the source depends on.
    """

    source: str
    labels: dict[str, str]
    metadata: dict[str, str]
    facts: dict[str, str]


class ResourceNamer:
    """Splits the attributes of resources into source, labels and metadata.

    Args:
        naming: the rules.
        namer: of the same rules.
    """

    def __init__(self, naming: Naming, namer: Namer) -> None:
        self._namer = namer
        self._patterns = getattr(naming, "descriptive", OtlpNaming().descriptive)
        self._to_the_letter = "source_labels" in naming.model_fields_set

    def name(self, attributes: Mapping[str, str]) -> ResourceName:
        """Split.

        >>> naming = OtlpNaming()
        >>> made = ResourceNamer(naming, Namer(naming, "otlp")).name({
        ...     "service.name": "shop", "service.instance.id": "eu-1", "process.pid": "7",
        ...     "tenant": "a"})
        >>> made.source, made.labels, made.metadata
        ('shop/eu-1', {'tenant': 'a'}, {'process.pid': '7'})
        """
        service = bool(attributes.get("service.name"))
        unstable = {
            name
            for name in _INSTANCES
            if service and not self._to_the_letter and _is_unstable(attributes.get(name, ""))
        }
        stable = {name: text for name, text in attributes.items() if name not in unstable}
        source, chosen = self._namer.source(stable)
        labels, metadata = {}, {}
        for name, text in sorted(attributes.items()):
            if name in unstable or (name not in chosen and self._describes(name, service)):
                metadata[name[:_LONGEST_METADATA]] = text[:_LONGEST_METADATA]
            elif name not in chosen:
                labels[name] = text
        bounded = dict(list(metadata.items())[:_MOST_METADATA])
        facts = {name: text for name, text in stable.items() if not _is_unstable(text)}
        return ResourceName(source if chosen else "", labels, bounded, facts)

    def _describes(self, name: str, service: bool) -> bool:
        patterns = self._patterns if service else (_ALWAYS_DESCRIPTIVE,)
        return any(fnmatchcase(name, pattern) for pattern in patterns)


def _is_unstable(text: str) -> bool:
    """Whether an id changes with every restart.

    >>> [_is_unstable(text) for text in ("627cc493-f310-47de-96bd-71410b7dec09", "eu-1",
    ...     "shop-7d9f8b6c5d-x2x9z", "kafka-0", "9f1c0a77be21")]
    [True, False, True, False, True]
    """
    uuid = _UUID.fullmatch(text)
    if uuid:
        return uuid[1] not in _STABLE_UUIDS
    return bool(_POD.fullmatch(text) or _CONTAINER.fullmatch(text))


def pairs_of(attributes: Iterable[Any], prefix: str = "") -> Labels:
    """Attributes as parts of an identity: with their types where they are no strings.

    Raises:
        IdentityError: one has no name, or the name of another.
    """
    pairs = []
    for pair in attributes:
        kind = pair.value.WhichOneof("value")
        text = text_of(pair.value)
        typed = text if kind == "string_value" else f"{text} ({kind})"
        pairs.append((f"{prefix}{pair.key}", typed))
        if not pair.key:
            message = f"an attribute without a name (its value is {text[:60]!r})"
            raise IdentityError(message)
    if len(dict(pairs)) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        message = f"the attribute {twice[:60]} is there twice"
        raise IdentityError(message)
    return tuple(pairs)


def text_of(value: Any) -> str:
    """An attribute's value as text: lists and maps as JSON, bytes in base64."""
    kind = value.WhichOneof("value")
    if kind is None:
        return ""
    if kind in ("array_value", "kvlist_value", "bytes_value"):
        return str(json_format.MessageToJson(value, indent=None))
    found = getattr(value, kind)
    return str(found).lower() if kind == "bool_value" else str(found)
