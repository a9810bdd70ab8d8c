"""The reference tables of docs/connectors.md are those of the option models."""

from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from padit.connectors.file_options import FileOptions
from padit.connectors.sinks.kafka import KafkaOptions

PAGE = Path(__file__).parents[2] / "docs/connectors.md"


def table(model: type[BaseModel]) -> str:
    rows = ["| option | default | what it is |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        plain = field.default not in (None, PydanticUndefined, (), "")
        default = f"`{field.default}`" if plain else ""
        rows.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(rows)


@pytest.mark.parametrize("model", [FileOptions, KafkaOptions])
def test_the_page_holds_the_table_of(model: type[BaseModel]) -> None:
    assert table(model) in PAGE.read_text(), f"docs/connectors.md needs:\n\n{table(model)}\n"
