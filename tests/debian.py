"""Programs of Debian packages without root: downloaded, unpacked and kept in the user's cache.

What is installed is used; else `apt-get download` and `dpkg -x` bring what apt would install, with
every library that this machine lacks, to `~/.cache/padit/debian/RELEASE/PACKAGE`. apt reads the
machine's sources, but its lists and its cache are ours, so it needs no root and changes nothing.
A package in the cache is used until it is deleted; `versions` beside it lists its versions.
One more package is one more line in `PACKAGES`.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from padit.devcluster.errors import LocalError, MissingToolError
from padit.devcluster.jars import home

__all__ = [
    "PACKAGES",
    "Program",
    "bring",
    "bring_missing",
    "digest_of",
    "fetch",
    "lacks",
    "program",
    "run",
    "staged",
    "unpacked",
]

# Package: the programs of it that tests start.
PACKAGES: dict[str, tuple[str, ...]] = {
    "bsdutils": ("logger",),
    "chromium": ("chromium",),
    "influxdb": ("influxd",),
    "iproute2": ("ip", "tc"),
    "mosquitto": ("mosquitto", "mosquitto_passwd"),
    "postgresql-15": ("initdb", "pg_basebackup", "postgres", "psql"),
    "prometheus": ("prometheus", "promtool"),
    "redis-server": ("redis-server", "redis-cli"),
    "rsyslog": ("rsyslogd",),
    "snmpd": ("snmpd",),
}
# Debian's usr/bin/chromium is a script that only finds an installed browser: its folder is first.
_PROGRAMS = ("usr/bin", "usr/sbin", "sbin", "bin", "usr/games", "usr/lib/postgresql/*/bin")
_PLACES = ("usr/lib/chromium", *_PROGRAMS)
_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Program:
    """How to start a program.

    Attributes:
        path: of the executable.
        environment: for the child, and for no other: the libraries that came with it.
    """

    path: str
    environment: Mapping[str, str]


def program(name: str, say: Callable[[str], None] | None = None) -> Program:
    """Find a program of `PACKAGES`, installed or in the cache; brought the first time.

    Raises MissingToolError, which names the package and why it cannot be had.
    """
    installed = _installed(name)
    if installed is not None:
        return Program(installed, dict(os.environ))
    return unpacked(_package_of(name), name, say)


def unpacked(package: str, name: str, say: Callable[[str], None] | None = None) -> Program:
    """Return a program of the package in the cache, whether or not it is installed, too."""
    place = bring(package, say)
    path = _find(place, name)
    if path is None:
        message = f"{package} has no program {name}; delete {place} to bring it again"
        raise MissingToolError(message)
    libraries = [str(folder) for folder in _library_folders(place)]
    former = [os.environ["LD_LIBRARY_PATH"]] if os.environ.get("LD_LIBRARY_PATH") else []
    found = {"LD_LIBRARY_PATH": os.pathsep.join([*libraries, *former])} if libraries else {}
    return Program(str(path), {**os.environ, **found})


def bring_missing(package: str, say: Callable[[str], None] | None = None) -> None:
    """Bring a package unless its programs are installed; see `bring`."""
    if not _is_installed(package):
        bring(package, say)


def lacks(package: str) -> str | None:
    """What keeps a package from ever being there, or None; nothing is downloaded."""
    if _is_installed(package) or _place(package).is_dir():
        return None
    absent = [tool for tool in ("apt-get", "dpkg") if shutil.which(tool) is None]
    return f"it is not installed, and there is no {absent[0]} to bring it" if absent else None


def bring(package: str, say: Callable[[str], None] | None = None) -> Path:
    """Return where a package is unpacked; the first time it is downloaded.

    Raises MissingToolError where there is no apt-get, or with apt's words.
    """
    place = _place(package)
    if place.is_dir():
        return place
    reason = lacks(package)
    if reason is not None:
        message = f"{package}: {reason}"
        raise MissingToolError(message)
    if say:
        say(f"bringing the Debian package {package} (once)")
    with staged(place) as staging:
        fetch([package], staging)
    return place


@contextmanager
def staged(place: Path) -> Iterator[Path]:
    """A folder to fill, which takes its place once it is complete."""
    place.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        yield staging
        _publish(staging, place)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def digest_of(names: Sequence[str]) -> str:
    """A short name for a folder that holds these."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]


def _is_installed(package: str) -> bool:
    return all(_installed(name) for name in PACKAGES[package])


def _package_of(name: str) -> str:
    return next(package for package, names in PACKAGES.items() if name in names)


def _place(package: str) -> Path:
    """Libraries fit one release and one kind of processor."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    known = release.get("VERSION_CODENAME") or release.get("ID") or "unknown"
    return home() / "debian" / f"{known}-{platform.machine()}" / package


def _installed(name: str) -> str | None:
    found = _find(Path("/"), name)
    return shutil.which(name) or (None if found is None else str(found))


def _find(root: Path, name: str) -> Path | None:
    found = (path for place in _PLACES for path in sorted(root.glob(f"{place}/{name}")))
    return next((path for path in found if os.access(path, os.X_OK)), None)


def _library_folders(root: Path) -> list[Path]:
    """Every folder of shared libraries that a loader would look at."""
    places = [folder for top in ("lib", "usr/lib") for folder in sorted(root.glob(f"{top}/*-*-*"))]
    places += [folder / "pulseaudio" for folder in places]  # its private libraries
    places += [root / "usr/lib", root / "lib"]
    return [folder for folder in places if any(folder.glob("*.so*"))]


def fetch(packages: Sequence[str], root: Path, architecture: str | None = None) -> None:
    """Download and unpack packages to a folder, with what apt would install with them.

    Args:
        packages: their names.
        root: the folder.
        architecture: of another kind of machine, on which nothing is installed; None: of this one.
    """
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".apt-", dir=root.parent) as scratch:
        apt = _apt(Path(scratch) / "apt", architecture)
        run([*apt, "update"], check=False)  # a source that does not answer may not be needed
        plan = run([*apt, "install", "--simulate", "--no-install-recommends", *packages])
        chosen = dict(re.findall(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) ", plan, re.MULTILINE))
        names = [f"{name}={version}" for name, version in chosen.items()]
        # It is installed, but the cache was asked for.
        names += [one for one in packages if one not in chosen]
        debs = Path(scratch) / "debs"
        debs.mkdir()
        run([*apt, "download", *names], cwd=debs)
        for deb in sorted(debs.glob("*.deb")):
            run(["dpkg", "-x", str(deb), str(root)])
        versions = (deb.name.removesuffix(".deb") for deb in sorted(debs.glob("*.deb")))
        (root / "versions").write_text("".join(f"{one}\n" for one in versions))


def _apt(directory: Path, architecture: str | None) -> list[str]:
    """`apt-get` with directories of its own and the list of what is installed; it takes no lock."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (directory / folder).mkdir(parents=True)
    installed = Path("/var/lib/dpkg/status")
    if architecture is not None:
        installed = directory / "status"
        installed.touch()
    settings = {
        "Dir::State": directory / "state",
        "Dir::State::status": installed,
        "Dir::Cache": directory / "cache",
        "Dir::Log": directory,
        "Debug::NoLocking": "1",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
    }
    if architecture is not None:
        settings |= {"APT::Architecture": architecture, "APT::Architectures": architecture}
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    return ["apt-get", "--quiet", "--yes", *options]


def run(command: list[str], *, check: bool = True, cwd: Path | None = None) -> str:
    """Run it in the C locale; MissingToolError with its last words if it fails."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd,
            timeout=_TIMEOUT_S,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired as error:
        message = f"{command[0]} did not finish within {_TIMEOUT_S:g} s; is the network there?"
        raise MissingToolError(message) from error
    if check and done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines()
        message = f"{command[0]} failed: " + "; ".join(lines[-3:])
        raise MissingToolError(message)
    return done.stdout


def _publish(staging: Path, place: Path) -> None:
    """Rename the finished folder; another process may have been quicker, which is as good."""
    staging.chmod(0o755)
    try:
        staging.rename(place)
    except OSError as error:
        if not place.is_dir():
            raise LocalError(str(error)) from error
