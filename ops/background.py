"""A thread beside the rest of a program, which runs until it is stopped."""

import logging
import threading
from collections.abc import Callable

__all__ = ["Background", "kept"]

_LOG = logging.getLogger(__name__)
_PAUSE_SECONDS = 5.0


def kept(run: Callable[[], None], stopped: threading.Event, name: str) -> Callable[[], None]:
    """What a thread runs; after an unexpected error it is logged and begins again.

    Otherwise the thread would end, and the program would go on without that part.

    Args:
        run: until it is stopped.
        stopped: set when it is to stop.
        name: of the part, for the log.
    """

    def again() -> None:
        while True:
            try:
                run()
            except Exception:
                _LOG.exception(
                    "%s: an error of this program; begun again in %g s", name, _PAUSE_SECONDS
                )
            else:
                return
            if stopped.wait(_PAUSE_SECONDS):
                return

    return again


class Background:
    """Runs a function that looks at `running`, and waits by `wait`; again if it fails (`kept`).

    Args:
        run: what the thread runs.
        name: of the thread.
    """

    def __init__(self, run: Callable[[], None], name: str) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=kept(run, self._stopped, name), name=name)

    @property
    def running(self) -> bool:
        """Whether nobody has asked it to stop."""
        return not self._stopped.is_set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait, less long if it is to stop; whether it is."""
        return self._stopped.wait(seconds)

    def stop(self, wake: Callable[[], None] | None = None) -> None:
        """Ask it to stop, and wait until it has; one that never began is left as it is.

        Args:
            wake: ends a wait for something else.
        """
        self._stopped.set()
        if wake is not None:
            wake()
        if self._thread.is_alive():
            self._thread.join()
