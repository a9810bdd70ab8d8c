"""Processes of a test process end with it, whatever happens to it, and no others do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.limits import allowed

ROOT = Path(__file__).resolve().parents[1]
# A child of a session of its own, like all parts; its id is printed once it runs: while the system
# loads a program, it shows no environment of it.
STARTS = """
import subprocess, sys, time
from tests.leftovers import Watch
watch = Watch()
code = "import time; print(1, flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True,
                         stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
if sys.argv[1] == "close":
    print(watch.close(), flush=True)
else:
    time.sleep(600)
"""


def start(how: str) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-c", STARTS, how], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def gone(pid: int) -> bool:
    deadline = time.monotonic() + allowed(20)
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_what_a_killed_test_process_started_is_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as other:
        process, child = start("wait")
        with process:
            process.kill()
        assert gone(child)
        assert other.poll() is None
        other.kill()


def test_what_is_left_at_the_end_is_ended_and_named() -> None:
    process, child = start("close")
    out, _ = process.communicate(timeout=allowed(60))
    assert f"process {child}: " in out
    assert gone(child)
    assert str(os.getpid()) not in out
