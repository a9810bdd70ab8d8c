"""What a page meets that is wrong, in a real Chromium: addresses, ends of sessions, odd values."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from playwright.sync_api import Browser, Page

from padit.domain.timestamps import MICROS
from tests.portal.browsing import PHONE, WIDE, another, faults_of, kept, opened, violations
from tests.portal.making import PASSWORD, Served, append, features, served, transition, wait_for

_LONG = "x" * 4000
_ROW = "li.incident"


def _values(source: str, metric: str, values: list[Any], begin: float) -> list[bytes]:
    return [
        msgspec.json.encode({"timestamp": begin + at, "source_id": source, "metric_name": metric,
                             "value": value})
        for at, value in enumerate(values)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("run")
    base = int(time.time() * MICROS) - 900 * MICROS
    names = ("press-1", _LONG, "abc\u202edef", " ")
    append(folder / "alerts.jsonl", *(
        transition("opened", at, f"a{at}", base=base, source_id=name, metric_name=f"m {name}",
                   summary=f"m {name}: median 64.7 > 61.5")
        for at, name in enumerate(names)
    ))  # fmt: skip
    begin = base / MICROS
    for metric, values in (
        ("one", [5.0]), ("constant", [3.0] * 100), ("huge", [1e308, -1e308] * 50),
        ("tiny", [at * 1e-300 for at in range(100)]), ("large", [2**60 + at for at in range(100)]),
        ("many", [float(at % 50) for at in range(900)]),
    ):  # fmt: skip
        append(folder / "metrics.jsonl", *_values("odd", metric, values, begin))
    for name in names:
        append(folder / "metrics.jsonl", *_values(name, f"m {name}", [1.0, 2.0], begin))
    append(folder / "features.jsonl", *features(20, source="windows", base=base))
    empty = [one.replace(b"30.0", b"null").replace(b"0.", b"1.") for one in
             features(5, source="nothing", base=base)]  # fmt: skip
    append(folder / "features.jsonl", *(
        msgspec.json.encode({"source_id": "nothing", "metric_name": "torque_nm", "score": None,
                             "window_end": msgspec.json.decode(one)["window_end"]})
        for one in empty
    ))  # fmt: skip
    with served(folder) as one:
        wait_for(lambda: len(one.portal.overview.incidents) == len(names))
        yield one


@pytest.fixture(scope="module")
def first(run: Served, chromium: Browser) -> Iterator[Page]:
    with opened(chromium, run.address, run.portal.accounts.link("admin"), "ann") as one:
        yield one


@pytest.fixture
def page(run: Served, first: Page) -> Iterator[Page]:
    with another(first, run.address) as one:
        one.wait_for_selector(_ROW)
        yield one


def _show(page: Page, run: Served, view: str) -> str:
    """The text of a view, once it waits for nothing any more."""
    page.goto("about:blank")
    page.goto(f"{run.address}/#/{view}")
    page.wait_for_selector("main:not([aria-busy=true]) h1")
    page.wait_for_function("() => !document.querySelector('main [aria-busy=true], .chart.wait')")
    return page.inner_text("main")


_WRONG = {
    "incident/nothing": "There is no such incident.",
    "incident/": "There is no such incident.",
    "incident/%": "There is no such incident.",
    "series/%E0%A4%A/b": "there is no such series",
    "series/odd/nothing": "there is no such series",
    "series/odd/one?from=2030-01-01T00:00:00Z&to=2020-01-01T00:00:00Z": "`to` lies before `from`",
    "series/odd/one?from=yesterday": "it is no time",
    "series/odd/one?from=1990-01-01T00:00:00Z": "before 2000",
    "logs?from=x": "it is no time",
    "logs?level=loud": "Input should be",
    "compare?left=none&right=neither": "there is no such run",
    "explore?hours=abc": "Sources over time",
    "explore?hours=-5": "Sources over time",
    "explore?hours=1e9": "Sources over time",
    "nothing/at/all": "incidents are open",
    "nothing?a=%&b=?": "incidents are open",
}


@pytest.mark.parametrize("view", _WRONG)
def test_an_address_that_leads_nowhere_says_so_in_its_place_and_the_page_goes_on(
    page: Page, run: Served, view: str
) -> None:
    _show(page, run, view)
    page.wait_for_function(
        "text => document.querySelector('main').innerText.includes(text)", arg=_WRONG[view]
    )
    scripts = [one for one in faults_of(page) if "Failed to load resource" not in one]
    assert scripts == []
    assert page.locator(".toast").count() == 0
    page.keyboard.press("g")
    page.keyboard.press("n")
    page.wait_for_selector(_ROW)
    assert page.locator("[role=alert]").count() == 0


_DRAWN = {  # dots of single values, as far as they are needed
    "one": 1, "constant": 0, "huge": 0, "tiny": 0, "large": 0, "many": 0,
}  # fmt: skip
_INK = """
  () => { const c = document.querySelector('.charts canvas'), g = c.getContext('2d');
    const d = g.getImageData(60 * devicePixelRatio, 0, c.width - 70, c.height - 60).data;
    const line = getComputedStyle(document.documentElement).getPropertyValue('--line').trim();
    g.fillStyle = line; const rgb = parseInt(g.fillStyle.slice(1), 16); let n = 0;
    for (let i = 0; i < d.length; i += 4) if (Math.abs(d[i] - (rgb >> 16)) < 40
      && Math.abs(d[i + 1] - (rgb >> 8 & 255)) < 40 && Math.abs(d[i + 2] - (rgb & 255)) < 40) n++;
    return n; }
"""


@pytest.mark.parametrize("metric", _DRAWN)
def test_values_of_any_size_and_a_single_one_are_seen(page: Page, run: Served, metric: str) -> None:
    text = _show(page, run, f"series/odd/{metric}")
    assert "values" in text
    page.wait_for_timeout(200)
    assert page.evaluate(_INK) > 8, metric
    assert faults_of(page) == []


def test_windows_without_readings_are_named_and_windows_without_values_are_no_chart(
    page: Page, run: Served
) -> None:
    assert "these are the medians of windows" in _show(page, run, "series/windows/torque_nm")
    assert "No values in this span." in _show(page, run, "series/nothing/torque_nm")
    assert faults_of(page) == []


def test_a_name_turns_no_words_around_it_and_one_without_letters_can_be_seen_and_opened(
    page: Page, run: Served
) -> None:
    text = _show(page, run, "now")
    assert "\u202e" not in page.content()
    assert "abc\ufffddef: median 64.7 > 61.5" in text
    _show(page, run, "explore?hours=2")
    page.click(".lane-name >> text=“ ”")
    page.wait_for_function("() => location.hash.startsWith('#/series/%20/')")
    assert faults_of(page) == []


def _screens(incident: str) -> dict[str, int]:
    """How many screens a view fills at most."""
    series = f"series/{_LONG}/m%20{_LONG}"
    return {"now": 4, "series": 4, "explore?hours=2": 4, f"incident/{incident}": 9, series: 3}


def test_names_of_thousands_of_letters_leave_the_rest_in_sight(page: Page, run: Served) -> None:
    incident = run.portal.alerts_of(_LONG, f"m {_LONG}")[0].incident
    for size in (WIDE, PHONE):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        for view, most in _screens(incident).items():
            _show(page, run, view)
            screens = page.evaluate("() => document.body.scrollHeight / innerHeight")
            wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
            assert (screens <= most, wide <= 0) == (True, True), (view, size, screens, wide)
        kept(page, f"long-{size['width']}")
    assert violations(page) == []


def test_who_is_logged_out_comes_back_to_where_they_were(run: Served, chromium: Browser) -> None:
    link = run.portal.accounts.link("operator")
    with opened(chromium, run.address, link, "zoe") as page:
        incident = next(iter(run.portal.overview.incidents))
        _show(page, run, f"incident/{incident}")
        here = page.url
        page.context.clear_cookies()
        page.evaluate("() => fetch('/api/session')")
        page.keyboard.press("a")  # the first thing that is asked for says that the session is over
        page.wait_for_selector("form.login")
        assert page.url == here
        page.fill("input[name=name]", "zoe")
        page.fill("input[name=password]", PASSWORD)
        page.press("input[name=password]", "Enter")
        page.wait_for_selector(".story")
        assert page.url == here


def test_every_search_has_an_address_and_a_page_has_a_next_one(page: Page, run: Served) -> None:
    _show(page, run, "series/odd")
    page.wait_for_function("() => document.querySelectorAll('.tiles li').length === 6")
    assert page.input_value("#find") == "odd"
    page.fill("#find", "odd o")
    page.wait_for_function("() => document.querySelectorAll('.tiles li').length === 1")
    assert page.url.endswith("#/series/odd%20o")
    page.click(".tiles a")
    page.wait_for_selector(".charts canvas")
    page.go_back()
    page.wait_for_selector(".tiles li")
    assert page.input_value("#find") == "odd o"


def test_a_source_by_the_hour_is_no_silent_one_and_one_by_the_second_is(
    tmp_path: Path, chromium: Browser
) -> None:
    (tmp_path / "alerts.jsonl").touch()
    now = int(time.time())
    lines = [
        msgspec.json.encode({"timestamp": now - 3000 - 3600 * at, "source_id": "hourly",
                             "metric_name": "m", "value": 1.0})
        for at in range(20, -1, -1)
    ]  # fmt: skip
    append(tmp_path / "metrics.jsonl", *lines)
    with served(tmp_path) as one:
        link = one.portal.accounts.link("admin")
        with opened(chromium, one.address, link, "ann") as page:
            page.wait_for_selector(".calm >> text=All clear")
            assert page.locator(".silent").count() == 0
    append(tmp_path / "metrics.jsonl", *_values("fast", "m", [1.0] * 100, now - 1000))
    # What was there before the portal is none that comes late.
    with (
        served(tmp_path) as one,
        opened(chromium, one.address, one.portal.accounts.link("admin"), "eve") as page,
    ):
        page.wait_for_selector(".silent >> text=1 of 2 sources are silent")
        assert "fast" in page.inner_text(".silent")
        health: httpx.Response = one.client("viewer").get("/api/health")
        assert health.json()["silent"] == {"silent": 1, "of": 2, "names": ["fast"]}


def test_what_comes_late_is_behind_and_not_silent_until_nothing_comes_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("padit.portal.context._SILENCE_SECONDS", 0.0)
    (tmp_path / "alerts.jsonl").touch()
    begin = time.time() - 1500
    append(tmp_path / "metrics.jsonl", *_values("late", "m", [1.0] * 100, begin))
    with served(tmp_path) as one:
        client = one.client("viewer")

        def state() -> tuple[int, bool]:
            found = client.get("/api/health").json()
            return found["silent"]["silent"], found["behind"]

        assert state() == (1, False)  # whether more comes is not known yet
        append(tmp_path / "metrics.jsonl", *_values("late", "m", [1.0] * 100, begin + 100))
        wait_for(lambda: state() == (0, True))
        later = SimpleNamespace(time=time.time, monotonic=lambda: time.monotonic() + 400)
        monkeypatch.setattr("padit.portal.context.time", later)
        assert state() == (1, False)


def test_what_came_late_before_anybody_looked_is_behind_at_the_first_look(tmp_path: Path) -> None:
    (tmp_path / "alerts.jsonl").touch()
    begin = time.time() - 1500
    append(tmp_path / "metrics.jsonl", *_values("late", "m", [1.0] * 100, begin))
    with served(tmp_path) as one:
        wait_for(lambda: one.portal.series.last > 0 and one.portal.feeder.caught_up.is_set())
        append(tmp_path / "metrics.jsonl", *_values("late", "m", [1.0] * 100, begin + 100))
        wait_for(lambda: one.portal.feeder.heard > 0)
        found = one.client("viewer").get("/api/health").json()
        assert (found["silent"]["silent"], found["behind"]) == (0, True)
