"""Log records in PostgreSQL, with full text search by tsvector; as `analysis.log_store`."""

import threading
from collections.abc import Sequence
from typing import Any

import psycopg

from padit.analysis.log_store import LEVELS, UNKNOWN, LogRecord, template_of
from padit.portal.team.database import Database, text_of

__all__ = ["TeamLogs"]

_SCHEMA = "padit_portal"
_FORGET_EVERY = 100_000
_MOST_TEMPLATES = 100_000
_COPY = "COPY log_record (id, time, source, level, template, message) FROM STDIN"
_KNOWN = ", ".join(f"'{one}'" for one in LEVELS)
_LEVEL = f"CASE WHEN level IN ({_KNOWN}) THEN level ELSE '{UNKNOWN}' END AS level"
_BY = (0b0111, 0b1011, 0b1101, 0b1110)  # grouping() of level, source, template, slice
_NAMES = ("id", "time", "source", "level", "message")


class TeamLogs:
    """Writes and reads records; tables are made when the database answers for the first time.

    Args:
        database: that holds them.
        most: records that are kept, about; the oldest go first.
    """

    def __init__(self, database: Database, most: int = 50_000_000) -> None:
        self._database = database
        self._most = most
        self._lock = threading.Lock()
        self._templates: dict[str, int] = {}
        self._since = 0

    def close(self) -> None:
        """The database closes by itself."""

    def add(self, records: Sequence[LogRecord]) -> list[int]:
        """Ids of new records.

        Raises:
            SinkError: the database is away; nothing was added.
        """
        self._database.prepare(_SCHEMA, "portal", "postgresql")
        texts = [text_of(template_of(one.message)) for one in records]
        with self._database.connection() as connection:
            numbers = self._numbers(connection, set(texts))
            ids = [
                int(row[0])
                for row in connection.execute(
                    "SELECT nextval('log_record_id') FROM generate_series(1, %s)", (len(records),)
                )
            ]
            with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
                for at, one in enumerate(records):
                    copy.write_row(
                        (ids[at], one.time, text_of(one.source), text_of(one.level),
                         numbers[texts[at]], text_of(one.message))
                    )  # fmt: skip
            self._forget(connection, ids[-1] if ids else 0, len(ids))
        return ids

    def _numbers(self, connection: psycopg.Connection[Any], texts: set[str]) -> dict[str, int]:
        """Numbers of templates; new ones are made, by several processes at once, too."""
        with self._lock:
            known = {text: self._templates[text] for text in texts if text in self._templates}
        fresh = sorted(texts - known.keys())
        if fresh:
            connection.execute(
                "INSERT INTO log_template (text) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING",
                (fresh,),
            )
            rows = connection.execute(
                "SELECT text, id FROM log_template WHERE text = ANY (%s)", (fresh,)
            ).fetchall()
            known |= dict(rows)
            with self._lock:
                if len(self._templates) + len(rows) > _MOST_TEMPLATES:
                    self._templates.clear()
                self._templates |= dict(rows)
        return known

    def _forget(self, connection: psycopg.Connection[Any], last: int, count: int) -> None:
        with self._lock:
            self._since += count
            if self._since < _FORGET_EVERY and last > self._most:
                return
            self._since = 0
        if last > self._most:
            connection.execute("DELETE FROM log_record WHERE id <= %s", (last - self._most,))

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
        self._database.prepare(_SCHEMA, "portal", "postgresql")
        where, values = _where(words, source, level, start, end)
        rows = self._database.rows(
            f"SELECT {', '.join(_NAMES)} FROM log_record WHERE {where} AND id < %s "  # noqa: S608
            "ORDER BY id DESC LIMIT %s",
            [*values, before, most],
        )
        return [dict(zip(_NAMES, row, strict=True)) for row in rows]

    def statistics(
        self, words: str = "", *, source: str = "", start: int = 0, end: int = 1 << 62
    ) -> dict[str, Any]:
        """Counts by level and source, the commonest templates, and counts over time."""
        self._database.prepare(_SCHEMA, "portal", "postgresql")
        where, values = _where(words, source, "", start, end)

        first, last, count = self._database.rows(
            f"SELECT min(time), max(time), count(*) FROM log_record WHERE {where}",  # noqa: S608
            values,
        )[0]
        first = first or 0
        width = max(((last or 0) - first) // 60 + 1, 1)
        found: dict[int, list[tuple[Any, int]]] = {}
        for kind, *keys, n in self._database.rows(  # one pass over the records for all counts
            "SELECT kind, level, source, template, slice, n FROM ("  # noqa: S608
            "SELECT grouping(level, source, template, slice) AS kind, level, source, template, "
            "slice, count(*) AS n, row_number() OVER ("
            "PARTITION BY grouping(level, source, template, slice) ORDER BY count(*) DESC, "
            f"level, source, template, slice) AS place FROM (SELECT {_LEVEL}, source, template, "
            f"(time - {first}) / {width} AS slice FROM log_record WHERE {where}) AS r "
            "GROUP BY GROUPING SETS ((level), (source), (template), (slice))) AS g "
            "WHERE place <= 61",
            values,
        ):
            found.setdefault(kind, []).append((keys[_BY.index(kind)], n))
        levels, sources, common, slices = (
            sorted(found.get(kind, ()), key=lambda one: (-one[1], one[0])) for kind in _BY
        )
        names = dict(
            self._database.rows(
                "SELECT id, text FROM log_template WHERE id = ANY (%s)",
                ([k for k, _ in common[:30]],),
            )
        )
        return {
            "count": count,
            "levels": dict(levels[:10]),
            "sources": dict(sources[:50]),
            "templates": [{"template": names[k], "count": n} for k, n in common[:30]],
            "over_time": sorted((first + int(k) * width, n) for k, n in slices),
        }


def _where(words: str, source: str, level: str, start: int, end: int) -> tuple[str, list[Any]]:
    where, values = ["time BETWEEN %s AND %s"], list[Any]((start, end))
    for one in words.split()[:20]:  # each a phrase of its own, as in the embedded store
        where.append("to_tsvector('simple', message) @@ phraseto_tsquery('simple', %s)")
        values.append(text_of(one))
    if level == UNKNOWN:
        where.append("level <> ALL (%s)")
        values.append(list(LEVELS))
        level = ""
    for name, value in (("source", source), ("level", level)):
        if value:
            where.append(f"{name} = %s")
            values.append(text_of(value))
    return " AND ".join(where), values
