"""Scrapes of pages that redirect elsewhere, or state times that cannot be."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from padit.adapters.encode import usable
from padit.adapters.times import possible_time
from tests.adapters.live import poll_once
from tests.adapters.test_prometheus_scrape import Served, page, scrape

SECRETS = {"x-api-key": "hunter2", "Authorization": "Bearer hunter2", "cookie": "a=hunter2"}


@pytest.fixture
def other() -> Iterator[Served]:
    with Served(page(b"a 1\n")) as served:
        yield served


def redirecting(place: str) -> type[BaseHTTPRequestHandler]:
    """A handler that redirects to a place, and answers there if that is its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there = self.path == "/there"
            self.send_response(200 if there else 302)
            if not there:
                self.send_header("Location", place)
            self.end_headers()
            self.wfile.write(b"a 1\n" if there else b"")

    return Handler


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_origin_gets_no_header_of_the_configuration(host: str, other: Served) -> None:
    place = f"http://{host}:{other.port}/metrics"
    with Served(redirecting(place)) as first:
        emitter = scrape(first.url, headers={"user-agent": "padit", **SECRETS})
    assert emitter.values("a") == [1]
    assert first.asked[0]["x-api-key"] == "hunter2"
    assert "hunter2" not in str(other.asked)
    assert other.asked[0]["user-agent"] == "padit"
    assert "openmetrics" in other.asked[0]["accept"]
    assert "gzip" in other.asked[0]["accept-encoding"]


def test_headers_do_not_come_back_at_a_third_origin() -> None:
    with (
        Served(redirecting("/there")) as home,
        Served(redirecting(f"http://127.0.0.1:{home.port}/away")) as between,
        Served(redirecting(f"http://127.0.0.1:{between.port}/")) as first,
    ):
        emitter = scrape(first.url, headers=SECRETS)
    assert emitter.values("a") == [1]
    assert len(home.asked) == 2
    assert "hunter2" not in str(between.asked + home.asked)


def test_same_origin_gets_the_headers_again() -> None:
    with Served(redirecting("/there")) as served:
        emitter = scrape(served.url, headers=SECRETS)
    assert emitter.values("a") == [1]
    assert [asked["x-api-key"] for asked in served.asked] == ["hunter2"] * 2
    assert [asked["authorization"] for asked in served.asked] == ["Bearer hunter2"] * 2


@pytest.mark.parametrize("stamp", ["99999999999999", "0", "-5", "946684799999", "7258118400000"])
def test_sample_of_an_impossible_time_is_a_fault_with_its_name_and_value(stamp: str) -> None:
    body = f'd{{x="y"}} 1.5 {stamp}\ne 2 946684800000\nf 3 7258118399999\n'.encode()
    with Served(page(body)) as served:
        emitter = scrape(served.url)
        taken = scrape(served.url, select={"honor_timestamps": False})
    assert emitter.faults == {"time": 1}
    assert 'd{x="y"} is 1.5 at ' in emitter.messages["time"]
    assert "honor_timestamps" in emitter.messages["time"]
    assert not any(metric.metric_name.startswith("d") for metric in emitter.metrics)
    assert emitter.values("e") + emitter.values("f") == [2, 3]
    assert all(usable(metric) for metric in emitter.metrics)
    assert taken.faults == {}
    assert taken.values('d{x="y"}') == [1.5]


KINDS = {
    "counter": "c_total 1 {0}\n",
    "histogram": 'c_bucket{{le="1"}} 1 {0}\nc_bucket{{le="+Inf"}} 1 {0}\nc_count 1 {0}\n',
    "summary": 'c{{quantile="0.5"}} 1 {0}\nc_count 1 {0}\nc_sum 1 {0}\n',
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_sample_of_an_impossible_time_is_counted(kind: str) -> None:
    lines = KINDS[kind].format(99_999_999_999_999)
    name = "c_total" if kind == "counter" else "c"
    with Served(page(f"# TYPE {name} {kind}\n{lines}".encode())) as served:
        emitter = poll_once({"type": "prometheus-scrape", "urls": [served.url]}, 2)
    assert emitter.faults == {"time": 2 * lines.count("\n")}
    assert not any(metric.metric_name.startswith("c") for metric in emitter.metrics)


def test_time_that_no_reader_takes_is_impossible() -> None:
    times: dict[float, Any] = {946_684_800.0: True, 7_258_118_399.9: True, 7_258_118_400.0: False,
                               946_684_799.9: False, float("inf"): False}  # fmt: skip
    assert {time: possible_time(time) for time in times} == times
