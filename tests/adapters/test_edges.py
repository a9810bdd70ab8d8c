"""What adapters know of what their sources hang on: `depends_on` in the metadata of samples."""

import doctest
from collections.abc import Iterator
from typing import Any

import cramjam
import httpx
import msgspec
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

from padit.adapters import edges
from padit.adapters.registry import create_adapter
from padit.adapters.runner import _Emitter
from padit.codecs.prometheus_proto import Request
from padit.domain.metric import Metric
from tests.adapters.live import Live
from tests.adapters.test_prometheus import V2
from tests.adapters.test_prometheus_scrape import Served, page, scrape

T = 1_767_323_045_000_000_000
Attributes = dict[str, str]


@pytest.fixture
def otlp() -> Iterator[Live]:
    with Live({"type": "otlp", "port": 0, "grpc_port": 0}) as made:
        yield made


def gauge(resource: Attributes, name: str, point: Attributes) -> bytes:
    """A request with one gauge."""
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    within = request.resource_metrics.add()
    made = (
        within.scope_metrics.add()
        .metrics.add(name=name)
        .gauge.data_points.add(time_unix_nano=T, as_double=1.0)
    )
    for target, attributes in ((within.resource, resource), (made, point)):
        for key, text in attributes.items():
            target.attributes.add(key=key).value.string_value = text
    return bytes(request.SerializeToString())


def post(live: Live, path: str, body: bytes, kind: str) -> None:
    """Send to a receiver."""
    url = f"http://127.0.0.1:{live.adapter.port}{path}"
    answer = httpx.post(url, content=body, headers={"Content-Type": kind})
    assert answer.status_code in (200, 204), answer.text


SHOP = {"service.name": "shop", "service.instance.id": "eu-1"}


@pytest.mark.parametrize(
    ("resource", "name", "point", "target"),
    [
        (SHOP | {"k8s.node.name": "n-1", "host.name": "h"}, "cpu", {}, "n-1"),
        ({"service.name": "shop", "host.name": "h-1"}, "cpu", {}, "h-1"),
        (SHOP, "http.client.request.duration", {"server.address": "db"}, "db"),
        (SHOP | {"host.name": "h-1"}, "rpc.client.duration", {"peer.service": "db"}, "db"),
        (SHOP, "http.server.request.duration", {"server.address": "db"}, None),  # its own address
        (SHOP | {"host.name": "localhost"}, "cpu", {}, None),
        ({"service.name": "shop", "host.name": "shop-7d9f8b6c5d-x2x9z"}, "cpu", {}, None),  # a pod
        ({"host.name": "h-1"}, "cpu", {}, None),  # the host itself
        ({"k8s.pod.name": "p", "k8s.node.name": "n-1"}, "cpu", {}, None),  # of no source of its own
        (SHOP, "cpu", {}, None),
    ],
)
def test_otlp_knows_the_node_the_host_and_the_other_end_of_a_client(
    otlp: Live, resource: Attributes, name: str, point: Attributes, target: str | None
) -> None:
    post(otlp, "/v1/metrics", gauge(resource, name, point), "application/x-protobuf")
    [found] = otlp.emitter.metrics
    assert found.metadata.get("depends_on") == target


def test_labels_of_line_protocol_state_an_edge_and_may_be_named_or_switched_off() -> None:
    line = b"cpu,host=shop,node=n-1,rack=r-7 value=1 1767323045000000000"
    for naming, target in (
        ({}, "n-1"),
        ({"depends_on_labels": ["rack", "node"]}, "r-7"),
        ({"depends_on_labels": []}, None),
    ):
        with Live({"type": "influx", "port": 0, "naming": naming}) as live:
            post(live, "/write?precision=ns", line, "text/plain")
        assert live.emitter.metrics[0].metadata.get("depends_on") == target


@pytest.mark.parametrize(
    ("options", "target"),
    [
        ({"unit_id": 7}, "10.0.0.9"),
        ({"unit_id": 1}, None),  # often the device itself
        ({"unit_id": 255}, None),
        ({"unit_id": 7, "source_id": "10.0.0.9"}, None),
    ],
)
def test_a_modbus_unit_that_only_a_gateway_leads_to_hangs_on_it(
    options: dict[str, Any], target: str | None
) -> None:
    register = {"name": "rpm", "address": 0}
    config = {"type": "modbus", "host": "10.0.0.9", "name": "unit", "registers": [register]}
    adapter: Any = create_adapter(config | options)
    assert adapter._metric("rpm", 1.0, "", "custom").metadata.get("depends_on") == target


@pytest.mark.parametrize("stated", ["switch-1", ""])
def test_the_configuration_of_an_adapter_overrides_what_it_knows(stated: str) -> None:
    config = {"type": "modbus", "host": "10.0.0.9", "unit_id": 7, "name": "unit",
              "metadata": {"depends_on": stated, "line": "3"},
              "registers": [{"name": "rpm", "address": 0}]}  # fmt: skip
    adapter: Any = create_adapter(config)
    delivery: Any = Kept()
    _Emitter(adapter.options, delivery, delivery, delivery).emit(
        [adapter._metric("rpm", 1.0, "", "custom")]
    )
    assert [one.metadata for one in delivery.kept] == [{"depends_on": stated, "line": "3"}]


class Kept:
    """Stands for what is behind an emitter."""

    def __init__(self) -> None:
        self.kept: list[Metric] = []

    def put(self, batch: list[Metric]) -> None:
        self.kept += batch

    def add(self, *_: Any, **__: Any) -> None:
        """Counts."""


def test_a_name_that_is_too_long_for_a_label_is_no_edge() -> None:
    assert edges.depending_on("x" * 257, "a") == {}
    assert edges.depending_on("x" * 256, "a") == {"depends_on": "x" * 256}
    assert doctest.testmod(edges).failed == 0


def test_an_edge_goes_with_the_sample_as_json() -> None:
    sample = Metric(1.0, "unit", "rpm", 1.0, metadata=edges.depending_on("gateway", "unit"))
    assert msgspec.json.decode(msgspec.json.encode(sample))["metadata"] == {"depends_on": "gateway"}


def test_a_scraped_series_hangs_on_the_node_of_its_labels() -> None:
    body = b'load{node="n-1"} 1\nfree{node=""} 2\n'
    with Served(page(body)) as served:
        emitter = scrape(served.url, naming={"default_source": "other"})
    edges_of = {one.metric_name: one.metadata.get("depends_on") for one in emitter.metrics}
    assert edges_of['load{node="n-1"}'] == "n-1"
    assert edges_of["free"] is edges_of["up"] is None


def test_remote_write_states_the_edge_of_each_series() -> None:
    request = Request()  # of version 2.0
    words = ["", "__name__", "load", "instance", "node", "n-1", "n-2", "pod-n-1", "pod-n-2"]
    request.symbols.extend(words)
    for node in ("n-1", "n-2"):
        pairs = (("__name__", "load"), ("instance", f"pod-{node}"), ("node", node))
        series = request.timeseries.add(
            labels_refs=[words.index(one) for pair in pairs for one in pair]
        )
        series.samples.add(value=1.0, timestamp=T // 1_000_000)
    body = cramjam.snappy.compress_raw(request.SerializeToString())
    with Live({"type": "prometheus", "port": 0}) as live:
        post(live, "/api/v1/write", bytes(body), V2)
    assert [(one.source_id, one.metadata) for one in live.emitter.metrics] == [
        ("pod-n-1", {"depends_on": "n-1"}), ("pod-n-2", {"depends_on": "n-2"}),
    ]  # fmt: skip
