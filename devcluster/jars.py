"""The Java parts: resolved with Maven once, kept in the user's cache directory.

The cache is `$PADIT_HOME` (default `~/.cache/padit`). A set is resolved into a temporary folder
and renamed, so a broken download leaves nothing behind and two processes may resolve at once.
Beam's official job server is tried first; where the Maven repository does not carry it, an older
runner lifted onto Flink 1.20 replaces it, and `JarSet.flavour` is `fallback`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from padit.devcluster.errors import LocalError, MissingToolError

__all__ = [
    "FlinkDistribution",
    "JarSet",
    "cached_job_server",
    "compiler",
    "conf_dir",
    "flink_distribution",
    "home",
    "job_server",
    "kafka",
    "tool",
]

_INSTALL = {
    "java": "sudo apt-get install openjdk-17-jre-headless",
    "mvn": "sudo apt-get install maven",
    "go": "see go.dev/doc/install, or: sudo apt-get install golang",
}
_FLAVOURS = ("official", "fallback")
_MAVEN_TIMEOUT_S = 900.0


@dataclass(frozen=True)
class JarSet:
    """A resolved set of jars.

    Attributes:
        flavour: its Maven profile: `official`, `fallback`, `kafka`, `compiler`.
        directory: where the jars lie.
    """

    flavour: str
    directory: Path

    @property
    def jars(self) -> list[Path]:
        """The jars, sorted by name."""
        return sorted(self.directory.glob("*.jar"))

    @property
    def class_path(self) -> str:
        """The set as a Java class path; Java expands the wildcard itself."""
        return f"{self.directory}/*"

    @property
    def beam_runner_version(self) -> str | None:
        """The version of Beam's Flink runner in the set, for instance `2.77.0`."""
        names = (jar.name for jar in self.jars)
        found = (
            re.search(r"^beam-runners-flink-[\d.]+(?:-job-server)?-(.+)\.jar$", n) for n in names
        )
        return next((match.group(1) for match in found if match), None)


@dataclass(frozen=True)
class FlinkDistribution:
    """Flink's own jars, from the Python package `apache-flink-libraries`."""

    version: str
    lib: Path


def home() -> Path:
    """Return the cache directory: `$PADIT_HOME`, or `~/.cache/padit`."""
    return Path(os.environ.get("PADIT_HOME") or Path.home() / ".cache" / "padit")


def conf_dir() -> Path:
    """Return the folder of pom.xml and templates: `conf`, a link to `flink-conf/`, or a copy."""
    return Path(__file__).resolve().parent / "conf"


def tool(name: str) -> str:
    """Return the path of `java`, `mvn` or `go`; MissingToolError names the install command."""
    if name == "java" and os.environ.get("JAVA_HOME"):
        candidate = Path(os.environ["JAVA_HOME"]) / "bin" / "java"
        if candidate.exists():
            return str(candidate)
    found = shutil.which(name)
    if found is None:
        message = f"{name} is not installed; install it with: {_INSTALL[name]}"
        raise MissingToolError(message)
    return found


def flink_distribution() -> FlinkDistribution:
    """Find Flink's jars in this environment. Raises MissingToolError if they are not there."""
    # find_spec on the package only: importing pyflink would need the Python side of Flink.
    spec = importlib.util.find_spec("pyflink")
    places = list(spec.submodule_search_locations or []) if spec else []
    for place in places:
        lib = Path(place) / "lib"
        for dist in lib.glob("flink-dist-*.jar"):
            return FlinkDistribution(dist.stem.removeprefix("flink-dist-"), lib)
    message = "Flink is not installed; install it with: pip install 'padit[flink]'"
    raise MissingToolError(message)


def kafka(say: Callable[[str], None] | None = None) -> JarSet:
    """Return the Kafka broker's jars, resolved with Maven the first time (about 45 MB)."""
    return _resolve("kafka", say)


def job_server(say: Callable[[str], None] | None = None) -> JarSet:
    """Return Beam's Flink job server: the official one, else the fallback set.

    `$PADIT_JOB_SERVER` = `official` or `fallback` asks for one of them. A fallback that is in the
    cache is used until it is deleted from there. Raises LocalError with Maven's output.
    """
    wanted = os.environ.get("PADIT_JOB_SERVER")
    if wanted not in (None, "", "official", "fallback"):
        message = f"PADIT_JOB_SERVER={wanted!r}: use official, fallback or nothing"
        raise LocalError(message)
    flavours = [wanted] if wanted else list(_FLAVOURS)
    found = cached_job_server()
    if found is not None and found.flavour in flavours:
        return found
    reasons = []
    for flavour in flavours:
        try:
            return _resolve(flavour, say)
        except LocalError as error:
            if isinstance(error, MissingToolError):
                raise
            reasons.append(f"{flavour}: {error}")
            if say and flavour != flavours[-1]:
                say("Maven has no official Beam job server for Flink 1.20; taking the fallback set")
    raise LocalError("\n".join(reasons))


def cached_job_server() -> JarSet | None:
    """Return the job server that is in the cache, if any; nothing is resolved."""
    places = ((flavour, _place(flavour)) for flavour in _FLAVOURS)
    return next((JarSet(flavour, place) for flavour, place in places if place.is_dir()), None)


def compiler(say: Callable[[str], None] | None = None) -> JarSet:
    """Return Eclipse's Java compiler, which needs no JDK."""
    return _resolve("compiler", say)


def _place(profile: str) -> Path:
    """Return the folder for the jars of a profile; a changed pom.xml gets a new one."""
    pom = conf_dir() / "pom.xml"
    try:
        digest = hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    except OSError as error:
        message = f"{pom} is needed, and a part of every installation: {error}"
        raise LocalError(message) from error
    return home() / "jars" / f"{profile}-{digest}"


def _resolve(profile: str, say: Callable[[str], None] | None) -> JarSet:
    place = _place(profile)
    if place.is_dir():
        return JarSet(profile, place)
    maven = tool("mvn")
    if say:
        say(f"resolving the jars of {profile!r} with Maven (once)")
    place.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{profile}-", dir=place.parent))
    begin = time.monotonic()
    try:
        _copy_dependencies(maven, profile, staging)
        _publish(staging, place)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    if say:
        count = len(JarSet(profile, place).jars)
        say(f"{profile!r}: {count} jars, {time.monotonic() - begin:.0f} s")
    return JarSet(profile, place)


def _copy_dependencies(maven: str, profile: str, target: Path) -> None:
    command = [maven, "-B", "-q", "-f", str(conf_dir() / "pom.xml"), "-P", profile]
    command += ["dependency:copy-dependencies", "-DincludeScope=runtime"]
    command += [f"-DoutputDirectory={target}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_MAVEN_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        message = f"Maven did not finish within {_MAVEN_TIMEOUT_S:.0f} s; is there a network?"
        raise LocalError(message) from error
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).splitlines()
        wanted = [line for line in lines if "Could not" in line or "Failed" in line]
        message = "Maven failed: " + "\n".join((wanted or lines)[:3])
        raise LocalError(message)


def _publish(staging: Path, place: Path) -> None:
    """Rename the finished folder; if another process was quicker, its folder stays."""
    staging.chmod(0o755)
    try:
        staging.rename(place)
    except OSError:
        if not place.is_dir():
            raise
