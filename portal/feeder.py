"""Brings a run's files into the series store, and what they grow by: one thread."""

import logging
import threading
import time
from pathlib import Path

from padit.alerting.follow import GrowingFile
from padit.analysis.report.read import read_rows
from padit.analysis.series_store import SeriesStore
from padit.codecs.validate import Validate
from padit.domain.errors import PaditError
from padit.ops.background import Background

__all__ = ["Feeder"]

_LOG = logging.getLogger(__name__)
_MOST_BYTES = 4 << 20
_MAX_AHEAD = 3_600_000_000
_IDLE_SECONDS = 0.2
_GROWS = (".jsonl", ".json", ".ndjson")


class Feeder:
    """Reads readings and features.

    Args:
        store: to fill.
        readings: of `--input`, in any format that the job reads; None: there are none.
        features: of `--features`, JSON lines; None: there are none.

    Attributes:
        caught_up: all that there was at the start was read.
        heard: when something came behind that, on the monotonic clock; 0: nothing has.
        rejected: records that cannot be read.
        trouble: why nothing more can be shown.
    """

    def __init__(self, store: SeriesStore, readings: Path | None, features: Path | None) -> None:
        self._store = store
        self._once = readings if readings and readings.suffix not in _GROWS else None
        self._readings = GrowingFile(readings) if readings and not self._once else None
        self._features = GrowingFile(features) if features else None
        self._validate = Validate(_MOST_BYTES, _MAX_AHEAD)
        self._thread = Background(self._run, "feeder")
        self.caught_up = threading.Event()
        self.heard = 0.0
        self.rejected = 0
        self.trouble = ""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop."""
        self._thread.stop()

    def _run(self) -> None:
        try:
            if self._once is not None:
                self._store.add_rows(read_rows(str(self._once)))
        except PaditError as error:
            self.trouble = str(error)
        while self._thread.running:
            try:
                if self._look():
                    self.heard = time.monotonic() if self.caught_up.is_set() else 0.0
                else:
                    self.caught_up.set()
                    self._thread.wait(_IDLE_SECONDS)
            except Exception as error:  # one fault must not end the thread in silence
                self.trouble = f"{type(error).__name__}: {error}"
                _LOG.exception("readings cannot be shown")
                self._thread.wait(2.0)

    def _look(self) -> bool:
        lines = [line for _, line in self._readings.lines()] if self._readings else []
        at = 0
        while at < len(lines):
            decoded = self._validate(lines[at:], None)
            self._store.add_rows(decoded.rows)
            self.rejected += len(decoded.rejects)
            if not decoded.taken:
                break
            at += decoded.taken
        windows = [line for _, line in self._features.lines()] if self._features else []
        self._store.add_windows(windows)
        return bool(lines or windows)
