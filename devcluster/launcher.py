"""Our own jar, first on the class path of the job server and of Flink.

`flink-conf/java` explains its content: a start of the job server that uploads nothing, and Beam's
gRPC server builder bound to the loopback interface. The latter is the builder of the resolved jars
with one constant replaced (the class of its address), so its version is always the one in use.
Compiled once, kept in the cache.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from padit.devcluster import jars
from padit.devcluster.errors import LocalError

__all__ = ["launcher", "rebind"]

_BUILDER = "io/grpc/netty/NettyServerBuilder.class"
_ANY_ADDRESS, _LOOPBACK = "java/net/InetSocketAddress", "PaditLoopbackAddress"


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
        classes = _compile(sources, Path(scratch) / "classes", say)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as jar:
            jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
            for file in classes:
                jar.write(file, file.name)
            for name, code in _builders(beam):
                jar.writestr(name, rebind(code))
        target.replace(place)
    return place


def _compile(sources: list[Path], target: Path, say: Callable[[str], None] | None) -> list[Path]:
    command = [jars.tool("java"), "-XX:TieredStopAtLevel=1", "-jar"]
    command += [str(jars.compiler(say).jars[0]), "-11", "-d", str(target), *map(str, sources)]
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
    before, after = _constant(_ANY_ADDRESS), _constant(_LOOPBACK)
    if code.count(before) != 1:
        message = "Beam's gRPC server builder has changed: it cannot be bound to loopback"
        raise LocalError(message)
    return code.replace(before, after)


def _constant(text: str) -> bytes:
    """Return a text as a class file's constant: tag 1, length in two bytes, the characters."""
    return b"\x01" + len(text).to_bytes(2, "big") + text.encode()
