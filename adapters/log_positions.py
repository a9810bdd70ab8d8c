"""The file that keeps read positions over restarts, version 2; version 1 is read, too."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from padit.adapters.log_files import NOTHING, Generation, Mark, Place, unmoved

__all__ = ["Saved", "load", "write"]

_VERSION = 2


class Saved(NamedTuple):
    """Where reading of one file goes on.

    Attributes:
        place: device and inode.
        birth: path under which it was found first.
        path: the latest.
        position: where reading goes on.
        marked: the position that `before` is about.
        head: print of the first bytes.
        before: print of the bytes in front of `marked`.
        skipping: whether `position` is inside a line that is too long.
    """

    place: Place
    birth: str
    path: str
    position: int
    marked: int
    head: Mark
    before: Mark
    skipping: bool

    @property
    def generation(self) -> Generation:
        """The content that was read."""
        return Generation((self.birth, self.path), self.marked, self.head, self.before)

    def fits(self, handle: int, size: int) -> bool:
        """Whether the file is still the one that was read; without prints, by its size alone."""
        if not self.before.size:
            return size >= self.position
        return unmoved(handle, size, self.marked, self.before, self.head)


def write(path: Path, saved: Iterable[Saved]) -> None:
    """Replace the file. Raises OSError if it cannot be written."""
    files = [one._asdict() for one in saved]
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"version": _VERSION, "files": files}))
    partial.replace(path)


def load(path: Path | None) -> list[Saved]:
    """What was saved; nothing if there is no file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or of a later version.
    """
    if path is None or not path.exists():
        return []
    content = json.loads(path.read_text())
    if not isinstance(content, dict) or content.get("version", _VERSION) != _VERSION:
        message = f"{path} holds no read positions of version {_VERSION} or 1"
        raise ValueError(message)
    try:
        if "version" in content:
            return [_saved(one) for one in content["files"]]
        return [_old(key, at) for key, at in content.items()]
    except (TypeError, KeyError) as error:
        message = f"{path} is damaged: {error!r}"
        raise ValueError(message) from error


def _saved(one: dict[str, Any]) -> Saved:
    device, inode = one["place"]
    return Saved(
        (int(device), int(inode)), str(one["birth"]), str(one["path"]), int(one["position"]),
        int(one["marked"]), Mark(*map(int, one["head"])), Mark(*map(int, one["before"])),
        bool(one["skipping"]),
    )  # fmt: skip


def _old(key: str, at: Any) -> Saved:
    """Version 1: `{"device:inode": position}`."""
    device, _, inode = key.partition(":")
    place = (int(device), int(inode))
    return Saved(place, "", "", int(at), int(at), NOTHING, NOTHING, skipping=False)
