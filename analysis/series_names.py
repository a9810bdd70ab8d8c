"""Names of series for search and pages, in a table of DuckDB: a million are searched quickly.

A page is the next of them in the order of source and metric behind a place; the work for it does
not hold Python's lock. Names are compared as bytes, and searched without regard to case.
"""

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

__all__ = ["Key", "SeriesNames", "merged"]

Key = tuple[str, str]
"""Source and metric."""


class SeriesNames:
    """Makes the tables `name` and `place` (a source each) in a database.

    Args:
        connection: to a database; its cursors may be used by several threads.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        connection.execute(
            "CREATE TABLE name (number INTEGER, place INTEGER, source VARCHAR, metric VARCHAR, "
            "low VARCHAR)"
        )
        connection.execute("CREATE TABLE place (place INTEGER, source VARCHAR)")
        self.keys: list[Key] = []
        self.sources: list[str] = []
        self._places: dict[str, int] = {}
        self._written = (0, 0)

    def add(self, key: Key) -> int:
        """Take a new series, which is found after the next `write`; the number of its source."""
        place = self._places.get(key[0])
        if place is None:
            place = self._places[key[0]] = len(self.sources)
            self.sources.append(key[0])
        self.keys.append(key)
        return place

    def place(self, source: str) -> int:
        """The number of a source; -1: it is not known."""
        return self._places.get(source, -1)

    def write(self) -> None:
        """Bring what was added into the tables."""
        names, places = self._written
        keys, sources = self.keys[names:], self.sources[places:]
        if sources:
            self._insert("place", {
                "place": pa.array(range(places, places + len(sources)), pa.int32()),
                "source": _texts(sources),
            })  # fmt: skip
        if keys:
            self._insert("name", {
                "number": pa.array(range(names, names + len(keys)), pa.int32()),
                "place": pa.array([self._places[source] for source, _ in keys], pa.int32()),
                "source": _texts([source for source, _ in keys]),
                "metric": _texts([metric for _, metric in keys]),
                "low": _texts([f"{source} {metric}".lower() for source, metric in keys]),
            })  # fmt: skip
        self._written = names + len(keys), places + len(sources)

    def _insert(self, table: str, columns: dict[str, Any]) -> None:
        cursor = self._connection.cursor()
        cursor.register("fresh", pa.table(columns))
        cursor.execute(f"INSERT INTO {table} SELECT * FROM fresh")  # noqa: S608  # two fixed names
        cursor.close()

    def find(self, text: str, after: Key | None, most: int) -> tuple[list[Key], int]:
        """The first keys behind a place whose names have a text, in order, and how many have it."""
        low = text.lower()
        behind, values = "", list[Any]()
        if after is not None:
            behind = "AND (source > ? OR (source = ? AND metric > ?)) "
            values = [after[0], after[0], after[1]]
        rows = self._rows(
            "SELECT number FROM name WHERE (? = '' OR contains(low, ?)) "  # noqa: S608
            f"{behind}ORDER BY source, metric LIMIT ?",
            [low, low, *values, most],
        )
        count = len(self.keys)
        if low:
            [(count,)] = self._rows("SELECT count(*) FROM name WHERE contains(low, ?)", [low])
        return [self.keys[number] for (number,) in rows], int(count)

    def sources_behind(self, after: str | None, most: int) -> list[str]:
        """The first sources behind one, in the order of their names."""
        rows = self._rows(
            "SELECT place FROM place WHERE ? IS NULL OR source > ? ORDER BY source LIMIT ?",
            [after, after, most],
        )
        return [self.sources[place] for (place,) in rows]

    def _rows(self, query: str, values: list[Any]) -> list[Any]:
        cursor = self._connection.cursor()
        try:
            return cursor.execute(query, values).fetchall()
        finally:
            cursor.close()


def merged(left: Sequence[Any], right: Sequence[Any], most: int) -> list[Any]:
    """The first of two ordered lists that share nothing."""
    return sorted([*left[:most], *right[:most]])[:most]


def _texts(values: list[str]) -> pa.Array:
    """Texts as Arrow; what is no Unicode becomes question marks, it is never compared exactly."""
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([one.encode("utf-8", "replace").decode() for one in values], pa.string())
