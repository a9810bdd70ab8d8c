"""The keys of an alerting configuration as Markdown tables, made from the models' JSON schema."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from padit.alerting.delivery.receivers import kinds
from padit.alerting.policy import AlertingConfig

__all__ = ["full_reference", "write_into"]

_BEGIN, _END = "<!-- reference -->\n", "<!-- /reference -->"
_UNIT = ((86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"))


def full_reference() -> str:
    """The file, each of its sections, then the settings of each kind of receiver."""
    schema = AlertingConfig.model_json_schema(mode="validation")
    parts = [_table("The file", schema)]
    for name, one in sorted(schema.get("$defs", {}).items()):
        if "properties" in one:
            parts.append(_table(f"`{name}`", one))
    for kind, notifier in sorted(kinds().items()):
        parts.append(_table(f"Receiver `{kind}`", notifier.Settings.model_json_schema()))
    return "\n".join(parts)


def _table(title: str, schema: Mapping[str, Any]) -> str:
    said = schema.get("description", "").splitlines()
    lines = [f"### {title}\n", f"{said[0]}\n" if said else "", "| key | default | meaning |"]
    lines.append("|---|---|---|")
    return "\n".join([*lines, *_rows(schema), ""])


def _rows(schema: Mapping[str, Any]) -> Iterator[str]:
    wanted = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        default = "needed" if name in wanted else _default(field)
        meaning = field.get("description", "").replace("|", "\\|")
        examples = field.get("examples")
        if examples:
            meaning += f" Example: `{examples[0]}`."
        yield f"| `{name}` | {default} | {meaning} |"


def _default(field: Mapping[str, Any]) -> str:
    value = field.get("default")
    if value is None or value in ([], {}, ""):
        return ""
    if field.get("format") == "duration":
        for size, unit in _UNIT if value else _UNIT[-1:]:
            if value % size == 0:
                return f"`{value // size}{unit}`"
    return "see below" if isinstance(value, dict) else f"`{value}`"


def write_into(path: Path) -> None:
    """Renew the tables of a page."""
    text = path.read_text(encoding="utf-8")
    start = text.index(_BEGIN) + len(_BEGIN)
    end = text.index(_END)
    path.write_text(f"{text[:start]}{full_reference()}{text[end:]}", encoding="utf-8")


if __name__ == "__main__":
    write_into(Path(sys.argv[1]))
