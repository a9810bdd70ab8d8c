"""What series there are in the stores of a team, and when each source was last heard of."""

import duckdb
import numpy as np

from padit.analysis.series_extent import Extents, SeriesInfo, Silence
from padit.analysis.series_names import Key, SeriesNames

__all__ = ["KnownSeries"]


class KnownSeries:
    """Begins empty; one thread adds, any may read."""

    first = 0  # not known: old partitions are dropped

    def __init__(self) -> None:
        self.series: dict[Key, SeriesInfo] = {}
        self._by_source: dict[str, list[SeriesInfo]] = {}
        self._index = SeriesNames(duckdb.connect(config={"memory_limit": "1GB", "threads": 2}))
        self._heard = Extents()  # by source: what `padit store` wrote between two looks is one
        self._fresh: dict[int, int] = {}
        self._last: dict[str, int] = {}
        self.last = 0

    def _info(self, source: str, metric: str) -> SeriesInfo:
        """What is known of a series, from now on also if it was not."""
        info = self.series.get((source, metric))
        if info is None:
            if self._index.place(source) < 0:
                self._heard.add(len(self._index.sources), "")
            self._index.add((source, metric))
            info = self.series[source, metric] = SeriesInfo(len(self.series), source, metric)
            self._by_source.setdefault(source, []).append(info)
        return info

    def _hear(self, info: SeriesInfo, last: int) -> None:
        """A reading of a series of this time is there."""
        info.last, info.readings = max(info.last, last), 1
        source = info.source_id
        if last > self._last.get(source, 0):
            self._last[source] = self._fresh[self._index.place(source)] = last
            self.last = max(self.last, last)

    def _end_look(self) -> None:
        """Make what was added findable."""
        self._index.write()
        fresh, self._fresh = self._fresh, {}
        self._heard.note(np.array(list(fresh), np.int32), np.array(list(fresh.values()), np.int64),
                         "readings")  # fmt: skip

    @property
    def count(self) -> int:
        """How many series there are."""
        return len(self.series)

    def knows(self, source: str) -> bool:
        """Whether readings or windows are of a source."""
        return source in self._by_source

    def has(self, key: Key) -> bool:
        """Whether readings or windows are of a series."""
        return key in self.series

    def info(self, source: str, metric: str) -> SeriesInfo | None:
        """What is known of a series."""
        return self.series.get((source, metric))

    def of_source(self, source: str) -> list[SeriesInfo]:
        """Series of a source."""
        return list(self._by_source.get(source, ()))

    def find(self, text: str, after: Key | None, most: int) -> tuple[list[Key], int]:
        """Series whose names have a text, behind a place, in order; and how many there are."""
        return self._index.find(text, after, most)

    def sources(self, after: str | None, most: int) -> tuple[list[str], int]:
        """Sources behind one, in order; and how many there are."""
        return self._index.sources_behind(after, most), len(self._by_source)

    def extent(self, source: str) -> tuple[int, int]:
        """How many series a source has, and its latest event time."""
        mine = self._by_source.get(source, ())
        return len(mine), max((one.last for one in mine), default=0)

    def silence(self, now: int) -> Silence:
        """Which sources are silent for longer than they usually are between two looks."""
        return self._heard.silence(now, self._index.sources)
