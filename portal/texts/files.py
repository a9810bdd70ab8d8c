"""The topics of a portal that stands alone: JSON lines in its folder, and one thread."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, Full, Queue

from padit.ops.background import Background
from padit.portal.texts.records import REQUEST, RESULT

__all__ = ["FileTopics"]

_LOG = logging.getLogger(__name__)
_MOST_WAITING = 100
_MOST_BYTES = 16 << 20


class FileTopics:
    """Appends records to files, and hands them on; results of before are read at the start.

    Args:
        folder: for the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._queue: Queue[bytes] = Queue(_MOST_WAITING)
        self._thread = Background(self._run, "texts")
        self._on_request: Callable[[bytes], None] = lambda data: None
        self._on_result: Callable[[bytes], None] = lambda data: None
        self.trouble = ""

    def start(
        self, on_request: Callable[[bytes], None], on_result: Callable[[bytes], None]
    ) -> None:
        """Read the results that there are, then take requests."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._on_request, self._on_result = on_request, on_result
        for path in (self._path(RESULT).with_suffix(".old"), self._path(RESULT)):
            if path.exists():
                for line in path.read_bytes()[-_MOST_BYTES:].splitlines():
                    on_result(line)
        self._thread.start()

    def stop(self) -> None:
        """Stop; an answer that is being written ends first, within its time."""
        self._thread.stop()

    def give(self, topic: str, key: str, data: bytes) -> None:
        """Append a record."""
        del key  # one file is one order
        path = self._path(topic)
        try:
            with self._lock:
                if path.exists() and path.stat().st_size > _MOST_BYTES:
                    path.replace(path.with_suffix(".old"))
                with path.open("ab") as file:
                    file.write(data + b"\n")
            self.trouble = ""
        except OSError as error:
            self.trouble = f"{path} cannot be written: {error}"
        if topic == RESULT:
            self._on_result(data)
        elif topic == REQUEST:
            try:
                self._queue.put_nowait(data)
            except Full:
                self.trouble = f"{_MOST_WAITING} texts are waited for; more are not taken"

    def _path(self, topic: str) -> Path:
        return self._folder / f"{topic}.jsonl"

    def _run(self) -> None:
        while self._thread.running:
            try:
                self._on_request(self._queue.get(timeout=0.2))
            except Empty:
                continue
            except Exception as error:  # one fault must not end the thread in silence
                self.trouble = f"{type(error).__name__}: {error}"
                _LOG.exception("a text cannot be written")
