"""The guide keeps its word: its example adapter works, its reference is the models'."""

import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import yaml

from padit.adapters.config import AdaptersConfig
from padit.adapters.reference import full_reference
from padit.adapters.registry import create_all
from tests.adapters.live import poll_made

GUIDE = Path(__file__).parents[2] / "docs" / "adapters.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)


def test_example_adapter_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = types.ModuleType("fill_level")
    monkeypatch.setitem(sys.modules, "fill_level", module)
    source = next(text for text in blocks("python") if "class FillLevelAdapter" in text)
    exec(compile(source, "fill_level.py", "exec"), module.__dict__)  # noqa: S102
    monkeypatch.setattr(
        "padit.adapters.registry.BUILT_IN", {"fill-level": "fill_level:FillLevelAdapter"}
    )
    path = tmp_path / "level"
    path.write_text("41.5\n")
    adapter: Any = create_all([{"type": "fill-level", "path": str(path), "source_id": "tank-1"}])[0]
    assert poll_made(adapter).values("fill_level_percent") == [41.5]
    path.write_text("not a number")
    with pytest.raises(Exception, match="not a number"):
        poll_made(adapter)


def test_configurations_in_the_guide_are_valid() -> None:
    whole = [yaml.safe_load(text) for text in blocks("yaml")]
    files = [content for content in whole if isinstance(content, dict) and "adapters" in content]
    assert files
    for content in files:
        create_all(AdaptersConfig.model_validate(content).adapters)


def test_reference_is_up_to_date() -> None:
    text = GUIDE.read_text()
    start = text.index("<!-- reference -->") + len("<!-- reference -->\n")
    assert text[start : text.index("<!-- /reference -->")].strip() == full_reference().strip(), (
        "run: python -m padit.adapters.reference docs/adapters.md"
    )
