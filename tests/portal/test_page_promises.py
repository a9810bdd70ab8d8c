"""What the page promises, in a real Chromium: a button for each key, an address for each state."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest
from playwright.sync_api import Browser, Page, Route

from padit.domain.timestamps import MICROS, format_utc
from tests.alerting.receiving import Answer, receiving
from tests.portal.browsing import another, faults_of, opened, violations
from tests.portal.making import Served, append, served, transition, wait_for

_ROWS = "li.incident:not(.over)"
_WEEK = 7 * 86_400 * MICROS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Three incidents, and readings of now and of a week ago; `rpm` has moved."""
    folder, now = tmp_path_factory.mktemp("promises"), int(time.time() * MICROS)
    base = now - 600 * MICROS
    append(folder / "alerts.jsonl", *(
        transition("opened", at, f"p{at}", base=base, source_id=f"m-{at}", metric_name="rpm",
                   summary=f"rpm of m-{at}: too low", severity=("WARNING", "INFO", "INFO")[at])
        for at in range(3)
    ))  # fmt: skip
    append(folder / "metrics.jsonl", *(
        msgspec.json.encode({
            "timestamp": (begin + at * MICROS) / MICROS, "source_id": "m-0", "metric_name": name,
            "unit": "1", "value": at % 7 + (90.0 if name == "rpm" and at > 500 else 0.0),
        })
        for begin in (base - _WEEK, base) for at in range(0, 600, 2) for name in ("rpm", "flow")
    ))  # fmt: skip
    with served(folder) as one:
        wait_for(lambda: len(one.portal.overview.incidents) == 3)
        yield one


def test_every_key_has_a_button_in_sight_that_does_the_same(run: Served, page: Page) -> None:
    page.goto(f"{run.address}/#/now")
    page.wait_for_function(f"() => document.querySelectorAll('{_ROWS}').length === 3")
    shown = {
        text
        for text in page.locator("main kbd").all_inner_texts()
        if page.locator(f"main button:has(kbd:text-is('{text}'))").count() or text == "x"
    }
    assert {"j", "k", "e", "a", "s", "r", "x"} <= shown
    page.click(".steps button:has-text('j')")
    page.click(".steps button:has-text('j')")
    page.click(".steps button:has-text('k')")
    first = page.get_attribute(f"{_ROWS}.on", "data-incident")
    assert first == page.get_attribute(f"{_ROWS} >> nth=0", "data-incident")
    page.keyboard.press("a")
    page.wait_for_selector(f"{_ROWS}.on button:has(kbd:text-is('u'))")
    page.click(".toast button[aria-label=Close]")
    page.keyboard.press("u")  # what its button says, also when there is nothing to undo any more
    page.wait_for_selector(f"{_ROWS}.on button:has(kbd:text-is('a'))")
    for letter, view in zip("nsewlhc", ("now", "series", "explore", "whatif", "logs", "health",
                                        "compare"), strict=True):  # fmt: skip
        place = page.locator(f"nav a[aria-keyshortcuts='g {letter}']")
        assert place.get_attribute("href") == f"#/{view}"
        assert f"(g {letter})" in str(place.get_attribute("title"))
        page.keyboard.press("g")
        page.keyboard.press(letter)
        page.wait_for_function(f"() => location.hash.startsWith('#/{view}')")
    page.click(".tools button[aria-keyshortcuts='/']")
    page.wait_for_function("() => document.activeElement?.id === 'find'")


def test_back_leaves_a_dialog_where_it_was(run: Served, page: Page) -> None:
    page.goto(f"{run.address}/#/health")
    page.wait_for_selector(".figures")
    page.click("nav a[href='#/now']")
    page.wait_for_selector(_ROWS)
    page.click(f"{_ROWS} >> nth=0 >> button:has(kbd:text-is('s'))")
    page.wait_for_selector("dialog")
    page.go_back()
    page.wait_for_selector(".figures")
    assert page.locator("dialog").count() == 0


def test_what_was_tried_has_an_address_and_a_broken_one_says_so(run: Served, page: Page) -> None:
    page.goto(f"{run.address}/#/whatif")
    page.wait_for_selector("textarea")
    text = run.portal.config_text + "min_score: 0.99  # 아주 높음\n"
    page.fill("textarea", text)
    page.click("#run")
    page.wait_for_selector("#verdict")
    verdict = page.inner_text("#verdict")
    assert "config=" in page.url
    with another(page, page.url) as second:
        second.wait_for_selector("#verdict")
        assert second.inner_text("#verdict") == verdict
        assert second.input_value("textarea") == text
        second.goto(f"{run.address}/#/whatif?config=AAAA")
        second.wait_for_selector("text=cannot be read")
        assert faults_of(second) == []


def test_last_week_and_what_moved_are_there_for_the_span_in_sight(run: Served, page: Page) -> None:
    page.goto(f"{run.address}/#/series/m-0/rpm")
    page.wait_for_selector(".charts canvas")
    week = "/api/series/values?"  # of a span that ended; the series itself is asked for up to now
    with page.expect_response(lambda one: week in one.url and "&to=" in one.url) as asked:
        page.click("button:has-text('Last week')")
    found = asked.value.json()
    assert len(found["value"]) > 100
    assert page.url.endswith("week=1")
    latest = run.portal.series.last
    assert abs(found["to"] + _WEEK - latest) < 60 * MICROS
    late = {"from": format_utc(latest - 80 * MICROS), "to": format_utc(latest)}
    held: list[Route] = []
    page.route("**/api/series/values*", lambda one: held.append(one))  # the list comes first
    page.goto(f"{run.address}/#/series/m-0/rpm?from={late['from']}&to={late['to']}")
    page.click("button:has-text('moved')")
    page.wait_for_selector("td a:has-text('m-0 rpm')")
    with page.expect_response(lambda one: "/api/series/values" in one.url):
        for one in held:
            one.continue_()
    page.unroute("**/api/series/values*")
    page.wait_for_function("text => document.querySelector('.charts p')?.innerText.includes(text)",
                           arg=late["from"][14:16] + ":")  # fmt: skip
    assert page.locator("td a").all_inner_texts() == ["m-0 rpm", "m-0 flow"]
    told = unquote(page.locator("td a").nth(1).get_attribute("href") or "")
    assert (late["from"] in told, late["to"] in told) == (True, True)
    page.goto(f"{run.address}/#/series/m-0/rpm?from={late['from']}")  # of this span nobody asked
    page.wait_for_function("() => document.querySelectorAll('td a').length === 0")


def test_an_incident_shows_every_attempt_to_deliver_its_messages(
    chromium: Browser, tmp_path: Path
) -> None:
    base = int(time.time() * MICROS)
    append(tmp_path / "alerts.jsonl", transition("opened", 0, base=base))
    with receiving() as got:
        got.answer = lambda number: Answer(500 if number == 0 else 200, b"not now")
        config = (
            f"receivers: {{ops: {{kind: webhook, url: '{got.url}'}}}}\n"
            "routes: [{name: ops, receiver: ops, settle: 0s}]\n"
        )
        with served(tmp_path, config=config, deliver=True) as one:
            incident = next(iter(one.portal.overview.incidents))
            viewer, path = one.client("viewer"), f"/api/incidents/{incident}"
            wait_for(lambda: viewer.get(path).json()["messages"][0]["state"] == "delivered")
            (message,) = viewer.get(path).json()["messages"]
            tried = message["tried"]
            assert [(each["state"], "500" in each["reason"]) for each in tried] == [
                ("retry", True), ("delivered", False),
            ]  # fmt: skip
            assert tried[0]["time"] < tried[1]["time"]
            link = one.portal.accounts.link("admin")
            with opened(chromium, one.address, link, "ann") as page:
                page.goto(f"{one.address}/#/incident/{incident}")
                page.click("details.tries summary")
                rows = page.locator("details.tries li").all_inner_texts()
                assert ["500" in row for row in rows] == [True, False]
                assert "delivered" in rows[1]
                assert violations(page) == []
                assert faults_of(page) == []


def test_where_to_look_first_is_what_is_critical_and_not_what_has_most_warnings(
    tmp_path: Path, chromium: Browser
) -> None:
    lines = [transition("opened", 60 + i, f"w{i}", source_id="many", metric_name=f"m{i}")
             for i in range(10)]  # fmt: skip
    worst = transition("opened", 80, "c", source_id="one", severity="CRITICAL")
    over = transition("opened", 90, "o", source_id="over", severity="CRITICAL")
    append(tmp_path / "alerts.jsonl", *lines, worst, over,
           transition("resolved", 100, "o", source_id="over"))  # fmt: skip
    with (
        served(tmp_path) as one,
        opened(chromium, one.address, one.portal.accounts.link("admin"), "ann") as page,
    ):
        found = one.client("viewer").get("/api/series/lanes").json()
        assert list(found["lanes"]) == ["one", "many", "over"]
        page.goto(f"{one.address}/#/explore")
        page.wait_for_selector(".lanes li")
        assert page.locator("ol.plain-list li a b").all_inner_texts() == ["one", "many", "over"]
        assert page.locator(".lanes .lane-name").all_inner_texts() == ["one", "many", "over"]
