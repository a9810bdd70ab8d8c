"""The options `format` and `schemas` of a source: how its records are read."""

from dataclasses import dataclass
from typing import Any

from padit.codecs.mapping import Mapping
from padit.codecs.mapping_model import Format, format_of
from padit.codecs.registry_format import RegistryFormat
from padit.codecs.validate import Validate
from padit.connectors.schema_registry import SchemaOptions, lookup_of, schema_options
from padit.connectors.side_outputs import LabelLog, label_names
from padit.connectors.source import Decoder

__all__ = ["FORMAT", "SCHEMAS", "Payload", "payload_of"]

FORMAT = "How JSON maps to metrics: a preset, or a mapping (YAML); see payloads.md."
SCHEMAS = "Schemas of Avro and JSON records: a registry's URL, or a folder; see payloads.md."
_UNBOUNDED = 1 << 60


@dataclass(frozen=True)
class Payload:
    """How records are read; pickled with its source.

    Attributes:
        form: the mapping; None: PADIT's own formats.
        schemas: where the schemas of records come from; None: they have none.
    """

    form: Format | None = None
    schemas: SchemaOptions | None = None

    @property
    def in_headers(self) -> bool:
        """Whether a part of a record may stand in its headers: CloudEvents in binary mode."""
        return self.form is not None and self.form.preset == "cloudevents"

    def decoder(self, decode: Decoder) -> Decoder:
        """The decoder of a reader that is opened.

        Args:
            decode: of the job; its bounds are kept.
        """
        if self.form is None:
            return decode
        parse = None if self.schemas is None else RegistryFormat(lookup_of(self.schemas))
        read = Mapping(self.form, parse, label_names(decode)).decode
        if isinstance(decode, Validate | LabelLog):
            return decode.reading(read)
        return Validate(4 << 20, _UNBOUNDED).reading(read)


def payload_of(place: str, form: Any, schemas: Any) -> Payload:
    """Check the two options.

    Raises:
        ConfigurationError: a preset, key or value that is not allowed.
    """
    found = None if schemas in (None, "") else schema_options(place, schemas)
    if form in (None, ""):
        form = None if found is None else "connect"  # whose names are ours
    return Payload(None if form is None else format_of(place, form), found)
