"""Programs in Go that tests run, built once from their published modules into the user's cache."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from padit.devcluster.errors import LocalError
from padit.devcluster.jars import home, tool

__all__ = ["GO_TOOLS", "go_tool"]

GO_TOOLS: dict[str, tuple[str, str]] = {
    "helm": ("helm.sh/helm/v3/cmd/helm", "v3.22.0"),
    "kubeconform": ("github.com/yannh/kubeconform/cmd/kubeconform", "v0.8.0"),
}
"""Module path and version of each, by its name."""
_BUILD_TIMEOUT_S = 3600.0


def go_tool(name: str, say: Callable[[str], None] | None = None) -> Path:
    """Return the path of a program of `GO_TOOLS`; built the first time, which takes minutes.

    Raises MissingToolError without Go, LocalError with Go's output if the build fails.
    """
    module, version = GO_TOOLS[name]
    place = home() / "bin" / f"{name}-{version.removeprefix('v')}"
    if place.exists():
        return place
    go = tool("go")
    if say:
        say(f"building {name} {version} with Go (once, some minutes)")
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=place.parent) as scratch:
        _install(go, f"{module}@{version}", scratch)
        (Path(scratch) / name).rename(place)
    return place


def _install(go: str, what: str, folder: str) -> None:
    command = [go, "install", "-ldflags=-s -w", what]
    environment = {**os.environ, "GOBIN": folder, "CGO_ENABLED": "0", "GOFLAGS": "-p=1"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_BUILD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"Go did not build {what} within {_BUILD_TIMEOUT_S:.0f} s; try again"
        raise LocalError(message) from error
    if done.returncode != 0:
        message = f"Go cannot build {what}: {done.stderr[-500:]}"
        raise LocalError(message)
