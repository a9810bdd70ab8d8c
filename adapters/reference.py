"""The options of adapters and of the file around them, as Markdown tables made from the models."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from padit.adapters.base import AdapterOptions
from padit.adapters.config import AdaptersConfig
from padit.adapters.registry import adapter_class, adapter_types

__all__ = ["full_reference", "reference", "write_into"]


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
    return "`" + _name_of(field.annotation).replace("|", "or") + "`"


def _name_of(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(str(choice) for choice in get_args(kind))
    arguments = get_args(kind)
    if get_origin(kind) is tuple and arguments and arguments[-1] is ...:
        return f"list of {_name_of(arguments[0])}"
    if get_origin(kind) in (list, dict):
        outer = get_origin(kind).__name__
        return f"{outer} of {', '.join(_name_of(one) for one in arguments)}"
    if arguments and get_origin(kind) is not Annotated:
        return " or ".join(_name_of(one) for one in arguments)
    if arguments:
        return _name_of(arguments[0])
    return "none" if kind is type(None) else getattr(kind, "__name__", str(kind))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is PydanticUndefined:
        return "see right"
    if isinstance(field.default, BaseModel):
        return "below"
    return f"`{field.default!r}`".replace("|", "or")


def _meaning(field: FieldInfo) -> str:
    text = (field.description or "").replace("|", "\\|")
    if field.examples:
        text += f" Example: `{field.examples[0]!r}`."
    return text


def write_into(path: Path) -> None:
    """Replace the reference between its two markers in a Markdown file."""
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition("<!-- reference -->")
    _, _, tail = rest.partition("<!-- /reference -->")
    whole = f"{head}<!-- reference -->\n{full_reference()}\n<!-- /reference -->{tail}"
    path.write_text(whole, encoding="utf-8")


if __name__ == "__main__":
    write_into(Path(sys.argv[1]))
