"""The worker pool replaces what it hands out, and not while the job that took it begins."""

import threading
import time
from typing import Any

import pytest

from padit.pipelines import worker_pool
from padit.pipelines.worker_pool import WorkerPool
from tests.limits import allowed


class _Started:
    """Stands for a worker's process; counts how many were started."""

    made: list["_Started"]
    ended = False
    pid = 1

    def __init__(self, sockets: str | None) -> None:
        type(self).made.append(self)

    def wait_ready(self) -> None:
        pass

    def assign(self, order: dict[str, Any]) -> None:
        pass

    def stop(self) -> None:
        pass


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[_Started]:
    made: list[_Started] = []
    monkeypatch.setattr(_Started, "made", made, raising=False)
    monkeypatch.setattr(worker_pool, "_Worker", _Started)
    return made


def _refills() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "refill"]


def test_a_worker_is_replaced_later_than_it_is_handed_out(started: list[_Started]) -> None:
    pool = WorkerPool(0, 0, 1)
    pool.fill()
    pool.start_worker("a", "somewhere")
    assert (len(started), len(_refills())) == (1, 1)
    pool.close()
    for one in _refills():
        one.join(allowed(5))
    assert (len(started), _refills()) == (1, [])


def test_the_last_of_several_workers_is_followed_by_one_spare(
    started: list[_Started], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "_REFILL_AFTER", 0.3)
    pool = WorkerPool(0, 0, 1)
    pool.fill()
    pool.start_worker("a", "somewhere")
    pool.start_worker("b", "somewhere")
    assert len(started) == 2  # a spare one, and one that was started when it was asked for
    until = time.monotonic() + allowed(5)
    while _refills() and time.monotonic() < until:
        time.sleep(0.01)
    assert len(started) == 3
    pool.close()
