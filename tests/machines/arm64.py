"""The same cases on ARM64, emulated: Debian's Python and PyPI's wheels, run by qemu's user mode.

Everything lies in the cache of the real parts (`PADIT_HOME`), needs no root and changes nothing of
the machine: packages are downloaded by apt with lists of its own, and unpacked.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from padit.devcluster import jars
from tests import debian
from tests.limits import allowed

__all__ = ["bring", "digests"]

ROOT = Path(__file__).resolve().parents[2]
_EMULATOR = "qemu-aarch64-static"
_SYSTEM = ("python3.11", "libstdc++6", "libgcc-s1")
# What codecs, transforms and their laws import; the versions are those of requirements.lock.
_WHEELS = ("annotated-types", "crc32c", "hypothesis", "iniconfig", "llvmlite", "lz4", "msgspec",
           "numba", "numpy", "packaging", "pluggy", "pyarrow", "pydantic", "pydantic_core",
           "Pygments", "pytest", "PyYAML", "sortedcontainers", "typing-inspection",
           "typing_extensions")  # fmt: skip
_PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_17_aarch64", "manylinux_2_26_aarch64",
              "manylinux_2_28_aarch64", "any")  # fmt: skip


def bring(say: Callable[[str], None]) -> Path:
    """Return the folder with all of it; downloaded and unpacked the first time.

    Raises MissingToolError with the words of apt or pip.
    """
    locked = (ROOT / "requirements.lock").read_text().splitlines()
    wanted = [one for one in locked if one.partition("==")[0] in _WHEELS]
    place = jars.home() / "arm64" / debian.digest_of([*_SYSTEM, *wanted])
    if place.is_dir():
        return place
    with debian.staged(place) as staging:
        say("bringing qemu's user mode (once)")
        debian.fetch(["qemu-user-static"], staging / "host")
        for other in (staging / "host" / "usr" / "bin").glob("qemu-*"):
            if other.name != _EMULATOR:
                other.unlink()
        say("bringing Python for ARM64 (once)")
        debian.fetch(list(_SYSTEM), staging / "system", architecture="arm64")
        say(f"bringing {len(wanted)} packages for ARM64 (once)")
        _bring_wheels(wanted, staging)
    return place


def _bring_wheels(wanted: list[str], staging: Path) -> None:
    wheels, site = staging / "wheels", staging / "site"
    platforms = [word for one in _PLATFORMS for word in ("--platform", one)]
    debian.run(
        [
            sys.executable, "-m", "pip", "download", "--quiet", *platforms, "--no-deps",
            "--python-version", "3.11", "--only-binary=:all:", "--dest", str(wheels), *wanted,
        ]
    )  # fmt: skip
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
        wheel.unlink()


def digests(say: Callable[[str], None], names: list[str]) -> dict[str, str]:
    """SHA-256 of the cases whose names begin with one of `names`, as ARM64 computes them."""
    place = bring(say)
    system = place / "system"
    libraries = system / "usr" / "lib" / "aarch64-linux-gnu"
    given = {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{place / 'site'}",
        "LD_LIBRARY_PATH": f"{libraries}{os.pathsep}{system / 'lib' / 'aarch64-linux-gnu'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PADIT_CACHE_DIR": str(place / "cache"),
    }
    command = [str(place / "host" / "usr" / "bin" / _EMULATOR), "-L", str(system)]
    command += [word for name, value in given.items() for word in ("-E", f"{name}={value}")]
    command += [str(system / "usr" / "bin" / "python3.11"), "-m", "tests.machines.digests", *names]
    say("computing on ARM64; kernels are compiled there the first time, which takes minutes")
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False, timeout=allowed(3600)
    )
    if done.returncode != 0:
        message = f"the cases failed on ARM64 with exit code {done.returncode}"
        raise RuntimeError(message)
    answer = json.loads(done.stdout.splitlines()[-1])
    if not re.fullmatch("aarch64|arm64", answer["machine"]):
        message = f"they ran on {answer['machine']}"
        raise RuntimeError(message)
    found: dict[str, str] = answer["digests"]
    return found
