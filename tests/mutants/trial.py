"""Tests against a mutant: a process of its own in which one file reads otherwise.

No file is changed. A process that has imported everything but this repository forks, and in the
child the loader of Python modules hands out the changed text for the file, whatever name it is
imported by.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

import pytest

__all__ = ["Outcome", "Trial", "run_all", "warm_up"]

# Not Hypothesis: pytest rewrites it when it loads it.
_HEAVY = ("apache_beam", "msgspec", "numpy", "pyarrow", "pydantic", "yaml")
_WAITING = 20.0  # so much longer by the clock, for what waits and needs no processor
_NO_TESTS = int(pytest.ExitCode.NO_TESTS_COLLECTED)


@dataclass(frozen=True)
class Trial:
    """What is to be run.

    Attributes:
        file: the changed file.
        text: what it reads now.
        tests: to run until one fails.
        seconds: of the processor that they may take; a mutant that takes more is killed. A
            machine with other work gives it as many of them, only later.
    """

    file: Path
    text: str
    tests: Sequence[str]
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        killed: whether a test noticed.
        how: "failed", "took too long", "passed" or "not reached".
        seconds: that it took.
    """

    killed: bool
    how: str
    seconds: float = 0.0


def warm_up() -> None:
    """Import what every child needs and no mutant changes."""
    for name in _HEAVY:
        importlib.import_module(name)


def run_all(
    trials: Sequence[Trial], workers: int, log: Path, done: Callable[[int, Outcome], None]
) -> None:
    """Run all, `workers` at a time; `done` is called with each one's number and outcome."""
    waiting: Iterator[tuple[int, Trial]] = iter(enumerate(trials))
    running: dict[int, tuple[int, float, float]] = {}
    try:
        while True:
            while len(running) < workers:
                number, trial = next(waiting, (-1, None))
                if trial is None:
                    break
                if not trial.tests:
                    done(number, Outcome(False, "not reached"))
                    continue
                now = time.monotonic()
                running[_start(trial, log)] = (number, now, now + _WAITING * trial.seconds)
            if not running:
                return
            for pid, outcome in list(_ended(running)):
                number = running.pop(pid)[0]
                done(number, outcome)
            time.sleep(0.02)
    finally:
        for pid in running:
            _kill(pid)


def _ended(running: dict[int, tuple[int, float, float]]) -> Iterator[tuple[int, Outcome]]:
    now = time.monotonic()
    for pid, (_, started, deadline) in running.items():
        found, status = os.waitpid(pid, os.WNOHANG)
        if found == 0 and now > deadline:
            _kill(pid)
            yield pid, Outcome(True, "took too long", now - started)
        elif found:
            code = os.waitstatus_to_exitcode(status)
            assert code != _NO_TESTS, "a mutant's tests are gone"
            how = {0: "passed", -signal.SIGXCPU: "took too long"}.get(code, "failed")
            yield pid, Outcome(code != 0, how, now - started)


def _kill(pid: int) -> None:
    """End a child and all that it started: it leads a process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _start(trial: Trial, log: Path) -> int:
    pid = os.fork()
    if pid:
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.setpgid(pid, pid)  # in parent and child: the first call counts
        return pid
    code = 70
    try:
        os.setpgid(0, 0)
        seconds = math.ceil(time.process_time() + trial.seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 10))
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        code = _child(trial)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _child(trial: Trial) -> int:
    place, text = os.path.realpath(trial.file), trial.text.encode()
    former = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, name: str) -> CodeType | None:
        path = self.get_filename(name)
        if os.path.realpath(path) != place:
            return former(self, name)
        return self.source_to_code(text, path)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]
    sys.dont_write_bytecode = True
    arguments = ["-x", "-q", "-p", "no:cacheprovider", "--tb=line"]
    return int(pytest.main([*arguments, "-W", "ignore::SyntaxWarning", *trial.tests]))
