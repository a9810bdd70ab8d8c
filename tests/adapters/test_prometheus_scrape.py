"""Scrapes of real exporters: prometheus_client in both formats, and a real Prometheus."""

import base64
import gzip
import math
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.exposition import MetricsHandler

from padit.adapters.base import ListEmitter
from padit.adapters.encode import usable
from padit.adapters.registry import create_adapter
from padit.adapters.scrape_points import Points, Selection
from padit.adapters.series import Naming
from padit.cli.main import main
from padit.codecs.exposition import parse
from padit.devcluster.ports import free_port
from padit.domain.errors import ConfigurationError
from tests.adapters.live import Live, poll_once, until
from tests.limits import allowed
from tests.parts import required_program
from tests.serving import Serving

OPEN = "application/openmetrics-text;version=1.0.0"
TEXT = "text/plain;version=0.0.4"
START = 1_767_323_040.0


class Served(Serving):
    """An HTTP server on loopback that keeps the headers it was asked with."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self.asked: list[dict[str, str]] = []
        asked = self.asked

        class Handler(handler):  # type: ignore[valid-type, misc]
            def do_GET(self) -> None:
                asked.append({name.lower(): text for name, text in self.headers.items()})
                super().do_GET()

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        self.url = f"http://127.0.0.1:{self.port}/metrics"


def page(
    body: Callable[[], bytes] | bytes, kind: str = TEXT, status: int = 200, encoding: str = ""
) -> type[BaseHTTPRequestHandler]:
    """A handler that answers with one page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = body if isinstance(body, bytes) else body()
            self.send_response(status)
            if kind:
                self.send_header("Content-Type", kind)
            if encoding:
                self.send_header("Content-Encoding", encoding)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


def scrape(url: str, polls: int = 1, **options: Any) -> ListEmitter:
    return poll_once({"type": "prometheus-scrape", "urls": [url], **options}, polls)


def latest(emitter: ListEmitter) -> dict[str, float]:
    return {metric.metric_name: metric.value for metric in emitter.metrics}


@pytest.fixture
def registry() -> prometheus_client.CollectorRegistry:
    return prometheus_client.CollectorRegistry()


@pytest.fixture
def exporter(registry: prometheus_client.CollectorRegistry) -> Iterator[Served]:
    with Served(MetricsHandler.factory(registry)) as served:
        yield served


@pytest.mark.parametrize("accept", [None, TEXT])
def test_official_exporter_in_both_formats(
    accept: str | None, registry: prometheus_client.CollectorRegistry, exporter: Served
) -> None:
    jobs = prometheus_client.Counter("jobs", "x", ["queue"], registry=registry)
    level = prometheus_client.Gauge("level", "x", registry=registry)
    tally = prometheus_client.Gauge("tally_total", "a gauge in spite of its name",
                                    registry=registry)  # fmt: skip
    took = prometheus_client.Histogram("took_seconds", "x", registry=registry, buckets=(1, 2, 4))
    size = prometheus_client.Summary("size_bytes", "x", registry=registry)
    jobs.labels("a").inc(100)
    took.observe(0.5)
    level.set(7.5)
    tally.set(3)
    headers = {} if accept is None else {"headers": {"accept": accept}}
    with Live({"type": "prometheus-scrape", "urls": [exporter.url], **headers}) as live:
        live.poll()
        assert "jobs_total_per_s" not in str(live.emitter.metrics)
        jobs.labels("a").inc(50)
        for _ in range(10):
            took.observe(3)
        size.observe(10)
        size.observe(30)
        live.poll()
    found = latest(live.emitter)
    stamps = sorted({m.timestamp for m in live.emitter.metrics})
    seconds = float(stamps[-1]) - float(stamps[0])
    assert found["up"] == 1
    assert found["scrape_samples_scraped"] >= 10
    assert 0 < found["scrape_duration_seconds"] < 10
    assert found['jobs_total_per_s{queue="a"}'] == pytest.approx(50 / seconds)
    assert found["level"] == 7.5
    assert found["tally_total"] == 3
    assert found["took_seconds_per_s"] == pytest.approx(10 / seconds)
    assert found["took_seconds_mean"] == pytest.approx(3)
    assert found["took_seconds_p50"] == pytest.approx(3)
    assert found["size_bytes_mean"] == pytest.approx(20)
    assert not any("_bucket" in name for name in found)
    assert {m.source_id for m in live.emitter.metrics} == {f"127.0.0.1:{exporter.port}"}
    assert live.emitter.faults == {}
    assert "gzip" in exporter.asked[0]["accept-encoding"]
    assert accept or "openmetrics" in exporter.asked[0]["accept"]


def test_real_prometheus_is_scraped_without_a_fault(tmp_path: Path) -> None:
    program = required_program("prometheus")
    config, port = tmp_path / "p.yml", free_port()
    config.write_text("global: {}\n")
    command = [program.path, f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/data",
               f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
    url = f"http://127.0.0.1:{port}/metrics"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=program.environment, stderr=log)
        try:
            until(lambda: latest(scrape(url)).get("up"), "Prometheus")
            emitter = scrape(url, polls=2)
        finally:
            process.terminate()
            process.wait(allowed(20))
    found = latest(emitter)
    assert emitter.faults == {}
    assert found["go_goroutines"] > 0
    assert found["process_cpu_seconds_total_per_s"] >= 0
    assert found["scrape_samples_scraped"] > 200


def test_counter_that_starts_again_has_no_negative_rate() -> None:
    values = iter([100, 110, 4])
    body: Callable[[], bytes] = lambda: f"# TYPE c counter\nc {next(values)}\n".encode()  # noqa: E731
    with Served(page(body)) as served:
        emitter = scrape(served.url, polls=3)
    rates = emitter.values("c_per_s")
    assert len(rates) == 2
    assert all(rate > 0 for rate in rates)


def test_bad_line_is_named_and_costs_its_neighbours_nothing() -> None:
    with Served(page(b"a 1\nb x\nc NaN\nd 4\n")) as served:
        emitter = scrape(served.url)
    assert emitter.values("a") + emitter.values("d") == [1, 4]
    assert emitter.faults == {"malformed": 1}
    assert emitter.left == {"nan": 1}
    assert "line 2: 'x' is no number" in emitter.messages["malformed"]
    assert emitter.values("up") == [1]


def test_gzip_is_unpacked_within_its_bound() -> None:
    with Served(page(gzip.compress(b"a 1\n" + b"#" * 50_000), encoding="gzip")) as served:
        assert scrape(served.url).values("a") == [1]
        small = scrape(served.url, max_body_bytes=40_000)
    assert small.values("a") == []
    assert small.values("up") == [0]
    assert "max_body_bytes" in small.messages["too_large"]


@pytest.mark.parametrize(
    ("handler", "options", "cause"),
    [
        (page(b"a 1\n", status=503), {}, "status"),
        (page(b"<html>", kind="text/html"), {}, "content_type"),
        (page(b"a 1\nb 1\n"), {"sample_limit": 1}, "sample_limit"),
        (page(b"a 1\n" * 100), {"max_body_bytes": 10}, "too_large"),
        (page(b"no gzip", encoding="gzip"), {}, "malformed"),
        (page(lambda: time.sleep(1) or b"a 1\n"), {"request_timeout_sec": 0.2}, "timeout"),  # type: ignore[func-returns-value]
    ],
)
def test_page_that_cannot_be_used_is_up_0_with_its_reason(
    handler: type[BaseHTTPRequestHandler], options: dict[str, Any], cause: str
) -> None:
    with Served(handler) as served:
        emitter = scrape(served.url, **options)
    assert emitter.values("a") == []
    assert emitter.values("up") == [0]
    assert emitter.faults == {cause: 1}
    up = next(m for m in emitter.metrics if m.metric_name == "up")
    assert up.metadata["error"] == cause


def test_target_that_is_away_costs_the_others_nothing() -> None:
    away = f"http://127.0.0.1:{free_port()}/metrics"
    with Served(page(b"a 1\n")) as served:
        emitter = poll_once({"type": "prometheus-scrape", "urls": [away, served.url]})
    assert emitter.values("a") == [1]
    assert sorted(emitter.values("up")) == [0, 1]
    assert emitter.faults == {"connect": 1}


@pytest.mark.parametrize("honor", [True, False])
def test_times_of_the_exposition_are_kept_if_honored(honor: bool) -> None:
    with Served(page(b"a 1 1395066363000\n")) as served:
        emitter = scrape(served.url, select={"honor_timestamps": honor})
    (a,) = (m for m in emitter.metrics if m.metric_name == "a")
    assert (a.timestamp == 1395066363.0) == honor


def test_labels_and_filters_and_types() -> None:
    body = b'go_x 1\nn_x{device="eth0",instance="own"} 2\nn_x{device="lo"} 3\nn_requests 4\n'
    select = {"drop": ["go_*"], "labels": {"device": "eth*"}}
    with Served(page(body)) as served:
        target = {"url": served.url, "source_id": "web-1", "labels": {"site": "a"}}
        both = {"type": "prometheus-scrape", "targets": [target]}
        emitter = poll_once({**both, "select": select})
        typed = poll_once({**both, "select": {"types": {"*_requests": "counter"}}}, 2)
        own = poll_once({**both, "select": {**select, "honor_labels": True}})
    (sample,) = (m for m in emitter.metrics if "n_x" in m.metric_name)
    assert sample.source_id == "web-1"
    assert sample.metric_name == 'n_x{device="eth0",exported_instance="own",site="a"}'
    assert "go_x" not in str(emitter.metrics)
    assert typed.values('n_requests_per_s{site="a"}') == [0]
    assert "own" in {m.source_id for m in own.metrics}


@pytest.mark.parametrize("way", ["bearer", "basic"])
def test_secrets_come_from_files_and_are_read_again(way: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    options = {"bearer": {"bearer_token_file": str(secret)},
               "basic": {"username": "u", "password_file": str(secret)}}[way]  # fmt: skip
    with Served(page(b"a 1\n")) as served:
        config = {"type": "prometheus-scrape", "urls": [served.url], **options}
        with Live(config) as live:
            live.poll()
            secret.write_text("second")
            live.poll()
    sent = [asked["authorization"] for asked in served.asked]
    if way == "basic":
        sent = [base64.b64decode(text.removeprefix("Basic ")).decode() for text in sent]
        assert sent == ["u:first", "u:second"]
    else:
        assert sent == ["Bearer first", "Bearer second"]


def test_tls_with_an_authority_of_its_own(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
               "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1"]  # fmt: skip
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True,
                   capture_output=True)  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Served(page(b"a 1\n")) as served:
        served.server.socket = context.wrap_socket(served.server.socket, server_side=True)
        url = served.url.replace("http:", "https:")
        assert scrape(url, ca_file=str(certificate)).values("a") == [1]
        assert scrape(url, verify=False).values("a") == [1]
        assert scrape(url).values("up") == [0]


_LINES = st.builds(
    "{}{}{} {}{}".format,
    st.sampled_from(["h", "s", "c", "g", "i", "x"]),
    st.sampled_from(["", "_total", "_bucket", "_count", "_sum", "_created", "_info"]),
    st.sampled_from(["", '{le="1"}', '{le="+Inf"}', '{le="x"}', '{quantile="0.5"}', '{a="b"}']),
    st.sampled_from(["0", "1", "7", "-3", "NaN", "+Inf", "1e308", "-1e308"]),
    st.sampled_from(["", " 5", " 1767323045", " 1767323049"]),
)
_TYPES = ["# TYPE h histogram", "# TYPE s summary", "# TYPE c counter", "# TYPE i info"]


@example([["c -1e308"], ["c 1e308"]], True)
@example([["c 7"], ["c -3"]], False)
@example([["h_count 7"], ["h_count -1e308"]], False)
@example([["s_count -7"], ["s_count -3"]], False)
@given(st.lists(st.lists(_LINES, max_size=12), min_size=1, max_size=4), st.booleans())
def test_no_page_raises_or_gives_a_number_that_is_not_finite(
    pages: list[list[str]], honor: bool
) -> None:
    points, emitter = Points(Selection(honor_timestamps=honor), Naming(), "s"), ListEmitter()
    for number, lines in enumerate(pages):
        body = "\n".join([*_TYPES, *lines, "# EOF", ""]).encode()
        found = parse(body, openmetrics=True)
        target = (("instance", "a:1"),)
        for metric in points.metrics(found, target, START + number, emitter).metrics:
            assert usable(metric)
            assert math.isfinite(metric.value)
            assert metric.value >= 0 or "_per_s" not in metric.metric_name
        gauges = [s for s in found.samples if s.family.kind == "untyped"]
        odd = sum(not math.isfinite(s.value) for s in gauges)
        assert emitter.faults.get("not_finite", 0) + emitter.left.get("nan", 0) >= odd


@example([["s_count -7"], ['s{quantile="2"} 1']], {"drop": ["g"]})
@given(
    st.lists(st.lists(_LINES, max_size=12), min_size=1, max_size=4),
    st.sampled_from([{}, {"drop": ["g"]}, {"labels": {"a": "b"}}, {"rates": False}]),
)
def test_books_of_samples_balance(pages: list[list[str]], select: dict[str, Any]) -> None:
    points = Points(Selection.model_validate(select), Naming(), "s")
    for number, lines in enumerate(pages):
        body = "\n".join([*_TYPES, *lines, "# EOF", ""]).encode()
        found, emitter = parse(body, openmetrics=True), ListEmitter()
        taken = points.metrics(found, (("instance", "a:1"),), START + number, emitter)
        counted = sum(emitter.faults.values()) + sum(emitter.left.values())
        assert taken.used + counted == len(found.samples)
        assert bool(taken.metrics) >= bool(taken.used)


def test_what_a_page_holds_and_is_not_watched_is_named() -> None:
    body = (
        b"# TYPE c counter\nc 7\n# TYPE i info\ni_info 1\n# TYPE s summary\n"
        b's{quantile="0.5"} NaN\ns_count 3\ns_sum 4\ngo_x 1\ng NaN\ng2 +Inf\n'
    )
    with Served(page(body)) as served:
        emitter = scrape(served.url, select={"drop": ["go_*"]})
    assert emitter.left == {"info": 1, "first_scrape": 3, "nan": 2, "left_out": 1}
    assert emitter.faults == {"not_finite": 1}


def test_trying_an_adapter_prints_what_is_not_watched(capsys: pytest.CaptureFixture[str]) -> None:
    with Served(page(b"a 1\nb NaN\n")) as served:
        code = main(["adapters", "try", "prometheus-scrape", "--set", f"urls=['{served.url}']"])
    assert code == 0
    assert "not watched: nan (1): " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "at least one URL"),
        ({"urls": ["ftp://x"]}, "no http:// or https:// URL"),
        ({"urls": ["http://x:1/metrics", "http://x:1/"]}, "stands there twice"),
        ({"urls": ["http://x"], "username": "u", "bearer_token_file": "f"}, "exclude each other"),
        ({"urls": ["http://x"], "password_file": "f"}, "needs `username`"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        create_adapter({"type": "prometheus-scrape", **options})
