"""Numbers of series in `metric_series`, remembered by the process."""

from collections.abc import Sequence

import msgspec

from padit.domain.attributes import UNSTATED, Attributes
from padit.domain.message import digest_of
from padit.domain.metric import Series
from padit.stores.postgres.connect import Connection

__all__ = ["SeriesTable"]

_MOST = 500_000  # remembered; more are asked for again
_UPSERT = """
INSERT INTO metric_series AS m (digest, source_id, metric_name, unit, metric_type, labels)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::jsonb[])
ON CONFLICT (digest) DO UPDATE SET
    metric_type = COALESCE(excluded.metric_type, m.metric_type),
    labels = m.labels || excluded.labels
RETURNING id, digest
"""


class SeriesTable:
    """Series to numbers.

    A number that a transaction made which failed must not be remembered: `forget` after a failure.

    Args:
        connection: the one that writes.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[Series, tuple[int, Attributes]] = {}

    def forget(self) -> None:
        """Remember nothing."""
        self._known.clear()

    def numbers(
        self, series: Sequence[Series], attributes: Sequence[Attributes | None]
    ) -> list[int]:
        """The number of each series, which is made if it is new; attributes that changed are kept.

        Args:
            series: each once.
            attributes: as of now; None keeps those that are known.
        """
        if len(self._known) + len(series) > _MOST:
            self._known.clear()
        fresh: dict[Series, Attributes] = {}
        for one, stated in zip(series, attributes, strict=True):
            known = self._known.get(one)
            if known is None or (stated is not None and stated != known[1]):
                fresh[one] = UNSTATED if stated is None else stated
        if fresh:
            self._save(fresh)
        return [self._known[one][0] for one in series]

    def _save(self, fresh: dict[Series, Attributes]) -> None:
        # In the order of digests, so that two processes never wait for each other in a circle.
        rows = sorted((digest_of(*one), one, stated) for one, stated in fresh.items())
        found = self._connection.execute(
            _UPSERT,
            (
                [digest for digest, _, _ in rows],
                [one.source_id for _, one, _ in rows],
                [one.metric_name for _, one, _ in rows],
                [one.unit for _, one, _ in rows],
                [
                    None if stated.metric_type == UNSTATED.metric_type else stated.metric_type
                    for _, _, stated in rows
                ],
                [msgspec.json.encode(dict(stated.labels)).decode() for _, _, stated in rows],
            ),
        )
        numbers = {digest: number for number, digest in found.fetchall()}
        for digest, one, stated in rows:
            self._known[one] = (numbers[digest], stated)
