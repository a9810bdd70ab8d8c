"""What the page draws of who depends on whom in an incident."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from padit.portal.context import DEFAULT_CONFIG
from tests.portal.browsing import PHONE, faults_of, kept, opened, violations
from tests.portal.making import Served, append, served, transition, wait_for

_CARD = "section.topology"
_TURNED = "gw\u202e\u2069"
_LONG = "recommendation-service-6cfdd55578-gfj6q.shop.example"
_CONFIG = DEFAULT_CONFIG + f"incidents: {{depends_on: {{shop: [cart], {_LONG}: [cart]}}}}\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two that depend on a third, a fourth behind it that its adapter knows, and one alone."""
    folder = tmp_path_factory.mktemp("topology")
    append(
        folder / "alerts.jsonl",
        transition("opened", 10, "d", source_id="db-1", metric_name="cpu", severity="CRITICAL",
                   shift=80.0),
        transition("opened", 11, "c", source_id="cart", metric_name="latency_ms",
                   labels={"depends_on": "db-1"}, shift=9.0),
        transition("opened", 12, "s", source_id="shop", metric_name="latency_ms"),
        transition("opened", 13, "r", source_id=_LONG, metric_name="latency_ms"),
        transition("opened", 10, "x", source_id="alone", metric_name="cpu"),
        *(transition("opened", 10, name, source_id=name, metric_name="rtt",
                     labels={"depends_on": _TURNED}) for name in ("unit-1", "unit-2")),
        transition("opened", 10, "gw", source_id=_TURNED, metric_name="loss"),
        transition("resolved", 200, "s", source_id="shop", metric_name="latency_ms"),
    )  # fmt: skip
    with served(folder, config=_CONFIG) as one:
        wait_for(lambda: len(one.portal.overview.incidents) == 3)
        yield one


def _incident(run: Served, source: str) -> str:
    return next(
        name
        for name, one in run.portal.overview.incidents.items()
        if any(member.event.source_id == source for member in one.members.values())
    )


def _show(run: Served, page: Page, source: str) -> None:
    page.goto(f"{run.address}/#/incident/{_incident(run, source)}")
    page.wait_for_selector("section h2")


def test_the_graph_names_who_depends_on_whom_and_the_likely_cause_in_words(
    run: Served, page: Page
) -> None:
    _show(run, page, "db-1")
    rows = page.locator(f"{_CARD} li").all_inner_texts()
    assert [one.split("\n")[0] for one in rows] == ["db-1", "cart", _LONG, "shop"]
    assert page.locator(f"{_CARD} .edge").count() == 3
    assert "depends on db-1 (known from the adapter)" in rows[1]
    assert "over · depends on cart" in rows[3]
    assert "adapter" not in rows[3]
    assert "likely cause · Critical" in rows[0]
    kept(page, "topology")
    assert violations(page) == []


def test_an_incident_without_edges_has_no_graph(run: Served, page: Page) -> None:
    _show(run, page, "alone")
    page.wait_for_selector("ol.timeline li")
    assert page.locator(_CARD).count() == 0


def test_a_name_that_turns_the_direction_stands_apart_from_its_sentence(
    run: Served, page: Page
) -> None:
    _show(run, page, "unit-1")
    assert page.locator(f"{_CARD} li").count() == 3
    assert page.locator(f"{_CARD} li bdi").all_text_contents() == ["gw\ufffd\ufffd"] * 2


def test_the_graph_fits_a_phone_in_korean_and_dark(run: Served, chromium: Browser) -> None:
    link = run.portal.accounts.link("viewer")
    with opened(chromium, run.address, link, "eve", locale="ko-KR", color_scheme="dark") as page:
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        _show(run, page, "db-1")
        card = page.locator(_CARD)
        card.scroll_into_view_if_needed()
        assert "db-1에 의존 (어댑터가 알린 관계)" in card.inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        kept(page, "topology-phone")
        assert violations(page) == []
        assert faults_of(page) == []


def test_the_api_gives_nodes_and_edges_of_one_incident(run: Served) -> None:
    with run.client("viewer") as viewer:
        found = viewer.get(f"/api/incidents/{_incident(run, 'db-1')}").json()["topology"]
    names = [one["source"] for one in found["nodes"]]
    edges = [(names[one["from"]], names[one["to"]], one["stated"]) for one in found["edges"]]
    assert edges == [("cart", "db-1", True), (_LONG, "cart", False), ("shop", "cart", False)]
    assert found["left_out"] == 0
