"""The progress line on standard error while a job runs."""

import sys
import threading
import time
from collections.abc import Callable
from typing import Self

from padit.domain.timestamps import format_utc
from padit.domain.watermark import WATERMARK_END, WATERMARK_NONE
from padit.ops.run_context import RunProgress

__all__ = ["Progress"]

_BAR = 24
_LINE_EVERY = 5.0
_DRAW_EVERY = 0.25


class Progress:
    """Shows progress until the `with` block ends: one line on a terminal, else one every 5 s.

    Args:
        look: returns the progress of the job.
        total: records to read, if that is known.
        what: unit of the count.
    """

    def __init__(
        self, look: Callable[[], RunProgress], total: int | None, what: str = "records"
    ) -> None:
        self._look = look
        self._what = what
        self._total = total
        self._done = threading.Event()
        self._started = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._thread = threading.Thread(target=self._show, name="progress", daemon=True)

    def __enter__(self) -> Self:
        """Start the display."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and clear the terminal's line."""
        self._done.set()
        self._thread.join()
        if self._terminal:
            sys.stderr.write("\r\033[K")

    def _show(self) -> None:
        while not self._done.wait(_DRAW_EVERY if self._terminal else _LINE_EVERY):
            text = self._text(self._look())
            sys.stderr.write(f"\r\033[K{text}" if self._terminal else f"{text}\n")
            sys.stderr.flush()

    def _text(self, seen: RunProgress) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        parts = []
        if self._total:
            share = min(seen.rows / self._total, 1.0)
            filled = round(share * _BAR)
            parts.append(f"[{'#' * filled}{'.' * (_BAR - filled)}] {share:4.0%}")
        parts.append(f"{seen.rows:,} {self._what}, {seen.rows / seconds:,.0f}/s")
        if seen.watermark is not None and WATERMARK_NONE < seen.watermark < WATERMARK_END:
            parts.append(f"event time {format_utc(seen.watermark)[:19]}Z")
        if seen.silent:
            parts.append("the source does not answer, what waits there is not known")
        elif seen.lag is not None and not self._total:
            parts.append(f"lag {seen.lag:,}")
        return "  ".join(parts)
