"""`padit demo --live`: a factory fails before your eyes, and all of it ends."""

import re
import socket
import time
from pathlib import Path

import pytest

from padit.cli.live_factory import FAILS_WITHIN_SECONDS
from padit.cli.main import main
from tests.limits import allowed
from tests.portal.browsing import browser, faults_of, kept, opened
from tests.portal.live import live_demo


def test_a_machine_fails_on_the_open_page_within_a_minute_and_ctrl_c_ends_it(
    tmp_path: Path,
) -> None:
    with (
        browser() as chromium,
        live_demo(tmp_path, "--minutes=8") as demo,
        opened(chromium, demo.address, demo.token, "ann") as page,
    ):
        page.wait_for_selector(".calm")
        seen = time.monotonic()
        assert "no incident is open" in page.inner_text(".calm h1")
        assert page.locator(".unseen").count() + page.locator(".silent").count() == 0
        page.wait_for_selector("li.incident", timeout=allowed(FAILS_WITHIN_SECONDS) * 1000)
        seconds = time.monotonic() - seen
        print(f"the first incident is on the page {seconds:.0f} s after it was opened")
        assert seconds < allowed(FAILS_WITHIN_SECONDS)
        page.click("li.incident .title")
        page.wait_for_selector(".story")
        page.wait_for_function("() => !document.querySelector('.chart.wait')")
        kept(page, "live-incident")
        assert faults_of(page) == []
        page.context.close()
        assert demo.interrupt() == 0
        assert "no part of it is left" in demo.log.read_text()
    port = int(re.findall(r":(\d+)", demo.address)[0])
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), 2)


def test_a_view_that_is_empty_says_why_and_what_to_do(tmp_path: Path) -> None:
    with (
        browser() as chromium,
        live_demo(tmp_path, "--minutes=8") as demo,
        opened(chromium, demo.address, demo.token, "ann") as page,
    ):
        page.wait_for_selector(".calm")
        for view, said in (
            ("whatif", "no alert has come"), ("logs", "POST /api/v1/logs"),
            ("logs?q=nowhere", "fits this search"), ("compare", "Put another alerts file"),
        ):  # fmt: skip
            page.goto(f"{demo.address}/#/{view}")
            page.wait_for_selector(f"main p:has-text('{said}')")
        assert faults_of(page) == []
        page.context.close()
        assert demo.interrupt() == 0


def test_it_ends_by_itself_and_a_folder_of_somebody_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with live_demo(tmp_path, "--minutes=0.1") as demo:
        assert demo.process.wait(allowed(60)) == 0
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    assert main(["demo", "--live", "--no_browser", f"--folder={other}"]) == 2
    assert "holds something else" in capsys.readouterr().err
    assert [one.name for one in other.iterdir()] == ["mine.txt"]
