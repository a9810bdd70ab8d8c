"""What a person does on the page in a real Chromium: several at once, undo, a bad network."""

import os
import shlex
import time
from pathlib import Path
from typing import Any

import httpx
import yaml
from playwright.sync_api import Browser, Page

from padit.domain.timestamps import MICROS
from padit.portal.context import DEFAULT_CONFIG, parse_config
from tests.limits import allowed
from tests.portal.browsing import PHONE, WIDE, faults_of, kept, opened, violations
from tests.portal.making import Served, append, readings, served, transition, wait_for
from tests.portal.relay import relay

_ROWS = "li.incident:not(.over)"
_LONG = "hall-17-line-4-station-2-robot-arm-with-a-very-long-name-" * 3
_NAMES = (
    "press-1", _LONG, "מכונה-ראשית", "🏭🔥-fabrik", "آلة الضغط", "<b>bold</b>", "site/a b/%2F?#é",
    "it's [1]*",
)  # fmt: skip


def _alerts(path: Path, sources: Any, *, base: int | None = None) -> None:
    base = base or int(time.time() * MICROS)
    append(path, *(
        transition("opened", at, f"u{at}", base=base, source_id=one, metric_name=f"m of {one}",
                   summary=f"m of {one}: median 64.7 > 61.5", severity=("WARNING", "INFO")[at % 2])
        for at, one in enumerate(sources)
    ))  # fmt: skip


def _link(one: Served) -> str:
    return one.portal.accounts.link("admin")


def _open(one: Served) -> int:
    return sum(each.firing > 0 for each in one.portal.overview.incidents.values())


def _plain(page: Page) -> None:
    page.evaluate("() => document.activeElement.blur()")


def test_what_is_done_to_several_at_once_can_be_undone(tmp_path: Path, chromium: Browser) -> None:
    _alerts(tmp_path / "alerts.jsonl", [f"m-{at}" for at in range(4)])
    with served(tmp_path) as one, opened(chromium, one.address, _link(one), "ann") as page:
        page.wait_for_function(f"() => document.querySelectorAll('{_ROWS}').length === 4")
        page.check(f"{_ROWS} >> nth=0 >> input")
        page.click(".bulk button:has-text('All 4')")
        page.click(".bulk button:has-text('Acknowledge')")
        page.wait_for_function(f"() => document.querySelectorAll('{_ROWS} .tag.good').length === 4")
        _plain(page)
        page.keyboard.press("u")
        page.wait_for_function(f"() => document.querySelectorAll('{_ROWS} .tag.good').length === 0")
        for _ in range(2):
            page.keyboard.press("j")
            page.keyboard.press("x")
        page.keyboard.press("r")
        page.wait_for_selector("text=Resolving 2")
        assert page.locator(f"{_ROWS} >> text=being resolved").count() == 2
        page.keyboard.press("u")
        page.wait_for_selector("text=Undone")
        page.wait_for_timeout(7000)
        assert _open(one) == 4
        page.keyboard.press("r")  # the one that is chosen; closing the page is no undo
        page.wait_for_selector("text=Resolving 1")
        page.goto("about:blank")
        wait_for(lambda: _open(one) == 3)
        page.goto(f"{one.address}/#/now")
        page.wait_for_function(f"() => document.querySelectorAll('{_ROWS}').length === 3")
        page.check(f"{_ROWS} >> nth=0 >> input")
        page.check(f"{_ROWS} >> nth=1 >> input")
        page.click(".bulk button:has-text('Silence')")
        page.wait_for_selector('.preview[data-ready="yes"]')
        assert "Open alerts that it mutes now: 2." in page.inner_text(".preview")
        page.click("#silence-it")
        wait_for(lambda: len(one.portal.overview.state.silences) == 2)
        page.wait_for_selector(".toast button:has-text('Undo')")
        page.click(".toast button:has-text('Undo')")
        wait_for(lambda: len(one.portal.overview.state.silences) == 0)
        assert faults_of(page) == []


def test_a_network_that_swallows_everything_for_ten_minutes_leaves_no_gap_and_no_double(
    tmp_path: Path, chromium: Browser
) -> None:
    """The browser's clock is set forward; with PADIT_REALLY_WAIT=1 ten minutes pass."""
    really = os.environ.get("PADIT_REALLY_WAIT") == "1"
    alerts, base = tmp_path / "alerts.jsonl", int(time.time() * MICROS)
    append(alerts, transition("opened", 0, "first", base=base, source_id="m-first"))
    with (
        served(tmp_path) as one,
        relay(int(one.address.rpartition(":")[2])) as between,
        opened(chromium, between.address, _link(one), "ann") as page,
    ):
        if not really:
            page.clock.install()
        page.goto("about:blank")
        page.goto(f"{between.address}/#/now")
        page.wait_for_selector(_ROWS)
        page.wait_for_function("() => performance.getEntriesByName !== undefined")
        between.frozen = True
        for at in range(600):
            append(alerts, transition("opened", at, f"a{at}", base=base, source_id=f"m-{at}"))
            if at % 2:
                append(alerts, transition("resolved", at + 1, f"a{at}", base=base,
                       source_id=f"m-{at}", opened=_opened(base, at)))  # fmt: skip
            if really:
                time.sleep(1)
        append(alerts, transition("resolved", 601, "first", base=base, source_id="m-first",
                                  opened=_opened(base, 0)))  # fmt: skip
        wait_for(lambda: one.portal.overview.version >= 902, 60)
        if not really:
            page.clock.fast_forward(600_000)
        page.wait_for_selector(".banner.bad")
        assert page.locator(_ROWS).count() == 1
        between.frozen = False
        if not really:
            page.clock.fast_forward(20_000)
        page.wait_for_selector(".banner.bad", state="detached", timeout=allowed(40) * 1000)
        page.wait_for_function("() => document.querySelector('h1').innerText.startsWith('300 ')")
        names = page.evaluate(
            "async () => { const s = await import('/static/js/state.js');"
            "return s.open.value.map(one => one.title + one.id) }"
        )
        assert len(names) == len(set(names)) == 300 == _open(one)


def _opened(base: int, at: int) -> str:
    from padit.domain.timestamps import format_utc

    return format_utc(base + at * MICROS)


def test_curl_and_yaml_do_what_the_dialog_would_do(tmp_path: Path, chromium: Browser) -> None:
    _alerts(tmp_path / "alerts.jsonl", ["it's [1]*"])
    with served(tmp_path) as one, opened(chromium, one.address, _link(one), "ann") as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.wait_for_selector(_ROWS)
        page.keyboard.press("j")
        page.keyboard.press("s")
        page.wait_for_selector('.preview[data-ready="yes"]')
        page.click("text=Everything on")
        page.wait_for_selector('.preview[data-ready="yes"] >> text=mutes now: 1.')
        page.click("dialog button:has-text('4h')")
        page.wait_for_selector('.preview[data-ready="yes"]')
        page.click("text=Copy as curl")
        page.wait_for_selector(".toast:has-text('Copied')")
        _run_curl(page.evaluate("() => navigator.clipboard.readText()"), one)
        wait_for(lambda: len(one.portal.overview.state.silences) == 1)
        page.click("text=Copy as YAML")
        page.wait_for_timeout(300)
        text = page.evaluate("() => navigator.clipboard.readText()")
        made = parse_config(DEFAULT_CONFIG + text, "the copy").silences[0]
        assert made.match.source == ("it's [[]1][*]",)
        assert 3.9 * 3600 < (made.end - made.start) / MICROS < 4.1 * 3600
        incident = next(iter(one.portal.overview.incidents))
        assert one.client("viewer").get(f"/api/incidents/{incident}").json()["silenced"]


def _run_curl(command: str, one: Served) -> None:
    words = shlex.split(command.replace("$PADIT_KEY", one.keys["operator"]))
    assert words[:3] == ["curl", "-X", "POST"]
    heads = dict(words[at + 1].split(": ", 1) for at, each in enumerate(words) if each == "-H")
    data = words[words.index("-d") + 1]
    assert httpx.post(words[3], headers=heads, content=data).status_code == 200


def test_times_follow_the_zone_that_was_chosen_also_after_a_reload(
    tmp_path: Path, chromium: Browser
) -> None:
    _alerts(tmp_path / "alerts.jsonl", ["m-1"])
    with (
        served(tmp_path) as one,
        opened(chromium, one.address, _link(one), "ann", timezone_id="Asia/Seoul") as page,
    ):
        age = page.locator(f"{_ROWS} .age")
        age.wait_for()
        local = age.get_attribute("title") or ""
        page.click("button[aria-label=Settings]")
        page.select_option("label:has-text('Times') select", "utc")
        page.keyboard.press("Escape")
        page.wait_for_function(
            "() => document.querySelector('li.incident .age').title.endsWith('UTC')"
        )
        page.reload()
        age.wait_for()
        utc = age.get_attribute("title") or ""
        assert utc.endswith(" UTC")
        hours = [int(text.rsplit(", ", 1)[1][:2]) for text in (local, utc.removesuffix(" UTC"))]
        assert (hours[0] - hours[1]) % 24 == 9


def test_on_a_phone_seven_hundred_incidents_are_counted_and_each_can_be_acted_on(
    tmp_path: Path, chromium: Browser
) -> None:
    _alerts(tmp_path / "alerts.jsonl", [f"machine-{at}" for at in range(700)])
    with served(tmp_path) as one, opened(chromium, one.address, _link(one), "ann") as page:
        wait_for(lambda: _open(one) == 700)
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        page.reload()
        page.wait_for_function("() => document.querySelector('h1')?.innerText.startsWith('700 ')")
        assert page.inner_text("nav .count") == "700"
        cut = page.eval_on_selector_all(
            _ROWS,
            """rows => rows.filter(row => [...row.querySelectorAll('.acts button, .title')].some(
            one => one.offsetParent && one.getBoundingClientRect().bottom
              > row.getBoundingClientRect().bottom)).length""",
        )
        assert cut == 0
        page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
        page.wait_for_function(
            "async () => (await import('/static/js/state.js')).open.value.length === 700"
        )
        page.wait_for_function(
            "() => { scrollTo(0, document.body.scrollHeight);"
            " return document.body.innerText.includes('m of machine-699') }"
        )
        kept(page, "many-phone")
        assert faults_of(page) == []


def test_names_of_any_length_and_script_fit_on_a_phone_and_on_a_screen(
    tmp_path: Path, chromium: Browser
) -> None:
    base = int(time.time() * MICROS) - 600 * MICROS
    _alerts(tmp_path / "alerts.jsonl", _NAMES, base=base)
    for name in _NAMES:
        append(tmp_path / "metrics.jsonl", *readings(20, source=name, base=base))
    found: dict[str, Any] = {}
    with served(tmp_path) as one, opened(chromium, one.address, _link(one), "ann") as page:
        wait_for(lambda: len(one.portal.overview.incidents) == len(_NAMES))
        logs = [{"message": "wörd " * 200 + _LONG, "source": name} for name in _NAMES]
        assert one.client("ingest").post("/api/v1/logs", json=logs).status_code == 201
        incident = one.portal.alerts_of(_LONG, f"m of {_LONG}")[0].incident
        views = ("now", "series", "explore?hours=2", "logs", f"incident/{incident}", "health")
        for size in (PHONE, WIDE):
            page.set_viewport_size(size)  # type: ignore[arg-type]
            for view in views:
                page.goto(f"{one.address}/#/{view}")
                page.wait_for_selector("main:not([aria-busy=true]) h1")
                page.wait_for_function(
                    "() => !document.querySelector('main [aria-busy=true], .chart.wait')"
                )
                wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
                if wide > 0:
                    found[f"{view} {size['width']}"] = wide
        assert violations(page) == []
        assert faults_of(page) == []
    assert found == {}


_TEXTS = {
    "flow": "receivers: {p: {kind: webhook, url: 'http://x'}}\n"
    "routes: [{name: a, receiver: p, min_duration: 9s}, {name: b, receiver: p}]\n"
    "incidents: {window: 3m, quiet: 1m}\nsilences: []\n",
    "block": "# ours\nreceivers:\n  p:\n    kind: webhook\n    url: http://x\nroutes:\n  # first\n"
    "  - name: a\n    receiver: p\n    min_duration: 9s\n    match:\n      source: [x]\n"
    "  - receiver: p\n    name: b\n\nincidents:\n  quiet: 1m  # why\n  window: 3m\n\n"
    "silences:\n  - id: kept\n    start: 2026-01-01T00:00:00Z\nmin_score: 0.1\n",
    "mixed": "routes:\n- {name: a, receiver: p}\n- {name: b, receiver: p, min_duration: 9s}\n"
    "silences: [{id: kept}]\n",
    "least": "routes: [{name: a, receiver: p}]",
}


def test_quick_changes_keep_the_rest_of_a_configuration_in_any_style(
    tmp_path: Path, chromium: Browser
) -> None:
    (tmp_path / "alerts.jsonl").touch()
    with served(tmp_path) as one:
        page = chromium.new_page()
        page.goto(one.address)
        made = page.evaluate(
            "async texts => { const y = await import('/static/js/yaml.js'); "
            "return texts.map(text => [y.setTop(text, 'min_score', '0.8'), "
            "y.setIn(text, 'incidents', 'window', '10m'), "
            "y.addTo(text, 'silences', '{id: trial}'), y.eachRoute(text, 'min_duration', '2m')]) }",
            list(_TEXTS.values()),
        )
        page.close()
    for name, texts in zip(_TEXTS, made, strict=True):
        before = yaml.safe_load(_TEXTS[name])
        score, window, silences, routes = (yaml.safe_load(each) for each in texts)
        assert score == before | {"min_score": 0.8}, name
        assert window == before | {"incidents": before.get("incidents", {}) | {"window": "10m"}}
        assert silences == before | {"silences": [*before.get("silences", []), {"id": "trial"}]}
        changed = [one | {"min_duration": "2m"} for one in before["routes"]]
        assert routes == before | {"routes": changed}, name
