"""Log records on disk, searchable, within a bound of size and age.

Segments `<day>-<number>.db` are SQLite files with a full-text index (FTS5) over message and
attributes. A new one begins with every day of arrival (UTC) and whenever one holds a sixteenth
of `max_bytes`; the oldest goes when all together are larger than `max_bytes` or its day is more
than `days` ago. In a crash what `add` has returned for is kept (a power cut may lose the last
seconds). A damaged segment is passed over until its time has come.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from padit.adapters.errors import AdapterError
from padit.codecs.log_lines import LogRecord
from padit.domain.timestamps import parse_timestamp

__all__ = ["LogStore", "Search", "SlowSearchError"]

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS log(
    id INTEGER PRIMARY KEY, time INTEGER, service TEXT, level TEXT, record BLOB);
CREATE INDEX IF NOT EXISTS log_time ON log(time);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(text, content='');
"""
_SEGMENTS = 16
_LONGEST_SEARCH_SEC = 5.0
_MOST_TEXT = 32_768


class SlowSearchError(Exception):
    """A search that was given up because it would keep the disk busy for too long."""


class Search(NamedTuple):
    """The conditions of a search; all of them must hold.

    Attributes:
        service: exactly; "" is any.
        level: exactly, in capitals; "" is any.
        words: all must occur, in any order; a word that ends in * is the start of one; "" is any.
        since: microseconds since 1970, inclusive.
        until: microseconds since 1970, exclusive.
        limit: most records, the newest.
    """

    service: str = ""
    level: str = ""
    words: str = ""
    since: int = 0
    until: int = 2**62
    limit: int = 100

    def sql(self) -> tuple[str, list[Any]]:
        """The statement for one segment, with its values."""
        conditions, values = ["time >= ?", "time < ?"], [self.since, self.until]
        found: list[Any] = list(values)
        for column, value in (("service", self.service), ("level", self.level)):
            if value:
                conditions.append(f"{column} = ?")
                found.append(value)
        if self.words.strip():
            conditions.append("id IN (SELECT rowid FROM words WHERE words MATCH ?)")
            found.append(" ".join(map(_quoted, self.words.replace("\0", " ").split())))
        where = " AND ".join(conditions)
        found.append(self.limit)
        return f"SELECT time, record FROM log WHERE {where} ORDER BY time DESC LIMIT ?", found  # noqa: S608


def _quoted(word: str) -> str:
    """A word as FTS5 takes it, whatever characters are in it."""
    start = word.endswith("*") and len(word) > 1
    text = (word[:-1] if start else word).replace('"', '""')
    return f'"{text}"*' if start else f'"{text}"'


class LogStore:
    """The store of one adapter; `add` from one thread at a time, `search` from any.

    Args:
        directory: made if it is missing; what it holds from before can be found again.
        max_bytes: bound of all segments together.
        days: how many days records are kept.
        clock: epoch seconds.

    Raises:
        AdapterError: the directory cannot be used.
    """

    def __init__(
        self,
        directory: Path,
        max_bytes: int,
        days: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._max = max_bytes
        self._days = days
        self._clock = clock
        self._path = directory
        self._writer: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"store_dir {directory} cannot be made: {error}"
            raise AdapterError(message, cause="store_dir") from error

    def add(self, records: Sequence[tuple[LogRecord, bytes]]) -> None:
        """Keep records, each with its bytes.

        Raises:
            AdapterError: the disk is full or gone; nothing of `records` was kept.
        """
        with self._lock:
            try:
                self._insert(self._segment(), records)
            except (sqlite3.Error, OSError) as error:
                self._end_segment()
                message = f"{self._directory}: logs are not kept for search: {error}"
                raise AdapterError(message, cause="store") from error
            self._shrink()

    def _insert(
        self, writer: sqlite3.Connection, records: Sequence[tuple[LogRecord, bytes]]
    ) -> None:
        with writer:  # one transaction
            last = writer.execute("SELECT coalesce(max(id), 0) FROM log").fetchone()[0]
            rows = [
                (last + i, parse_timestamp(one.timestamp), _plain(one.service), one.level, data)
                for i, (one, data) in enumerate(records, 1)
            ]
            writer.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?)", rows)
            writer.executemany(
                "INSERT INTO words(rowid, text) VALUES (?, ?)",
                [(last + i, _text(one)) for i, (one, _) in enumerate(records, 1)],
            )

    def search(self, wanted: Search) -> list[bytes]:
        """The newest records that match, newest first.

        Raises:
            SlowSearchError: it would take longer than 5 s.
        """
        statement, values = wanted.sql()
        deadline = time.monotonic() + _LONGEST_SEARCH_SEC
        found: list[tuple[int, bytes]] = []
        for path in reversed(self._segments()):
            try:
                with _reader(path, deadline) as reader:
                    found += reader.execute(statement, values).fetchall()
            except sqlite3.OperationalError as error:
                if time.monotonic() > deadline:
                    message = f"a search was given up after {_LONGEST_SEARCH_SEC:g} s"
                    raise SlowSearchError(message) from error
            except sqlite3.DatabaseError:
                continue  # damaged
            found.sort(key=lambda row: row[0], reverse=True)
            del found[wanted.limit :]
        return [record for _, record in found]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(map(_size, self._segments()))

    def close(self) -> None:
        """Give the file back; `add` opens it again."""
        with self._lock:
            self._end_segment()

    def _segments(self) -> list[Path]:
        """All of them, oldest first."""
        return sorted(self._directory.glob("*-*.db"))

    def _today(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%d")

    def _segment(self) -> sqlite3.Connection:
        """Where records go now."""
        today = self._today()
        full = _size(self._path) > self._max // _SEGMENTS
        if self._writer is not None and not full and self._path.name[:8] >= today:
            return self._writer
        self._end_segment()
        last = next(reversed(self._segments()), None)
        if last is None or last.name[:8] < today:
            number = 0
        else:
            today, number = last.name[:8], int(last.stem[9:])
            number += _size(last) > self._max // _SEGMENTS
        try:
            return self._begin(self._directory / f"{today}-{number:06d}.db")
        except sqlite3.DatabaseError:
            return self._begin(self._directory / f"{today}-{number + 1:06d}.db")

    def _begin(self, path: Path) -> sqlite3.Connection:
        writer = sqlite3.connect(path, check_same_thread=False)
        try:
            writer.executescript(_SCHEMA)
        except sqlite3.Error:
            writer.close()
            raise
        self._path, self._writer = path, writer
        return writer

    def _end_segment(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _shrink(self) -> None:
        """Let the oldest go; never the one that is written."""
        oldest = datetime.fromtimestamp(self._clock(), UTC) - timedelta(days=self._days)
        segments = self._segments()
        sizes = list(map(_size, segments))
        total = sum(sizes)
        for path, size in list(zip(segments, sizes, strict=True))[:-1]:
            if total <= self._max and path.name[:8] >= oldest.strftime("%Y%m%d"):
                return
            for end in ("", "-wal", "-shm"):
                path.with_name(path.name + end).unlink(missing_ok=True)
            total -= size


@contextmanager
def _reader(path: Path, deadline: float) -> Iterator[sqlite3.Connection]:
    """A connection that gives up at the deadline."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as reader:
        reader.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        yield reader


def _size(path: Path) -> int:
    total = 0
    for end in ("", "-wal"):
        try:
            total += path.with_name(path.name + end).stat().st_size
        except OSError:
            continue
    return total


def _text(record: LogRecord) -> str:
    """The text in which words are searched."""
    values = (str(value) for value in record.attributes.values())
    return _plain(" ".join((record.message, *values))[:_MOST_TEXT])


def _plain(text: str) -> str:
    """Text that SQLite takes: without half characters."""
    return text.encode("utf-8", "replace").decode()
