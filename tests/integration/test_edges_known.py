"""From two protocols to incidents: what adapters know of their targets decides who joins whom.

A mosquitto with Sparkplug and an OTLP receiver are read by the real adapters, their samples are
encoded as the publisher does it, `padit run` finds what is wrong, and alerting makes incidents.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

from padit.adapters.encode import Encoder
from padit.alerting.compiled import Policy
from padit.alerting.effects import Effect, Handed
from padit.alerting.engine import Engine
from padit.alerting.entries import Tick
from padit.alerting.notifiers.base import lines_of
from padit.alerting.recorded import merged
from padit.alerting.state import State, dump
from padit.codecs.sparkplug_proto import Payload
from padit.domain.metric import Metric
from tests.adapters.live import Live, until
from tests.adapters.test_mqtt import Mosquitto, send
from tests.alerting.making import policy_of
from tests.integration.helpers import padit

BEGIN, STEP, MINUTES = 1_767_322_800, 10, 60
JOB = """
labels: [depends_on]
detectors:
  - {name: no_data}
  - name: rule
    parameters:
      rules: [{metric: "*", conditions: [{feature: median, op: ">", limit: 100, adds: 0.8}]}]
"""
ALERTING = """
receivers: {{r: {{kind: webhook}}}}
routes: [{{name: all, receiver: r}}]
incidents: {{{}}}
"""
_DOUBLE = 10


def values(bad: tuple[int, int] | None = None, end: int = MINUTES) -> Iterator[tuple[int, float]]:
    """Time and value of a series that leaves its range in the minutes `bad`, and ends at `end`."""
    for second in range(0, end * 60, STEP):
        wrong = bad is not None and bad[0] * 60 <= second < bad[1] * 60
        yield BEGIN + second, (500.0 if wrong else 50.0) + second % 7


def birth(name: str, series: Iterable[tuple[int, float]]) -> bytes:
    """A message of Sparkplug that names a metric and holds all of its samples."""
    message = Payload(timestamp=BEGIN * 1000)
    for time, value in series:
        message.metrics.add(name=name, datatype=_DOUBLE, double_value=value, timestamp=time * 1000)
    return bytes(message.SerializeToString())


def of_sparkplug(folder: Path) -> list[Metric]:
    """Three edge nodes and the devices behind them."""
    nodes = {"edge-1": ("loss", (20, 25)), "edge-2": ("loss", None), "edge-3": ("loss", None)}
    devices = {
        "edge-1/press": ("torque", (21, 26), MINUTES), "edge-1/lathe": ("torque", None, MINUTES),
        "edge-2/mill": ("torque", (20, 25), MINUTES), "edge-2/saw": ("torque", (20, 25), MINUTES),
        "edge-3/oven": ("heat", None, 40), "edge-3/kiln": ("draught", None, 40),
    }  # fmt: skip
    broker = Mosquitto(folder)
    broker.start()
    try:
        config = {"type": "mqtt", "host": "127.0.0.1", "port": broker.port,
                  "subscriptions": [{"topic": "spBv1.0/#", "payload": "sparkplug"}]}  # fmt: skip
        with Live(config) as live:
            for node, (name, bad) in nodes.items():
                send(broker, f"spBv1.0/plant/NBIRTH/{node}", birth(name, values(bad)))
            for place, (name, bad, end) in devices.items():
                node, device = place.split("/")
                send(broker, f"spBv1.0/plant/DBIRTH/{node}/{device}",
                     birth(name, values(bad, end)))  # fmt: skip
            count = (7 * MINUTES + 2 * 40) * 60 // STEP
            until(lambda: len(live.emitter.metrics) == count, "all samples")
    finally:
        broker.stop()
    return live.emitter.metrics


def of_otlp() -> list[Metric]:
    """A host, a service on it, and one on another host."""
    resources: dict[str, tuple[dict[str, str], tuple[int, int]]] = {
        "cpu": ({"host.name": "node-1"}, (30, 35)),
        "latency": ({"service.name": "shop", "k8s.node.name": "node-1"}, (31, 36)),
        "wait": ({"service.name": "cart", "k8s.node.name": "node-2"}, (31, 36)),
    }
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    for name, (attributes, bad) in resources.items():
        resource = request.resource_metrics.add()
        for key, text in attributes.items():
            resource.resource.attributes.add(key=key).value.string_value = text
        points = resource.scope_metrics.add().metrics.add(name=name).gauge.data_points
        for time, value in values(bad):
            points.add(time_unix_nano=time * 1_000_000_000, as_double=value)
    with Live({"type": "otlp", "port": 0, "grpc_port": 0}) as live:
        url = f"http://127.0.0.1:{live.adapter.port}/v1/metrics"
        headers = {"Content-Type": "application/x-protobuf"}
        answer = httpx.post(url, content=request.SerializeToString(), headers=headers)
        assert answer.status_code == 200, answer.text
        return live.emitter.metrics


@pytest.fixture(scope="module")
def alerts(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """What the job writes of both."""
    folder = tmp_path_factory.mktemp("edges")
    samples = sorted((*of_sparkplug(folder), *of_otlp()), key=lambda one: float(one.timestamp))
    lost: list[Any] = []
    encoder = Encoder("metrics", "json", 1, lambda *what: lost.append(what))
    records = [record.value for record in encoder.encode([samples], 1)]
    assert not lost
    metrics, config, found = (folder / name for name in ("m.jsonl", "job.yaml", "alerts.jsonl"))
    metrics.write_bytes(b"\n".join(records) + b"\n")
    config.write_text(JOB)
    padit("run", "--input", metrics, "--output", found, f"--config={config}",
          "--window_size_sec=60", "--extract_interval_sec=10")  # fmt: skip
    return found.read_bytes().splitlines()


def played(policy: Policy, alerts: list[bytes]) -> tuple[State, list[Effect]]:
    """The alerts through the engine, and all that is due behind them."""
    engine, state, effects = Engine(policy), State(), []
    log = merged([("alert", alerts)])[0]
    for entry in (*log, Tick(max(one.time for one in log) + 3_600_000_000)):
        effects += engine.apply(state, entry)
    return state, effects


def groups(effects: list[Effect]) -> set[frozenset[str]]:
    """Sources of each incident, as the last message about it shows them."""
    last = {one.view.id: one.view for one in effects if isinstance(one, Handed) and one.view}
    return {frozenset(each.source_id for each in view.members) for view in last.values()}


def test_what_the_adapters_know_makes_one_incident_of_a_fault_and_keeps_others_apart(
    alerts: list[bytes],
) -> None:
    state, effects = played(policy_of(ALERTING.format("")), alerts)
    assert groups(effects) == {
        frozenset(one)
        for one in (
            {"plant/edge-1", "plant/edge-1/press"},  # the node loses, its device suffers
            {"plant/edge-2/mill"}, {"plant/edge-2/saw"},  # the same node, which has no alert
            {"plant/edge-3/oven", "plant/edge-3/kiln"},  # both silent behind one node
            {"node-1", "shop"}, {"cart"},
        )
    }  # fmt: skip
    assert state.edges == {"joined": 3, "apart": 1}
    said = {line for one in effects if isinstance(one, Handed) for line in lines_of(one)}
    assert "plant/edge-1/press depends on plant/edge-1 (known from the adapter)" in said
    assert "shop depends on node-1 (known from the adapter)" in said
    assert dump(played(policy_of(ALERTING.format("")), alerts)[0]) == dump(state)


def test_without_labels_of_edges_each_source_is_an_incident(alerts: list[bytes]) -> None:
    state, effects = played(policy_of(ALERTING.format("edge_labels: []")), alerts)
    assert all(len(one) == 1 for one in groups(effects))
    assert len(groups(effects)) == 9
    assert state.edges == {}


def test_the_label_of_an_alert_is_what_the_adapter_stated(alerts: list[bytes]) -> None:
    stated = {
        one["data"]["source_id"]: one["data"].get("labels", {}).get("depends_on")
        for one in map(msgspec.json.decode, alerts)
    }
    assert stated == {
        "plant/edge-1": None, "plant/edge-1/press": "plant/edge-1",
        "plant/edge-2/mill": "plant/edge-2", "plant/edge-2/saw": "plant/edge-2",
        "plant/edge-3/oven": "plant/edge-3", "plant/edge-3/kiln": "plant/edge-3",
        "node-1": None, "shop": "node-1", "cart": "node-2",
    }  # fmt: skip
