"""A real schema registry for tests: Apicurio's app from Maven, which speaks Confluent's REST."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from padit.devcluster import jars
from padit.devcluster.errors import LocalError
from padit.devcluster.ports import LOOPBACK, free_port
from padit.devcluster.processes import Part
from tests.limits import allowed

__all__ = ["Apicurio", "apicurio", "start_apicurio"]

_VERSION = "2.6.13.Final"
_ARTIFACT = f"io.apicurio:apicurio-registry-app:{_VERSION}:zip:all"
_GET = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_MAVEN_SECONDS = 300.0


def apicurio(say: Callable[[str], None] | None = None) -> Path:
    """Return the jar of the app, with its libraries beside it; brought the first time."""
    place = jars.home() / "jars" / f"apicurio-{_VERSION}"
    jar = place / f"apicurio-registry-app-{_VERSION}-runner.jar"
    if jar.exists():
        return jar
    maven = jars.tool("mvn")
    if say:
        say("resolving Apicurio's registry with Maven (once)")
    place.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".apicurio-", dir=place.parent))
    try:
        command = [maven, "-q", "-B", _GET, f"-Dartifact={_ARTIFACT}"]
        command.append(f"-DoutputDirectory={staging}")
        limit = allowed(_MAVEN_SECONDS)
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=limit, cwd=staging
        )
        found = next(staging.glob("*.zip"), None)
        if done.returncode != 0 or found is None:
            message = f"Maven does not bring {_ARTIFACT}: {done.stdout[-300:]}"
            raise LocalError(message)
        with zipfile.ZipFile(found) as archive:
            archive.extractall(staging)
        found.unlink()
        staging.chmod(0o755)
        if not jar.exists():
            os.rename(staging, place)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return jar


class Apicurio:
    """A running registry.

    Attributes:
        url: of its REST, as a job names it.
        part: the process.
    """

    def __init__(self, url: str, part: Part) -> None:
        self.url = url
        self.part = part

    def register(self, subject: str, schema: str, **fields: Any) -> int:
        """Add a schema; its id."""
        request = urllib.request.Request(  # noqa: S310  # its own URL
            f"{self.url}/subjects/{subject}/versions",
            json.dumps({"schema": schema} | fields).encode(),
            {"Content-Type": "application/vnd.schemaregistry.v1+json"},
        )
        with urllib.request.urlopen(request, timeout=allowed(20)) as answer:  # noqa: S310
            return int(json.load(answer)["id"])


def start_apicurio(directory: Path, say: Callable[[str], None] | None = None) -> Apicurio:
    """Start it and wait until it answers; it keeps its schemas in memory."""
    java, jar = jars.tool("java"), apicurio(say)
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    url = f"http://{LOOPBACK}:{port}/apis/ccompat/v7"
    command = [
        java, "-Xmx300m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        f"-Dquarkus.http.host={LOOPBACK}", f"-Dquarkus.http.port={port}", "-jar", str(jar),
    ]  # fmt: skip
    part = Part(
        "Apicurio registry",
        command,
        log=directory / "apicurio.log",
        answers=lambda: _answers(url),
        timeout_s=allowed(120),
    )
    return Apicurio(url, part.start())


def _answers(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/subjects", timeout=0.9) as answer:  # noqa: S310
        return bool(answer.status == 200)
