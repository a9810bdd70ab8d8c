"""Log records with full text search, in SQLite (FTS5): search, statistics, templates."""

import re
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from padit.domain.errors import SinkError

__all__ = ["Level", "LogRecord", "LogStore", "template_of"]

Level = Literal["trace", "debug", "info", "warning", "error", "critical"]
_VARIABLE = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b0x[0-9a-f]+\b|\b[0-9a-f]{16,}\b"
    r"|(?<![A-Za-z_])[-+]?\d[\d.,:]*\w*|\"[^\"]*\"|'[^']*'",
    re.IGNORECASE,
)
_LONGEST_TEMPLATE = 300


class LogRecord(msgspec.Struct, frozen=True):
    """A line of a log: event time in microseconds, source, level and text."""

    time: int
    source: str
    level: Level
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
            except sqlite3.Error as error:
                message = f"the store of logs cannot be written: {error}"
                raise SinkError(message) from error
        return ids

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
        where, arguments = _where(words, source, "", start, end)
        read = self._reader()

        def grouped(column: str, most: int) -> list[tuple[Any, int]]:
            return read.execute(
                f"SELECT {column}, count(*) AS n FROM record WHERE {where} GROUP BY {column} "  # noqa: S608
                f"ORDER BY n DESC, {column} LIMIT {most}",
                arguments,
            ).fetchall()

        first, last, count = read.execute(
            f"SELECT min(time), max(time), count(*) FROM record WHERE {where}",  # noqa: S608
            arguments,
        ).fetchone()
        width = max(((last or 0) - (first or 0)) // 60 + 1, 1)
        templates = dict(
            read.execute(
                "SELECT id, text FROM template WHERE id IN (SELECT value FROM json_each(?))",
                (msgspec.json.encode([one for one, _ in grouped("template", 30)]).decode(),),
            )
        )
        return {
            "count": count,
            "levels": dict(grouped("level", 10)),
            "sources": dict(grouped("source", 50)),
            "templates": [{"template": templates[one], "count": n}
                          for one, n in grouped("template", 30)],
            "over_time": sorted(((first or 0) + k * width, n)
                                for k, n in grouped(f"(time - {first or 0}) / {width}", 61)),
        }  # fmt: skip


def _where(words: str, source: str, level: str, start: int, end: int) -> tuple[str, list[Any]]:
    where, arguments = ["time BETWEEN ? AND ?"], [start, end]
    found: list[Any] = list(arguments)
    phrases = " ".join('"' + one.replace('"', '""') + '"' for one in words.split()[:20])
    if phrases:
        where.append("id IN (SELECT rowid FROM words WHERE words MATCH ?)")
        found.append(phrases.replace("\x00", " "))
    if source:
        where.append("source = ?")
        found.append(source)
    if level:
        where.append("level = ?")
        found.append(level)
    return " AND ".join(where), found
