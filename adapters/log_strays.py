"""What rotation moved out of a pattern between two looks: files beside a log, with its name before.

`logs/app.log` may be rotated twice between two looks, or while nothing ran. What it was then lies
beside it as `app.log.1` or `app.log-20260105`, and no pattern that is just the name matches it.
"""

import os
import re
import stat
from collections.abc import Collection
from typing import NamedTuple

from padit.adapters.log_files import Place, is_compressed

__all__ = ["Stray", "moved", "strays"]

_BEHIND = re.compile(r"[-_.](?:\d[\d\-_.T:]*|bak|old|prev|save|saved)", re.IGNORECASE)


class Stray(NamedTuple):
    """A file beside a log.

    Attributes:
        place: device and inode.
        path: of it.
        status: of it.
        packed: whether it is compressed.
    """

    place: Place
    path: str
    status: os.stat_result
    packed: bool


def strays(path: str, known: Collection[Place], since: int) -> list[Stray]:
    """Files that a log was rotated to and that were written since a moment, the oldest first.

    Args:
        path: of the log.
        known: places that are read anyway.
        since: nanoseconds; what was last written before, or then, has been read.
    """
    found = [
        one for one in _beside(path) if one.place not in known and one.status.st_mtime_ns > since
    ]
    return sorted(found, key=lambda one: (one.status.st_mtime_ns, one.path))


def moved(path: str, place: Place) -> Stray | None:
    """Where a log lies now that was at `path`; None if it is not beside it any more."""
    return next((one for one in _beside(path) if one.place == place and not one.packed), None)


def _beside(path: str) -> list[Stray]:
    folder, name = os.path.split(path)
    found = []
    try:
        entries = sorted(os.listdir(folder or "."))
    except OSError:
        return []
    for entry in entries:
        behind = entry.removeprefix(name)
        packed = is_compressed(entry)
        core = behind.rpartition(".")[0] if packed else behind
        if behind == entry or not _BEHIND.fullmatch(core):
            continue
        try:
            status = os.stat(os.path.join(folder, entry))
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            place = status.st_dev, status.st_ino
            found.append(Stray(place, os.path.join(folder, entry), status, packed))
    return found
