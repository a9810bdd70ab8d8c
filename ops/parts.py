"""One computation on several processors: kernels work without Python's lock.

What is computed must not depend on the number of parts, since that is the machine's: each part
writes what is its own alone.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache

__all__ = ["in_parts"]

_MOST = 4  # a worker shares its machine
_WORTH = 2000  # samples, of a microsecond each: handing a part over costs a twentieth of that


def in_parts(run: Callable[[int, int], None], samples: int) -> None:
    """Call `run(part, parts)` for every part, at the same time where that is worth it.

    Args:
        run: computes a part; it alone writes there.
        samples: how many there are in all.
    """
    parts = _processors() if samples >= _WORTH else 1
    if parts == 1:
        run(0, 1)
        return
    threads = _threads(os.getpid())
    others = [threads.submit(run, part, parts) for part in range(1, parts)]
    try:
        run(0, parts)
    finally:
        wait(others)
    for one in others:
        one.result()


def _processors() -> int:
    """How many of them this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return min(_MOST, len(os.sched_getaffinity(0)))
    return min(_MOST, os.cpu_count() or 1)


@lru_cache(maxsize=1)
def _threads(process: int) -> ThreadPoolExecutor:
    """The threads of a process; those of its parent are gone."""
    del process
    return ThreadPoolExecutor(_MOST - 1, "kernels")
