"""Our own jar, first on the class path of the job server and of Flink.

`flink-conf/java` explains its content: a start of the job server that uploads nothing, Beam's gRPC
server builder bound to the loopback interface, and, for a runner that leaves a state behind for
every self-checkpoint of a reader, one state for all of them. The latter two are classes of the
resolved jars with one constant replaced (the class that is called), so their version is always the
one in use. Compiled once, kept in the cache.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from padit.devcluster import jars
from padit.devcluster.errors import LocalError

__all__ = ["launcher", "rebind", "residuals"]

_BUILDER = "io/grpc/netty/NettyServerBuilder.class"
_ANY_ADDRESS, _LOOPBACK = "java/net/InetSocketAddress", "PaditLoopbackAddress"
_HANDLER = (
    "org/apache/beam/runners/fnexecution/control/"
    "BundleCheckpointHandlers$StateAndTimerBundleCheckpointHandler.class"
)
_OPERATOR = (
    "org/apache/beam/runners/flink/translation/wrappers/streaming/"
    "ExecutableStageDoFnOperator$SdkHarnessDoFnRunner.class"
)
_TAGS, _RESIDUALS = "org/apache/beam/runners/core/StateTags", "PaditResiduals"
_MENDED = "residualStateTag"  # of the handler since apache/beam PR 39191


def launcher(beam: jars.JarSet, say: Callable[[str], None] | None = None) -> Path:
    """Return the jar that belongs to a job server. Raises LocalError if it cannot be built."""
    sources = sorted((jars.conf_dir() / "java").glob("*.java"))
    digest = hashlib.sha256(beam.directory.name.encode())
    for source in sources:
        digest.update(source.read_bytes())
    place = jars.home() / "jars" / f"padit-launcher-{digest.hexdigest()[:12]}.jar"
    if place.exists():
        return place
    with tempfile.TemporaryDirectory(prefix=".launcher-", dir=place.parent) as scratch:
        target = Path(scratch) / "launcher.jar"
        classes = _compile(sources, Path(scratch) / "classes", beam, say)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as jar:
            jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
            for file in classes:
                jar.write(file, file.name)
            for name, code in _builders(beam):
                jar.writestr(name, rebind(code))
            for name, code in residuals(beam.jars):
                jar.writestr(name, code)
        target.replace(place)
    return place


def _compile(
    sources: list[Path], target: Path, beam: jars.JarSet, say: Callable[[str], None] | None
) -> list[Path]:
    command = [jars.tool("java"), "-XX:TieredStopAtLevel=1", "-jar"]
    command += [str(jars.compiler(say).jars[0]), "-11", "-nowarn", "-d", str(target)]
    command += ["-cp", os.pathsep.join(map(str, beam.jars)), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        message = f"flink-conf/java does not compile: {done.stdout}{done.stderr}"
        raise LocalError(message)
    return sorted(target.glob("*.class"))


def _builders(beam: jars.JarSet) -> Iterator[tuple[str, bytes]]:
    """Yield Beam's own copies of gRPC's server builder (they lie under a vendor's package)."""
    found = False
    for path in beam.jars:
        with zipfile.ZipFile(path) as jar:
            for name in jar.namelist():
                if name.startswith("org/apache/beam/vendor/") and name.endswith(_BUILDER):
                    found = True
                    yield name, jar.read(name)
    if not found:
        message = f"{beam.directory} holds no {_BUILDER}; Beam must have changed, report it"
        raise LocalError(message)


def rebind(code: bytes) -> bytes:
    """Return a class file that makes PaditLoopbackAddress where it made InetSocketAddress.

    Raises LocalError if it does not make any.
    """
    found = _replaced(code, _ANY_ADDRESS, _LOOPBACK)
    if found is None:
        message = "Beam's gRPC server builder has changed: it cannot be bound to loopback"
        raise LocalError(message)
    return found


def residuals(found: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield the classes of a runner that name the state of a residual, calling PaditResiduals.

    None where the runner bounds that state itself.

    Raises LocalError if they are not what they were.
    """
    wanted: dict[str, bytes] = {}
    for path in found:
        with zipfile.ZipFile(path) as jar:
            for name in {_HANDLER, _OPERATOR} & set(jar.namelist()):
                wanted[name] = jar.read(name)
    if _constant(_MENDED) in wanted.get(_HANDLER, b""):
        return
    for name in (_HANDLER, _OPERATOR):
        code = _replaced(wanted.get(name, b""), _TAGS, _RESIDUALS)
        if code is None:
            message = (
                f"Beam's runner has changed: {name} does not name the state of a residual as it "
                "did; report it"
            )
            raise LocalError(message)
        yield name, code


def _replaced(code: bytes, old: str, new: str) -> bytes | None:
    """A class file with another constant; None if it does not have it once."""
    before = _constant(old)
    return code.replace(before, _constant(new)) if code.count(before) == 1 else None


def _constant(text: str) -> bytes:
    """Return a text as a class file's constant: tag 1, length in two bytes, the characters."""
    return b"\x01" + len(text).to_bytes(2, "big") + text.encode()
