"""Whether a server is there: said once when it goes away, and once when it is back.

A client that tries again and again has a line for each attempt, a hundred a minute; what somebody
who reads the log wants to know is when it began, why, and when it was over. The first attempt does
not always meet the reason that has the remedy, so a client may say a few reasons of one outage.
"""

import logging
import threading
import time

__all__ = ["Reach"]


class Reach:
    """Of one client to one server.

    Args:
        log: where it is said.
        name: of what does not work meanwhile, for people.
        reasons: how many of one outage are said; more than one only where each has words of its
            own, which do not change from attempt to attempt.
    """

    def __init__(self, log: logging.Logger, name: str, reasons: int = 1) -> None:
        self._log = log
        self._name = name
        self._since: float | None = None
        self._reasons = reasons
        self._told: list[str] = []  # reasons of this outage
        self._lock = threading.Lock()

    @property
    def lost(self) -> bool:
        """Whether it is away, as far as is known."""
        return self._since is not None

    def away(self, why: str) -> None:
        """It does not answer; said if it did before, or if the reason is another one."""
        with self._lock:
            if self._since is None:
                self._since, self._told = time.monotonic(), []
            fresh = why not in self._told and len(self._told) < self._reasons
            if fresh:
                self._told.append(why)
        if fresh:
            self._log.warning("%s: %s; it is tried until it answers", self._name, why)
        else:
            self._log.debug("%s: %s", self._name, why)

    def back(self) -> None:
        """It answers; said if it was away."""
        with self._lock:
            since, self._since = self._since, None
        if since is not None:
            seconds = time.monotonic() - since
            self._log.warning("%s: it answers again, after %.0f s", self._name, seconds)
