"""Files that grow: new lines, through rotation and truncation, from where reading stopped.

A file is known by its device and inode. When its name belongs to another file, the old one is
read to its end first (it is kept open), then the new one from its start. A file that became
shorter begins again. A line is given when it is complete; one that is longer than
`LONGEST_LINE` is cut. Between two reads one rotation is followed; of two, the file in between
is lost.
"""

import contextlib
import glob
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

__all__ = ["LONGEST_LINE", "Tail"]

LONGEST_LINE = 1_000_000
_READ_AT_ONCE = 1 << 20
_MOST_PER_READ = 32 << 20

Place = tuple[int, int]


class _File:
    """One open file and the unfinished line at its end."""

    def __init__(self, handle: IO[bytes], position: int) -> None:
        self.handle = handle
        stat = os.fstat(handle.fileno())
        self.place: Place = (stat.st_dev, stat.st_ino)
        handle.seek(position)
        self.rest = b""
        self.skipping = False

    @property
    def position(self) -> int:
        """Where reading would go on after a restart: the start of the unfinished line."""
        return self.handle.tell() - len(self.rest)

    def lines(self) -> Iterator[bytes]:
        """Complete lines that are new, at most about 32 MB of them."""
        if os.fstat(self.handle.fileno()).st_size < self.handle.tell():
            self.handle.seek(0)  # truncated: what was there is gone
            self.rest = b""
        for _ in range(_MOST_PER_READ // _READ_AT_ONCE):
            data = self.handle.read(_READ_AT_ONCE)
            if not data:
                return
            *whole, self.rest = (self.rest + data).split(b"\n")
            for line in whole:
                if self.skipping:  # the end of a line whose head was given already
                    self.skipping = False
                    continue
                yield line[:LONGEST_LINE]
            if len(self.rest) > LONGEST_LINE:
                if not self.skipping:
                    yield self.rest[:LONGEST_LINE]
                self.rest, self.skipping = b"", True


class Tail:
    """All files that match a pattern.

    Args:
        pattern: path with wildcards, as for a shell.
        from_start: whether files that exist at the first look are read from their start; files
            that appear later always are.
        state: where positions are kept over restarts; None keeps none.
    """

    def __init__(self, pattern: str, *, from_start: bool, state: Path | None) -> None:
        self._pattern = pattern
        self._from_start = from_start
        self._state = state
        self._files: dict[str, _File] = {}
        self._first = True
        self._known = self._load()

    def read(self) -> Iterator[tuple[str, bytes]]:
        """(path, line) of all new complete lines."""
        for path in sorted(glob.glob(self._pattern, recursive=True)):
            yield from self._read_path(path)
        for path in [path for path in self._files if not os.path.exists(path)]:
            for line in self._files[path].lines():
                yield path, line
            self._files.pop(path).handle.close()
        self._first = False

    def _read_path(self, path: str) -> Iterator[tuple[str, bytes]]:
        known = self._files.get(path)
        if known is not None:
            for line in known.lines():
                yield path, line
            if self._place(path) == known.place:
                return
            known.handle.close()
            del self._files[path]
        opened = self._open(path)
        if opened is not None:
            self._files[path] = opened
            for line in opened.lines():
                yield path, line

    def _place(self, path: str) -> Place | None:
        try:
            stat = os.stat(path)
        except OSError:
            return None
        return stat.st_dev, stat.st_ino

    def _open(self, path: str) -> _File | None:
        try:
            handle = open(path, "rb", buffering=0)  # noqa: SIM115 - closed when it is rotated
        except OSError:
            return None
        stat = os.fstat(handle.fileno())
        saved = self._known.pop(f"{stat.st_dev}:{stat.st_ino}", None)
        if saved is not None and saved <= stat.st_size:
            position = saved
        else:
            position = stat.st_size if self._first and not self._from_start else 0
        return _File(handle, position)

    def save(self) -> None:
        """Write down how far everything was read."""
        if self._state is None:
            return
        partial = self._state.with_suffix(".partial")
        with contextlib.suppress(OSError):
            partial.write_text(json.dumps(self._places()))
            partial.replace(self._state)

    def _places(self) -> dict[str, int]:
        return {f"{file.place[0]}:{file.place[1]}": file.position for file in self._files.values()}

    def _load(self) -> dict[str, int]:
        if self._state is None:
            return {}
        try:
            content = json.loads(self._state.read_text())
        except (OSError, ValueError):
            return {}
        if not isinstance(content, dict):
            return {}
        return {str(key): int(at) for key, at in content.items() if isinstance(at, int)}

    def close(self) -> None:
        """Save positions and close the files; reading goes on from there."""
        self.save()
        self._known = self._places()
        for file in self._files.values():
            file.handle.close()
        self._files.clear()
