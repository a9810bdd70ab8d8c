"""A real Chromium: pages that report every error, axe, and screenshots that are kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.limits import allowed
from tests.parts import required_program

__all__ = ["PICTURES", "another", "browser", "faults_of", "opened", "violations"]

PICTURES = Path(__file__).parents[2] / "build" / "portal"
AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


@contextmanager
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    program = required_program("chromium")
    environment: dict[str, Any] = dict(program.environment)
    environment.pop("NODE_EXTRA_CA_CERTS", None)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=program.path, args=["--no-sandbox", "--disable-gpu"], env=environment
        )
        try:
            yield found
        finally:
            found.close()


@contextmanager
def opened(
    chromium: Browser, address: str, token: str, name: str, **options: Any
) -> Iterator[Page]:
    """A page that is logged in by a one-time link."""
    context = chromium.new_context(viewport=WIDE, bypass_csp=False, **options)  # type: ignore[arg-type]
    page = _heard(context.new_page())
    page.goto(f"{address}/#/first/{token}")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", "correct horse battery")
    page.press("input[name=password]", "Enter")
    page.wait_for_selector("main#content")
    try:
        yield page
    finally:
        context.close()


@contextmanager
def another(known: Page, address: str) -> Iterator[Page]:
    """A page more of who is logged in already: logging in is limited to ten a minute."""
    page = _heard(known.context.new_page())
    page.goto(address)
    page.wait_for_selector("main#content")
    try:
        yield page
    finally:
        page.close()


def _heard(page: Page) -> Page:
    """Notes every error of the page."""
    faults: list[str] = []
    page.set_default_timeout(allowed(15) * 1000)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda one: faults.append(one.text) if one.type == "error" else None)
    page.faults = faults  # type: ignore[attr-defined]
    return page


def faults_of(page: Page) -> list[str]:
    """Errors of scripts and of the console so far."""
    found: list[str] = page.faults  # type: ignore[attr-defined]
    return found


def violations(page: Page) -> list[str]:
    """What axe finds, rule and element, once nothing fades or moves any more."""
    # A row that arrives is half transparent for a quarter of a second: its text is too pale.
    page.evaluate("() => Promise.allSettled(document.getAnimations().map(one => one.finished))")
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(AXE)
    found = page.evaluate(
        "() => axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map("
        "v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + ' ' + "
        "(n.any[0] ? n.any[0].message : '')).join(' | ')))"
    )
    return list(found)


def kept(page: Page, name: str) -> None:
    """Keep a picture of what the page shows."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
