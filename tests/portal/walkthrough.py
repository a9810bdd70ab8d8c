"""From the README's command to a silenced alert with a preview, in a real Chromium, by the clock.

`python -m tests.portal.walkthrough` writes docs/portal/first-minutes.md and its pictures, and those
of README.md and docs/portal.md: what
somebody who has never seen it does, step by step, with the seconds that passed. A person reads and
looks between the steps; `_READ` seconds are spent for that at each.
"""

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page

from tests.portal.browsing import browser, faults_of
from tests.portal.live import live_demo

_DOCS = Path(__file__).parents[2] / "docs" / "portal"
_READ = 6.0
_MOST_SECONDS = 300
_SIZE = {"width": 1000, "height": 700}


class _Transcript:
    """Steps with their time and picture."""

    def __init__(self, page: Page, began: float) -> None:
        self._page, self._began = page, began
        self.lines: list[str] = []

    def step(self, name: str, text: str, also: str = "") -> None:
        """A picture of what is there now, and how long it took; `also` is one for other pages."""
        self._page.wait_for_timeout(400)
        self._page.screenshot(
            path=_DOCS / f"minutes-{name}.jpg", type="jpeg", quality=70, scale="css"
        )
        if also:
            self._page.screenshot(path=_DOCS / also, scale="css")
        passed = time.monotonic() - self._began
        self.lines += [f"**{passed // 60:.0f}:{passed % 60:02.0f}** {text}", "",
                       f"![{text.partition('.')[0]}](minutes-{name}.jpg)", ""]  # fmt: skip
        print(f"{passed:5.0f} s  {text}")
        time.sleep(_READ)


def _walk(page: Page, began: float, address: str, token: str) -> list[str]:
    done = _Transcript(page, began)
    page.goto(f"{address}/#/first/{token}")
    page.wait_for_selector("input[name=name]")
    done.step("link", "The command has printed a link. It asks for a name and a password.")
    page.fill("input[name=name]", "ann")
    page.fill("input[name=password]", "correct horse battery")
    page.press("input[name=password]", "Enter")
    page.wait_for_selector(".calm, li.incident")
    if page.locator("li.incident:not(.over)").count() == 0:  # a slow start may come after the fault
        seen = page.locator(".calm.unseen").count() == 0
        done.step(
            "calm",
            "All clear: forty series of eight machines are watched."
            if seen
            else "No alert is open; the page says why it cannot be seen yet whether all is well.",
        )
    page.wait_for_selector("li.incident:not(.over)", timeout=90_000)
    done.step("fails", "A machine fails. The incident is there with its severity and reason.")
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.wait_for_selector("li.incident .tag.good")
    done.step("taken", "`j` chooses it and `a` acknowledges it: the others see who has it.",
              "now.png")  # fmt: skip
    page.keyboard.press("e")
    page.wait_for_selector(".story")
    page.wait_for_function("() => !document.querySelector('.chart.wait')")
    done.step("incident", "`e` opens it: cause, first failures and impact, and the curve.")
    page.keyboard.press("s")
    page.wait_for_selector('.preview[data-ready="yes"]')
    done.step("preview", "`s` opens the silence. The preview counts what it mutes, now and before.",
              "silence.png")  # fmt: skip
    page.click("#silence-it")
    page.wait_for_selector("dialog", state="detached")
    page.goto(f"{address}/#/now")
    page.wait_for_selector("ul.plain-list")
    done.step("silenced", "The silence holds. It is listed with its end, and can be ended here.")
    assert faults_of(page) == [], faults_of(page)
    return done.lines


def main() -> int:
    """Walk, and write the page; 1 if it took longer than five minutes."""
    with (
        tempfile.TemporaryDirectory() as name,
        browser() as chromium,
        live_demo(Path(name), "--minutes=6") as demo,
    ):
        page = chromium.new_page(viewport=_SIZE)  # type: ignore[arg-type]
        page.faults = faults = []  # type: ignore[attr-defined]
        page.on("pageerror", lambda error: faults.append(str(error)))
        lines = _walk(page, demo.began, demo.address, demo.token)
        passed = time.monotonic() - demo.began
        page.close()
        demo.interrupt()
    head = [
        "# The first minutes", "",
        "What somebody does who has never seen it, from the command to a silenced alert, with the "
        "time since", "the command was started. Made by `python -m tests.portal.walkthrough` in a "
        f"real Chromium, which spends {_READ:.0f} s", "on reading at each step; all of it took "
        f"{passed // 60:.0f} min {passed % 60:.0f} s.", "",
        "```", "make demo", "padit demo --live", "```", "",
    ]  # fmt: skip
    (_DOCS / "first-minutes.md").write_text("\n".join([*head, *lines]).rstrip() + "\n")
    print(f"{passed:.0f} s in all, of at most {_MOST_SECONDS}")
    return int(passed > _MOST_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
