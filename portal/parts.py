"""What the routes need of the parts behind them, whether files of one run or a team's stores."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from padit.alerting.entries import Entry
from padit.alerting.reading import LogReader
from padit.analysis.log_store import LogRecord
from padit.analysis.series_extent import SeriesInfo, Silence
from padit.analysis.series_names import Key
from padit.analysis.series_store import Lanes, Line, Moved, Windows
from padit.portal.places import Places
from padit.portal.training import Export

__all__ = ["Done", "Feed", "Logs", "Parts", "Recording", "Rows", "SeriesSource"]

Rows = list[tuple[int, Entry]]
"""Numbers and entries of the log, in order."""
Done = Callable[[str], None]
"""Called when a command has taken effect, with an empty text, or with what went wrong."""


class Recording(Protocol):
    """The log of alerting: its rows as they come, and commands.

    Attributes:
        trouble: what is wrong with it now.
        caught_up: all that there was at the start was read.
    """

    trouble: str
    caught_up: threading.Event

    def start(self, listener: Callable[[Rows], None]) -> None:
        """Begin."""

    def stop(self) -> None:
        """Stop."""

    def entries(self) -> Rows:
        """The log so far."""

    def command(self, data: bytes, done: Done) -> None:
        """Give a command."""

    def forget(self, name: str) -> None:
        """Nobody waits for this command any more."""

    @property
    def now(self) -> int:
        """Event time."""

    @property
    def command_time(self) -> int:
        """Event time for a command that is given now."""

    @property
    def recording(self) -> bool:
        """Whether the data end long before the present."""


class SeriesSource(Protocol):
    """Readings and windows for queries; see `analysis.series_store.SeriesStore`."""

    version: int
    left_out: int
    refused: int

    @property
    def first(self) -> int:
        """The earliest event time; 0: it is not known."""

    @property
    def last(self) -> int:
        """The latest event time."""

    @property
    def count(self) -> int:
        """How many series there are."""

    def knows(self, source: str) -> bool:
        """Whether readings or windows are of a source."""

    def has(self, key: Key) -> bool:
        """Whether readings or windows are of a series."""

    def info(self, source: str, metric: str) -> SeriesInfo | None:
        """What is known of a series."""

    def find(self, text: str, after: Key | None, most: int) -> tuple[list[Key], int]:
        """Series whose names have a text, behind a place, in order; and how many there are."""

    def sources(self, after: str | None, most: int) -> tuple[list[str], int]:
        """Sources behind one, in order; and how many there are."""

    def extent(self, source: str) -> tuple[int, int]:
        """How many series a source has, and its latest event time."""

    def silence(self, now: int) -> Silence:
        """Which sources are silent for longer than they usually are."""

    def line(self, info: SeriesInfo, start: int, end: int, points: int) -> Line:
        """Readings of a series."""

    def windows(self, info: SeriesInfo, start: int, end: int, points: int) -> Windows:
        """Windows of a series."""

    def readings(
        self, source: str, metric: str | None, start: int, end: int, after: int, most: int
    ) -> list[tuple[str, int, float]]:
        """Readings of a source."""

    def status(self, source: str, after: int, most: int) -> list[dict[str, Any]]:
        """Latest window of metrics of a source, behind the first `after`."""

    def moved(self, start: int, end: int, most: int) -> list[Moved]:
        """Series that moved most."""

    def lanes(self, start: int, end: int, slices: int, first: Sequence[str], most: int) -> Lanes:
        """The worst score of sources over time: of the first, then of those with the worst."""

    def totals(self) -> tuple[int, int]:
        """Readings and windows."""

    def close(self) -> None:
        """Let go of it."""


class Logs(Protocol):
    """Log records; see `analysis.log_store.LogStore`."""

    def add(self, records: "list[LogRecord]") -> list[int]:
        """Ids of new records."""

    def search(
        self, words: str, *, source: str, level: str, start: int, end: int, before: int, most: int
    ) -> list[dict[str, Any]]:
        """Records that have all words."""

    def statistics(self, words: str, *, source: str, start: int, end: int) -> dict[str, Any]:
        """Counts."""

    def close(self) -> None:
        """Let go of it."""


class Feed(Protocol):
    """What brings readings.

    Attributes:
        caught_up: all that there was at the start was read.
        heard: when something came behind that, on the monotonic clock; 0: nothing, or not known.
        rejected: records that cannot be read.
        trouble: why nothing more can be shown.
    """

    caught_up: threading.Event
    heard: float
    rejected: int
    trouble: str

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """Stop."""


class Parts(NamedTuple):
    """All parts of one portal.

    Attributes:
        places: files, or what is lacking.
        recorder, series, feeder, logs: see their protocols.
        open_reader: a reader of alerting's store, for one thread, to be closed.
        reader: one for the routes.
        remote: whether a question may take long, so that it is asked in a thread.
        export: writes readings of a database to a file, to learn from; None: there is none.
        breakers: name of each receiver, and whether it is left alone.
        close: lets go of what the parts share.
        extra: what the head of the page shows of the parts, besides: `pending`, `trouble`.
    """

    places: Places
    recorder: Recording
    series: SeriesSource
    feeder: Feed
    logs: Logs
    open_reader: Callable[[], LogReader]
    reader: LogReader
    remote: bool = False
    export: Export | None = None
    breakers: Callable[[], list[tuple[str, bool]]] = list
    close: Callable[[], None] = lambda: None
    extra: Callable[[], Mapping[str, Any]] = dict
