"""docs/detectors/README.md describes every detector with the parameters that it has."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from padit.domain.config import JobConfig
from padit.transforms.detect import Detection
from padit.transforms.detectors import registry
from padit.transforms.detectors.rule import Condition, Rule

FOLDER = Path(__file__).parents[2] / "docs/detectors"
PAGE = FOLDER / "README.md"
SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "multiple_of": "a multiple of"}


def _bounds(field: FieldInfo) -> str:
    found = (
        (sign, getattr(one, name, None)) for one in field.metadata for name, sign in SIGNS.items()
    )
    return ", ".join(f"{sign} {bound:.12g}" for sign, bound in found if bound is not None)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, tuple):
        return "see below"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def table(model: type[BaseModel]) -> str:
    rows = ["| parameter | default | bounds | what it is |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        rows.append(f"| `{name}` | {_default(field)} | {_bounds(field)} | {field.description} |")
    return "\n".join(rows)


def section(name: str) -> str:
    """The section of a detector: its description and its parameters."""
    kind: Any = registry()[name]
    summary = (sys.modules[kind.__module__].__doc__ or "").strip().splitlines()[0]
    return f"## {name}\n{summary}\n\n{table(kind.Parameters)}\n"


@pytest.mark.parametrize("name", sorted(registry()))
def test_the_page_holds_the_section_of(name: str) -> None:
    assert section(name) in PAGE.read_text(), f"{PAGE.name} needs:\n\n{section(name)}"


@pytest.mark.parametrize("model", [Rule, Condition])
def test_the_page_holds_the_table_of(model: type[BaseModel]) -> None:
    assert table(model) in PAGE.read_text(), f"{PAGE.name} needs:\n\n{table(model)}\n"


def test_the_configurations_of_the_page_are_valid_and_the_first_is_the_default() -> None:
    texts = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    configs = [JobConfig.model_validate(yaml.safe_load(text)) for text in texts]
    assert configs[0].detectors == JobConfig().detectors
    for config in configs:
        if all(one.name != "model" for one in config.detectors):  # it wants a file that is there
            Detection(config.detectors)
    assert len(configs) > 2


def test_every_page_of_the_folder_is_linked() -> None:
    text = PAGE.read_text()
    assert [one.name for one in sorted(FOLDER.glob("*.md")) if f"({one.name})" not in text] == [
        PAGE.name
    ]
