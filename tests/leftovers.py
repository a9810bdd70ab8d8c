"""Processes that tests started are ended with them, and no others, even if the tests are killed.

All that a test process starts inherits a mark in its environment. `Watch` ends at the close what
carries the mark still; its helper does so if the test process dies before.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator

import psutil

__all__ = ["Watch"]

_NAME = "PADIT_TEST_PROCESS"


class Watch:
    """Marks this process's environment; one at a time."""

    def __init__(self) -> None:
        self._mark = uuid.uuid4().hex
        os.environ[_NAME] = self._mark
        command = [sys.executable, __file__, self._mark]
        # Of a session of its own, so that no signal to the test process's group reaches it.
        self._helper = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def close(self) -> list[str]:
        """End what is left; how it was called."""
        left = [
            one for one in _marked(self._mark) if one.pid not in (os.getpid(), self._helper.pid)
        ]
        names = [f"process {one.pid}: {' '.join(one.cmdline())[:200]}" for one in left]
        for one in left:
            one.kill()
        assert self._helper.stdin is not None
        self._helper.stdin.close()
        self._helper.wait()
        return names


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            # Python's own helper of multiprocessing ends with its parent.
            own = any("resource_tracker" in word for word in process.cmdline())
            if process.environ().get(_NAME) == mark and not own:
                yield process
        except psutil.Error:
            continue


def _wait_and_end(mark: str) -> None:
    sys.stdin.read()  # ends when the other end is closed
    for process in list(_marked(mark)):
        if process.pid != os.getpid():
            try:
                process.kill()
            except psutil.Error:
                continue


if __name__ == "__main__":
    _wait_and_end(sys.argv[1])
