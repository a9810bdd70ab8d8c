"""Log records with full text search, in SQLite (FTS5): search, statistics, templates."""

import re
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import numpy as np

from padit.analysis.log_columns import Chosen, LogColumns, slices
from padit.domain.errors import SinkError

__all__ = ["LEVELS", "UNKNOWN", "Level", "LogRecord", "LogStore", "template_of"]

Level = Literal["trace", "debug", "info", "warning", "error", "critical"]
_VARIABLE = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b0x[0-9a-f]+\b|\b[0-9a-f]{16,}\b"
    r"|(?<![A-Za-z_])[-+]?\d[\d.,:]*\w*|\"[^\"]*\"|'[^']*'",
    re.IGNORECASE,
)
_LONGEST_TEMPLATE = 300
LEVELS: tuple[Level, ...] = get_args(Level)
UNKNOWN = "unknown"  # stands for every level that is none of these
_AT_ONCE = 50_000


class LogRecord(msgspec.Struct, frozen=True):
    """A line of a log: event time in microseconds, source, level and text.

    A level that is none of `LEVELS` is kept as it was stated, and counted as `UNKNOWN`.
    """

    time: int
    source: str
    level: str
    message: str


def template_of(message: str) -> str:
    """A message without what varies: numbers, ids and what is quoted.

    >>> template_of("user 42 waited 3.5s for 'cart'")
    'user <*> waited <*> for <*>'
    """
    return _VARIABLE.sub("<*>", message[:2000])[:_LONGEST_TEMPLATE]


class LogStore:
    """Opens or makes the store.

    Args:
        path: of the SQLite file.
        most: records that are kept; the oldest go first.
    """

    def __init__(self, path: Path, most: int = 5_000_000) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._path = path
        self._local = threading.local()
        self._write = self._connect()
        self._columns: LogColumns | None = None
        self._loading = threading.Lock()
        self._write.executescript(
            """
            CREATE TABLE IF NOT EXISTS template (id INTEGER PRIMARY KEY, text TEXT UNIQUE);
            CREATE TABLE IF NOT EXISTS record (id INTEGER PRIMARY KEY, time INTEGER NOT NULL,
                source TEXT NOT NULL, level TEXT NOT NULL, template INTEGER NOT NULL,
                message TEXT NOT NULL);
            CREATE INDEX IF NOT EXISTS record_time ON record (time, id);
            CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (message, content='record',
                content_rowid='id');
            """
        )

        if self._write.execute("SELECT 1 FROM record LIMIT 1").fetchone() is None:
            self._columns = LogColumns(LEVELS)  # followed from the first record on

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    def _reader(self) -> sqlite3.Connection:
        if not hasattr(self._local, "connection"):
            self._local.connection = self._connect()
        connection: sqlite3.Connection = self._local.connection
        return connection

    def close(self) -> None:
        """Close the file."""
        self._write.close()

    def add(self, records: Sequence[LogRecord]) -> list[int]:
        """Ids of new records.

        Raises:
            SinkError: the disk is full, or the file is damaged; nothing was added.
        """
        with self._lock:
            try:
                self._write.execute("BEGIN IMMEDIATE")
                try:
                    ids = self._insert(records)
                    self._forget(ids[-1] if ids else 0)
                except BaseException:
                    self._write.execute("ROLLBACK")
                    raise
                self._write.execute("COMMIT")
                self._follow()
            except sqlite3.Error as error:
                message = f"the store of logs cannot be written: {error}"
                raise SinkError(message) from error
        return ids

    def _follow(self) -> None:
        """Bring what was added into the columns, if they were loaded; the lock is held."""
        columns = self._columns
        if columns is not None:
            _load(self._write, columns)
            columns.forget(columns.last - self._most)

    def _loaded(self) -> LogColumns:
        """The columns; the first to ask loads them, and records may be added meanwhile."""
        with self._loading:
            columns = self._columns
            if columns is None:
                columns = LogColumns(LEVELS)
                while _load(self._reader(), columns, _AT_ONCE) == _AT_ONCE:
                    pass
                with self._lock:
                    _load(self._reader(), columns)
                    self._columns = columns
        return columns

    def _insert(self, records: Sequence[LogRecord]) -> list[int]:
        texts = [template_of(one.message) for one in records]
        self._write.executemany(
            "INSERT OR IGNORE INTO template (text) VALUES (?)", {(text,) for text in texts}
        )
        first = self._write.execute("SELECT coalesce(max(id), 0) + 1 FROM record").fetchone()[0]
        self._write.executemany(
            "INSERT INTO record VALUES (?, ?, ?, ?, (SELECT id FROM template WHERE text = ?), ?)",
            [
                (first + at, one.time, one.source, one.level, texts[at], one.message)
                for at, one in enumerate(records)
            ],
        )
        self._write.executemany(
            "INSERT INTO words (rowid, message) VALUES (?, ?)",
            [(first + at, one.message) for at, one in enumerate(records)],
        )
        return list(range(first, first + len(records)))

    def _forget(self, last: int) -> None:
        border = last - self._most
        if border <= 0:
            return
        old = self._write.execute(
            "SELECT id, message FROM record WHERE id <= ?", (border,)
        ).fetchall()
        self._write.executemany(
            "INSERT INTO words (words, rowid, message) VALUES ('delete', ?, ?)", old
        )
        self._write.execute("DELETE FROM record WHERE id <= ?", (border,))

    def search(
        self,
        words: str,
        *,
        source: str = "",
        level: str = "",
        start: int = 0,
        end: int = 1 << 62,
        before: int = 1 << 62,
        most: int = 100,
    ) -> list[dict[str, Any]]:
        """Records that have all the words, the newest id first, with ids below `before`."""
        where, arguments = _where(words, source, level, start, end)
        rows = self._reader().execute(
            f"SELECT id, time, source, level, message FROM record WHERE {where} AND id < ? "  # noqa: S608  # fixed text
            "ORDER BY id DESC LIMIT ?",
            (*arguments, before, most),
        )
        names = ("id", "time", "source", "level", "message")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def statistics(
        self, words: str = "", *, source: str = "", start: int = 0, end: int = 1 << 62
    ) -> dict[str, Any]:
        """Counts by level and source, the commonest templates, and counts over time."""
        columns, read = self._loaded(), self._reader()
        ids = None
        if phrases := _phrases(words):
            rows = read.execute("SELECT rowid FROM words WHERE words MATCH ?", (phrases,))
            ids = np.array([row[0] for row in rows], np.int64)
        chosen = columns.choose(ids, columns.last - self._most, source, start, end)
        templates = chosen.commonest("template", 30)
        texts = dict(
            read.execute(
                "SELECT id, text FROM template WHERE id IN (SELECT value FROM json_each(?))",
                (msgspec.json.encode([one for one, _ in templates]).decode(),),
            )
        )
        names = (*LEVELS, UNKNOWN)
        levels = sorted((-n, names[one]) for one, n in chosen.commonest("level", 10))
        return {
            "count": len(chosen.time),
            "levels": {name: -n for n, name in levels},
            "sources": self._sources(read, chosen),
            "templates": [{"template": texts[one], "count": n} for one, n in templates],
            "over_time": slices(chosen.time),
        }

    @staticmethod
    def _sources(read: sqlite3.Connection, chosen: Chosen) -> dict[str, int]:
        """The commonest sources; what is forgotten meanwhile has no name any more."""
        found = []
        for digest, n in chosen.commonest("source", 50):
            query = "SELECT source FROM record WHERE id = ?"
            row = read.execute(query, (chosen.one_of(digest),)).fetchone()
            if row is not None:
                found.append((-n, row[0]))
        return {name: -n for n, name in sorted(found)}


def _load(read: sqlite3.Connection, columns: LogColumns, most: int = -1) -> int:
    """Bring records behind the last one of the columns into them; how many there were."""
    rows = read.execute(
        "SELECT time, source, level, template, id FROM record WHERE id > ? ORDER BY id LIMIT ?",
        (columns.last, most),
    ).fetchall()
    if rows:
        columns.add(rows[0][4], [row[:4] for row in rows])
    return len(rows)


def _phrases(words: str) -> str:
    """Words as FTS5 has them: each a phrase of its own."""
    found = " ".join('"' + one.replace('"', '""') + '"' for one in words.split()[:20])
    return found.replace("\x00", " ")


def _where(words: str, source: str, level: str, start: int, end: int) -> tuple[str, list[Any]]:
    where, arguments = ["time BETWEEN ? AND ?"], [start, end]
    found: list[Any] = list(arguments)
    if phrases := _phrases(words):
        where.append("id IN (SELECT rowid FROM words WHERE words MATCH ?)")
        found.append(phrases)
    if source:
        where.append("source = ?")
        found.append(source)
    if level == UNKNOWN:
        where.append(f"level NOT IN ({', '.join('?' for _ in LEVELS)})")
        found += LEVELS
    elif level:
        where.append("level = ?")
        found.append(level)
    return " AND ".join(where), found
