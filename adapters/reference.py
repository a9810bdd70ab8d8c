"""The options of adapters and of the file around them, as Markdown tables made from the models."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from adapters.base import AdapterOptions
from adapters.config import AdaptersConfig
from adapters.registry import adapter_class, adapter_types

__all__ = ["full_reference", "reference"]


def full_reference() -> str:
    """Everything: the file's own sections, what all adapters share, then each adapter."""
    parts = ["### The file\n", *_tables(AdaptersConfig, "")]
    parts += ["### Every adapter\n", *_tables(AdapterOptions, "")]
    parts += [reference(kind) for kind in adapter_types()]
    return "\n".join(parts)


def reference(kind: str) -> str:
    """One adapter's own options; raises ConfigurationError for an unknown type."""
    found = adapter_class(kind)
    doc = (found.__doc__ or "").strip()
    shared = set(AdapterOptions.model_fields)
    own = {
        name: field
        for name, field in found.Options.model_fields.items()
        if name not in shared or _changed(name, field)
    }
    return "\n".join([f"### `{kind}`\n", f"{doc}\n", *_tables(found.Options, "", own)])


def _changed(name: str, field: FieldInfo) -> bool:
    return bool(field.default != AdapterOptions.model_fields[name].default)


def _tables(
    model: type[BaseModel], prefix: str, fields: dict[str, FieldInfo] | None = None
) -> Iterator[str]:
    """One table of a model, and one for every model inside it."""
    rows = ["| option | type | default | meaning |", "|---|---|---|---|"]
    inner: list[tuple[str, type[BaseModel]]] = []
    for name, field in (fields or model.model_fields).items():
        rows.append(
            f"| `{prefix}{name}` | {_kind(field)} | {_default(field)} | {_meaning(field)} |"
        )
        nested, many = _model_in(field.annotation)
        if nested is not None:
            inner.append((f"{prefix}{name}{'[]' if many else ''}.", nested))
    yield "\n".join(rows) + "\n"
    for path, nested in inner:
        yield from _tables(nested, path)


def _model_in(annotation: Any, many: bool = False) -> tuple[type[BaseModel] | None, bool]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, many
    for argument in get_args(annotation):
        found = _model_in(argument, many or get_origin(annotation) in (tuple, list))
        if found[0] is not None:
            return found
    return None, False


def _kind(field: FieldInfo) -> str:
    name = getattr(field.annotation, "__name__", str(field.annotation))
    if get_args(field.annotation):
        name = str(field.annotation)
        for noise in ("typing.", "adapters.", "<class '", "'>"):
            name = name.replace(noise, "")
    return "`" + name.replace("|", "or") + "`"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is PydanticUndefined:
        return "see right"
    if isinstance(field.default, BaseModel):
        return "below"
    return f"`{field.default!r}`"


def _meaning(field: FieldInfo) -> str:
    text = (field.description or "").replace("|", "\\|")
    if field.examples:
        text += f" Example: `{field.examples[0]!r}`."
    return text
