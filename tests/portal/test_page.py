"""The page in a real Chromium: a fault appears, is acknowledged, silenced, resolved; every view."""

import time
from pathlib import Path

import msgspec
from playwright.sync_api import Browser, Page

from padit.domain.timestamps import MICROS, format_utc, parse_timestamp
from tests.limits import allowed
from tests.portal.browsing import PHONE, WIDE, faults_of, kept, opened, violations
from tests.portal.making import Served, append, served, transition, wait_for

VIEWS = {
    "now": "now", "finder": "series", "whatif": "whatif", "explore": "explore?hours=2",
    "logs": "logs", "health": "health", 
    "compare": "compare?left=alerts.jsonl&right=other.alerts.jsonl",
}  # fmt: skip


def _transitions(factory: Path) -> list[bytes]:
    """The factory's alerts as if they happened now."""
    events = [
        msgspec.json.decode(line) for line in (factory / "alerts.jsonl").read_bytes().splitlines()
    ]
    shift = int(time.time() * MICROS) - parse_timestamp(events[0]["time"])
    for event in events:
        for place, key in ((event, "time"), (event["data"], "opened")):
            place[key] = format_utc(parse_timestamp(place[key]) + shift)
    return [msgspec.json.encode(event) for event in events]


def _link(one: Served) -> str:
    return one.portal.accounts.link("admin")


def test_a_fault_appears_is_acknowledged_silenced_and_resolves_by_keyboard(
    factory: Path, tmp_path: Path, chromium: Browser
) -> None:
    opening = _transitions(factory)[0]
    alerts = tmp_path / "alerts.jsonl"
    alerts.touch()
    with served(tmp_path) as one, opened(chromium, one.address, _link(one), "ann") as page:
        page.wait_for_selector(".calm >> text=Nothing is watched yet")
        append(alerts, opening)
        written = time.monotonic()
        page.wait_for_selector("li.incident", timeout=allowed(1) * 1000)
        seconds = time.monotonic() - written
        assert seconds < allowed(1)
        print(f"a transition is on the page after {seconds:.2f} s")
        page.keyboard.press("j")
        page.keyboard.press("a")
        page.wait_for_selector("li.incident .tag.good")
        assert "ann" in page.inner_text("li.incident .tag.good")
        kept(page, "acknowledged")
        page.keyboard.press("u")
        page.wait_for_selector("li.incident .tag.good", state="detached")
        page.keyboard.press("s")
        page.wait_for_selector('.preview[data-ready="yes"]')
        assert "Open alerts that it mutes now: 1." in page.inner_text(".preview")
        assert violations(page) == []
        kept(page, "silence")
        page.focus("#silence-it")
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog", state="detached")
        wait_for(lambda: len(one.portal.overview.state.silences) == 1)
        page.wait_for_selector("ul.plain-list >> text=ann")
        page.keyboard.press("Escape")
        page.evaluate("() => document.activeElement.blur()")
        page.keyboard.press("r")
        page.wait_for_selector(".calm")
        assert not one.portal.overview.state.alerts
        assert faults_of(page) == []


def test_what_comes_while_the_page_is_away_is_there_once_when_it_is_back(
    tmp_path: Path, chromium: Browser
) -> None:
    alerts, base = tmp_path / "alerts.jsonl", int(time.time() * MICROS)
    append(alerts, transition("opened", 0, "first", base=base, source_id="m-first"))
    with served(tmp_path) as one, opened(chromium, one.address, _link(one), "ann") as page:
        page.wait_for_selector("li.incident")
        page.context.set_offline(True)
        page.wait_for_selector(".banner.bad")
        for at in range(20):
            append(alerts, transition("opened", at, f"a{at}", base=base, source_id=f"m-{at}"))
        append(alerts, transition("resolved", 30, "first", base=base, source_id="m-first"))
        wait_for(lambda: one.portal.overview.version >= 22)
        assert page.locator("li.incident").count() == 1
        page.context.set_offline(False)
        page.wait_for_function(
            "() => document.querySelectorAll('li.incident:not(.over)').length === 20"
        )
        page.wait_for_selector(".banner.bad", state="detached")
        names = page.eval_on_selector_all(
            "li.incident", "all => all.map(one => one.dataset.incident)"
        )
        assert len(names) == len(set(names)) == 21


def _show(page: Page, one: Served, view: str) -> None:
    page.goto(f"{one.address}/#/{view}")
    page.wait_for_selector("main:not([aria-busy=true]) h1")
    page.wait_for_function("() => !document.querySelector('main [aria-busy=true], .chart.wait')")
    page.wait_for_timeout(350)


def test_every_view_is_free_of_errors_and_barriers_in_both_themes_and_on_a_phone(
    factory: Path, chromium: Browser
) -> None:
    other = [
        line
        for line in (factory / "alerts.jsonl").read_bytes().splitlines()
        if b'"subject":"rpm"' not in line
    ]
    (factory / "other.alerts.jsonl").write_bytes(b"".join(line + b"\n" for line in other))
    found: dict[str, list[str]] = {}
    with served(factory) as one, opened(chromium, one.address, _link(one), "ann") as page:
        wait_for(lambda: one.portal.overview.incidents)
        logs = [
            {"message": f"spindle {n} is at {n * 7} %", "level": ("info", "error")[n % 2]}
            for n in range(40)
        ]
        assert one.client("ingest").post("/api/v1/logs", json=logs).status_code == 201
        incident = next(iter(one.portal.overview.incidents))
        row = next(iter(one.portal.overview.alerts.values()))
        views = VIEWS | {
            "incident": f"incident/{incident}",
            "series": f"series/{row.source_id}/{row.metric_name}",
        }
        for theme, size in (("light", WIDE), ("dark", WIDE), ("dark", PHONE)):
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            page.set_viewport_size(size)  # type: ignore[arg-type]
            for name, view in views.items():
                _show(page, one, view)
                place = f"{name}-{theme if size is WIDE else 'phone'}"
                kept(page, place)
                found[place] = violations(page)
                wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
                if wide > 0:
                    found[place].append(f"wider than the screen by {wide}")
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        _show(page, one, "now")
        page.keyboard.press("?")
        page.wait_for_selector("dialog .keys")
        found["keys"] = violations(page)
        assert faults_of(page) == []
    assert {name: all_of_it for name, all_of_it in found.items() if all_of_it} == {}


def test_the_page_speaks_korean_and_says_where_it_is_in_its_address(
    factory: Path, chromium: Browser
) -> None:
    with (
        served(factory) as one,
        opened(chromium, one.address, _link(one), "eve", locale="ko-KR") as page,
    ):
        assert page.inner_text("nav a[aria-current]") == "현재"
        assert page.get_attribute("html", "lang") == "ko"
        row = next(iter(one.portal.overview.alerts.values()))
        _show(page, one, f"series/{row.source_id}/{row.metric_name}")
        page.focus(".charts")
        page.keyboard.press("+")
        page.wait_for_function("() => location.hash.includes('from=')")
        zoomed = page.url
        page.keyboard.press("ArrowLeft")
        page.wait_for_function("url => location.href !== url", arg=zoomed)
        page.go_back()
        page.wait_for_function("url => location.href === url", arg=zoomed)
        _show(page, one, "whatif")
        page.fill("textarea", one.portal.config_text + "min_score: 0.9\n")
        page.click("#run")
        page.wait_for_selector("#verdict")
        page.keyboard.press("Escape")
        page.evaluate("() => document.activeElement.blur()")
        page.keyboard.press("g")
        page.keyboard.press("h")
        page.wait_for_selector(".figures")
        kept(page, "health-korean")
        assert faults_of(page) == []


def test_both_catalogues_have_the_same_words() -> None:
    folder = Path(__file__).parents[2] / "portal" / "static" / "js"
    keys = [_keys((folder / f"{one}.js").read_text(encoding="utf-8")) for one in ("en", "ko")]
    assert keys[0] == keys[1]
    assert len(keys[0]) > 150


def _keys(text: str) -> dict[str, list[str]]:
    import re

    found = re.findall(r'(\w+): "((?:[^"\\]|\\.)*)"', text)
    return {key: sorted(re.findall(r"\{(\w+)\}", words)) for key, words in found}
