"""The Beam worker pool as a local process; its code is in `pipelines.worker_pool`."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from padit.devcluster.ports import LOOPBACK, free_port, port_answers
from padit.devcluster.processes import Part, Service

__all__ = ["Workers", "prepare_workers", "start_workers", "worker_environment"]


@dataclass(frozen=True)
class Workers(Service):
    """A worker pool; if it is killed its workers go on until their runner hangs up.

    Attributes:
        endpoint: `host:port` for `--environment_config`.
        part: the process; its children are the workers (`worker_pids`).
    """

    endpoint: str
    part: Part

    def worker_pids(self) -> list[int]:
        """Return the process ids of its workers, the spare ones too."""
        import psutil

        return [child.pid for child in psutil.Process(self.part.pid).children()]


def worker_environment() -> dict[str, str]:
    """Return the environment of workers: this interpreter first, our packages importable."""
    root = str(Path(__file__).resolve().parents[1])
    env = dict(os.environ)
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", "")])
    paths = [root, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    env["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    # One core per worker is what Flink counts on; numpy's thread pools would fight over them.
    env.setdefault("OMP_NUM_THREADS", "1")
    env.setdefault("OPENBLAS_NUM_THREADS", "1")
    return env


def prepare_workers(
    directory: Path, *, port: int = 0, state_cache_mb: int | None = None, data_buffer_ms: int = 0
) -> Workers:
    """Describe a worker pool without starting it.

    Args:
        directory: for its log.
        port: 0 takes a free one.
        state_cache_mb: memory of each worker's state cache; None: the pool's default.
        data_buffer_ms: see `pipelines.worker_pool.WorkerPool`.
    """
    port = free_port(port)
    command = [sys.executable, "-m", "padit.pipelines.worker_pool"]
    command += ["--host", LOOPBACK, "--port", str(port), "--data_buffer_ms", str(data_buffer_ms)]
    if state_cache_mb is not None:
        command += ["--state_cache_mb", str(state_cache_mb)]
    part = Part(
        "Beam worker pool",
        command,
        log=directory / "workers.log",
        answers=lambda: port_answers(port),
        env=worker_environment(),
    )
    return Workers(f"{LOOPBACK}:{port}", part)


def start_workers(
    directory: Path, *, port: int = 0, state_cache_mb: int | None = None, data_buffer_ms: int = 0
) -> Workers:
    """Start a worker pool; it answers when its first worker has imported everything."""
    workers = prepare_workers(
        directory, port=port, state_cache_mb=state_cache_mb, data_buffer_ms=data_buffer_ms
    )
    workers.part.start()
    return workers
