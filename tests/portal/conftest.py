"""What the tests of the page share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from padit.cli.main import main
from tests.portal.browsing import browser, faults_of, opened
from tests.portal.making import Served


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A real Chromium for the tests of a file."""
    with browser() as one:
        yield one


@pytest.fixture(scope="module")
def page(run: Served, chromium: Browser) -> Iterator[Page]:
    """The page of a file's `run` for an administrator; no test leaves an error on it."""
    link = run.portal.accounts.link("admin")
    with opened(chromium, run.address, link, "ann") as one:
        yield one
        assert faults_of(one) == []


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated factory with faults, and what the job made of it."""
    folder = tmp_path_factory.mktemp("factory")
    done = main(["demo", "--machines", "4", "--hours", "1", "--folder", str(folder), "--overwrite"])
    assert done == 0
    return folder
