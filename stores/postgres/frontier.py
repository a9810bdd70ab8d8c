"""Which rows are certainly new, so that they can be copied straight into their table.

Of a key (a machine, a series) nothing lies behind its frontier: the latest time in the table when
the writer first saw the key, and what it wrote since. Streams move forward, so almost all rows are
beyond it. Should another program write the same rows meanwhile, the copy meets the unique index and
the caller merges instead.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from padit.stores.postgres.connect import Connection

__all__ = ["Frontier"]

K = TypeVar("K", str, int)
_MOST = 500_000  # keys that are remembered


class Frontier(Generic[K]):
    """Frontiers of the keys of a table.

    Args:
        connection: the one that writes.
        table, key, time: names of the table and of its unique columns.
        kind: SQL type of the key.
    """

    def __init__(self, connection: Connection, table: str, key: str, time: str, kind: str) -> None:
        self._connection = connection
        self._known: dict[K, int] = {}
        self._query = sql.SQL(
            "SELECT k, (SELECT (extract(epoch FROM max({time})) * 1000000)::bigint FROM {table} "
            "WHERE {key} = k AND {time} >= {{since}}) FROM unnest(%s::{kind}[]) AS k"
        ).format(
            table=sql.Identifier(table),
            key=sql.Identifier(key),
            time=sql.Identifier(time),
            kind=sql.SQL(kind),
        )

    def forget(self) -> None:
        """Remember nothing."""
        self._known.clear()

    def beyond(
        self, keys: Sequence[K], key: NDArray[np.int32], time: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Which rows are certainly new; the frontiers move to the latest of all rows.

        Args:
            keys: each once.
            key: (n,), index into `keys`.
            time: (n,), microseconds.
        """
        if len(self._known) + len(keys) > _MOST:
            self._known.clear()
        unknown = [one for one in keys if one not in self._known]
        if unknown:
            self._ask(unknown, int(time.min()))
        before = np.array([self._known[one] for one in keys], np.int64)
        latest = before.copy()
        np.maximum.at(latest, key, time)
        self._known.update(zip(keys, latest.tolist(), strict=True))
        fresh: NDArray[np.bool_] = time > before[key]
        return fresh

    def _ask(self, unknown: Sequence[K], since: int) -> None:
        # The bound is a literal, so that the planner leaves out the partitions before it.
        query = sql.SQL(self._query.as_string(None)).format(
            since=sql.SQL("to_timestamp({}::float8 / 1000000)").format(sql.Literal(since))
        )
        for key, latest in self._connection.execute(query, (list(unknown),)).fetchall():
            self._known[key] = since - 1 if latest is None else max(latest, since - 1)
