"""An adapter from an installed third-party package, found by its entry point alone."""

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.limits import allowed

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "adapters.md"
NAME = "padit_fill_level-1.0"


def wheel(directory: Path, code: str, entry: str) -> Path:
    """A wheel of one module; built by hand, so that the test needs no build backend."""
    group = tomllib.loads(entry)["project"]["entry-points"]["padit.adapters"]
    points = "\n".join(f"{name} = {value}" for name, value in group.items())
    about = "Metadata-Version: 2.1\nName: padit-fill-level\nVersion: 1.0\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {
        "my_package/__init__.py": "",
        "my_package/fill_level.py": code,
        f"{NAME}.dist-info/METADATA": about,
        f"{NAME}.dist-info/WHEEL": tags,
        f"{NAME}.dist-info/entry_points.txt": f"[padit.adapters]\n{points}\n",
    }
    files[f"{NAME}.dist-info/RECORD"] = "".join(f"{name},,\n" for name in files)
    path = directory / f"{NAME}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as made:
        for name, content in files.items():
            made.writestr(name, content)
    return path


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guide's example, packaged as the guide says and installed by pip into a folder."""
    text = GUIDE.read_text()
    code = next(
        one for one in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "class" in one
    )
    entry = next(one for one in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "entry" in one)
    package = wheel(tmp_path_factory.mktemp("wheel"), code, entry)
    folder = tmp_path_factory.mktemp("installed")
    options = ["--no-deps", "--no-index", "--target", str(folder)]
    command = [sys.executable, "-m", "pip", "install", "--quiet", *options, str(package)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=allowed(200)
    )
    assert done.returncode == 0, done.stderr
    return folder


def padit(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
    return subprocess.run(
        [sys.executable, "-m", "padit.cli.main", "adapters", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=allowed(100),
    )


def test_installed_adapter_is_listed_documented_and_polled(installed: Path, tmp_path: Path) -> None:
    listed = padit(installed, "list").stdout.splitlines()
    line = next(line for line in listed if line.startswith("fill-level"))
    assert "The fill level of a tank." in line
    assert "my_package.fill_level:FillLevelAdapter" in line
    assert len(listed) == len(padit(tmp_path, "list").stdout.splitlines()) + 1
    assert "`source_id`" in padit(installed, "options", "fill-level").stdout
    level = tmp_path / "level"
    level.write_text("41.5\n")
    settings = ["--set", f"path={level}", "--set", "source_id=tank-1"]
    polled = json.loads(padit(installed, "try", "fill-level", *settings).stdout)
    assert (polled["source_id"], polled["value"]) == ("tank-1", 41.5)


def test_adapter_in_a_broken_package_affects_no_other(installed: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    (broken / "my_package").mkdir(parents=True)
    (broken / "my_package" / "__init__.py").write_text("import nowhere_to_be_found\n")
    for place in installed.glob("*.dist-info"):
        (broken / place.name).mkdir()
        for file in place.iterdir():
            if file.is_file():
                (broken / place.name / file.name).write_bytes(file.read_bytes())
    listed = padit(broken, "list")
    assert listed.returncode == 0, listed.stderr
    line = next(line for line in listed.stdout.splitlines() if line.startswith("fill-level"))
    assert "nowhere_to_be_found" in line
    assert "\nhttp " in listed.stdout
    tried = padit(broken, "try", "fill-level")
    assert tried.returncode != 0
    assert "cannot be loaded" in tried.stderr
