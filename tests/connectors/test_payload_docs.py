"""docs/payloads.md: its tables are those of the models, its examples are read as it says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from padit.codecs.mapping import Mapping
from padit.codecs.mapping_model import Format, format_of
from padit.codecs.presets import PRESETS
from padit.connectors.payloads import payload_of
from padit.connectors.schema_registry import SchemaOptions
from padit.domain.config import JobConfig
from padit.domain.timestamps import format_utc
from tests.codecs.payloads import MESSAGES
from tests.connectors.test_docs import table

PAGE = Path(__file__).parents[2] / "docs/payloads.md"


def samples(form: Any, message: Any) -> str:
    """The samples of a message, a line each, as the page shows them."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    decoded = Mapping(format_of("docs", form)).decode([body], 1 << 20)
    assert decoded.rejects == []
    rows = decoded.rows
    lines = []
    for code, when, value in zip(
        rows.code.tolist(), rows.time.tolist(), rows.value.tolist(), strict=True
    ):
        source, metric, unit = rows.series[code]
        moment = format_utc(when).replace(".000000Z", "Z")
        lines.append(f"{moment}  {source}  {metric}  {value:g}{f' {unit}' if unit else ''}")
    return "\n".join(lines)


def example(preset: str) -> str:
    """The part of the page about a preset."""
    mapping = yaml.safe_dump(
        PRESETS[preset], sort_keys=False, default_flow_style=None, width=92, allow_unicode=True
    )
    message = MESSAGES[preset][0]
    return (
        f"### {preset}\n\n```json\n{json.dumps(message)}\n```\n\n"
        f"```text\n{samples(preset, message)}\n```\n\n"
        f"<details><summary>the mapping</summary>\n\n```yaml\n{mapping}```\n\n</details>\n"
    )


@pytest.mark.parametrize("model", [Format, SchemaOptions])
def test_the_page_holds_the_table_of(model: Any) -> None:
    assert table(model) in PAGE.read_text(), f"docs/payloads.md needs:\n\n{table(model)}\n"


@pytest.mark.parametrize("preset", PRESETS)
def test_the_page_shows_a_message_of_each_preset_and_its_samples(preset: str) -> None:
    assert example(preset) in PAGE.read_text(), f"docs/payloads.md needs:\n\n{example(preset)}\n"


def test_the_configurations_of_the_page_are_valid() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    configurations = [one for one in map(yaml.safe_load, blocks) if "input" in one]
    assert len(configurations) >= 3
    for one in configurations:
        given = JobConfig.model_validate(one).input
        schemas = given.get("schemas")
        payload_of(
            "docs", given.get("format"), None if schemas == {"folder": "schemas"} else schemas
        )


def test_the_first_example_of_the_page_gives_its_samples() -> None:
    text = PAGE.read_text()
    blocks = re.findall(r"```(yaml|json|text)\n(.*?)\n?```", text, re.DOTALL)
    kinds = [kind for kind, _ in blocks]
    at = kinds.index("json")
    form = yaml.safe_load(blocks[at - 1][1])["input"]["format"]
    assert blocks[at - 1][0] == "yaml"
    assert samples(form, blocks[at][1].encode()) == blocks[at + 1][1]
