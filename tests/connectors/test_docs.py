"""The reference tables of docs/connectors.md are those of the option models."""

from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from padit.connectors.file_options import FileOptions
from padit.connectors.sinks.kafka import KafkaOptions
from padit.domain.config import JobConfig, SeriesSetting

LABELS = Path(__file__).parents[2] / "docs/labels.md"
PAGE = Path(__file__).parents[2] / "docs/connectors.md"


def table(model: type[BaseModel], *only: str) -> str:
    rows = ["| option | default | what it is |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        if only and name not in only:
            continue
        plain = field.default not in (None, PydanticUndefined, (), "")
        default = f"`{field.default}`" if plain else ""
        rows.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(rows)


@pytest.mark.parametrize("model", [FileOptions, KafkaOptions])
def test_the_page_holds_the_table_of(model: type[BaseModel]) -> None:
    assert table(model) in PAGE.read_text(), f"docs/connectors.md needs:\n\n{table(model)}\n"


def test_the_page_of_labels_holds_its_tables_and_an_example_that_loads() -> None:
    text = LABELS.read_text()
    for wanted in (table(JobConfig, "labels", "series"), table(SeriesSetting)):
        assert wanted in text, f"docs/labels.md needs:\n\n{wanted}\n"
    example = text.partition("```yaml\n")[2].partition("```")[0]
    assert JobConfig.model_validate(yaml.safe_load(example)).labels == ("cluster", "site")
