"""What real parts a machine can have: `make parts` brings them and names what cannot be had.

Maven and Go bring jars and Prism, `tests.debian` the programs of Debian packages. All of it goes to
the user's cache, once. In CI (the variable CI is set) a part that cannot be had is an error.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from padit.devcluster import jars
from padit.devcluster.errors import LocalError, MissingToolError
from padit.devcluster.launcher import launcher
from padit.devcluster.prism import prism
from tests import debian
from tests.apicurio import apicurio
from tests.connect import connect_jars
from tests.deploy.schemas import schemas
from tests.go_tools import GO_TOOLS, go_tool
from tests.namespaces import without_namespaces
from tests.s3 import versitygw

__all__ = [
    "NO_DATA",
    "SUPPLIES",
    "Supply",
    "collector",
    "lacking",
    "main",
    "remote_write_client",
]

NO_DATA = "no data: "  # how the reason of a test begins that is skipped for want of data

Say = Callable[[str], None]


@dataclass(frozen=True)
class Supply:
    """One thing that tests need from outside the repository.

    Attributes:
        name: of it.
        bring: makes it be there; raises LocalError, which names the remedy.
        lacks: what keeps it from ever being there, or None; downloads nothing.
    """

    name: str
    bring: Callable[[Say], object]
    lacks: Callable[[], str | None]


def remote_write_client(say: Say | None = None) -> Path:
    """Return Prometheus' own remote-write client, a program in Go; built the first time."""
    return _built("remote-write", "remote_write", "the remote-write client", say)


def collector(say: Say | None = None) -> Path:
    """Return a Collector of OpenTelemetry with the parts that tests use; built the first time."""
    return _built("collector", "collector", "the OpenTelemetry Collector", say)


def _built(name: str, folder: str, what: str, say: Say | None) -> Path:
    """The program of a folder with a go.mod."""
    source = Path(__file__).parent / "adapters" / folder
    place = jars.home() / "bin" / f"{name}-{_digest(source)}"
    if place.exists():
        return place
    go = jars.tool("go")
    if say:
        say(f"building {what} with Go (once, some minutes)")
    place.parent.mkdir(parents=True, exist_ok=True)
    staging = place.with_name(f".{place.name}-{os.getpid()}")
    command = [go, "build", "-ldflags=-s -w", "-o", str(staging), "."]
    environment = {**os.environ, "CGO_ENABLED": "0"}
    done = subprocess.run(
        command, cwd=source, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        message = f"Go cannot build {source.name}: {done.stderr[-500:]}"
        raise MissingToolError(message)
    staging.rename(place)
    return place


def _digest(source: Path) -> str:
    files = sorted(path for path in source.iterdir() if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def _bring_flink(say: Say) -> None:
    jars.flink_distribution()
    launcher(jars.job_server(say), say)


def _without_tools(*names: str) -> str | None:
    for name in names:
        try:
            jars.tool(name)
        except MissingToolError as error:
            return str(error)
    return None


def _nothing(_: Say) -> None:
    pass


SUPPLIES: tuple[Supply, ...] = (
    Supply("Kafka", jars.kafka, partial(_without_tools, "java", "mvn")),
    Supply("Flink", _bring_flink, partial(_without_tools, "java", "mvn")),
    Supply("Prism", prism, partial(_without_tools, "go")),
    Supply("Apicurio registry", apicurio, partial(_without_tools, "java", "mvn")),
    Supply("S3 server", versitygw, partial(_without_tools, "go")),
    Supply("Kafka Connect", connect_jars, partial(_without_tools, "java", "mvn")),
    Supply("OpenTelemetry Collector", collector, partial(_without_tools, "go")),
    Supply("remote-write client", remote_write_client, partial(_without_tools, "go")),
    *(Supply(name, partial(go_tool, name), partial(_without_tools, "go")) for name in GO_TOOLS),
    Supply("schemas of Kubernetes", lambda _: schemas(), partial(_without_tools, "mvn")),
    Supply("network namespaces", _nothing, without_namespaces),
    *(
        Supply(name, partial(debian.bring_missing, name), partial(debian.lacks, name))
        for name in debian.PACKAGES
    ),
)


def lacking() -> Iterator[str]:
    """Name what this machine can never have, and why; nothing is downloaded."""
    for supply in SUPPLIES:
        reason = supply.lacks()
        if reason is not None:
            yield f"{supply.name} cannot be had: {reason}"


def main() -> int:
    """Bring everything; 1 in CI if something cannot be had, else 0."""
    failed = False
    for supply in SUPPLIES:
        reason = supply.lacks()
        if reason is None:
            try:
                supply.bring(_say)
            except LocalError as error:
                reason = str(error)
        failed |= reason is not None
        _say(f"{supply.name}: {'ready' if reason is None else f'cannot be had: {reason}'}")
    return 1 if failed and os.environ.get("CI") else 0


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
