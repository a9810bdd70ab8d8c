"""A check of the worker pool that starts a worker with our code.

A pool may answer while the workers it starts end at once (the wrong `python`, a package that is
missing); Flink then waits silently. So the check requests a worker, as Flink does, and waits for
its call.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent import futures
from typing import Any

from padit.cli.checks.findings import Finding, broken, fine

__all__ = ["check_workers"]


def check_workers(endpoint: str, timeout_s: float = 30.0) -> Finding:
    """Ask the pool at `host:port` for a worker and wait until it calls back."""
    import grpc

    begin = time.monotonic()
    server, port, called = _control_service()
    try:
        error = _ask(endpoint, port, called, timeout_s)
    except grpc.RpcError as failure:
        fix = "`padit up` starts one; or: python -m padit.pipelines.worker_pool --port 50000"
        return broken("workers", f"{endpoint} does not answer: {failure.code().name}", fix)
    finally:
        server.stop(grace=None)
    if error:
        fix = (
            "see the pool's log; start it from the environment PADIT is installed in "
            "(with Beam's own pool its bin folder must come first on the PATH)"
        )
        return broken("workers", f"{endpoint} answers, but {error}", fix)
    seconds = time.monotonic() - begin
    return fine("workers", f"{endpoint}: a worker came up in {seconds:.1f} s")


def _ask(endpoint: str, port: int, called: threading.Event, timeout_s: float) -> str:
    """Return the fault, or nothing. Raises grpc.RpcError if the pool does not answer."""
    import grpc
    from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

    worker_id = f"doctor-{time.monotonic_ns()}"
    control = {"url": f"127.0.0.1:{port}"}
    with grpc.insecure_channel(endpoint) as channel:
        pool = beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(channel)
        request = beam_fn_api_pb2.StartWorkerRequest(
            worker_id=worker_id, control_endpoint=control, logging_endpoint=control
        )
        answer = pool.StartWorker(request, timeout=timeout_s)
        if answer.error:
            return str(answer.error)
        up = called.wait(timeout_s)
        pool.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id=worker_id), timeout=timeout_s)
    return "" if up else f"the worker it started did not call back within {timeout_s:g} s"


def _control_service() -> tuple[Any, int, threading.Event]:
    """Start the service that a worker calls: the control service of an idle runner."""
    import grpc
    from apache_beam.portability.api import beam_fn_api_pb2_grpc

    called = threading.Event()

    class Control(beam_fn_api_pb2_grpc.BeamFnControlServicer):  # type: ignore[misc]
        """Records the call of a worker, and disconnects."""

        def Control(self, responses: Any, context: Any) -> Iterator[Any]:
            """Send no work."""
            called.set()
            yield from ()

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    beam_fn_api_pb2_grpc.add_BeamFnControlServicer_to_server(Control(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port, called
