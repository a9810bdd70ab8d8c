"""Images that we did not build, and whether each is pinned by what it holds or by its tag only.

    python -m tests.deploy.pinned

A digest (`@sha256:...`) names the bytes; the owner of a registry may give a tag to others. Digests
stand where several independent projects publish the same one; where that is not so, `TAGS` names
the image, and a registry tells its digest (`docker buildx imagetools inspect NAME`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

__all__ = ["TAGS", "Named", "images", "main"]

ROOT = Path(__file__).resolve().parents[2]
TAGS = frozenset([
    "apache/beam_flink1.20_job_server", "flink", "grafana/grafana", "influxdb", "prom/prometheus",
    "redis",
])  # fmt: skip
"""Images that are pinned by their tag only."""
_OURS = "padit/"


class Named(NamedTuple):
    """An image in a file.

    Attributes:
        file: below the repository.
        name, tag: of the image.
        digest: `sha256:` and 64 digits, or "".
    """

    file: str
    name: str
    tag: str
    digest: str


def images() -> Iterator[Named]:
    """Every image of others that a file names."""
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    for one in re.findall(r"^FROM (\S+:\S+) AS", dockerfile, re.MULTILINE):
        yield _named("deploy/Dockerfile", one)
    compose: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    for service in compose["services"].values():
        if not str(service["image"]).startswith(_OURS):
            yield _named("docker-compose.yml", str(service["image"]))
    chart = ROOT / "deploy" / "helm" / "padit"
    for path in (chart / "values.yaml", *sorted((chart / "templates").glob("*.yaml"))):
        for one in re.findall(r"[iI]mage: ([\w./-]+:[\w.@:-]+)", path.read_text()):
            yield _named(path.relative_to(ROOT).as_posix(), one)


def _named(file: str, image: str) -> Named:
    tagged, _, digest = image.partition("@")
    name, _, tag = tagged.rpartition(":")
    return Named(file, name, tag, digest)


def main() -> int:
    """Print every image; 1 if one has no digest and is not named in `TAGS`."""
    found = sorted(set(images()), key=lambda one: (one.name, one.file))
    for one in found:
        print(f"{one.name}:{one.tag} in {one.file}: {one.digest or 'by its tag only'}")
    return 1 if any(not one.digest and one.name not in TAGS for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
