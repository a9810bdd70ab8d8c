"""Shared by sinks on a local disk: a lock, the ids written last, writes that survive a crash."""

import fcntl
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from padit.connectors.sink import Message
from padit.domain.errors import SinkError

__all__ = [
    "REMEMBERED",
    "Remembered",
    "cannot_write",
    "keep_earlier",
    "lock",
    "replace",
    "sync",
    "unseen",
]

_LOG = logging.getLogger(__name__)

REMEMBERED = 500_000
"""Ids a writer remembers, about 80 MB: far more than the messages since the last checkpoint, which
a crash repeats. Older repeats (a whole replay into the same place) are removed in `finish`."""


class Remembered:
    """The ids written last, at most so many."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._ids: dict[str, None] = {}  # in the order of arrival

    def add(self, ids: Iterable[str]) -> None:
        """Remember, and forget the oldest ones."""
        self._ids.update(dict.fromkeys(ids))
        while len(self._ids) > self._most:
            del self._ids[next(iter(self._ids))]

    def __contains__(self, one: str) -> bool:
        return one in self._ids


def unseen(messages: Sequence[Message], seen: Remembered) -> list[Message]:
    """The first message of each id that has not been seen."""
    new: dict[str, Message] = {}
    for one in messages:
        if one.id not in seen:
            new.setdefault(one.id, one)
    return list(new.values())


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Keep other writers of one output out, of this process and of others, for a moment.

    Each output has a lock file of its own: two in one directory do not wait for each other's
    disk. Its directory is made if it is missing: a worker may run on another machine than
    `prepare`. The file stays, because a lock on a file that was removed excludes no writer.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def replace(new: Path, old: Path) -> None:
    """Put a complete file in the place of another, durably."""
    with new.open("rb") as file:
        os.fsync(file.fileno())
    new.replace(old)
    sync(old.parent)


def sync(directory: Path) -> None:
    """Make names in a directory durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def cannot_write(path: Path, error: OSError) -> SinkError:
    """The error of a file that cannot be written, with its remedy."""
    return SinkError(
        f"{path} cannot be written: {error.strerror or error}; "
        "check its directory's rights and the space left, or name another place"
    )


def keep_earlier(name: str) -> None:
    """Report that a run was stopped before its result could replace the earlier one."""
    _LOG.warning("%s keeps its earlier result: the run was stopped before its end", name)
