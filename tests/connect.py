"""A real Kafka Connect with Debezium's connector for PostgreSQL: one standalone process."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path

from padit.devcluster import jars
from padit.devcluster.errors import LocalError
from padit.devcluster.ports import LOOPBACK, free_port
from padit.devcluster.processes import Part
from tests.limits import allowed

__all__ = ["connect_jars", "prepare_connect"]

_POM = Path(__file__).parent / "stores" / "connect.xml"
_MAVEN_SECONDS = 300.0


def connect_jars(say: Callable[[str], None] | None = None) -> Path:
    """Return the folder of the jars; resolved with Maven the first time (about 40 MB)."""
    digest = hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]
    place = jars.home() / "jars" / f"connect-{digest}"
    if place.is_dir():
        return place
    maven = jars.tool("mvn")
    if say:
        say("resolving Kafka Connect and Debezium with Maven (once)")
    place.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".connect-", dir=place.parent))
    try:
        command = [maven, "-B", "-q", "-f", str(_POM), "dependency:copy-dependencies"]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={staging}"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=allowed(_MAVEN_SECONDS)
        )
        if done.returncode != 0:
            message = f"Maven does not bring Debezium: {done.stdout[-300:]}"
            raise LocalError(message)
        staging.chmod(0o755)
        if not place.is_dir():
            staging.rename(place)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return place


def prepare_connect(directory: Path, bootstrap: str, connector: dict[str, str]) -> Part:
    """A process of Kafka Connect with one connector; not started yet.

    Args:
        directory: for its configuration, its offsets and its log.
        bootstrap: of the broker.
        connector: configuration, with its `name`.
    """
    java, place = jars.tool("java"), connect_jars()
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    worker = {
        "bootstrap.servers": bootstrap,
        "listeners": f"http://{LOOPBACK}:{port}",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "offset.storage.file.filename": str(directory / "offsets"),
        "offset.flush.interval.ms": "500",
        "plugin.discovery": "service_load",
    }
    _write(directory / "worker.properties", worker)
    (directory / "connector.json").write_text(
        json.dumps({"name": connector["name"], "config": connector})
    )
    log4j = directory / "log4j2.properties"
    shutil.copyfile(jars.conf_dir() / "log4j.properties", log4j)
    command = [
        java, "-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        "-Djava.net.preferIPv4Stack=true", f"-Dlog4j2.configurationFile={log4j}",
        "-cp", f"{place}/*", "org.apache.kafka.connect.cli.ConnectStandalone",
        str(directory / "worker.properties"), str(directory / "connector.json"),
    ]  # fmt: skip

    def answers() -> bool:
        url = f"http://{LOOPBACK}:{port}/connectors/{connector['name']}/status"
        with urllib.request.urlopen(url, timeout=allowed(2)) as answer:
            status = json.load(answer)
        states = [status["connector"]["state"], *(one["state"] for one in status["tasks"])]
        return len(states) > 1 and set(states) == {"RUNNING"}

    return Part(
        "Kafka Connect", command, log=directory / "connect.log", answers=answers,
        timeout_s=allowed(90),
    )  # fmt: skip


def _write(path: Path, settings: dict[str, str]) -> None:
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
