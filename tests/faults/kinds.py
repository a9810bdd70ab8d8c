"""The faults. Each does its harm to a running job and what its operator would do about it."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

from tests.faults.job import Job, Stopped

__all__ = ["KINDS", "RESTORING", "SHORT", "Fault"]

Fault = Callable[[Job, random.Random], None]


def kill_taskmanager(job: Job, chance: random.Random) -> None:
    """SIGKILL; a new one is started, Flink restores the last checkpoint."""
    part = job.site.cluster.taskmanagers[0]
    part.kill()
    time.sleep(chance.uniform(0, 2))
    part.restart()


def kill_workers(job: Job, chance: random.Random) -> None:
    """SIGKILL one or all of the Python workers that the job uses; the pool gives new ones."""
    busy = job.site.busy_workers()
    for pid in busy if chance.random() < 0.5 else [chance.choice(busy)]:
        os.kill(pid, signal.SIGKILL)


def kill_jobmanager(job: Job, chance: random.Random) -> None:
    """SIGKILL; a new one knows nothing, so the job is submitted from its last checkpoint."""
    part = job.site.cluster.jobmanager
    part.kill()
    time.sleep(chance.uniform(0, 2))
    part.restart()
    checkpoint = job.checkpoint()
    assert checkpoint is not None
    job.leave(patience_s=0.5)  # its operator does not wait for what the command makes of it
    job.submit(savepoint=checkpoint)


def kill_broker(job: Job, chance: random.Random) -> None:
    """SIGKILL; it is started again on the same data."""
    broker = job.site.broker
    broker.kill()
    time.sleep(chance.uniform(0, 3))
    broker.restart()


def pause_broker(job: Job, chance: random.Random) -> None:
    """SIGSTOP for 2 to 8 seconds, SIGCONT."""
    pid = job.site.broker.part.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(chance.uniform(2, 8))
    finally:
        os.kill(pid, signal.SIGCONT)


def savepoint(job: Job, chance: random.Random) -> None:
    """Cancel with a savepoint, go on from it."""
    place = job.save(cancel=True)
    job.leave()
    job.submit(savepoint=place)


def stop_and_rescale(job: Job, chance: random.Random) -> None:
    """Stop with a savepoint, go on at parallelism 1; what was said is kept."""
    place = job.save(cancel=False)
    job.stopped.append(Stopped(place, job.leave()))
    job.submit(1, place)


def rescale(job: Job, chance: random.Random) -> None:
    """Stop with a savepoint at parallelism 2, go on at 4, stop, go on at 1."""
    for parallelism in (4, 1):
        place = job.save(cancel=False)
        job.leave()
        job.submit(parallelism, place)
        if parallelism != 1:
            job.wait_progress(job.read())


# The last one leaves the job at parallelism 1, so it comes last in a round.
KINDS: dict[str, Fault] = {
    "TaskManager killed": kill_taskmanager,
    "workers killed": kill_workers,
    "JobManager killed": kill_jobmanager,
    "broker killed": kill_broker,
    "broker paused": pause_broker,
    "cancelled with savepoint": savepoint,
    "rescaled 2, 4, 1": rescale,
}
# Of a short round: the half of the last one.
SHORT: dict[str, Fault] = {"stopped, on at parallelism 1": stop_and_rescale}
# A broker that is away costs no restore.
RESTORING = frozenset(KINDS | SHORT) - {"broker killed", "broker paused"}
