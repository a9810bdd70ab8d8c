"""The page on alerting keeps its word: its examples are valid, its tables are the models'."""

import re
from pathlib import Path

import pytest
import yaml

from padit.alerting.effects import Reason
from padit.alerting.entries import command_of
from padit.alerting.policy import AlertingConfig
from padit.alerting.reference import full_reference

PAGE = (Path(__file__).parents[2] / "docs" / "alerting.md").read_text(encoding="utf-8")


def test_the_reference_is_up_to_date() -> None:
    start = PAGE.index("<!-- reference -->\n") + len("<!-- reference -->\n")
    assert PAGE[start : PAGE.index("<!-- /reference -->")] == full_reference(), (
        "run: python -m padit.alerting.reference docs/alerting.md"
    )


def test_configurations_on_the_page_are_valid() -> None:
    found = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found
    for text in found:
        AlertingConfig.model_validate(yaml.safe_load(text))


def test_the_command_on_the_page_is_one() -> None:
    (text,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert command_of(text.encode()).kind == "acknowledge"


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_explained_on_the_page(reason: Reason) -> None:
    assert f"`{reason.value}`" in PAGE.split("## Why something was not sent")[1].split("##")[0]
