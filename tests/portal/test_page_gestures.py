"""Fingers and a mouse on the plot of a series, in a real Chromium: pinch, drag, two taps."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from padit.domain.timestamps import MICROS
from tests.limits import allowed
from tests.portal.browsing import PHONE, faults_of, opened
from tests.portal.making import append, readings, served, wait_for

_SECONDS = 7200


@pytest.fixture(scope="module")
def plot(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page with two hours of a series, on a phone with a touch screen."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "alerts.jsonl").touch()
    base = int(time.time() * MICROS) - _SECONDS * MICROS
    append(folder / "metrics.jsonl", *readings(_SECONDS, base=base))
    with served(folder) as one:
        wait_for(lambda: one.portal.series.totals()[0] == _SECONDS)
        link = one.portal.accounts.link("admin")
        with opened(chromium, one.address, link, "ann", has_touch=True, is_mobile=True) as page:
            page.set_viewport_size(PHONE)  # type: ignore[arg-type]
            page.address = f"{one.address}/#/series/press-1/torque_nm"  # type: ignore[attr-defined]
            yield page
            assert faults_of(page) == []


class _Fingers:
    """Touches as a screen sends them."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)

    def send(self, kind: str, *points: tuple[float, float]) -> None:
        self._session.send("Input.dispatchTouchEvent", {
            "type": f"touch{kind}",
            "touchPoints": [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)],
        })  # fmt: skip

    def move(self, *paths: tuple[tuple[float, float], tuple[float, float]]) -> None:
        """Fingers from one place to another, in ten steps."""
        self.send("Start", *(begin for begin, _ in paths))
        for step in range(1, 11):
            self.send("Move", *(
                (a[0] + (b[0] - a[0]) * step / 10, a[1] + (b[1] - a[1]) * step / 10)
                for a, b in paths
            ))  # fmt: skip
        self.send("End")

    def tap(self, x: float, y: float) -> None:
        self.send("Start", (x, y))
        self.send("End")


def _span(page: Page) -> tuple[float, float] | None:
    """What the address shows, in seconds; None: all."""
    found: Any = page.evaluate(
        "() => { const q = new URLSearchParams(location.hash.split('?')[1]);"
        " return q.get('from') ? [Date.parse(q.get('from')), Date.parse(q.get('to'))] : null }"
    )
    return None if found is None else (found[0] / 1000, found[1] / 1000)


def _begin(page: Page) -> tuple[dict[str, float], float, float]:
    """The plot of all values: its box, and the begin and end of its time."""
    page.goto("about:blank")
    page.goto(page.address)  # type: ignore[attr-defined]
    page.wait_for_selector(".charts canvas")
    page.wait_for_timeout(300)
    box = page.wait_for_function(
        "() => { const r = document.querySelector('.u-over')?.getBoundingClientRect();"
        " return r && r.width ? {x: r.x, y: r.y, width: r.width, height: r.height} : false }"
    ).json_value()
    begin, end = page.evaluate(
        "async () => { const r = await fetch('/api/series/values?source=press-1&metric=torque_nm');"
        " const one = await r.json(); return [one.from / 1e6, one.to / 1e6] }"
    )
    return box, begin, end


def _changed(page: Page, before: str) -> tuple[float, float]:
    page.wait_for_function("url => location.href !== url", arg=before)
    found = _span(page)
    assert found is not None
    page.wait_for_function("() => !document.querySelector('.chart.wait')")
    page.wait_for_timeout(200)
    return found


def test_two_fingers_apart_zoom_in_where_they_are_and_together_zoom_out(plot: Page) -> None:
    box, begin, end = _begin(plot)
    fingers, y = _Fingers(plot), box["y"] + box["height"] / 2
    middle = box["x"] + box["width"] * 0.5
    before = plot.url
    fingers.move(((middle - 30, y), (middle - 90, y)), ((middle + 30, y), (middle + 90, y)))
    near = _changed(plot, before)
    whole = end - begin
    assert near[1] - near[0] == pytest.approx(whole / 3, rel=0.1)
    assert sum(near) / 2 == pytest.approx((begin + end) / 2, abs=whole * 0.04)
    before = plot.url
    fingers.move(((middle - 90, y), (middle - 45, y)), ((middle + 90, y), (middle + 45, y)))
    far = _changed(plot, before)
    assert far[1] - far[0] == pytest.approx(2 * (near[1] - near[0]), rel=0.1)
    plot.go_back()
    plot.wait_for_function("url => location.href === url", arg=before)
    assert _span(plot) == near


def test_one_finger_moves_along_time_by_as_much_as_it_moves(plot: Page) -> None:
    box, begin, end = _begin(plot)
    y, x = box["y"] + 40, box["x"] + box["width"] * 0.5
    before = plot.url
    _Fingers(plot).move(((x, y), (x + box["width"] * 0.25, y)))
    moved = _changed(plot, before)
    whole = end - begin
    assert moved[1] - moved[0] == pytest.approx(whole, rel=0.02)
    assert begin - moved[0] == pytest.approx(whole * 0.25, rel=0.1)


def test_one_finger_up_or_down_scrolls_the_page_and_leaves_the_span(plot: Page) -> None:
    box, _, _ = _begin(plot)
    x, y = box["x"] + box["width"] * 0.5, box["y"] + box["height"] - 20
    _Fingers(plot).move(((x, y), (x, y - 200)))
    plot.wait_for_function("() => scrollY > 50")
    plot.wait_for_timeout(400)
    assert _span(plot) is None


def test_two_taps_zoom_in_where_they_are_and_one_does_nothing(plot: Page) -> None:
    box, begin, end = _begin(plot)
    fingers, y = _Fingers(plot), box["y"] + box["height"] / 2
    x = box["x"] + box["width"] * 0.25
    before = plot.url
    fingers.tap(x, y)
    plot.wait_for_timeout(700)
    assert _span(plot) is None
    fingers.tap(x, y)
    plot.wait_for_timeout(80)
    fingers.tap(x + 3, y)
    near = _changed(plot, before)
    whole = end - begin
    assert near[1] - near[0] == pytest.approx(whole / 2, rel=0.02)
    place = begin + whole * 0.25
    assert (place - near[0]) / (near[1] - near[0]) == pytest.approx(0.25, abs=0.05)


def test_a_mouse_zooms_by_dragging_by_its_wheel_and_by_a_double_click(plot: Page) -> None:
    box, begin, end = _begin(plot)
    whole, y = end - begin, box["y"] + box["height"] / 2
    before = plot.url
    plot.mouse.move(box["x"] + box["width"] * 0.25, y)
    plot.mouse.down()
    plot.mouse.move(box["x"] + box["width"] * 0.75, y, steps=6)
    plot.mouse.up()
    near = _changed(plot, before)
    assert near[1] - near[0] == pytest.approx(whole / 2, rel=0.05)
    before = plot.url
    plot.mouse.dblclick(box["x"] + box["width"] * 0.5, y)
    nearer = _changed(plot, before)
    assert nearer[1] - nearer[0] == pytest.approx((near[1] - near[0]) / 2, rel=0.05)
    before = plot.url
    plot.mouse.wheel(0, 120)
    out = _changed(plot, before)
    assert out[1] - out[0] > 1.3 * (nearer[1] - nearer[0])


def test_what_a_gesture_shows_is_there_before_the_values_have_come(plot: Page) -> None:
    box, _, _ = _begin(plot)
    plot.route("**/api/series/values*", lambda route: route.abort())
    y, middle = box["y"] + 60, box["x"] + box["width"] / 2
    axis = "() => document.querySelector('.charts canvas').toDataURL()"
    before = plot.evaluate(axis)
    fingers = _Fingers(plot)
    fingers.send("Start", (middle - 30, y), (middle + 30, y))
    fingers.send("Move", (middle - 60, y), (middle + 60, y))
    plot.wait_for_function(f"old => ({axis})() !== old", arg=before, timeout=allowed(1) * 1000)
    fingers.send("End")
    plot.unroute("**/api/series/values*")
    plot.faults.clear()  # type: ignore[attr-defined]  # the request that was refused


def test_values_that_come_during_a_gesture_do_not_end_it(plot: Page) -> None:
    box, begin, end = _begin(plot)
    fingers, y, middle = _Fingers(plot), box["y"] + 60, box["x"] + box["width"] / 2
    before = plot.url
    fingers.send("Start", (middle - 30, y), (middle + 30, y))
    fingers.send("Move", (middle - 45, y), (middle + 45, y))
    for _ in range(2):  # what is shown live is asked for again every five seconds
        with plot.expect_response("**/api/series/values*"):
            pass
    fingers.send("Move", (middle - 90, y), (middle + 90, y))
    fingers.send("End")
    near = _changed(plot, before)
    assert near[1] - near[0] == pytest.approx((end - begin) / 3, rel=0.1)
