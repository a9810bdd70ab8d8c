"""The files of one section of the configuration: lines read, joined to records, accounted for."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from padit.adapters.base import Emitter, now
from padit.adapters.errors import AdapterError
from padit.adapters.log_files import Followed
from padit.adapters.log_options import LogFile
from padit.adapters.log_tail import Tail
from padit.codecs.logs.parser import LONGEST_RECORD, MOST_LINES, LineParser
from padit.codecs.logs.record import LogRecord

__all__ = ["LogSource", "report_books", "service_of"]

_KUBERNETES = re.compile(r"[\w.-]+_[\w.-]+_([\w.-]+)-[0-9a-f]{64}\.log(?:\W.*)?")
_UNWATCHED = ("copy", "compressed", "utf_16")
# What was noticed: kinds of `LineParser.left` and `.notes`, with the reason and the option.
_LEFT = {
    "blank": "a blank line that belongs to no record",
    "long_record": f"a record of more than {MOST_LINES} lines or {LONGEST_RECORD} characters; its "
    "end is not kept: multiline: false makes every line a record",
    "encoding": "no UTF-8; what cannot be read stands as U+FFFD",
    "nul": "zero bytes around a line are left out; a file that is cut while it is written has them",
    "time": "a time that cannot be read; the time of arrival stands in: name it by pattern",
    "duration_unit": "a duration without a unit is read as ns: duration_unit says otherwise",
}


def service_of(path: str) -> str:
    """The service of a file that names none.

    >>> service_of("/var/log/shop.log.1")
    'shop'
    >>> service_of(f"/var/log/containers/web-7_prod_nginx-{'0' * 64}.log")
    'nginx'
    """
    name = Path(path).name
    container = _KUBERNETES.fullmatch(name)
    return container[1] if container else name.partition(".")[0] or name


def report_books(parser: LineParser, place: str, emitter: Emitter) -> None:
    """Hand over what a parser left, refused and noticed since the last call."""
    for books in (parser.left, parser.notes):
        for kind, (count, example) in books.items():
            text = f"{place}: {_LEFT[kind]}"
            emitter.unwatched(kind, f"{text}, such as {example!r}" if example else text, count)
        books.clear()
    for kind, (count, example) in parser.refused.items():
        emitter.fault(kind, f"{place}: a line that is no text, such as {example}", count)
    parser.refused.clear()


class _Reader:
    """The parser of one file."""

    def __init__(self, service: str, parser: LineParser) -> None:
        self.service = service
        self.parser = parser
        self.touched = False


class LogSource:
    """One `files` entry.

    Args:
        options: the entry.
        state: where positions are kept, or None.
        emitter: gets what is not read; looked up each time, since `open` may bring another.
        take: takes records.
    """

    def __init__(
        self,
        options: LogFile,
        state: Path | None,
        emitter: Callable[[], Emitter],
        take: Callable[[list[LogRecord]], None],
    ) -> None:
        self._options = options
        self._emitter = emitter
        self._take = take
        self._settings = options.settings()
        self._waiting: list[Followed] = []
        self._tail = Tail(
            options.path,
            from_start=options.from_start,
            state=_made(state),
            say=self._say,
            reader=self._reader,
            held=lambda reader: reader.parser.pending,
        )

    def _reader(self, path: str) -> _Reader:
        service = self._options.service or service_of(path)
        return _Reader(service, LineParser(service, self._settings))

    def _say(self, kind: str, message: str, count: int) -> None:
        emitter = self._emitter()
        (emitter.unwatched if kind in _UNWATCHED else emitter.fault)(kind, message, count)

    def read(self) -> None:
        """Take all new records; the last one of a file may wait for further lines."""
        received = now()
        for file, lines, ended in self._tail.read():
            reader: _Reader = file.reader
            reader.touched = True
            self._took(reader, file, reader.parser.feed(lines, received, file.written))
            if ended:
                self._took(reader, file, reader.parser.flush())

    def _took(self, reader: _Reader, file: Followed, records: list[LogRecord]) -> None:
        for part in _parts(records):
            self._take(part)
        report_books(reader.parser, file.path, self._emitter())

    def wait(self, seconds: float) -> bool:
        """End records of files that are older; whether others wait for further lines."""
        moment = now()
        self._waiting = []
        for file in self._tail.files:
            reader: _Reader = file.reader
            if not reader.parser.pending:
                continue
            if file.more:
                continue  # the next lines are there already
            if moment - file.written > max(seconds, 1.0):
                self._took(reader, file, reader.parser.flush())
            else:
                reader.touched = False
                self._waiting.append(file)
        return bool(self._waiting)

    def end(self) -> None:
        """Read once more, and end records that waited and got no further line; save positions."""
        if self._waiting:
            self.read()
            for file in self._waiting:
                if not file.reader.touched:
                    self._took(file.reader, file, file.reader.parser.flush())
            self._waiting = []
        self._tail.save()

    def close(self) -> None:
        """End all records, save positions, close the files."""
        for file in self._tail.files:
            self._took(file.reader, file, file.reader.parser.flush())
        self._tail.close()


def _parts(records: list[LogRecord], most: int = 5_000) -> Iterator[list[LogRecord]]:
    for start in range(0, len(records), most):
        yield records[start : start + most]


def _made(state: Path | None) -> Path | None:
    if state is not None:
        try:
            state.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"state_dir {state.parent} cannot be made: {error}"
            raise AdapterError(message, cause="state_dir") from error
    return state
