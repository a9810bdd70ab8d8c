"""Lists that are longer than an answer or a view: all of it can be had, or how much is missing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from padit.alerting.reading import StoreReader
from padit.domain.timestamps import MICROS, format_utc
from padit.portal.answers import put_cursor
from tests.portal.browsing import another, faults_of, opened
from tests.portal.making import START, Served, append, served, transition, wait_for

_SERIES = 620
_FLAPS = 1_100


def _flaps() -> Iterator[bytes]:
    """A series with very many short alerts, each with the window that it was judged by."""
    for n in range(_FLAPS):
        at = 10_000 + 600 * n
        begin, end = (format_utc(START + (at + by) * MICROS) for by in (-60, 0))
        window = {"start": begin, "end": end, "interval_sec": 30.0, "max_samples": 1000}
        others: dict[str, Any] = {"source_id": "flapper", "metric_name": "rpm",
                                  "evidence": {"unit": "rpm", "window": window}}  # fmt: skip
        yield transition("opened", at, f"f{n}", **others)
        yield transition("resolved", at + 30, f"f{n}", **others)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An incident of 620 series, one of them with 300 transitions, and a series that flaps."""
    folder = tmp_path_factory.mktemp("many")
    lines = [
        transition("opened", 60 + i / 1000, f"a{i}", metric_name=f"m{i:03}", summary=f"m{i:03}")
        for i in range(_SERIES)
    ]
    lines += [transition("updated", 100 + i, "a0", metric_name="m000") for i in range(299)]
    append(folder / "alerts.jsonl", *lines, *_flaps())
    with served(folder) as one:
        wait_for(lambda: one.portal.overview.version >= _SERIES + 299 + 2 * _FLAPS)
        yield one


@pytest.fixture(scope="module")
def page(run: Served, chromium: Browser) -> Iterator[Page]:
    with opened(chromium, run.address, run.portal.accounts.link("admin"), "ann") as one:
        yield one
        assert faults_of(one) == []


def _large(run: Served) -> str:
    return run.portal.alerts_of("press-1", "m000")[0].incident


def _all(client: httpx.Client, path: str, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        given = {"limit": "500", **query, **({"cursor": cursor} if cursor else {})}
        answer = client.get(path, params=given).json()
        found += answer["items"]
        cursor = answer["next"]
    return found


def test_an_incident_says_what_it_leaves_out_and_all_of_its_alerts_can_be_had(run: Served) -> None:
    client, name = run.client("viewer"), _large(run)
    found = client.get(f"/api/incidents/{name}").json()
    assert (len(found["members"]), found["more"]) == (500, 120)
    assert len(found["alerts"]) == 500
    assert found["left_out"] == {"alerts": 120, "messages": 0, "timeline": 100, "hidden_by": 0}
    alerts = _all(client, "/api/alerts", incident=name)
    assert {one["metric_name"] for one in alerts} == {f"m{i:03}" for i in range(_SERIES)}
    assert client.get("/api/alerts", params={"incident": "none"}).json()["items"] == []
    assert found["story"]["first"][-1]["text"] == "615 more within the first minute."


def test_of_very_many_transitions_the_first_and_the_latest_are_shown(run: Served) -> None:
    row = run.portal.alerts_of("press-1", "m000")[0]
    assert (len(row.steps), row.left_out) == (200, 100)
    assert (row.steps[0].kind, row.steps[-1].time) == ("opened", START + 398 * MICROS)
    found = run.client("viewer").get(f"/api/alerts/{row.id}").json()
    assert (len(found["steps"]), found["steps_left_out"]) == (200, 100)


def test_the_windows_of_all_alerts_of_a_span_are_there_also_of_the_oldest(run: Served) -> None:
    def of(**span: str) -> dict[str, Any]:
        found: dict[str, Any] = (
            run.client("viewer").get("/api/series/flapper/rpm", params=span).json()
        )
        return found

    start = format_utc(START + 9_000 * MICROS)
    first = of(**{"from": start, "to": format_utc(START + 11_000 * MICROS)})
    assert [len(one["windows"]) for one in first["alerts"]] == [1, 1]
    whole = of(**{"from": start})
    assert len(whole["alerts"]) == 1000
    assert whole["left_out"] == {"alerts": _FLAPS - 1000, "windows": 0}
    assert all(len(one["windows"]) == 1 for one in whole["alerts"])


def test_lanes_show_what_has_been_open_for_months(run: Served) -> None:
    late = format_utc(START + 90 * 86_400 * MICROS)
    later = format_utc(START + 91 * 86_400 * MICROS)
    found = run.client("viewer").get("/api/series/lanes", params={"from": late, "to": later}).json()
    assert len(found["alerts"]["press-1"]) == _SERIES
    assert found["alerts_left_out"] == 0


def test_the_end_of_the_latest_alert_is_known_however_many_opened_since(run: Served) -> None:
    portal = run.portal
    assert portal.overview.latest_end == START + (10_000 + 600 * (_FLAPS - 1) + 30) * MICROS


def test_the_latest_messages_of_an_incident_are_read_and_counted(run: Served) -> None:
    name = run.portal.alerts_of("flapper", "rpm")[0].incident
    reader = StoreReader(run.portal.state / "alerting")
    every, count = reader.messages_of(name, 500)
    assert len(every) == count > 1
    assert reader.messages_of(name, 1) == (every[-1:], count)
    assert reader.messages_of("none", 2) == ([], 0)
    numbers = [one.n for one in run.portal.alerts_of("press-1", "m000")[0].steps]
    assert len(reader.payloads([*range(1, 1501)])) == 1500
    assert len(reader.payloads(numbers)) == 200
    reader.close()


def test_what_was_done_stands_in_the_timeline_however_much_was_done_since(run: Served) -> None:
    operator, name = run.client("operator"), _large(run)
    old = run.portal.alerts_of("press-1", "m001")[0].id
    operator.post(f"/api/alerts/{old}/acknowledge", json={"note": "first"})
    for _ in range(2):
        for what in ("acknowledge", "unacknowledge"):
            operator.post(f"/api/incidents/{name}/{what}", json={}).raise_for_status()
    acts = [one for one in operator.get(f"/api/incidents/{name}").json()["timeline"] if "by" in one]
    assert [(one["kind"], one["count"]) for one in acts[:2]] == [
        ("acknowledge", 1), ("acknowledge", _SERIES),
    ]  # fmt: skip
    assert acts[0]["note"] == "first"
    assert acts[0]["alerts"] == [old]
    assert len(acts[1]["alerts"]) == 20


def _rest(client: httpx.Client, path: str, cursor: str | None, **query: str) -> list[list[Any]]:
    pages = []
    while cursor is not None:
        answer = client.get(path, params={**query, "cursor": cursor}).json()
        pages.append(answer["items"])
        cursor = answer["next"]
    return pages


def test_the_whole_timeline_and_all_members_of_an_incident_can_be_had_page_by_page(
    run: Served,
) -> None:
    client, path = run.client("viewer"), f"/api/incidents/{_large(run)}"
    found = client.get(path).json()
    assert len(found["timeline"]) == 200
    pages = _rest(client, f"{path}/timeline", found["timeline_next"], limit="130")
    assert {len(one) for one in pages[:-1]} == {130}
    rows = [*found["timeline"][::-1], *(one for page in pages for one in page)]
    places = [(one["time"], one["n"]) for one in rows]
    assert places == sorted(set(places), reverse=True)
    assert sum(one["kind"] == "opened" for one in rows) == _SERIES
    assert sum(one["kind"] == "updated" for one in rows) == 199
    assert _rest(client, f"{path}/timeline", "", limit="500") == [
        rows[at : at + 500] for at in range(0, len(rows), 500)
    ]

    pages = _rest(client, f"{path}/members", found["members_next"], limit="50")
    members = [*found["members"], *(one for page in pages for one in page)]
    assert [len(one) for one in pages] == [50, 50, 20]
    assert len({one["fingerprint"] for one in members}) == len(members) == _SERIES
    assert _rest(client, f"{path}/members", "", limit="500")[0] == found["members"]


@pytest.mark.parametrize("of", ["timeline", "members"])
def test_a_page_of_an_incident_that_is_not_there_or_of_another_list_is_refused(
    run: Served, of: str
) -> None:
    client, path = run.client("viewer"), f"/api/incidents/{_large(run)}/{of}"
    assert client.get(f"/api/incidents/none/{of}").status_code == 404
    for cursor in (put_cursor(5, "x y"), put_cursor(5, "[1]"), put_cursor(5, "-4"), "!"):
        assert client.get(path, params={"cursor": cursor}).status_code == 422


def test_the_page_says_how_much_of_a_list_it_does_not_show(run: Served, page: Page) -> None:
    page.goto(f"{run.address}/#/incident/{_large(run)}")
    page.wait_for_selector("section:has(h2:text-is('Series')) .rest:has-text('and 120 more')")
    timeline = page.locator("section:has(h2:text-is('Timeline')) .rest")
    timeline.get_by_text("Changes in between that are not shown: 100").wait_for()
    why = "section:has(h2:text-is('Why it was sent or not')) .rest:has-text('and 120 more')"
    page.wait_for_selector(why)
    page.goto(f"{run.address}/#/series/flapper/rpm?from={format_utc(START)}")
    page.wait_for_selector(".charts .rest:has-text('Earlier alerts that are not drawn: 100')")
    page.wait_for_selector(f".rest:has-text('Earlier ones that are not shown: {_FLAPS - 20:,}')")


def test_the_page_shows_all_of_an_incident_for_who_asks(run: Served, page: Page) -> None:
    page.goto(f"{run.address}/#/incident/{_large(run)}")
    series = "section:has(h2:text-is('Series'))"
    page.wait_for_selector(f"{series} .rest:has-text('and 120 more')")
    page.click(f"{series} button:has-text('More')")
    page.wait_for_selector(f"{series} tbody tr >> nth={_SERIES - 1}")
    assert page.locator(f"{series} .rest, {series} p button").count() == 0
    timeline = "section:has(h2:text-is('Timeline'))"
    assert page.locator(f"{timeline} li").count() == 200
    page.click(f"{timeline} button:has-text('What was before')")
    page.wait_for_selector(f"{timeline} li >> nth=399")
    assert page.locator(f"{timeline} li").count() == 400
    why = "section:has(h2:text-is('Why it was sent or not'))"
    page.click(f"{why} button:has-text('More')")
    page.wait_for_selector(f"{why} > details >> nth={_SERIES - 1}")
    assert page.locator(f"{why} .rest").count() == 0


def test_all_series_of_a_large_incident_are_silenced_at_once_and_that_is_undone(
    run: Served, page: Page
) -> None:
    client, path = run.client("viewer"), "/api/silences"
    page.goto(f"{run.address}/#/incident/{_large(run)}")
    page.wait_for_selector(".story")
    page.click(".heading button:has-text('Silence')")
    page.wait_for_selector(f"dialog label:has-text('Series of this incident ({_SERIES})')")
    page.wait_for_selector(f".preview[data-ready=yes]:has-text('mutes now: {_SERIES}.')")
    assert _all(client, path) == []
    page.click("#silence-it")
    page.wait_for_selector(".toast:has-text('Silenced until')")
    made = _all(client, path)
    assert (len(made), len({one["action"] for one in made})) == (_SERIES, 1)
    page.goto(f"{run.address}/#/now")
    row = page.locator("section:has(h2:text-is('Silences')) li")
    row.get_by_text(f"and {_SERIES - 1} more").wait_for()
    assert row.count() == 1
    page.click(".toast button:has-text('Undo')")
    row.wait_for(state="detached")
    assert _all(client, path) == []


def test_silences_of_one_request_are_counted_once_and_end_together(run: Served) -> None:
    operator, several = run.client("operator"), [{"source": "press-*"}, {"source": "press-1"}]
    body = {"any": several, "until": "1h"}
    found = operator.post("/api/silences/preview", json=body).json()
    assert (found["past_alerts"], len(found["open"])) == (0, _SERIES)  # open for longer than a week
    opened_ = {"any": [{"source": "flap*"}, {"source": "flapper"}]}
    found = operator.post("/api/silences/preview", json=opened_).json()
    assert (found["series"], len(found["open"])) == (1, 0)
    assert found["past_alerts"] == operator.post(
        "/api/silences/preview", json={"source": "flapper"}
    ).json()["past_alerts"] > 900  # fmt: skip
    made = operator.post("/api/silences", json=body | {"until": "2h"}).json()
    assert len(made["commands"]) == 2
    assert {one["id"] for one in _all(operator, "/api/silences")} == set(made["commands"])
    assert operator.delete(f"/api/silences/{made['action']}").status_code == 200
    assert _all(operator, "/api/silences") == []
    refused: list[dict[str, Any]] = [
        {"any": [{}]}, {"any": several, "metric": "rpm"}, {"any": several * 1001}
    ]  # fmt: skip
    for bad in refused:
        for path in ("/api/silences", "/api/silences/preview"):
            assert operator.post(path, json=bad).status_code == 422


def test_older_incidents_that_are_over_can_be_had_on_the_page(run: Served, page: Page) -> None:
    with another(page, run.address) as mine:
        mine.wait_for_selector(".incidents.past .incident")
        assert mine.locator(".incidents.past .incident").count() == 30
        mine.click("button:has-text('More')")
        mine.wait_for_function("() => document.querySelectorAll('.past .incident').length === 60")


def test_a_change_of_more_incidents_than_a_message_holds_reaches_every_row(
    tmp_path: Path, chromium: Browser
) -> None:
    lines = [
        transition("opened", 60 + 3600 * i, f"a{i}", source_id=f"press-{i:03}") for i in range(130)
    ]
    append(tmp_path / "alerts.jsonl", *lines)
    with (
        served(tmp_path) as one,
        opened(chromium, one.address, one.portal.accounts.link("admin"), "ann") as page,
    ):
        page.wait_for_selector(".incidents.virtual .incident")
        body = {"source": "press-*", "until": "1d"}
        one.client("operator").post("/api/silences", json=body).raise_for_status()
        page.wait_for_function(
            "async () => [...(await import('/static/js/state.js')).incidents.value.values()]"
            ".filter((one) => one.silences.length > 0).length === 130"
        )
        assert faults_of(page) == []


def test_a_search_of_more_words_than_are_looked_for_is_refused(run: Served) -> None:
    client = run.client("viewer")
    words = " ".join(f"w{n}" for n in range(21))
    for path in ("/api/v1/logs", "/api/v1/logs/statistics"):
        answer = client.get(path, params={"q": words})
        assert (answer.status_code, answer.json()["detail"]) == (
            422, "a search has at most 20 words",
        )  # fmt: skip
        assert client.get(path, params={"q": words.partition(" ")[2]}).status_code == 200


def test_a_log_record_that_is_too_long_shows_where_it_was_cut(run: Served) -> None:
    body = {"message": "needle " + "x" * 40_000}
    assert run.client("ingest").post("/api/v1/logs", json=body).status_code == 201
    (row,) = run.client("viewer").get("/api/v1/logs", params={"q": "needle"}).json()["items"]
    assert (len(row["message"]), row["message"][-1]) == (32_768, "…")


def test_of_more_faults_than_a_problem_names_it_says_how_many(run: Served) -> None:
    body = {f"no_{n}": n for n in range(10)} | {"labels": {f"l{n}": n for n in range(20)}}
    found = run.client("operator").post("/api/silences", json=body).json()
    assert found["detail"].endswith("; and 10 more")
    assert len(found["faults"]) == 20


def test_a_lane_has_no_gap_between_windows_that_are_longer_than_its_slices(page: Page) -> None:
    found = page.evaluate(
        "async () => (await import('/static/js/views/explore.js'))"
        ".ribbons([[100, 1], [120, 1], [150, 1], [170, 1], [400, 1]], 10)"
    )
    assert found == [[65, 110, 1], [110, 130, 1], [130, 160, 1], [160, 180, 1], [365, 410, 1]]
