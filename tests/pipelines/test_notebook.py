"""The notebook of the docs runs from its first cell to its last, and shows what its text says."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebook").glob("*.ipynb"))


def _cells(place: Path) -> list[str]:
    document: dict[str, Any] = json.loads(place.read_text())
    assert document["nbformat"] == 4
    assert len({cell["id"] for cell in document["cells"]}) == len(document["cells"])
    return ["".join(one["source"]) for one in document["cells"] if one["cell_type"] == "code"]


def _execute(cells: list[str]) -> Any:
    """The value of the last expression of each cell, in one namespace, as a kernel does it."""
    names: dict[str, Any] = {"__name__": "__main__"}
    values: list[Any] = []
    for number, text in enumerate(cells):
        tree = ast.parse(text, f"cell {number}")
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"cell {number}", "exec"), names)  # noqa: S102 - of our docs
        if isinstance(last, ast.Expr):
            values.append(eval(compile(ast.Expression(last.value), "", "eval"), names))  # noqa: S307
    return values


def test_the_notebook_shows_the_pump_that_fails_and_a_plot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (place,) = NOTEBOOKS
    rows, (scored, alerts), sources, (columns, features), plot = _execute(_cells(place))
    assert (rows, scored) == (2160, 2160)
    assert alerts
    assert sources == ["pump-2"]
    assert "level" in columns
    assert features
    assert len(plot._repr_html_()) > 1000
    assert (tmp_path / "report.html").stat().st_size > 1000


def test_notebooks_are_committed_without_outputs_and_linked() -> None:
    page = (ROOT / "docs" / "python.md").read_text()
    for place in NOTEBOOKS:
        document = json.loads(place.read_text())
        assert not any(cell.get("outputs") for cell in document["cells"])
        assert f"(notebook/{place.name})" in page
