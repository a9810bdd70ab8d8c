"""A pytest plugin for the measured run: the processor's seconds of every test that passes.

Each test runs without remembered results. One that takes longer than PADIT_MUTANTS_MOST is ended:
it would cost more than all others of a mutant.

What a function with `functools.cache` remembers from one test, the next does not run, and would not
seem to reach.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.mutants.examples import few, few_of

_AGAIN_S = 0.05
_Cached = type(functools.cache(lambda: None))
_seconds: dict[str, float] = {}
_unfit: set[str] = set()  # too slow, skipped or failed
_seen: set[str] = set()
_caches: list[Any] = []
_last = [0.0]  # the processor's time at the end of the last phase


def pytest_configure() -> None:
    """The examples that trials have."""
    few()


def pytest_itemcollected(item: pytest.Item) -> None:
    """One of the tests."""
    few_of(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Forget."""
    for name in set(sys.modules) - _seen:
        _seen.add(name)
        if name.startswith("padit."):
            _caches.extend(_cached(vars(sys.modules[name])))
    for one in _caches:
        one.cache_clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, bool, bool]:
    """End what takes too long, but for what is set up first, for many tests."""
    signal.signal(signal.SIGPROF, _too_slow)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def pytest_runtest_call() -> None:
    """Start the clock."""
    signal.setitimer(signal.ITIMER_PROF, float(os.environ["PADIT_MUTANTS_MOST"]))


def _too_slow(_number: int, frame: FrameType | None) -> None:
    """End the test, but not where coverage holds its lock: the next phase would wait forever."""
    while frame is not None:
        if "coverage" in Path(frame.f_code.co_filename).parts:
            signal.setitimer(signal.ITIMER_PROF, _AGAIN_S)
            return
        frame = frame.f_back
    pytest.skip("takes too long for mutants")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A phase lasts as long as the processor worked for it: other work does not count."""
    report = yield
    now = time.process_time()
    report.duration, _last[0] = now - _last[0], now
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add a phase."""
    if not report.passed:
        _unfit.add(report.nodeid)
    _seconds[report.nodeid] = _seconds.get(report.nodeid, 0.0) + report.duration


def pytest_sessionfinish() -> None:
    """Write, where the reports of all workers come together."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    passed = {name: seconds for name, seconds in _seconds.items() if name not in _unfit}
    Path(os.environ["PADIT_MUTANTS_SECONDS"]).write_text(json.dumps(passed))


def _cached(names: Any) -> Iterator[Any]:
    for one in list(names.values()):
        if isinstance(one, _Cached):
            yield one
        elif isinstance(one, type) and str(one.__module__).startswith("padit."):
            yield from (each for each in vars(one).values() if isinstance(each, _Cached))
