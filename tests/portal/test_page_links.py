"""What the page shows of an alert's ground: its windows, its silences, why not, and as YAML."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from padit.domain.timestamps import MICROS, format_utc
from padit.portal.context import DEFAULT_CONFIG, parse_config
from tests.portal.browsing import kept, opened, violations
from tests.portal.making import Served, append, features, readings, served, transition, wait_for

_ROWS = "li.incident:not(.over)"
_SECONDS, _FROM, _TO = 600, 200, 320
_NAME = "it's [1]*\u2028\u0085한"
_CONFIG = (
    DEFAULT_CONFIG
    + """silences:
  - {id: by plan, start: 2026-01-01T00:00:00Z, end: 2099-01-01T00:00:00Z, match: {source: planned}}
"""
)


@pytest.fixture(scope="module")
def base() -> int:
    return int(time.time() * MICROS) - _SECONDS * MICROS


@pytest.fixture(scope="module")
def run(base: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An alert with the window of its evidence, one of the plan, and one of a strange name."""
    folder = tmp_path_factory.mktemp("links")
    window = {"start": format_utc(base + _FROM * MICROS), "end": format_utc(base + _TO * MICROS)}
    append(
        folder / "alerts.jsonl",
        transition("opened", _TO, base=base, severity="CRITICAL", evidence={
            "unit": "Nm", "window": window | {"interval_sec": 30.0, "max_samples": 1000}}),
        transition("opened", _TO, "b", base=base, source_id="planned", severity="INFO"),
        transition("opened", _TO, "c", base=base, source_id=_NAME, metric_name="a: b #c"),
    )  # fmt: skip
    append(folder / "metrics.jsonl", *readings(_SECONDS, base=base))
    append(folder / "features.jsonl", *features(20, base=base))
    with served(folder, config=_CONFIG) as one:
        wait_for(lambda: len(one.portal.overview.incidents) == 3)
        wait_for(lambda: one.portal.series.totals() == (_SECONDS, 20))
        yield one


_COLOURED = """([at, low]) => {
  const canvas = document.querySelector('.charts canvas'), over = document.querySelector('.u-over');
  const [a, b] = [canvas.getBoundingClientRect(), over.getBoundingClientRect()];
  const scale = canvas.width / a.width, x = (b.left - a.left + b.width * at) * scale;
  const y = (b.top - a.top + (low ? b.height - 2 : 2)) * scale;
  const [r, g, , alpha] = canvas.getContext('2d').getImageData(x, y, 1, 1).data;
  return alpha > 150 && r > g + 40;
}"""


def test_the_window_of_the_evidence_is_drawn_below_and_the_alert_above(
    run: Served, page: Page, base: int
) -> None:
    page.goto(f"{run.address}/#/series/press-1/torque_nm?from={base / MICROS}"
              f"&to={base / MICROS + _SECONDS}")  # fmt: skip
    page.wait_for_selector(".charts canvas")
    page.wait_for_function(_COLOURED, arg=[(_TO + 100) / _SECONDS, False])
    shown = {
        at: (page.evaluate(_COLOURED, [at / _SECONDS, False]),
             page.evaluate(_COLOURED, [at / _SECONDS, True]))
        for at in (_FROM - 60, _FROM + 20, _TO - 20, _TO + 60)
    }  # fmt: skip
    assert shown == {_FROM - 60: (False, False), _FROM + 20: (False, True),
                     _TO - 20: (False, True), _TO + 60: (True, False)}  # fmt: skip
    assert "judged by" in page.inner_text("ul.plain-list li:has-text('too high')")
    (alert,) = run.client("viewer").get("/api/series/press-1/torque_nm").json()["alerts"]
    assert alert["windows"] == [[base + _FROM * MICROS, base + _TO * MICROS]]
    kept(page, "series-evidence")


def test_why_not_is_asked_on_a_series_at_a_time_also_where_it_has_no_alert(
    run: Served, page: Page, base: int
) -> None:
    page.goto(f"{run.address}/#/series/press-1/rpm")
    page.wait_for_selector(".whynot input")
    page.click(".whynot button")
    page.wait_for_selector(".whynot p[role=status]:has-text('300 readings')")
    address = page.url
    assert "why=" in address
    page.goto(f"{run.address}/#/series/press-1/torque_nm")
    page.wait_for_selector(".whynot input")
    assert page.locator(".whynot table").count() == 0
    page.click(".whynot button")
    page.wait_for_selector(".whynot td:has-text('handed over')")
    assert violations(page) == []
    kept(page, "series-why-not")
    early = page.evaluate(
        "async ms => (await import('/static/js/format.js')).typed(ms)", base / 1000 - 7_200_000
    )
    page.fill(".whynot input", early)
    page.click(".whynot button")
    page.wait_for_selector(".whynot p[role=status]:has-text('no reading')")
    page.goto(address)
    page.wait_for_selector(".whynot p[role=status]:has-text('300 readings')")


def test_the_reasons_without_an_alert_are_those_of_the_readings_and_windows_of_that_time(
    run: Served, base: int
) -> None:
    def seen(metric: str, seconds: int) -> dict[str, Any]:
        found = run.client("viewer").get("/api/why-not", params={
            "source": "press-1", "metric": metric, "at": format_utc(base + seconds * MICROS),
        }).raise_for_status().json()  # fmt: skip
        assert "no alert" in found["hint"]
        return dict(found["seen"])

    late = _TO + 3600 + 60  # the alert is more than an hour away, some windows are not
    scored = seen("torque_nm", late)
    assert (scored["kind"], scored["score"]) == ("scored", 0.9)
    assert scored["windows"] == sum(at * 30 >= late - 3600 for at in range(20))
    assert seen("rpm", 0) == {"kind": "readings", "readings": 300, "windows": 0}
    assert seen("rpm", 10 * 3600)["kind"] == "no_data"
    assert seen("nothing", 0)["kind"] == "unknown"


def test_a_suppressed_incident_leads_to_its_silence_and_the_silence_back(
    run: Served, page: Page
) -> None:
    page.goto(f"{run.address}/#/now")
    page.wait_for_selector(f"{_ROWS}:has-text('planned') a.tag, {_ROWS} a.tag")
    row = page.locator(f"{_ROWS}:has(a.tag)")
    assert row.count() == 1
    assert "silenced" in row.locator("a.tag").inner_text()
    row.locator("a.tag").click()
    page.wait_for_selector("li.wanted:has-text('by plan')")
    assert "silence=by+plan" in page.url
    page.click("li.wanted .muted a")
    page.wait_for_selector(".story")
    assert "planned" in page.inner_text("table")
    page.wait_for_selector("td a.tag:has-text('silenced')")
    page.click("summary:has-text('planned')")
    page.click("td a:has-text('by plan')")
    page.wait_for_selector("li.wanted:has-text('by plan')")
    given = run.client("operator").post("/api/silences", json={"source": "press-1"}).json()
    name = given["commands"][0]
    page.wait_for_selector(f"{_ROWS} a.tag[href*='{name}']")
    page.wait_for_selector(f"[id='silence-{name}'] .muted a")
    page.goto(f"{run.address}/#/now?silence={name}")
    page.wait_for_selector(f"[id='silence-{name}'].wanted")
    assert violations(page) == []
    kept(page, "now-silence")
    run.client("operator").delete(f"/api/silences/{name}").raise_for_status()
    page.wait_for_selector("text=This silence has ended")
    page.wait_for_selector(f"{_ROWS} a.tag[href*='{name}']", state="detached")


def test_an_incident_is_copied_as_yaml_that_the_configuration_takes(
    run: Served, page: Page
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    for name, metric in ((_NAME, "a: b #c"), ("press-1", "torque_nm")):
        row = run.portal.alerts_of(name, metric)[0]
        page.goto(f"{run.address}/#/incident/{row.incident}")
        page.wait_for_selector(".story")
        page.click("button:has-text('Copy as YAML')")
        page.wait_for_selector(".toast:has-text('Copied')")
        text = page.evaluate("() => navigator.clipboard.readText()")
        (silence,) = parse_config(DEFAULT_CONFIG + text, "the copy").silences
        told = name.replace("[", "[[]").replace("*", "[*]")
        assert (silence.match.source, silence.match.metric) == ((told,), (metric,))
        assert silence.end - silence.start == 3600 * MICROS
        assert "# receivers of this configuration: page (webhook)\n" in text
        _, _, routes = text.partition("# routes:\n")
        whole = "routes:\n" + "\n".join(line.removeprefix("# ") for line in routes.splitlines())
        route = parse_config(DEFAULT_CONFIG.partition("routes:")[0] + whole, "the route").routes[0]
        assert (route.match, route.receiver) == (silence.match, "page")
        page.click(".toast button[aria-label=Close]")


_TEAM = """
receivers:
  ops: {kind: slack, url: "env:PADIT_TEST_SLACK"}
  night: {kind: webhook, url: "http://127.0.0.1:9/"}
routes:
  - {name: rpm, receiver: ops, match: {metric: rpm}}
  - {name: rest, receiver: night}
"""


def test_a_copied_route_has_the_receiver_that_is_sent_the_incident_and_names_the_others(
    tmp_path: Path, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADIT_TEST_SLACK", "http://127.0.0.1:9/")
    append(tmp_path / "alerts.jsonl", transition("opened", 60))
    with (
        served(tmp_path, config=_TEAM) as one,
        opened(chromium, one.address, one.portal.accounts.link("admin"), "ann") as page,
    ):
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.click(".title")
        page.click("button:enabled:has-text('Copy as YAML')")
        page.wait_for_selector(".toast:has-text('Copied')")
        text = page.evaluate("() => navigator.clipboard.readText()")
        assert "# receivers of this configuration: ops (slack), night (webhook)\n" in text
        _, _, mine = text.partition("# routes:\n")
        before, _, others = _TEAM.partition("routes:\n")
        route = "\n".join(line.removeprefix("# ") for line in mine.splitlines())
        config = parse_config(f"{before}routes:\n{route}\n{others}", "the copy")
        assert [(each.receiver, each.match.metric) for each in config.routes[:2]] == [
            ("night", ("torque_nm",)), ("ops", ("rpm",)),
        ]  # fmt: skip
        plain = page.evaluate(
            "async () => (await import('/static/js/yaml.js')).policyOf({id: 'i', routes: {}}, [], "
            "{given: false, receivers: [{name: 'page'}], routes: []}, '', '')"
        )
        assert "# this portal has no --config, so it knows no receivers" in plain


def test_names_of_any_letters_are_quoted_so_that_yaml_reads_them_back(page: Page) -> None:
    import yaml

    names = [chr(each) * 2 + "'\"\\ #:" for each in (0, 9, 10, 0x7F, 0x85, 0xA0, 0x2028, 0x2029,
             0xFEFF, 0xFFFE, 0x1F525, 0xD55C)]  # fmt: skip
    found = page.evaluate(
        "async names => { const y = await import('/static/js/yaml.js');"
        " return y.matcher(names, names) }", names,
    )  # fmt: skip
    assert yaml.safe_load(found) == {"source": names, "metric": names}
    assert json.loads(json.dumps(names)) == names


def test_a_silence_that_hid_something_real_leads_to_it_and_it_leads_back(
    tmp_path: Path, chromium: Browser
) -> None:
    append(tmp_path / "alerts.jsonl", transition("opened", 60, "old", source_id="press-9"))
    with (
        served(tmp_path) as one,
        opened(chromium, one.address, one.portal.accounts.link("admin"), "ann") as page,
    ):
        operator = one.client("operator")
        body = {"source": "press-1", "until": "20min"}
        name = operator.post("/api/silences", json=body).json()["commands"][0]
        hidden = transition("opened", 600, "a"), transition("resolved", 700, "a")
        late = transition("opened", 7200, "b", source_id="press-2")
        append(tmp_path / "alerts.jsonl", *hidden, late)
        wait_for(lambda: name not in one.portal.overview.state.silences)
        (row,) = one.portal.alerts_of("press-1", "torque_nm")
        verdict = operator.post(f"/api/feedback/{row.incident}", json={"verdict": "real"})
        verdict.raise_for_status()  # long after its end

        page.goto(f"{one.address}/#/health")
        there = f"[id='silence-{name}']"
        page.wait_for_selector(f"{there} .tag:has-text('hid 1 marked as real')")
        assert page.locator(f"{there} b a").count() == 0  # it has ended, so it is not on Now
        page.click(f"{there} .muted a")
        page.wait_for_selector(".story")
        assert row.incident in page.url
        page.click(".heading a.tag.bad:has-text('hidden by a silence')")
        page.wait_for_selector(f"{there}.wanted")
        assert violations(page) == []
        kept(page, "health-silence")


def test_an_incident_with_a_silence_for_each_series_names_few_of_those_that_hid_it(
    tmp_path: Path, chromium: Browser
) -> None:
    lines = [transition("opened", 60 + n, f"a{n}", metric_name=f"m{n}") for n in range(25)]
    append(tmp_path / "alerts.jsonl", *lines)
    with (
        served(tmp_path) as one,
        opened(chromium, one.address, one.portal.accounts.link("admin"), "ann") as page,
    ):
        wait_for(lambda: one.portal.overview.version >= 25)
        operator = one.client("operator")
        (name,) = one.portal.overview.incidents
        silence = operator.post(f"/api/incidents/{name}/silence", json={"until": "20min"})
        assert len(silence.json()["commands"]) == 25
        operator.post(f"/api/feedback/{name}", json={"verdict": "real"}).raise_for_status()
        found = operator.get(f"/api/incidents/{name}").json()
        assert (len(found["hidden_by"]), found["left_out"]["hidden_by"]) == (20, 5)

        page.goto(f"{one.address}/#/incident/{name}")
        page.wait_for_selector(".heading a.tag.bad:has-text('and 22 more')")
        assert page.locator(".heading a.tag.bad").count() == 4
