"""Log records that came by the API, also as lines of a file, for the adapter `logs` to follow.

The adapter makes metrics of them (rates, shares of errors, new templates), which the job watches as
any other series: so what is posted here can raise an alert.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from padit.analysis.log_store import LogRecord
from padit.domain.errors import SinkError
from padit.domain.timestamps import format_utc
from padit.portal.parts import Logs

__all__ = ["LogLines"]

_encode = msgspec.json.Encoder().encode
_MOST_BYTES = 256 << 20


class LogLines:
    """A store of logs that writes each record to a file as well.

    Past 256 MB the file is renamed to `FILE.1`, as rotation does, and begun anew.

    Args:
        logs: the store.
        path: of the file.
    """

    def __init__(self, logs: Logs, path: Path) -> None:
        self._logs = logs
        self._path = path
        self._lock = threading.Lock()

    def add(self, records: Sequence[LogRecord]) -> list[int]:
        """Ids of new records.

        Raises:
            SinkError: the file or the store cannot be written; send them again.
        """
        lines = b"".join(
            _encode({"timestamp": format_utc(one.time), "service": one.source or "unknown",
                     "level": one.level, "message": one.message}) + b"\n"
            for one in records
        )  # fmt: skip
        try:
            with self._lock:
                if self._path.exists() and self._path.stat().st_size > _MOST_BYTES:
                    self._path.replace(self._path.with_name(f"{self._path.name}.1"))
                with self._path.open("ab") as file:
                    file.write(lines)
        except OSError as error:
            message = f"--log_lines {self._path} cannot be written: {error}"
            raise SinkError(message) from error
        return self._logs.add(list(records))

    def search(self, *given: Any, **named: Any) -> list[dict[str, Any]]:
        """See `Logs`."""
        return self._logs.search(*given, **named)

    def statistics(self, *given: Any, **named: Any) -> dict[str, Any]:
        """See `Logs`."""
        return self._logs.statistics(*given, **named)

    def close(self) -> None:
        """Let go of the store."""
        self._logs.close()
