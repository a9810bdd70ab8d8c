"""The DirectRunner: Beam's in-process runner without its state cache.

Beam's own `DirectRunner` first looks for Prism, and tries to download it; this is the runner it
falls back to. It runs the stages on each bundle as it comes, also while a source is still being
read. State lies in this process anyway, and the cache measures every value by walking all
loaded modules: 1 to 2 ms each, a third of the job's time (found with py-spy).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

__all__ = ["InProcessRunner"]

_lock = threading.Lock()
_runs = 0
_before = worker_handlers.STATE_CACHE_SIZE_MB


class InProcessRunner(FnApiRunner):  # type: ignore[misc]
    """Runs a pipeline in this process."""

    def run_via_runner_api(self, pipeline_proto: Any, options: Any) -> Any:
        """Run a pipeline with Beam's state cache switched off; returns at its end."""
        with _without_state_cache():
            return super().run_via_runner_api(pipeline_proto, options)


@contextmanager
def _without_state_cache() -> Iterator[None]:
    """Switch Beam's state cache off while a run lasts; behind the last run it is as before."""
    global _runs
    with _lock:
        _runs += 1
        worker_handlers.STATE_CACHE_SIZE_MB = 0
    try:
        yield
    finally:
        with _lock:
            _runs -= 1
            if not _runs:
                worker_handlers.STATE_CACHE_SIZE_MB = _before
