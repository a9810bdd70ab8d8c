"""Answers in another order than their questions: what a person asked for last is what is shown."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

import pytest
from playwright.sync_api import Page, Route

from padit.domain.timestamps import MICROS
from tests.limits import allowed
from tests.portal.making import Served, append, readings, served, transition, wait_for

_ROWS = "li.incident:not(.over)"
_SECONDS = 600


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two incidents, one with more series than a list shows; 150 series; logs; other runs."""
    folder, now = tmp_path_factory.mktemp("order"), int(time.time() * MICROS)
    base = now - _SECONDS * MICROS
    append(folder / "alerts.jsonl", transition("opened", 60, "first", base=base), *(
        transition("opened", 60, f"w{at}", base=base, source_id="wide", metric_name=f"m{at:02}",
                   severity="INFO")
        for at in range(25)
    ))  # fmt: skip
    for name in ("b", "c"):
        append(folder / f"{name}.alerts.jsonl", transition("opened", 60, name, base=base,
               source_id=f"of-{name}", summary=f"m of of-{name}: 3 > 2"))  # fmt: skip
    append(folder / "metrics.jsonl", *readings(_SECONDS, base=base), *(
        line for at in range(150) for line in readings(1, source=f"row-{at:03}", base=base)
    ))  # fmt: skip
    with served(folder) as one:
        wait_for(lambda: len(one.portal.overview.incidents) == 2)
        wait_for(lambda: one.portal.series.totals()[0] == _SECONDS + 150)
        logs = [{"message": f"{word} {at}", "source": word} for word in ("apple", "pear")
                for at in range(120)]  # fmt: skip
        one.client("ingest").post("/api/v1/logs", json=logs).raise_for_status()
        yield one


class _Held:
    """Requests that wait until they are let go, in any order."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.routes: list[Route] = []

    def wait(self, count: int) -> None:
        """Until so many wait."""
        for _ in range(2000):
            if len(self.routes) >= count:
                return
            self._page.wait_for_timeout(10)
        raise AssertionError([one.request.url for one in self.routes])

    def free(self, which: Callable[[str], bool] = lambda _: True) -> None:
        """Let those go whose address (or body) fits, and wait for their answers."""
        for one in [each for each in self.routes if which(_words(each))]:
            self.routes.remove(one)
            try:
                answer = one.fetch()
            except Exception:  # noqa: S112 - the page has given the question up
                continue
            one.fulfill(response=answer)
        self._page.wait_for_timeout(150)  # what came late would be drawn by now


def _words(route: Route) -> str:
    return unquote(route.request.url) + (route.request.post_data or "")


@contextmanager
def _holding(page: Page, pattern: str) -> Iterator[_Held]:
    held = _Held(page)
    page.route(pattern, lambda one: held.routes.append(one))
    try:
        yield held
        held.free()
    finally:
        page.unroute(pattern)


def _texts(page: Page, selector: str) -> list[str]:
    return page.locator(selector).all_inner_texts()


def test_more_log_records_of_one_search_do_not_come_into_another(run: Served, page: Page) -> None:
    page.goto(f"{run.address}/#/logs?q=apple")
    page.wait_for_selector("code:has-text('apple')")
    with _holding(page, "**/api/v1/logs?*cursor*") as held:
        page.click("button:has-text('More')")
        page.click("button:has-text('More')")
        held.wait(1)
        page.goto(f"{run.address}/#/logs?q=pear")
        page.wait_for_selector("code:has-text('pear')")
        assert page.input_value("input[type=search]") == "pear"
        held.free()
        assert all("pear" in one for one in _texts(page, ".records code"))
        assert page.locator(".records li").count() == 100
    page.click("button:has-text('More')")
    page.wait_for_function("() => document.querySelectorAll('.records li').length === 120")
    page.wait_for_timeout(300)  # nothing asks again of itself
    assert page.locator(".records li").count() == 120


def test_more_series_of_one_search_do_not_come_into_another_and_none_comes_twice(
    run: Served, page: Page
) -> None:
    page.goto(f"{run.address}/#/series/row")
    page.wait_for_selector("ul.tiles")
    page.wait_for_function("() => document.querySelectorAll('.tiles li').length === 100")
    with _holding(page, "**/api/series?*cursor*") as held:
        page.click("button:has-text('More')")
        page.click("button:has-text('More')")
        held.wait(1)
        page.fill("#find", "press")
        page.wait_for_function("() => document.querySelectorAll('.tiles li').length === 2")
        held.free()
        assert page.locator(".tiles li").count() == 2
    page.fill("#find", "row")
    page.wait_for_function("() => document.querySelectorAll('.tiles li').length === 100")
    page.click("button:has-text('More')")
    page.wait_for_function("() => document.querySelectorAll('.tiles li').length === 150")


def test_enter_opens_what_was_typed_and_not_what_was_found_before(run: Served, page: Page) -> None:
    page.goto(f"{run.address}/#/series/row")
    page.wait_for_selector("ul.tiles")
    with _holding(page, "**/api/series?*") as held:
        page.fill("#find", "press-1 rpm")
        page.press("#find", "Enter")
        held.wait(1)
        assert "row" not in unquote(page.url) or "press" in page.url
        held.free()
    page.wait_for_function("() => location.hash === '#/series/press-1/rpm'")


def test_the_key_that_seeks_has_the_next_key_however_slow_the_page_is(
    run: Served, page: Page
) -> None:
    page.goto(f"{run.address}/#/health")
    page.wait_for_selector(".figures")
    page.evaluate(
        "() => { addEventListener('hashchange', () => {"
        " const end = performance.now() + 120; while (performance.now() < end); }, {once: true}) }"
    )
    page.keyboard.press("/")
    page.wait_for_function("() => document.activeElement?.id === 'find'")


def test_of_two_comparisons_the_one_asked_for_last_is_shown(run: Served, page: Page) -> None:
    with _holding(page, "**/api/compare/*/*") as held:
        page.goto(f"{run.address}/#/compare?left=alerts.jsonl&right=b.alerts.jsonl")
        held.wait(1)
        page.goto(f"{run.address}/#/compare?left=alerts.jsonl&right=c.alerts.jsonl")
        held.wait(2)
        held.free(lambda one: "c.alerts" in one)
        page.wait_for_selector("text=of-c")
        held.free()
        assert page.locator("text=of-b").count() == 0


def test_of_two_trials_the_one_asked_for_last_is_shown(run: Served, page: Page) -> None:
    page.goto(f"{run.address}/#/whatif")
    page.wait_for_selector("textarea")
    addresses: list[str] = []
    for score in ("0.97", "0.98"):
        page.fill("textarea", f"{run.portal.config_text}min_score: {score}\n")
        page.click("#run")
        page.wait_for_function("s => document.querySelector('#verdict') && location.hash !== s",
                               arg=addresses[-1] if addresses else "")  # fmt: skip
        addresses.append(page.evaluate("() => location.hash"))
    page.goto(f"{run.address}/#/health")
    with _holding(page, "**/api/whatif") as held:
        page.goto(f"{run.address}/{addresses[0]}")
        held.wait(1)
        page.goto(f"{run.address}/{addresses[1]}")
        held.wait(2)
        for one in reversed(held.routes):  # the latest comes first
            first = "0.97" in str(one.request.post_data)
            one.fulfill(json=_trial(7 if first else 8))
            page.wait_for_timeout(100)
        held.routes.clear()
        page.wait_for_selector("#verdict")
        assert "→ 8" in page.inner_text("#verdict")
        assert "0.98" in page.input_value("textarea")


def _trial(after: int) -> dict[str, Any]:
    return {"transitions": 1, "pages": {}, "days": {}, "total": [1, after], "hidden": [],
            "missed": [], "missed_count": 0, "later": [], "later_count": 0}  # fmt: skip


def test_silences_are_those_of_the_last_answer_also_where_an_older_one_is_slow(
    run: Served, page: Page
) -> None:
    client = run.client("operator")
    page.goto(f"{run.address}/#/now")
    page.wait_for_selector(_ROWS)
    with _holding(page, "**/api/silences?*") as held:
        made = client.post("/api/silences", json={"source": "none-1"}).json()["commands"][0]
        held.wait(1)
        late = held.routes.pop(0)
        stale = late.fetch().text()  # as it was when it was asked for
        client.delete(f"/api/silences/{made}").raise_for_status()
        page.wait_for_timeout(200)
        held.free()  # a newer one that is on its way comes before it
        late.fulfill(body=stale, content_type="application/json")
        held.wait(1)
        held.free()
    page.wait_for_selector("text=none-1", state="detached")


def test_a_preview_of_another_choice_is_not_that_of_this_one(run: Served, page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{run.address}/#/now")
    page.click(f"{_ROWS} >> nth=0 >> button:has(kbd:text-is('s'))")
    page.wait_for_selector('.preview[data-ready="yes"]')
    with _holding(page, "**/api/silences/preview") as held:
        page.click("dialog button:has-text('7d')")
        held.wait(1)
        assert page.get_attribute(".preview", "data-ready") == "no"
        assert page.is_disabled("button:has-text('Copy as YAML')")
        held.free()
    page.wait_for_selector('.preview[data-ready="yes"]')
    page.keyboard.press("Escape")


def test_a_silence_that_is_given_late_closes_no_other_dialog_and_is_given_once(
    run: Served, page: Page
) -> None:
    page.goto(f"{run.address}/#/now")
    page.wait_for_selector(_ROWS)
    page.click(f"{_ROWS} >> nth=0 >> button:has(kbd:text-is('s'))")
    page.wait_for_selector('.preview[data-ready="yes"]')
    with _holding(page, "**/api/silences") as held:
        page.click("#silence-it")
        held.wait(1)
        assert page.is_disabled("#silence-it")
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")
        page.keyboard.press("?")
        page.wait_for_selector("dialog .keys")
        held.free()
    page.wait_for_selector(".toast:has-text('Silenced until')")
    assert page.locator("dialog .keys").count() == 1
    page.keyboard.press("Escape")
    for name in list(run.portal.overview.state.silences):
        run.client("operator").delete(f"/api/silences/{name}").raise_for_status()


def test_a_silence_of_the_series_of_an_incident_is_of_all_of_them(run: Served, page: Page) -> None:
    page.goto(f"{run.address}/#/now")
    page.click(f"{_ROWS}:has-text('25 series') button:has(kbd:text-is('s'))")
    page.wait_for_selector('.preview[data-ready="yes"]')
    assert "mutes now: 25." in page.inner_text(".preview")
    page.keyboard.press("Escape")


def test_keys_count_from_what_was_asked_for_while_its_values_are_on_their_way(
    run: Served, page: Page
) -> None:
    page.goto(f"{run.address}/#/series/press-1/torque_nm")
    page.wait_for_selector(".charts canvas")
    with _holding(page, "**/api/series/values*") as held:
        page.focus(".charts")
        page.keyboard.press("+")
        page.wait_for_function("() => location.hash.includes('from=')")
        before = page.url
        page.keyboard.press("+")
        page.wait_for_function("s => location.href !== s", arg=before)
        assert _span(page.url) == pytest.approx(_span(before) / 2, rel=0.01)
        held.free(lambda one: False)


def _span(url: str) -> float:
    query = parse_qs(urlparse(url.replace("#", "")).query)
    begin, end = (_seconds(query[name][0]) for name in ("from", "to"))
    return end - begin


def _seconds(text: str) -> float:
    from padit.domain.timestamps import parse_timestamp

    return parse_timestamp(text) / MICROS


def test_values_that_come_while_a_finger_rests_are_drawn_when_it_is_lifted(
    run: Served, page: Page
) -> None:
    base = run.portal.series.last
    begin = json.dumps(base // MICROS - 120)
    page.goto("about:blank")
    page.goto(f"{run.address}/#/series/press-1/torque_nm")
    page.wait_for_selector(".charts canvas")
    box: Any = page.wait_for_function(
        "() => { const r = document.querySelector('.u-over')?.getBoundingClientRect();"
        " return r && r.width ? {x: r.x, y: r.y} : false }"
    ).json_value()
    with _holding(page, "**/api/series/values*") as held:
        page.goto(f"{run.address}/#/series/press-1/torque_nm?from={begin}&to={base // MICROS - 60}")
        held.wait(1)
        before = _texts(page, ".charts > p")[0]
        page.mouse.move(box["x"] + 50, box["y"] + 50)
        page.mouse.down()
        held.free()
        assert _texts(page, ".charts > p")[0] == before
        page.mouse.up()
    page.wait_for_function("s => document.querySelector('.charts > p').innerText !== s", arg=before)


def test_a_list_that_could_not_be_had_is_asked_for_again(run: Served, page: Page) -> None:
    page.goto("about:blank")
    refused: list[str] = []

    def refuse(route: Route) -> None:
        refused.append(route.request.url)
        route.fulfill(status=503, json={"detail": "not now"})

    page.route("**/api/incidents?*", refuse)
    page.goto(f"{run.address}/#/now")
    page.wait_for_function("() => performance.now() > 0")
    wait_until = time.monotonic() + 20
    while len(refused) < 3 and time.monotonic() < wait_until:
        page.wait_for_timeout(20)
    page.unroute("**/api/incidents?*")
    page.wait_for_selector(_ROWS)
    page.faults.clear()  # type: ignore[attr-defined]  # what was refused


def test_changes_that_are_faster_than_answers_keep_none_away(run: Served, page: Page) -> None:
    page.goto(f"{run.address}/#/now")
    page.wait_for_selector(_ROWS)
    name = page.get_attribute(f"{_ROWS} >> nth=0", "data-incident")

    page.evaluate(
        "async () => { const s = await import('/static/js/state.js');"
        " window.storm = setInterval(() => { s.changes.value += 1 }, 1); }"
    )
    page.goto(f"{run.address}/#/incident/{name}")
    page.wait_for_selector(".story", timeout=allowed(5) * 1000)
    page.evaluate("() => clearInterval(window.storm)")


def test_of_two_judgements_the_last_one_counts(run: Served, page: Page) -> None:
    page.goto(f"{run.address}/#/now")
    page.wait_for_selector(_ROWS)
    name = page.get_attribute(f"{_ROWS} >> nth=0", "data-incident")
    page.goto(f"{run.address}/#/incident/{name}")
    page.wait_for_selector("button:has-text('Routine')")
    with _holding(page, "**/api/feedback/*") as held:
        page.click("button:has-text('Noise')")
        page.click("button:has-text('Real')")
        held.wait(1)
        page.wait_for_timeout(100)
        assert ["noise" in _words(one) for one in held.routes] == [True]
        held.free()
        held.wait(1)
        assert ["real" in _words(one) for one in held.routes] == [True]
    page.wait_for_selector(".toast:has-text('Marked: Real')")


def test_a_refusal_of_before_logs_nobody_out_who_has_logged_in_since(
    run: Served, page: Page
) -> None:
    page.goto(f"{run.address}/#/now")
    page.wait_for_selector(_ROWS)
    with _holding(page, "**/api/health") as held:
        page.goto(f"{run.address}/#/health")
        held.wait(1)
        page.evaluate(
            "async () => { const s = await import('/static/js/state.js');"
            " s.session.value = { ...s.session.value } }"
        )  # as a new login does
        held.routes.pop(0).fulfill(status=401, json={"detail": "log in, or send a key or token"})
        page.wait_for_timeout(200)
        assert page.locator("main#content").count() == 1
    page.faults.clear()  # type: ignore[attr-defined]  # what was refused
