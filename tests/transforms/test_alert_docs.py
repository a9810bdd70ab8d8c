"""docs/alerts.md names every setting, reason and field that there is."""

from pathlib import Path
from typing import get_args

from padit.domain.alert import ResolveReason
from padit.domain.config import AlertSettings

PAGE = Path(__file__).parents[2] / "docs/alerts.md"


def _settings() -> str:
    rows = []
    for name, field in AlertSettings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        rows.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(rows) + "\n"


def test_the_page_holds_the_table_of_settings() -> None:
    assert _settings() in PAGE.read_text(), f"{PAGE.name} needs:\n\n{_settings()}"


def test_the_page_explains_every_reason() -> None:
    text = PAGE.read_text()
    assert [one for one in get_args(ResolveReason) if f"| `{one}` |" not in text] == []
