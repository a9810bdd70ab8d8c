"""Tests against a mutant, each in a forked process, so many at a time.

No file is changed. What the child does is up to its caller: `anew` lets it import the repository
with the changed text in place of one file, whatever name that is imported by; `tests.mutants.live`
exchanges the changed function only, where everything is imported and the tests are collected.
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
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

import pytest

from tests.mutants.examples import few, few_of

__all__ = ["QUIET", "Limits", "Outcome", "Trial", "anew", "install", "run_all", "warm_up"]

# Hypothesis is imported before pytest could rewrite it; the compiler may find a mutant odd.
QUIET = ("-W", "ignore::pytest.PytestAssertRewriteWarning", "-W", "ignore::SyntaxWarning")
_HEAVY = ("apache_beam", "msgspec", "numpy", "pyarrow", "pydantic", "yaml")
# Of the processor: what a test may take, by what it takes undisturbed.
_LEAST_S, _TIMES = 4.0, 10.0
_IMPORTS_S = 120.0
_WAITING = 60.0  # so much longer by the clock, for what waits and for a machine with other work
_MEMORY = 8 << 30
_OURS = 70  # exit code of a child that does not get as far as its tests
_NO_TESTS = int(pytest.ExitCode.NO_TESTS_COLLECTED)


@dataclass(frozen=True)
class Trial:
    """What is to be run.

    Attributes:
        file: the changed file.
        text: what it reads now.
        tests: to run until one fails.
        seconds: that each of them takes undisturbed. A test that takes many times as long, of the
            processor's time, is ended, and the mutant is killed.
    """

    file: Path
    text: str
    tests: Sequence[str]
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        killed: whether a test noticed.
        how: "failed", "took too long", "passed" or "not reached".
        seconds: that it took.
        test: that was running at the end; empty if none was.
    """

    killed: bool
    how: str
    seconds: float = 0.0
    test: str = ""


class _Unwatched:
    """In place of `tests.leftovers.Watch`: what a trial leaves is ended with its process group."""

    def close(self) -> list[str]:
        """Nothing is left."""
        return []


class Limits:
    """A pytest plugin of trials: what a test may take, which one runs, and no shrinking.

    Hypothesis tries the same examples every time, but does not look for a smaller one that fails
    as well; a slow machine is no failure.
    """

    def __init__(self, trial: Trial) -> None:
        self.trial = trial

    @staticmethod
    def pytest_configure(config: pytest.Config) -> None:
        """Before tests are imported, which take their settings from the profile."""
        for plugin in config.pluginmanager.get_plugins():
            if hasattr(plugin, "Watch"):  # conftest.py: a process for every trial, not needed
                plugin.Watch = _Unwatched
        few()

    @staticmethod
    def pytest_itemcollected(item: pytest.Item) -> None:
        """One of the tests."""
        few_of(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, bool, bool]:
        """Set the clock and leave a note."""
        _note().write_text(item.nodeid)
        _limit(_LEAST_S + _TIMES * self.trial.seconds.get(item.nodeid, 0.0))
        return (yield)


def warm_up() -> None:
    """Import what every child of `anew` needs and no mutant changes."""
    for name in _HEAVY:
        importlib.import_module(name)


@dataclass
class _Running:
    number: int
    started: float
    deadline: float


def run_all(
    trials: Sequence[Trial],
    workers: int,
    log: Path,
    done: Callable[[int, Outcome], None],
    child: Callable[[Trial], int],
    until: float = math.inf,
) -> None:
    """Run all, `workers` at a time; `done` is called with each one's number and outcome.

    None is begun after `until`, a time of `time.monotonic`.

    `child` is called in a process of its own and returns its exit code, 0 if all tests passed.
    Tests that noticed another change of the same file are run first.
    """
    waiting = list(reversed(list(enumerate(trials))))
    running: dict[int, _Running] = {}
    noticed: dict[Path, Counter[str]] = {}
    try:
        while running or (waiting and time.monotonic() < until):
            while waiting and len(running) < workers and time.monotonic() < until:
                number, trial = waiting.pop()
                if trial.tests:
                    before = noticed.setdefault(trial.file, Counter())
                    pid = _start(_in_order(trial, before), log, child)
                    running[pid] = _Running(number, *_times(trial))
                else:
                    done(number, Outcome(False, "not reached"))
            for pid, outcome in list(_ended(running)):
                number = running.pop(pid).number
                if outcome.killed:
                    noticed[trials[number].file][outcome.test] += 1
                done(number, outcome)
            time.sleep(0.005)
    finally:
        for pid in running:
            _kill(pid)


def _times(trial: Trial) -> tuple[float, float]:
    now = time.monotonic()
    known = sum(trial.seconds.get(test, 0.0) for test in trial.tests)
    return now, now + _IMPORTS_S + _WAITING * (_LEAST_S + known)


def _in_order(trial: Trial, noticed: Counter[str]) -> Trial:
    """Those that noticed another change first, the others as they came: quickest first."""
    return replace(trial, tests=sorted(trial.tests, key=lambda test: -noticed[test]))


def _ended(running: Mapping[int, _Running]) -> Iterator[tuple[int, Outcome]]:
    now = time.monotonic()
    for pid, one in running.items():
        found, status = os.waitpid(pid, os.WNOHANG)
        if found == 0 and now > one.deadline:
            _kill(pid)  # on a machine with so much other work that nothing is known
            yield pid, Outcome(False, "not tried", now - one.started, _last_test(pid))
        elif found:
            code = os.waitstatus_to_exitcode(status)
            assert code != _NO_TESTS, "a mutant's tests are gone"
            how = {0: "passed", -signal.SIGPROF: "took too long", _OURS: "not tried"}
            killed = code not in (0, _OURS)
            yield pid, Outcome(killed, how.get(code, "failed"), now - one.started, _last_test(pid))


def _note(pid: int | None = None) -> Path:
    return Path(f"/tmp/padit-mutant-{os.getpid() if pid is None else pid}")  # noqa: S108


def _last_test(pid: int) -> str:
    note = _note(pid)
    text = note.read_text() if note.exists() else ""
    note.unlink(missing_ok=True)
    return text


def _kill(pid: int) -> None:
    """End a child and all that it started: it leads a process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _limit(seconds: float) -> None:
    """Let the kernel end this process after so much more of the processor's time."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _start(trial: Trial, log: Path, child: Callable[[Trial], int]) -> int:
    pid = os.fork()
    if pid:
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.setpgid(pid, pid)  # in parent and child: the first call counts
        return pid
    code = _OURS
    try:
        os.setpgid(0, 0)
        _limit(_IMPORTS_S)
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        code = child(trial)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def install(trial: Trial) -> None:
    """Let the file have the changed text when it is imported, by whatever name."""
    place, text = os.path.realpath(trial.file), trial.text.encode()
    former = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, name: str) -> CodeType | None:
        path = self.get_filename(name)
        if os.path.realpath(path) != place:
            return former(self, name)
        return self.source_to_code(text, path)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]
    sys.dont_write_bytecode = True


def anew(trial: Trial) -> int:
    """Import the repository with the changed text and run the tests; their exit code."""
    install(trial)
    arguments = ["-x", "-q", "-p", "no:cacheprovider", "--tb=line"]
    return int(pytest.main([*arguments, *QUIET, *trial.tests], plugins=[Limits(trial)]))
