"""The chart, rendered by helm for several values, as objects of Kubernetes."""

from __future__ import annotations

import os
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.schemas import KUBERNETES
from tests.go_tools import go_tool
from tests.limits import allowed
from tests.parts import required

__all__ = ["CHART", "ROOT", "VALUES", "containers", "objects", "one_of", "rendered", "run"]

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "padit"
VALUES: dict[str, tuple[str, ...]] = {
    "default": (),
    "production": (f"--values={CHART}/production.yaml",),
    "green": ("--set=job.colour=green,job.options={--window_size_sec=600}",),
    "scaled": ("--set=adapters.autoscaling.enabled=true",),
    "little": ("--set=adapters.enabled=false,portal.enabled=false,alerting.enabled=false",),
}


def run(
    tool: str, *arguments: object, given: str | None = None
) -> subprocess.CompletedProcess[str]:
    program = required(lambda: go_tool(tool, print))
    return subprocess.run(
        [str(program), *map(str, arguments)],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=allowed(120),
        env={**os.environ, "HELM_CACHE_HOME": "/tmp", "HELM_CONFIG_HOME": "/tmp"},  # noqa: S108
    )


@cache
def rendered(name: str) -> str:
    done = run("helm", "template", "padit", CHART, f"--kube-version={KUBERNETES}", *VALUES[name])
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(name: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(rendered(name)) if one]


def one_of(name: str, kind: str, ends: str) -> dict[str, Any]:
    (found,) = [
        one
        for one in objects(name)
        if one["kind"] == kind and re.search(ends, one["metadata"]["name"])
    ]
    return found


def containers(one: dict[str, Any]) -> list[dict[str, Any]]:
    """All containers of an object that starts pods; those of Flink's own images have no image."""
    found: list[dict[str, Any]] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            for name, value in node.items():
                if name in ("containers", "initContainers"):
                    found.extend(value)
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(one.get("spec", {}))
    return [container for container in found if "image" in container]
