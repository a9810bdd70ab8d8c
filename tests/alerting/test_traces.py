"""From a sample of an adapter over Kafka and the job to a delivery, in a real OTLP receiver."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from padit.adapters.config import KafkaOptions
from padit.adapters.encode import Encoder
from padit.adapters.kafka_client import KafkaClient
from padit.alerting.inputs import TopicInput
from padit.alerting.policy import AlertingConfig
from padit.alerting.service import Service
from padit.alerting.store.opening import open_store
from padit.connectors.uris import parse_address
from padit.domain.errors import ConfigurationError
from padit.domain.metric import Metric
from padit.domain.traces import alert_trace, is_sampled, sample_trace, traceparent
from padit.ops.tracing import ENDPOINT, SHARE, traces_of
from padit.pipelines.job import run_job
from tests.alerting.receiving import Receiving, receiving
from tests.integration.helpers import read_topic
from tests.limits import allowed
from tests.parts import KafkaPart
from tests.serving import Serving

START = 1_767_600_000
ROOT = Path(__file__).resolve().parents[2]
Span = dict[str, Any]


@contextmanager
def collecting() -> Iterator[tuple[str, list[Span]]]:
    """An OTLP receiver over HTTP on a free port of the loopback, and the spans that it got."""
    spans: list[Span] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            request = ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                names = {one.key: one.value.string_value for one in resource.resource.attributes}
                for scope in resource.scope_spans:
                    spans.extend(_plain(one, names["service.name"]) for one in scope.spans)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            del args

    with Serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as serving:
        yield f"http://127.0.0.1:{serving.port}", spans


def _plain(span: Any, service: str) -> Span:
    return {
        "service": service,
        "name": span.name,
        "trace": span.trace_id.hex(),
        "span": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "links": [(one.trace_id.hex(), one.span_id.hex()) for one in span.links],
        "about": {
            one.key.removeprefix("padit."): one.value.string_value or one.value.int_value
            for one in span.attributes
        },
    }


def _hex(ids: tuple[int, int]) -> tuple[str, str]:
    return f"{ids[0]:032x}", f"{ids[1]:016x}"


def _metrics() -> list[Metric]:
    """Half an hour of a source, a sample each ten seconds; at the end it is far too high."""
    return [
        Metric(START + 10.0 * n, "cell-7", "rtt_ms", 90.0 if n >= 150 else 5.0 + n % 3 / 10)
        for n in range(180)
    ]


def _send(kafka: KafkaPart, topic: str, form: str) -> None:
    encoder = Encoder(topic, form, 50, lambda reason, count: pytest.fail(reason))
    client = KafkaClient(KafkaOptions(bootstrap=kafka.bootstrap, topic=topic))
    for record in encoder.encode([_metrics()], 1):
        client.send(record, -1 if record.partition < 0 else 0)
    while client.flying:
        client.poll(0.1)
    client.close()


def _deliver(kafka: KafkaPart, alerts: str, folder: Path, got: Receiving) -> None:
    config = AlertingConfig.model_validate(
        {
            "receivers": {"ops": {"kind": "webhook", "url": got.url}},
            "routes": [{"name": "all", "receiver": "ops", "settle": "0s"}],
        }
    )
    store = open_store(str(folder))
    try:
        source = TopicInput([("alert", parse_address(kafka.uri(alerts)))])
        service = Service(config, str(folder), store, source)
        watch = threading.Event()
        timer = threading.Timer(allowed(60), watch.set)
        timer.start()
        service.run(lambda: bool(got.requests) or watch.is_set())
        timer.cancel()
    finally:
        store.close()


class Followed:
    """What one way from samples to a delivery left behind."""

    def __init__(self, kafka: KafkaPart, folder: Path, form: str) -> None:
        self.topic, self.alerts = kafka.topic("traced"), kafka.topic("traced-alerts")
        with collecting() as (url, self.spans), receiving() as got:
            with pytest.MonkeyPatch.context() as environment:
                environment.setenv(ENDPOINT, url)
                environment.setenv(SHARE, "0.25")
                _send(kafka, self.topic, form)
                run_job(
                    ["--input", kafka.uri(self.topic), "--output", kafka.uri(self.alerts),
                     f"--config={ROOT / 'benchmarks' / 'rule.yaml'}", "--max_loss_share=1"],
                    live=False,
                )  # fmt: skip
                _deliver(kafka, self.alerts, folder / "data", got)
            self.requests = list(got.requests)
        self.records = read_topic(kafka.bootstrap, self.topic)
        self.written = read_topic(kafka.bootstrap, self.alerts)

    def named(self, name: str) -> list[Span]:
        return [one for one in self.spans if one["name"] == name]


@pytest.fixture(scope="module", params=["json", "arrow"])
def followed(
    request: pytest.FixtureRequest, kafka: KafkaPart, tmp_path_factory: pytest.TempPathFactory
) -> Followed:
    return Followed(kafka, tmp_path_factory.mktemp("traces"), request.param)


def test_a_share_of_the_samples_is_traced_and_known_by_its_identity(followed: Followed) -> None:
    ids = [sample_trace("cell-7", "rtt_ms", int(one.timestamp) * 10**6) for one in _metrics()]
    wanted = {_hex(one) for one in ids if is_sampled(one[0], 0.25)}
    assert 20 < len(wanted) < 80
    found = {(one["trace"], one["span"]) for one in followed.named("sample")}
    assert found == wanted


def test_a_record_carries_the_trace_of_its_first_traced_sample(followed: Followed) -> None:
    carried = {one.headers["traceparent"] for one in followed.records if one.headers}
    assert carried
    spans = followed.named("sample")
    first = {f"00-{one['trace']}-{one['span']}-01" for one in spans if not one["links"]}
    assert carried == first
    linked = {f"00-{trace}-{span}-01" for one in spans for trace, span in one["links"]}
    assert linked <= first


def test_an_alert_is_a_trace_that_is_linked_to_its_samples(followed: Followed) -> None:
    (span,) = followed.named("alert opened")
    event = json.loads(followed.written[0].value or b"")
    assert (span["trace"], span["span"]) == _hex(alert_trace(event["data"]["id"]))
    assert span["service"] == "padit-alerting"
    latest = event["data"]["evidence"]["latest"]["time_us"]
    ids = [sample_trace("cell-7", "rtt_ms", at) for at in latest]
    assert span["links"] == [_hex(one) for one in ids if is_sampled(one[0], 0.25)] != []
    samples = {(one["trace"], one["span"]) for one in followed.named("sample")}
    assert set(span["links"]) <= samples


def test_the_record_of_an_alert_carries_its_trace(followed: Followed) -> None:
    for one in followed.written:
        alert = json.loads(one.value or b"")["data"]["id"]
        assert one.headers["traceparent"] == traceparent(alert_trace(alert))


def test_a_delivery_belongs_to_the_alert_and_its_request_says_so(followed: Followed) -> None:
    (alert,) = followed.named("alert opened")
    span = followed.named("deliver opened")[0]
    assert (span["trace"], span["parent"]) == (alert["trace"], alert["span"])
    assert span["about"]["state"] == "delivered"
    assert span["about"]["receiver"] == "ops"
    _, headers, _ = followed.requests[0]
    assert headers["traceparent"] == f"00-{span['trace']}-{span['span']}-01"


def test_without_an_address_nothing_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENDPOINT, raising=False)
    assert traces_of("padit") is None


@pytest.mark.parametrize("share", ["-1", "2", "many", "nan"])
def test_a_share_that_is_none_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, share: str
) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:4318")
    monkeypatch.setenv(SHARE, share)
    with pytest.raises(ConfigurationError, match=f"{SHARE} is '{share}'"):
        traces_of("padit")


def test_the_share_of_traced_samples_is_the_one_that_is_asked_for() -> None:
    found = sum(is_sampled(sample_trace("s", "m", n)[0], 0.1) for n in range(20_000))
    assert 1_800 < found < 2_200
