"""What all tests share: examples, order, the parts that cannot be had, and what must not be left.

With pytest-xdist, every test file goes to one worker whole, and all tests of the Flink cluster go
to the same one, so that there is one cluster and no test meets another's job.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from tests.leftovers import Watch
from tests.supplies import NO_DATA, lacking

pytest_plugins = ["tests.parts"]

# CI tries the same examples every time, so it judges the change and not its luck; elsewhere new
# examples are tried with every run. A busy machine is no failure, so there are no deadlines.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("developer", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "developer")

# The longest files begin first, so that no worker is left alone with one at the end.
_FIRST = ("tests/faults/", "tests/integration/", "tests/pipelines/", "tests/adapters/")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the parts that this machine can never have, before the first test."""
    return [] if hasattr(config, "workerinput") else list(lacking())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    items.sort(key=lambda item: _rank(item.nodeid))  # stable: the order within a file stays


def pytest_make_parametrize_id(config: pytest.Config, val: object) -> str | None:
    """Name bytes that are no plain text by their kind: a packed file holds the time it was made.

    Two workers would name the same test differently, and pytest-xdist then runs none at all.
    """
    return "bytes" if isinstance(val, bytes) and not val.decode("latin-1").isprintable() else None


def _rank(name: str) -> int:
    return next((n for n, start in enumerate(_FIRST) if name.startswith(start)), len(_FIRST))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a test that is skipped for anything but data fails, however it skips."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        if NO_DATA not in str(reason):
            report.outcome = "failed"
            report.longrepr = f"in CI no test of a part is skipped: {reason}"
    return report


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left() -> Iterator[None]:
    """End every process that a test started and left, and fail: the test has to end it."""
    watch = Watch()
    yield
    left = watch.close()
    assert not left, f"left running by a test: {left}"
