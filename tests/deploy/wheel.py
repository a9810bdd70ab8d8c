"""A wheel built from a copy of the sources, and an environment that has it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.limits import allowed
from tests.parts import missing

__all__ = ["build_wheel", "install_wheel", "libraries"]

ROOT = Path(__file__).parents[2]
_EPOCH = "1764288000"
_LEFT = {".git", ".venv", "build", "dist", ".padit"}


def _ignored(folder: str, names: list[str]) -> set[str]:
    """What no build sees: caches, environments, and in tests everything."""
    here = {one for one in names if one.endswith(("_cache", "__pycache__", ".egg-info"))}
    return here | ({*names} & _LEFT if Path(folder) == ROOT else set())


def build_wheel(place: Path) -> Path:
    """Build a wheel in a new folder."""
    shutil.copytree(ROOT, place / "source", symlinks=True, ignore=_ignored)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet"]
    command += ["--disable-pip-version-check", "--wheel-dir", str(place), str(place / "source")]
    done = subprocess.run(
        command,
        env={**os.environ, "SOURCE_DATE_EPOCH": _EPOCH, "TMPDIR": str(place)},
        capture_output=True,
        text=True,
        check=False,
        timeout=allowed(300),
    )
    if done.returncode and "setuptools" in done.stderr and "No matching" in done.stderr:
        missing(f"pip cannot have setuptools, which builds the wheel: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr[-2000:]
    return next(place.glob("padit-*.whl"))


def libraries() -> list[str]:
    """Where the libraries of this environment are."""
    ours = [path for path in sys.path if path.endswith("site-packages")]
    return [*ours, sysconfig.get_path("purelib")]


def install_wheel(wheel: Path, place: Path) -> Path:
    """`padit` of a new environment, which has the libraries of this one, and not its PADIT."""
    venv.create(place, with_pip=False, symlinks=True)
    python = place / "bin" / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = place / "lib" / version / "site-packages"
    (library / "libraries.pth").write_text("\n".join(libraries()))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet"]
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True, timeout=allowed(120)
    )
    return place / "bin" / "padit"
