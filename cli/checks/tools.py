"""Checks of the installation: Python, its packages, Java, Maven, Go, the cached jars."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from padit.cli.checks.findings import Finding, broken, fine, warning
from padit.devcluster import jars
from padit.devcluster.errors import LocalError

__all__ = ["check_job_server", "check_packages", "check_tools"]

# The first release known to bound the state of a splittable DoFn that polls on Flink.
_POLLING_FIXED = Version("2.77.0")


def check_tools() -> Iterator[Finding]:
    """Look at Python, Java, Maven and Go."""
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        yield fine("python", version)
    else:
        yield broken("python", version, "use Python 3.11, 3.12 or 3.13")
    yield _tool("java", ["-version"], r'version "(\d+)', 17)
    yield _tool("mvn", ["-version"], r"Apache Maven (\d+)", 3)
    yield _tool("go", ["version"], r"go(1\.\d+)", 1, needed_for="Prism only")


def _tool(
    name: str, arguments: list[str], pattern: str, least: int, *, needed_for: str = ""
) -> Finding:
    try:
        path = jars.tool(name)
        done = subprocess.run(
            [path, *arguments], capture_output=True, text=True, timeout=30, check=False
        )
    except LocalError as error:
        fix = str(error).partition("install it with: ")[2]
        return warning(name, "not installed", fix + (f" ({needed_for})" if needed_for else ""))
    except (OSError, subprocess.TimeoutExpired) as error:
        return broken(name, f"does not run: {error}", f"install {name} again")
    found = re.search(pattern, done.stdout + done.stderr)
    if found is None:
        return warning(name, "its version is unknown", f"run `{name} {arguments[0]}`")
    if float(found.group(1)) < least:
        return broken(name, f"version {found.group(1)}", f"install version {least} or newer")
    return fine(name, f"version {found.group(1)}")


def check_packages() -> Iterator[Finding]:
    """Compare installed packages with what pyproject.toml asks for."""
    file = Path(__file__).resolve().parents[2] / "pyproject.toml"
    try:
        project = tomllib.loads(file.read_text())["project"]
    except OSError:
        yield fine("packages", "installed as a package; pip has checked them")
        return
    optional = project.get("optional-dependencies", {}).get("flink", [])
    for line in [*project["dependencies"], *optional]:
        yield _package(Requirement(line))


def _package(wanted: Requirement) -> Finding:
    check = f"package {wanted.name}"
    try:
        version = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        return broken(check, "not installed", f"pip install '{wanted}'")
    if not wanted.specifier.contains(version, prereleases=True):
        return broken(check, f"{version}, wanted {wanted.specifier}", f"pip install '{wanted}'")
    return fine(check, version)


def check_job_server() -> Finding:
    """Report the Beam job server in the cache, and who bounds what polling sources leave."""
    check = "job server"
    found = jars.cached_job_server()
    if found is None:
        return warning(check, "not resolved yet", "`padit up` resolves it with Maven")
    detail = f"{found.flavour}, Beam Flink runner {found.beam_runner_version}"
    try:
        fixed = Version(found.beam_runner_version or "0") >= _POLLING_FIXED
    except InvalidVersion:
        fixed = False
    if fixed:
        return fine(check, detail)
    return fine(check, f"{detail}; PADIT's launcher bounds the state of polling sources")
