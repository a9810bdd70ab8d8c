"""Files that grow: new lines, through rotation and truncation, from where reading stopped.

A file is known by its place and by prints of its content (`adapters.log_files`), not by its name: a
renamed file is read on, a copy from where the original was read to, a compressed one not at all. A
file that was cut begins again, also if it has grown past the old position since; what may be lost
by that is said. A line is given when it is complete; of one that is longer than `LONGEST_LINE`
the rest is skipped, and said.

A file whose name is gone is read on for a few looks while it is open. Of two rotations between two
looks, the file in between is read where rotation left it, also beside the pattern
(`adapters.log_strays`); if it was compressed at once, that is said. One that was deleted by then
has left nothing that could be counted. A file that was cut and filled again with the very bytes
that were read cannot be told from one that was not.
"""

import errno
import glob
import os
import stat
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from padit.adapters.log_files import (
    NOTHING,
    Followed,
    Generation,
    Index,
    Place,
    is_compressed,
    unmoved,
)
from padit.adapters.log_positions import Saved, load, write
from padit.adapters.log_strays import moved, strays
from padit.adapters.log_text import decoded, encoding_of, line_start, split_lines

__all__ = ["LONGEST_LINE", "Batch", "Tail"]

LONGEST_LINE = 1_000_000
_READ_AT_ONCE = 1 << 20
_MOST_PER_READ = 32 << 20
_MOST_OPEN = 200
_MOST_GENERATIONS = 1_000
_MOST_NAMED = 10_000
_IDLE_LOOKS = 3

Say = Callable[[str, str, int], None]


class Batch(NamedTuple):
    """Lines of one file, in order.

    Attributes:
        file: where they are from.
        lines: complete, without line breaks.
        ended: whether what follows is no continuation of them.
    """

    file: Followed
    lines: list[bytes]
    ended: bool = False


class Tail:
    """All files that match a pattern.

    Args:
        pattern: path with wildcards, as for a shell.
        from_start: whether files that exist at the first look are read from their start; files
            that appear later always are, and so are those that appeared since `state` was saved.
        state: where positions are kept over restarts; None keeps none.
        say: called with (kind, message, count) for what is not read. Kinds: unreadable,
            compressed, copy, truncated, rotated, long_line, behind, state.
        reader: makes `Followed.reader` of a path.
        held: bytes in front of the position that a reader still needs after a crash.
    """

    def __init__(
        self,
        pattern: str,
        *,
        from_start: bool,
        state: Path | None,
        say: Say = lambda kind, message, count: None,
        reader: Callable[[str], Any] = lambda path: None,
        held: Callable[[Any], int] = lambda reader: 0,
    ) -> None:
        self._pattern = pattern
        self._state = state
        self._say = say
        self._reader = reader
        self._held = held
        self._files: dict[Place, Followed] = {}
        self._handles: OrderedDict[Place, int] = OrderedDict()
        self._named: set[tuple[str, str]] = set()
        self._saved = {one.place: one for one in self._load()}
        self._start = from_start or bool(self._saved)
        self._first = True
        self._history: deque[Generation] = deque(maxlen=_MOST_GENERATIONS)
        self._cuts: dict[Generation, int] = {}
        self._left = 0
        self._turn = 0

    def _load(self) -> list[Saved]:
        try:
            return load(self._state)
        except (OSError, ValueError) as error:
            text = f"{self._state} cannot be read, so files are read as if seen the first time"
            self._say("state", f"{text}: {error}", 1)
            return []

    @property
    def files(self) -> list[Followed]:
        """All that are followed."""
        return list(self._files.values())

    def read(self) -> Iterator[Batch]:
        """All new complete lines, at most about 32 MB of them."""
        self._left = _MOST_PER_READ
        found = self._look()
        known = list(self._files)
        before = {file.path: file for file in self._files.values()}
        self._turn = self._turn % len(known) if known else 0
        for place in known[self._turn :] + known[: self._turn]:
            file = self._files[place]
            seen = found.pop(place, None)
            if seen is None:
                yield from self._gone(file)
                continue
            file.path, file.idle = seen[0], 0
            yield from self._read_on(file, seen[1])
        for path in sorted({path for path, _ in found.values()} & before.keys()):
            found = self._between(path, before[path]) | found
        yield from self._read_new(found)
        self._turn += 1
        self._first = False
        self._start = True
        for generation, size in self._cuts.items():
            self._say_cut(generation, size)
        self._cuts.clear()

    def _look(self) -> dict[Place, tuple[str, os.stat_result]]:
        """What matches the pattern, by place; of several names the first."""
        found: dict[Place, tuple[str, os.stat_result]] = {}
        for path in sorted(glob.glob(self._pattern, recursive=True)):
            try:
                status = os.stat(path)
            except OSError as error:
                if error.errno != errno.ENOENT:
                    self._once("unreadable", path, f"{path} cannot be read: {error.strerror}")
                continue
            if stat.S_ISDIR(status.st_mode):
                continue
            if not stat.S_ISREG(status.st_mode):
                self._once("unreadable", path, f"{path} is no regular file")
            elif is_compressed(path):
                self._once("compressed", path, f"{path} is compressed and not read")
            else:
                found.setdefault((status.st_dev, status.st_ino), (path, status))
        return found

    def _once(self, kind: str, path: str, message: str) -> None:
        """Say something about a file the first time."""
        if (kind, path) in self._named:
            return
        if len(self._named) >= _MOST_NAMED:
            self._named.clear()
        self._named.add((kind, path))
        self._say(kind, message, 1)

    def _between(self, path: str, file: Followed) -> dict[Place, tuple[str, os.stat_result]]:
        """Files that bore the name between two looks, and lie beside it now."""
        handle = self._handles.get(file.place)
        since = file.changed if handle is None else os.fstat(handle).st_mtime_ns
        seen: dict[Place, tuple[str, os.stat_result]] = {}
        for one in strays(path, self._files.keys() | self._saved.keys(), since):
            if one.packed:
                text = f"{one.path} was written, rotated and compressed between two looks"
                self._once("rotated", one.path, f"{text}, and is not read: lower interval_sec")
            else:
                seen[one.place] = one.path, one.status
        return seen

    def _moved(self, one: Saved) -> dict[Place, tuple[str, os.stat_result]]:
        """A file that was moved beside the pattern while nothing ran."""
        beside = moved(one.path, one.place)
        if beside is not None:
            return {beside.place: (beside.path, beside.status)}
        self._history.append(self._saved.pop(one.place).generation)
        return {}

    def _read_new(self, found: dict[Place, tuple[str, os.stat_result]]) -> Iterator[Batch]:
        if self._first:
            for place in sorted(self._saved.keys() - found.keys()):
                found = self._moved(self._saved[place]) | found
        if not found:
            return
        followed = [file.generation for file in self._files.values()]
        saved = [one.generation for one in self._saved.values()]
        index = Index([*self._history, *followed, *saved])
        for place, (path, status) in found.items():
            handle = self._open(path, place)
            if handle is None:
                continue
            if is_compressed(path, handle):
                self._once("compressed", path, f"{path} is compressed and not read")
                self._close(place)
                continue
            file = self._begin(path, place, handle, status, index)
            self._files[place] = file
            yield from self._read_on(file, status)
            index.add(file.generation)

    def _begin(
        self, path: str, place: Place, handle: int, status: os.stat_result, index: "Index"
    ) -> Followed:
        file = Followed(place, path, path, reader=self._reader(path))
        saved = self._saved.pop(place, None)
        if saved is not None and saved.fits(handle, status.st_size):
            file.position, file.skipping, file.birth = saved.position, saved.skipping, saved.birth
        elif saved is not None:
            self._cut(saved.generation, 0)
            index.add(saved.generation)
        elif not self._start:
            file.position = line_start(handle, status.st_size, LONGEST_LINE)
        if saved is None or not file.position:
            copied = index.copied(handle, path, status.st_size)
            if copied is not None:
                self._cuts.pop(copied[0], None)
                file.position = max(file.position, copied[1])
                text = f"{path} is a copy of {copied[0].paths[1]}; its first {copied[1]} bytes"
                self._once("copy", path, f"{text} were read there")
        file.printed(handle)
        return file

    def _read_on(self, file: Followed, status: os.stat_result) -> Iterator[Batch]:
        """What is new in a file."""
        file.written = status.st_mtime
        same = file.size == status.st_size and file.changed == status.st_mtime_ns
        if (same and not file.more) or self._left <= 0:
            file.more = file.more or not same
            return
        handle = self._open(file.path, file.place)
        if handle is None:
            return
        try:
            if not unmoved(handle, status.st_size, file.position, file.before, file.head):
                self._cut(file.generation, max(file.size - file.position, 0))
                yield Batch(file, [], ended=True)
                file.position, file.head, file.skipping = 0, NOTHING, False
            if file.encoding is None or file.position < 4:
                file.encoding = encoding_of(handle)
            if file.encoding:
                self._once(
                    "utf_16", file.path, f"{file.path} is read as UTF-16, by its first bytes"
                )
            yield from self._lines(file, handle)
            file.printed(handle)
        except OSError as error:
            self._once("unreadable", file.path, f"{file.path} cannot be read: {error.strerror}")
            return
        self._named.discard(("unreadable", file.path))
        file.size, file.changed = status.st_size, status.st_mtime_ns
        if file.more:
            text = f"{file.path} grows faster than it is read, {_MOST_PER_READ >> 20} MB a poll"
            self._once("behind", file.path, f"{text}: nothing is lost yet; lower interval_sec")
        else:
            self._named.discard(("behind", file.path))

    def _lines(self, file: Followed, handle: int) -> Iterator[Batch]:
        rest, file.more = b"", False
        while data := os.pread(handle, _READ_AT_ONCE, file.position + len(rest)):
            self._left -= len(data)
            lines, last = split_lines(rest + data, file)
            file.position += len(rest) + len(data) - len(last)
            rest = last
            if lines and file.skipping:  # the end of a line whose head was given already
                file.skipping = False
                del lines[0]
            if len(rest) > LONGEST_LINE:
                file.position += len(rest)
                if not file.skipping:
                    lines.append(decoded(rest, file))
                rest, file.skipping = b"", True
            if lines:
                yield Batch(file, self._shortened(file, lines))
            if self._left <= 0:
                file.more = True
                return

    def _shortened(self, file: Followed, lines: list[bytes]) -> list[bytes]:
        if max(map(len, lines)) <= LONGEST_LINE:
            return lines
        long = sum(len(line) > LONGEST_LINE for line in lines)
        file.uneven = True
        text = f"{file.path}: a line of more than {LONGEST_LINE} bytes"
        self._say("long_line", f"{text}; its end is not read", long)
        return [line[:LONGEST_LINE] for line in lines]

    def _gone(self, file: Followed) -> Iterator[Batch]:
        """Read on in a file whose name is gone, and give it up after a few looks."""
        handle = self._handles.get(file.place)
        if handle is None:
            unread = file.size - file.position
            if unread > 0:
                self._say("truncated", f"{file.path} is gone with {unread} bytes unread", 1)
            yield from self._end(file, [])
            return
        before = file.position
        status = os.fstat(handle)
        yield from self._read_on(file, status)
        file.idle = file.idle + 1 if file.position == before else 0
        if not file.more and (status.st_nlink == 0 or file.idle >= _IDLE_LOOKS):
            end = os.pread(handle, LONGEST_LINE, file.position)
            yield from self._end(file, [decoded(end, file)] if end and not file.skipping else [])

    def _end(self, file: Followed, lines: list[bytes]) -> Iterator[Batch]:
        self._close(file.place)
        self._files.pop(file.place, None)
        self._history.append(file.generation)
        yield Batch(file, lines, ended=True)

    def _cut(self, generation: Generation, unread: int) -> None:
        self._history.append(generation)
        self._cuts[generation] = unread

    def _say_cut(self, generation: Generation, unread: int) -> None:
        known = f"at least {unread} bytes" if unread else "perhaps some bytes"
        text = f"{generation.paths[1]} was cut or replaced after {generation.position} bytes were"
        text = f"{text} read; what was written between that and the cut is lost ({known})"
        self._say("truncated", f"{text}: let path match the copy, too, or lower interval_sec", 1)

    def _open(self, path: str, place: Place) -> int | None:
        """A handle of the file; those used longest ago are closed when there are many."""
        handle = self._handles.get(place)
        if handle is not None:
            self._handles.move_to_end(place)
            return handle
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENOENT:
                self._once("unreadable", path, f"{path} cannot be read: {error.strerror}")
            return None
        status = os.fstat(handle)
        if (status.st_dev, status.st_ino) != place:  # renamed since the look
            os.close(handle)
            return None
        self._handles[place] = handle
        while len(self._handles) > _MOST_OPEN:
            _, oldest = self._handles.popitem(last=False)
            os.close(oldest)
        return handle

    def _close(self, place: Place) -> None:
        handle = self._handles.pop(place, None)
        if handle is not None:
            os.close(handle)

    def save(self) -> None:
        """Write down how far everything was read."""
        if self._state is None:
            return
        try:
            write(self._state, self._notes())
        except OSError as error:
            text = f"{self._state} cannot be written: {error.strerror}"
            self._once("state", str(self._state), f"{text}; a restart reads lines again")

    def _notes(self) -> list[Saved]:
        """Of files that are followed, and of those that were and have not been seen yet."""
        return [*self._saved.values(), *map(self._note, self._files.values())]

    def _note(self, file: Followed) -> Saved:
        held = self._held(file.reader)
        file.uneven = file.uneven and held > 0
        held *= 2 if file.encoding else 1
        back = 0 if file.uneven else min(held, file.position)
        return Saved(file.place, file.birth, file.path, file.position - back, file.position,
                     file.head, file.before, file.skipping)  # fmt: skip

    def close(self) -> None:
        """Save positions and close the files; reading goes on from there."""
        self.save()
        self._saved = {one.place: one for one in self._notes()}
        for place in list(self._handles):
            self._close(place)
        self._files.clear()
        self._first = True
