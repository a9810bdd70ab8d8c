"""The Beam worker pool of PADIT: starts Python workers where a Flink TaskManager asks for them.

Run beside every TaskManager: `python -m padit.pipelines.worker_pool --port 50000`, and submit with
`--environment_type=EXTERNAL --environment_config=HOST:50000`. It implements the protocol of Beam's
`apache_beam.runners.worker.worker_pool_main` and differs where that one fails silently or has no
option:

- workers run in this interpreter (Beam's starts the first `python` on the PATH);
- a worker imports Beam and PADIT *before* it is handed out; if it cannot, the job fails with that
  error (with Beam's the job hangs);
- one worker is kept ready, so that a job, or a restart after a crash, does not wait for imports;
- the state cache is on (with Beam's it is off, and no option reaches it);
- it listens on the loopback interface by default (Beam's: on all interfaces);
- workers' output goes to the pool's log (Beam's: into a pipe without a reader, where a worker
  blocks after 64 KB);
- SIGTERM ends the workers too;
- `--metrics` shows what all workers count, and whether there are any.

The worker side is `padit.pipelines.worker`.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent import futures
from pathlib import Path
from typing import Any

from padit.domain.errors import ConfigurationError
from padit.ops import metric_names
from padit.ops.exporter import ADDRESS, SOCKETS, gathered, serving
from padit.ops.job_metrics import process_stats
from padit.ops.logs import configure_logs
from padit.ops.stats import Stats

__all__ = ["DEFAULT_STATE_CACHE_MB", "WorkerPool", "main"]

_LOGGER = logging.getLogger("padit.worker_pool")
DEFAULT_STATE_CACHE_MB = 256
# Imports take 2 to 5 s, on a busy machine several times that; kernels that are not compiled yet, or
# that another worker compiles, a minute or two.
_READY_TIMEOUT_S = 600.0


class WorkerFailedError(RuntimeError):
    """A worker ended before it was ready; the message names its log."""


class _Worker:
    """One worker process: first it imports, then it waits for its assignment."""

    def __init__(self, sockets: str | None = None) -> None:
        command = [sys.executable, "-m", "padit.pipelines.worker"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, SOCKETS: sockets} if sockets else None,
        )
        self.pid = self._process.pid

    def wait_ready(self) -> None:
        """Return when the worker has imported everything. Raises WorkerFailedError."""
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        timer = threading.Timer(_READY_TIMEOUT_S, self._process.kill)
        timer.start()
        try:
            answer = self._process.stdout.readline().strip()
        finally:
            timer.cancel()
        if answer != "ready":
            code = self._process.wait()
            message = (
                f"a Beam worker cannot start (exit code {code}): {answer or 'no reason given'}; "
                f"see the log of the worker pool. Interpreter: {sys.executable}"
            )
            raise WorkerFailedError(message)

    def assign(self, assignment: dict[str, Any]) -> None:
        """Hand the worker to a runner. Raises OSError if it has ended meanwhile."""
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        self._process.stdin.write(json.dumps(assignment) + "\n")
        self._process.stdin.flush()

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def stop(self, grace_s: float = 10.0) -> None:
        """SIGTERM, then SIGKILL."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    _LOGGER.debug("a worker's pipe was closed by its end", exc_info=True)


# A new worker's imports and kernels take some seconds of a core. At once they would run beside the
# first records of the job that took the last one, and beside the start of its next worker.
_REFILL_AFTER = 15.0


class WorkerPool:
    """Hands out workers and ends them; safe to call from many threads.

    Args:
        state_cache_mb: memory of the state cache of each worker, MB; 0 turns it off.
        data_buffer_ms: send results on after this many milliseconds even when a bundle goes on;
            0: only when the buffer is full or the bundle ends.
        spare: how many workers to keep ready.
        sockets: folder in which workers answer for their metrics; None: they do not.
    """

    def __init__(
        self, state_cache_mb: int, data_buffer_ms: int, spare: int, sockets: str | None = None
    ) -> None:
        self._sockets = sockets
        self._started = 0
        self._state_cache_mb = state_cache_mb
        self._data_buffer_ms = data_buffer_ms
        self._wanted_spare = spare
        self._lock = threading.Lock()
        self._spare: list[_Worker] = []
        self._busy: dict[str, _Worker] = {}
        self._closed = False
        self._closing = threading.Event()

    def fill(self) -> None:
        """Start spare workers until enough are ready. Raises WorkerFailedError."""
        while True:
            with self._lock:
                self._reap()
                if self._closed or len(self._spare) >= self._wanted_spare:
                    return
            worker = _Worker(self._sockets)
            try:
                worker.wait_ready()
            except WorkerFailedError:
                worker.stop()
                raise
            self._keep(worker)

    def _keep(self, worker: _Worker) -> None:
        """Put a worker among the spare ones, or end it if the pool was closed meanwhile."""
        with self._lock:
            if not self._closed:
                self._spare.append(worker)
                return
        worker.stop()

    def _reap(self) -> None:
        gone = [name for name, worker in self._busy.items() if worker.ended]
        for name in gone:
            self._busy.pop(name).stop()

    def start_worker(self, worker_id: str, control_endpoint: str) -> int:
        """Hand out a worker; return its process id. Raises WorkerFailedError or OSError."""
        with self._lock:
            worker = next((spare for spare in self._spare if not spare.ended), None)
            if worker is not None:
                self._spare.remove(worker)
        if worker is None:
            worker = _Worker(self._sockets)
            worker.wait_ready()
        worker.assign(
            {
                "control_endpoint": control_endpoint,
                "worker_id": worker_id,
                "state_cache_bytes": self._state_cache_mb << 20,
                "data_buffer_ms": self._data_buffer_ms,
            }
        )
        with self._lock:
            self._busy[worker_id] = worker
            self._started += 1
            number = self._started
        threading.Thread(target=self._refill, args=[number], name="refill", daemon=True).start()
        return worker.pid

    def _refill(self, number: int) -> None:
        """Replace what was handed out, unless another worker is wanted in the meantime."""
        if self._closing.wait(_REFILL_AFTER) or number != self._started:
            return
        try:
            self.fill()
        except WorkerFailedError:
            _LOGGER.exception("no spare worker could be started; the next request starts one")

    def stop_worker(self, worker_id: str) -> None:
        """End a worker; unknown ids are no error, it may have ended by itself."""
        with self._lock:
            worker = self._busy.pop(worker_id, None)
        if worker is not None:
            worker.stop()

    def stats(self) -> Stats:
        """Metrics of the pool and of all its workers."""
        stats = Stats()
        with self._lock:
            self._reap()
            stats.set(metric_names.POOL_WORKERS, len(self._busy), state="busy")
            stats.set(metric_names.POOL_WORKERS, len(self._spare), state="spare")
            stats.set(metric_names.POOL_STARTED, self._started)
        process_stats(stats, process="pool")
        return gathered(Path(self._sockets), stats) if self._sockets else stats

    @property
    def ready(self) -> bool:
        """Whether a worker works, or waits for work."""
        with self._lock:
            workers = [*self._spare, *self._busy.values()]
            return not self._closed and any(not one.ended for one in workers)

    def close(self) -> None:
        """End all workers."""
        self._closing.set()
        with self._lock:
            self._closed = True
            workers = [*self._busy.values(), *self._spare]
            self._busy, self._spare = {}, []
        with futures.ThreadPoolExecutor(max_workers=8) as stopping:
            list(stopping.map(_Worker.stop, workers))


def _service(pool: WorkerPool) -> Any:
    """Return the gRPC service of the pool. Beam is imported here, not with the module."""
    from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

    class Service(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):  # type: ignore[misc]
        """Beam's protocol; an error is part of the answer and fails the job."""

        def StartWorker(self, request: Any, context: Any) -> Any:
            """Hand out a worker."""
            try:
                pid = pool.start_worker(request.worker_id, request.control_endpoint.url)
            except (WorkerFailedError, OSError) as error:
                _LOGGER.exception("worker %s was not started", request.worker_id)
                return beam_fn_api_pb2.StartWorkerResponse(error=str(error))
            _LOGGER.info("worker %s is process %d", request.worker_id, pid)
            return beam_fn_api_pb2.StartWorkerResponse()

        def StopWorker(self, request: Any, context: Any) -> Any:
            """End a worker."""
            pool.stop_worker(request.worker_id)
            _LOGGER.info("worker %s stopped", request.worker_id)
            return beam_fn_api_pb2.StopWorkerResponse()

    return Service()


def serve(pool: WorkerPool, host: str, port: int) -> Any:
    """Start the gRPC server and return it. Raises RuntimeError if the port is taken."""
    import grpc
    from apache_beam.portability.api import beam_fn_api_pb2_grpc

    options = [("grpc.http2.max_pings_without_data", 0), ("grpc.http2.max_ping_strikes", 0)]
    options.append(("grpc.so_reuseport", 0))
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=options)
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(_service(pool), server)
    server.add_insecure_port(f"{host}:{port}")
    server.start()
    return server


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="padit.pipelines.worker_pool",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=50000, help="port to listen on")
    parser.add_argument(
        "--state_cache_mb",
        type=int,
        default=int(os.environ.get("PADIT_STATE_CACHE_MB", DEFAULT_STATE_CACHE_MB)),
        help="state cache of each worker in MB, 0 for none (default: %(default)s)",
    )
    parser.add_argument(
        "--data_buffer_ms",
        type=int,
        default=0,
        help="flush results after this many milliseconds within a bundle, 0: at its end",
    )
    parser.add_argument("--spare", type=int, default=1, help="workers to keep ready")
    parser.add_argument(
        "--metrics",
        default=os.environ.get(ADDRESS),
        help="serve /metrics and /health of the pool and its workers at HOST:PORT "
        f"(default: ${ADDRESS}, else not at all)",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C.

    Returns 1 if no worker can be started at all, 2 if an option is wrong.
    """
    args = _parser().parse_args(argv)
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    try:
        configure_logs(logging.INFO)
        with tempfile.TemporaryDirectory(prefix="padit-workers-") as sockets:
            return _serve(args, sockets if args.metrics else None, done)
    except ConfigurationError as error:
        print(f"padit: {error}", file=sys.stderr)
        return 2


def _serve(args: argparse.Namespace, sockets: str | None, done: threading.Event) -> int:
    """Serve until `done`; 1 if no worker can be started at all."""
    pool = WorkerPool(args.state_cache_mb, args.data_buffer_ms, max(args.spare, 1), sockets)
    listening = threading.Event()  # a pool with workers that nobody can reach yet is not ready
    with serving(args.metrics, pool.stats, healthy=lambda: listening.is_set() and pool.ready):
        try:
            pool.fill()
            server = serve(pool, args.host, args.port)
            listening.set()
        except (WorkerFailedError, RuntimeError):
            _LOGGER.exception("the worker pool cannot start")
            pool.close()
            return 1
        _LOGGER.info(
            "worker pool on %s:%d, state cache %d MB", args.host, args.port, args.state_cache_mb
        )
        done.wait()
        pool.close()
        server.stop(grace=1.0).wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
