"""Counters of a process, and a log that writes each cause once.

Everything is exposed in the Prometheus text format 0.0.4 by `ops.health` and
`ops.exporter`.
"""

import logging
import threading
import time
from collections import defaultdict

from padit.ops.metric_names import HELP, HISTOGRAMS

__all__ = ["OncePerCause", "Stats"]

Labels = tuple[tuple[str, str], ...]


class Stats:
    """Named numbers with labels; safe to use from any thread."""

    def __init__(self) -> None:
        self._values: dict[str, dict[Labels, float]] = defaultdict(dict)
        self._lock = threading.Lock()

    def add(self, name: str, count: float = 1, **labels: str) -> None:
        """Raise a counter."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            values = self._values[name]
            values[key] = values.get(key, 0) + count

    def set(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        with self._lock:
            self._values[name][tuple(sorted(labels.items()))] = value

    def get(self, name: str, **labels: str) -> float:
        """The value; 0 if it was never set."""
        with self._lock:
            return self._values[name].get(tuple(sorted(labels.items())), 0.0)

    def total(self, name: str) -> float:
        """The sum over all labels."""
        with self._lock:
            return sum(self._values[name].values())

    def render(self) -> str:
        """Everything in the Prometheus text format."""
        lines = []
        known = ""
        with self._lock:
            for name, values in sorted(self._values.items()):
                family, kind = _family(name)
                if family != known:
                    lines += [f"# HELP {family} {HELP.get(family, family)}"]
                    lines += [f"# TYPE {family} {kind}"]
                    known = family
                lines += [f"{name}{_labels(key)} {value:.17g}" for key, value in values.items()]
        return "\n".join([*lines, ""])

    def series(self) -> list[tuple[str, dict[str, str], float]]:
        """Every number with its name and labels."""
        with self._lock:
            return [
                (name, dict(key), value)
                for name, values in sorted(self._values.items())
                for key, value in values.items()
            ]


def _family(name: str) -> tuple[str, str]:
    """What Prometheus calls the metric that a series belongs to, and its type."""
    for histogram in HISTOGRAMS:
        if name.startswith(f"{histogram}_"):
            return histogram, "histogram"
    return name, "counter" if name.endswith("_total") else "gauge"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    pairs = (
        name + '="' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
        for name, value in labels
    )
    return "{" + ",".join(pairs) + "}"


class OncePerCause:
    """Logs a cause when it appears, and again only after it was gone or an hour later.

    Args:
        log: where to write.
        repeat_sec: seconds after which a lasting cause is logged again.
        limit: number of causes to remember; beyond it the oldest is forgotten.
    """

    def __init__(
        self, log: logging.Logger, repeat_sec: float = 3600.0, limit: int = 10_000
    ) -> None:
        self._log = log
        self._repeat = repeat_sec
        self._limit = limit
        self._seen: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def warn(self, name: str, cause: str, message: str) -> None:
        """Log a warning unless this cause of this adapter is known already."""
        moment = time.monotonic()
        with self._lock:
            last = self._seen.get((name, cause))
            if last is not None and moment - last < self._repeat:
                return
            if len(self._seen) >= self._limit:
                self._seen.pop(next(iter(self._seen)))
            self._seen[(name, cause)] = moment
        self._log.warning("%s: %s [%s]", name, message, cause)

    def clear(self, name: str) -> bool:
        """Forget the causes of an adapter that works again; True if there were any."""
        with self._lock:
            known = [key for key in self._seen if key[0] == name]
            for key in known:
                del self._seen[key]
        return bool(known)
