"""The wheel: the same bytes from two builds, whole, and of use far from any checkout."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from padit.codecs import schemas  # noqa: F401  # the package that is tested is another one
from tests.deploy.wheel import build_wheel, install_wheel
from tests.limits import allowed

ROOT = Path(__file__).parents[2]
_NOT_CODE = {"adapters/DEPENDENCIES.txt"}  # for people who read the source


@pytest.fixture(scope="module")
def wheels(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [wheel, build_wheel(tmp_path_factory.mktemp("second-place"))]


@pytest.fixture(scope="module")
def command(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`padit` of a fresh environment."""
    return install_wheel(wheels[0], tmp_path_factory.mktemp("fresh"))


def _run(command: Path, place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH",)}
    done = subprocess.run(
        [str(command), *arguments],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=allowed(240),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done


def test_two_builds_give_the_same_bytes(wheels: list[Path]) -> None:
    first, second = (one.read_bytes() for one in wheels)
    assert first == second


def test_the_wheel_holds_every_file_that_code_reads(wheels: list[Path]) -> None:
    held = set(zipfile.ZipFile(wheels[0]).namelist())
    rooms = [path for path in (ROOT / "padit").iterdir() if path.is_symlink()]
    assert rooms
    wanted = set()
    for room in rooms:
        files = (path for path in (ROOT / room.name).rglob("*") if path.is_file())
        names = (
            path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts
        )
        wanted |= {name for name in names if not name.endswith(".pyc")} - _NOT_CODE
    configuration = (ROOT / "flink-conf").rglob("*")
    wanted |= {
        f"devcluster/conf/{path.relative_to(ROOT / 'flink-conf').as_posix()}"
        for path in configuration
        if path.is_file()
    }
    assert {f"padit/{name}" for name in wanted} - held == set()
    assert not any(name.startswith("padit/tests") or "/tests/" in name for name in held)


def test_extras_are_small_and_the_base_has_no_portal(wheels: list[Path]) -> None:
    archive = zipfile.ZipFile(wheels[0])
    name = next(one for one in archive.namelist() if one.endswith("METADATA"))
    lines = archive.read(name).decode().splitlines()
    needed = [
        line for line in lines if line.startswith("Requires-Dist:") and "extra ==" not in line
    ]
    for heavy in ("fastapi", "psycopg", "redis", "apache-flink", "pymodbus", "mkdocs"):
        assert not any(heavy in line for line in needed)
    extras = {line.split(": ")[1] for line in lines if line.startswith("Provides-Extra")}
    assert {"flink", "portal", "adapters", "alerting", "stores"} <= extras


def test_commands_work_far_from_a_checkout(command: Path, tmp_path: Path) -> None:
    """A demo: a factory is simulated, the job run over it, and the page drawn."""
    place = command.with_name("python")
    code = "import padit, padit.devcluster.jars as j; print(padit.__file__, j._place('kafka'))"
    where = subprocess.run(
        [str(place), "-c", code],
        cwd=tmp_path, check=True, capture_output=True, text=True, timeout=allowed(60),
    ).stdout  # fmt: skip
    assert str(ROOT) not in where
    assert "kafka-" in where  # pom.xml was read
    done = _run(command, tmp_path, "demo", "--machines", "4", "--hours", "1", "--folder", "demo")
    assert (tmp_path / "demo").is_dir(), done.stderr
    pages = list((tmp_path / "demo").glob("*.html"))
    assert pages
    assert "<script" in pages[0].read_text()


def test_the_public_face_works_far_from_a_checkout(command: Path, tmp_path: Path) -> None:
    code = (
        "import padit, pyarrow as pa, json\n"
        "table = pa.table({'timestamp': [1767225600.0 + 10 * n for n in range(300)], 'source_id':"
        " ['a'] * 300, 'metric_name': ['x'] * 300, 'value': [float(n % 7) for n in range(300)]})\n"
        "found = padit.detect(table)\n"
        "assert len(found.plot().page) > 1000\n"
        "print(json.dumps({'read': found.summary.read, 'place': padit.__file__}))\n"
    )
    done = subprocess.run(
        [str(command.with_name("python")), "-c", code],
        cwd=tmp_path, check=True, capture_output=True, text=True, timeout=allowed(240),
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["read"] == 300
    assert str(ROOT) not in found["place"]
