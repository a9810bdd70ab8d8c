"""The documentation site: it builds with every link leading somewhere, and can be searched."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.limits import allowed

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--strict", "--quiet"]
    done = subprocess.run(
        [*command, "--config-file", "deploy/docs/mkdocs.yml", "--site-dir", str(place)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=allowed(180),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return place


def test_every_page_is_there_and_can_be_found(site: Path) -> None:
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    for page in pages:
        name = "index.html" if page.name == "README.md" else f"{page.stem}.html"
        assert (site / page.parent / name).exists(), page
    words = json.loads((site / "search" / "search_index.json").read_text())["docs"]
    assert any("WatchMetrics" in one["text"] for one in words)
    assert len(words) > 200


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    page = (site / "index.html").read_text()
    loaded = re.findall(r'<(?:script|img|link rel="stylesheet")[^>]*?(?:src|href)="([^"]+)"', page)
    assert loaded
    assert not [one for one in loaded if one.startswith(("http:", "https:", "//"))]


def test_the_first_page_leads_to_every_page(site: Path) -> None:
    text = (ROOT / "docs" / "index.md").read_text()
    linked = set(re.findall(r"\((?:[\w-]+/)?([\w-]+\.md)\)", text))
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert pages - linked == set()
