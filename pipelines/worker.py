"""One Beam worker process, started by the worker pool; never by hand.

It imports everything, loads the kernels, writes `ready` to standard output, reads its assignment
(a JSON object) as one line from standard input, then works for one runner until that disconnects.
Output of the job goes to the log. If an import fails, or kernels can be neither loaded nor compiled
it ends with exit code 1, and writes the reason instead of `ready`.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
from typing import Any

from padit.ops.allocator import keep_memory
from padit.ops.exporter import SOCKETS, answer_on_socket
from padit.ops.logs import configure_logs

__all__ = ["PACKAGES", "main"]

_LEAST_SIZE = 64  # bytes, of an empty list
# Modules of the job's code; a worker without one of them would fail at the first element.
PACKAGES = (
    "padit.domain",
    "padit.codecs",
    "padit.connectors",
    "padit.transforms",
    "padit.pipelines",
)


def _import() -> Any:
    """Import Beam and our packages; return Beam's harness class."""
    for name in PACKAGES:
        importlib.import_module(name)
    from apache_beam.runners.worker.sdk_worker import SdkHarness

    # Loaded anyway when the first bundle is unpickled: better before a job waits for it.
    importlib.import_module("apache_beam.runners.worker.bundle_processor")
    importlib.import_module("apache_beam.io")
    importlib.import_module("padit.pipelines.graph")
    importlib.import_module("padit.connectors.kafka_source")
    importlib.import_module("padit.pipelines.kernels").prepare()
    _size_cached_state_by_length()
    importlib.import_module("padit.pipelines.sampler").sample_often()
    importlib.import_module("padit.pipelines.state_writes").write_together()
    sockets = os.environ.get(SOCKETS)
    if sockets:
        answer_on_socket(sockets)
    return SdkHarness


def _size_cached_state_by_length() -> None:
    """Make the state cache measure bytes by their length.

    To measure a value Beam walks all loaded modules, which takes a third of a live worker's time;
    our state is bytes. An empty cell has a size, too: of one without, the cache writes a line to
    the log at every clear, some hundred a second in a live worker, which all go to the runner.
    """
    from apache_beam.runners.worker import statecache

    measure = statecache.get_deep_size

    def size(*objects: Any) -> int:
        total = 0
        for value in objects:
            if isinstance(value, bytes):
                total += len(value)
            elif isinstance(value, list) and all(isinstance(one, bytes) for one in value):
                total += sum(map(len, value))
            else:
                return int(measure(*objects))
        return max(total, _LEAST_SIZE)

    statecache.get_deep_size = size


def main() -> int:
    """Import, report, take the assignment, work. Returns the exit code."""
    keep_memory()
    configure_logs(logging.INFO)
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # from here on printed text goes to the log
    try:
        harness = _import()
    except Exception as error:
        logging.getLogger("padit.worker").exception("a worker cannot import what the job needs")
        print(f"{type(error).__name__}: {error}", file=answer, flush=True)
        return 1
    print("ready", file=answer, flush=True)
    answer.close()
    line = sys.stdin.readline()
    if not line:  # the pool has ended before this worker was needed
        return 0
    work = json.loads(line)
    harness(
        work["control_endpoint"],
        worker_id=work["worker_id"],
        state_cache_size=work["state_cache_bytes"],
        data_buffer_time_limit_ms=work["data_buffer_ms"],
    ).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
