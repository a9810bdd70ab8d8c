"""Programs in Go, built once with `go install` into the cache; Prism, Beam's local runner."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from padit.devcluster.errors import LocalError
from padit.devcluster.jars import home, tool

__all__ = ["PRISM_VERSION", "go_program", "prism"]

PRISM_VERSION = "2.77.0"
_PACKAGE = "github.com/apache/beam/sdks/v2/go/cmd/prism"
_BUILD_TIMEOUT_S = 1800.0


def prism(say: Callable[[str], None] | None = None) -> Path:
    """Return the path of Prism for `--prism_location`; built the first time (about 5 minutes).

    Raises MissingToolError without Go, LocalError with Go's output if the build fails.
    """
    return go_program("prism", _PACKAGE, PRISM_VERSION, say)


def go_program(
    name: str,
    package: str,
    version: str,
    say: Callable[[str], None] | None = None,
    *,
    flags: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    timeout: float = _BUILD_TIMEOUT_S,
) -> Path:
    """Return the path of a program in Go; built the first time, which takes minutes.

    Args:
        name: of the program here.
        package: its path; Go names the program after its last part.
        version: without the `v`.
        say: takes a line before a build.
        flags: of `go install`.
        environment: beside that of this process.
        timeout: of the build, seconds.

    Raises MissingToolError without Go, LocalError with Go's output if the build fails.
    """
    place = home() / "bin" / f"{name}-{version}"
    if place.exists():
        return place
    go = tool("go")
    if say:
        say(f"building {name} {version} with Go (once, some minutes)")
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=place.parent) as scratch:
        command = [go, "install", *flags, f"{package}@v{version}"]
        try:
            done = subprocess.run(
                command,
                env={**os.environ, **(environment or {}), "GOBIN": scratch},
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            message = f"Go did not build {name} within {timeout:.0f} s; try again"
            raise LocalError(message) from error
        if done.returncode != 0:
            message = f"Go cannot build {name}: {done.stderr[-500:]}"
            raise LocalError(message)
        shutil.move(Path(scratch) / PurePosixPath(package).name, place)
    return place
