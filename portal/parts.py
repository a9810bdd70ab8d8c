"""What the routes need of the parts behind them, whether files of one run or a team's stores."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from padit.alerting.entries import Entry
from padit.alerting.reading import LogReader
from padit.analysis.log_store import LogRecord
from padit.analysis.series_store import Line, Moved, SeriesInfo, Windows
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

    series: dict[tuple[str, str], SeriesInfo]
    version: int
    last: int
    left_out: int
    refused: int

    def knows(self, source: str) -> bool:
        """Whether readings or windows are of a source."""

    def of_source(self, source: str) -> list[SeriesInfo]:
        """Series of a source."""

    def line(self, info: SeriesInfo, start: int, end: int, points: int) -> Line:
        """Readings of a series."""

    def windows(self, info: SeriesInfo, start: int, end: int, points: int) -> Windows:
        """Windows of a series."""

    def readings(
        self, source: str, metric: str | None, start: int, end: int, after: int, most: int
    ) -> list[tuple[str, int, float]]:
        """Readings of a source."""

    def status(self, source: str) -> list[dict[str, Any]]:
        """Latest window of each metric of a source."""

    def moved(self, start: int, end: int, most: int) -> list[Moved]:
        """Series that moved most."""

    def lanes(self, start: int, end: int, slices: int) -> dict[str, list[tuple[int, float]]]:
        """The worst score of each source over time."""

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
    """What brings readings."""

    caught_up: threading.Event
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
