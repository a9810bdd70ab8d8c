"""An image of deploy/Dockerfile without a container engine: same commands, same confinement.

A root of its own (a mount namespace and chroot) that holds the system's libraries and the installed
wheel in /opt/padit, all read-only, with a fresh /tmp and what is mounted; user 10001, no
capabilities, no new privileges; a network namespace in which the names of compose are this host.
Environment, entry point, command and health check are taken from the Dockerfile and compose.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from padit.ops.compiled import cache_folder
from tests.deploy.wheel import install_wheel, libraries
from tests.limits import allowed
from tests.namespaces import run_in

__all__ = ["Image", "environment_of", "stage"]

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
_DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
_UID = "10001"
_SCRIPT = r"""
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$BASE"
show() { mkdir -p "$BASE$2"; mount --bind "$1" "$BASE$2"; mount -o remount,bind,ro "$BASE$2"; }
for one in bin lib lib64 sbin; do
    if [ -L /$one ]; then ln -s "$(readlink /$one)" "$BASE/$one"; else show /$one /$one; fi
done
show /usr /usr
mkdir -p "$BASE/etc" "$BASE/tmp" "$BASE/proc" "$BASE/dev" "$BASE/var/lib/padit"
for one in ssl ld.so.cache; do
    if [ -d /etc/$one ]; then show /etc/$one /etc/$one; else cp /etc/$one "$BASE/etc/"; fi
done
echo 'padit:x:10001:10001::/var/lib/padit:/bin/false' > "$BASE/etc/passwd"
cp "$HOSTS" "$BASE/etc/hosts"
for one in $LIBRARIES; do show "$one" "$one"; done
show "$OPT" /opt/padit
show "$KERNELS" "/opt/cache/compiled"
mount -t proc proc "$BASE/proc" 2>/dev/null || mount --rbind /proc "$BASE/proc"
for one in null zero random urandom; do
    touch "$BASE/dev/$one"; mount --bind /dev/$one "$BASE/dev/$one"
done
ln -s /proc/self/fd "$BASE/dev/fd"
chown 10001:10001 "$BASE/var/lib/padit"
printf '%s\n' "$MOUNTS" | while IFS='|' read -r from to mode; do
    [ -n "$from" ] || continue
    mkdir -p "$(dirname "$BASE$to")"
    if [ -d "$from" ]; then mkdir -p "$BASE$to"; else touch "$BASE$to"; fi
    mount --bind "$from" "$BASE$to"
    [ "$mode" = rw ] || mount -o remount,bind,ro "$BASE$to"
done
mount -o remount,ro "$BASE"
mount -t tmpfs -o mode=1777 tmpfs "$BASE/tmp"
exec chroot "$BASE" setpriv --reuid=10001 --regid=10001 --clear-groups --bounding-set=-all \
    --inh-caps=-all --no-new-privs sh -c 'cd /var/lib/padit && exec "$@"' sh "$@"
"""


def stage(name: str) -> str:
    """The lines of a stage of the Dockerfile."""
    return _DOCKERFILE.partition(f" AS {name}\n")[2].partition("\nFROM ")[0]


def _listed(text: str, word: str) -> list[str]:
    found = re.findall(rf"^{word} (\[.*?\])$", text, re.MULTILINE | re.DOTALL)
    return [str(one) for one in json.loads(found[-1].replace("\\\n", ""))]


def environment_of(service: str) -> dict[str, str]:
    """What the image and compose set; the password is the one that a test gives."""
    lines = re.sub(r"\\\n\s*", " ", stage("base"))
    (found,) = re.findall(r"^ENV (.*)$", lines, re.MULTILINE)
    pairs = dict(one.split("=", 1) for one in shlex.split(found))
    given = COMPOSE["services"][service].get("environment") or {}
    for name, value in given.items():
        pairs[name] = "secret" if "PADIT_PASSWORD" in str(value) else str(value)
    return pairs


@dataclass(frozen=True)
class Image:
    """The installed wheel as images hold it.

    Attributes:
        place: `/opt/padit` of the image is `place/opt`.
    """

    place: Path

    @classmethod
    def of(cls, wheel: Path, place: Path) -> Image:
        """Install the wheel where images have it: its scripts name /opt/padit/python."""
        padit = install_wheel(wheel, place / "opt" / "python")
        built, real = str(padit.parent.parent), "/opt/padit/python"
        for script in padit.parent.iterdir():
            if script.is_file() and not script.is_symlink():
                script.write_text(script.read_text().replace(built, real))
        (place / "base").mkdir()
        names = "127.0.0.1 localhost " + " ".join(COMPOSE["services"])
        (place / "hosts").write_text(names + "\n")
        return cls(place)

    def command(self, service: str, words: Sequence[str] = ()) -> list[str]:
        """Entry point and command of a service; `words` take the place of the command."""
        made = COMPOSE["services"][service]
        own = stage(made["build"]["target"])
        given = list(words) or [str(one) for one in made.get("command", [])]
        return [*_listed(own, "ENTRYPOINT"), *(given or _listed(own, "CMD"))]

    def health(self, service: str) -> list[str]:
        """The health check of compose, as words."""
        test = COMPOSE["services"][service]["healthcheck"]["test"]
        return [str(one) for one in test][1:]

    def mounts(self, service: str, volumes: Mapping[str, Path]) -> list[tuple[Path, str, str]]:
        """What compose mounts: files of the repository, and `volumes` by name."""
        found = []
        for one in COMPOSE["services"][service].get("volumes", []):
            source, target, *mode = str(one).split(":")
            place = ROOT / source if source.startswith("./") else volumes[source]
            found.append((place, target, "ro" if mode == ["ro"] else "rw"))
        return found

    def inside(
        self, space: str, service: str, words: Sequence[str], volumes: Mapping[str, Path]
    ) -> tuple[list[str], dict[str, str]]:
        """The command that runs `words` in the image, and its environment."""
        mounts = [f"{a}|{b}|{mode}" for a, b, mode in self.mounts(service, volumes)]
        base = Path(sys.base_prefix)
        setting = {
            "BASE": str(self.place / "base"),
            "OPT": str(self.place / "opt"),
            "HOSTS": str(self.place / "hosts"),
            "KERNELS": str(cache_folder()),
            "LIBRARIES": " ".join(dict.fromkeys([str(base), *libraries()])),
            "MOUNTS": "\n".join(mounts),
        }
        wanted = environment_of(service) | {"PADIT_CACHE_DIR": "/opt/cache"}
        pairs = [f"{name}={value}" for name, value in wanted.items()]
        command = run_in(space, ["unshare", "--mount", "--ipc", "sh", "-c"])
        command += [_SCRIPT, "sh", "env", "-i", *pairs, *words]
        return command, {"PATH": os.environ["PATH"], **setting}

    def run(
        self, space: str, service: str, words: Sequence[str], volumes: Mapping[str, Path]
    ) -> subprocess.CompletedProcess[str]:
        """Run something in the image to its end."""
        command, environment = self.inside(space, service, words, volumes)
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False,
            timeout=allowed(60),
        )  # fmt: skip


def user() -> int:
    """The user of the images."""
    return int(_UID)
