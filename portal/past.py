"""The whole log for questions about the past: read once, then only what has been added."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from padit.alerting.entries import Entry
from padit.alerting.policy import AlertingConfig
from padit.alerting.preview import Preview, preview
from padit.alerting.reading import LogReader
from padit.domain.errors import SinkError

__all__ = ["Past"]

_MOST_KEPT = 200_000
_KEPT_SECONDS = 900.0
_MOST_TRIALS = 4


class Past:
    """Entries of the log, and what the present configuration makes of them; for several threads.

    Of at most 200,000 entries both are kept, until nobody asked for a quarter of an hour.

    Args:
        open_reader: a reader of the store, to be closed.
        config: the present one.
    """

    def __init__(self, open_reader: Callable[[], LogReader], config: AlertingConfig) -> None:
        self._open_reader = open_reader
        self._config = config
        self._lock = threading.Lock()
        self._trying = threading.Lock()
        self._waiting = threading.BoundedSemaphore(_MOST_TRIALS)
        self._entries: list[Entry] = []
        self._last = 0
        self._before: tuple[int, int, Preview] | None = None
        self._used = 0.0

    def entries(self) -> list[Entry]:
        """All entries, in order; not to be changed.

        Raises:
            SinkError: the store is away.
        """
        with self._lock:
            return self._read()

    def with_preview(self, end: Callable[[list[Entry]], int]) -> tuple[list[Entry], int, Preview]:
        """Entries, where time ends for them, and what the present configuration sends; in a trial.

        Args:
            end: event time up to which time passes behind some entries.
        """
        entries = self.entries()
        until = end(entries)
        known = self._before
        if known is None or known[:2] != (len(entries), until):
            known = len(entries), until, preview(self._config, entries, until, brief=True)
            self._before = known if len(entries) <= _MOST_KEPT else None
        return entries, until, known[2]

    @contextmanager
    def trial(self) -> Iterator[None]:
        """For one trial at a time: the collector of garbage leaves alone what was there before.

        A trial makes millions of objects, at each few of which the whole portal would be searched.

        Raises:
            SinkError: several wait already.
        """
        if not self._waiting.acquire(blocking=False):
            message = "others are trying configurations; try again in a moment"
            raise SinkError(message)
        try:
            with self._trying:
                gc.freeze()
                try:
                    yield
                finally:
                    gc.unfreeze()
        finally:
            self._waiting.release()

    def forget_unused(self) -> None:
        """Let go of what nobody asked for of late."""
        if self._entries and time.monotonic() - self._used > _KEPT_SECONDS:
            with self._lock:
                self._entries, self._last, self._before = [], 0, None

    def _read(self) -> list[Entry]:
        self._used = time.monotonic()
        reader = self._open_reader()
        try:
            rows = reader.entries_after(self._last)
        finally:
            reader.close()
        found = [*self._entries, *(one for _, one in rows)] if rows else self._entries
        if len(found) <= _MOST_KEPT:
            self._entries, self._last = found, rows[-1][0] if rows else self._last
        else:
            self._entries, self._last = [], 0
        return found
