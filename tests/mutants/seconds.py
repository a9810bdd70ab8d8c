"""A pytest plugin that writes down how long every test takes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

_seconds: dict[str, float] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add a phase."""
    _seconds[report.nodeid] = _seconds.get(report.nodeid, 0.0) + report.duration


def pytest_sessionfinish() -> None:
    """Write."""
    Path(os.environ["PADIT_MUTANTS_SECONDS"]).write_text(json.dumps(_seconds))
