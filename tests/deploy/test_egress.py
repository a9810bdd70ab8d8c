"""What parts of the chart may reach: nothing by default, and by name what their commands need."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.chart import CHART, VALUES, containers, run
from tests.deploy.schemas import KUBERNETES

_USUAL = {"kafka": 9092, "postgresql": 5432, "redis": 6379, "influxdb": 8086, "http": 80}
_DNS = {("UDP", 53), ("TCP", 53)}
# More than production.yaml has: ports of their own, Redis, traces, receivers, devices.
_MORE = (
    "--set=kafka.bootstrap=a:9093\\,b:9094",
    "--set=alerting.store=postgresql://padit@db:6432/padit",
    "--set=portal.team.redis=redis://cache/0",
    "--set=stores[1].name=influx,stores[1].uri=influxdb://influx:8087/padit",
    "--set=stores[1].topics={features}",
    "--set=monitoring.traces.endpoint=http://collector:4318",
    "--set=adapters.receivers[0].name=otlp,adapters.receivers[0].port=4317",
    "--set=adapters.receivers[1].name=syslog,adapters.receivers[1].port=5514",
    "--set=adapters.receivers[1].protocol=UDP",
    "--set=networkPolicies.egress.devices[0].ports[0].port=502",
    "--set=networkPolicies.egress.kafka.to[0].ipBlock.cidr=10.0.3.0/24",
)
GIVEN: dict[str, tuple[str, ...]] = {
    "default": (), "production": VALUES["production"], "more": (*VALUES["production"], *_MORE),
}  # fmt: skip


def _rendered(*values: str) -> list[dict[str, Any]]:
    done = _template(*values)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def _template(*values: str) -> subprocess.CompletedProcess[str]:
    return run("helm", "template", "padit", CHART, f"--kube-version={KUBERNETES}", *values)


def _pods(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The component of each pod that the chart starts, and the object that starts it."""
    for one in objects:
        spec = one.get("spec", {})
        template = spec.get("podTemplate") or spec.get("template") or {}
        labels = template.get("metadata", {}).get("labels", {})
        if labels:
            yield labels["app.kubernetes.io/component"], one


def _policies(objects: list[dict[str, Any]], component: str) -> list[dict[str, Any]]:
    """Policies about the egress of a component."""
    found = []
    for one in objects:
        if one["kind"] == "NetworkPolicy" and "Egress" in one["spec"]["policyTypes"]:
            wanted = one["spec"]["podSelector"]["matchLabels"]
            if wanted.get("app.kubernetes.io/component", component) == component:
                found.append(one)
    return found


def _open(objects: list[dict[str, Any]], component: str) -> set[tuple[str, int]]:
    """What a component may reach beyond its own cluster of Flink: protocol and port."""
    rules = [
        rule for one in _policies(objects, component) for rule in one["spec"].get("egress", [])
    ]
    return {
        (port.get("protocol", "TCP"), port["port"])
        for rule in rules for port in rule.get("ports", [])
    }  # fmt: skip


def _needed(one: dict[str, Any]) -> set[int]:
    """The ports of every address that stands in a command or a variable of an object's pods."""
    words = [word for container in containers(one) for word in container.get("args", [])]
    words += [
        str(variable["value"]) for container in containers(one)
        for variable in container.get("env", []) if "value" in variable
    ]  # fmt: skip
    found = set()
    for word in words:
        for scheme, hosts in re.findall(r"\b([a-z0-9]+)://(?:[^/@\s]*@)?([^/?\s\"]+)", word):
            for host in hosts.split(","):
                found.add(int(host.partition(":")[2] or _USUAL[scheme]))
        for option in re.findall(r"(?:flink[_-]master=|--bootstrap-server )(\S+)", word):
            found |= {int(host.partition(":")[2] or 9092) for host in option.split(",")}
    return found


@pytest.mark.parametrize("name", GIVEN)
def test_every_part_reaches_what_its_commands_name(name: str) -> None:
    objects = _rendered(*GIVEN[name])
    met = set()
    for component, one in _pods(objects):
        met.add(component)
        reached = {port for protocol, port in _open(objects, component) if protocol == "TCP"}
        assert _needed(one) <= reached, (component, _needed(one), reached)
        assert _open(objects, component) >= _DNS, component
    assert {"flink", "submit", "topics", "adapters", "alerting", "portal"} <= met
    assert name == "default" or {"migrate", "store-postgres"} <= met


def test_parts_reach_nothing_that_they_have_no_need_of() -> None:
    objects = _rendered(*GIVEN["more"])
    kafka = {("TCP", 9093), ("TCP", 9094)}
    assert {component: _open(objects, component) - _DNS for component, _ in _pods(objects)} == {
        "flink": kafka | {("TCP", 443), ("TCP", 6443)},  # the store of its state, Kubernetes
        "submit": kafka | {("TCP", 8081)},
        "topics": kafka,
        "migrate": {("TCP", 5432), ("TCP", 6432)},
        "adapters": kafka | {("TCP", 4318), ("TCP", 502)},
        "alerting": kafka | {("TCP", 6432), ("TCP", 443), ("TCP", 4318)},
        "portal": kafka | {("TCP", 6432), ("TCP", 6379)},
        "store-postgres": kafka | {("TCP", 5432)},
        "store-influx": kafka | {("TCP", 8087)},
    }


def test_nothing_is_open_by_default_and_no_rule_is_without_ports_but_within_flink() -> None:
    objects = _rendered(*GIVEN["default"])
    (deny,) = [one for one in objects if one["metadata"]["name"] == "padit-deny"]
    assert deny["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in deny["spec"]
    assert list(deny["spec"]["podSelector"]["matchLabels"]) == ["app.kubernetes.io/instance"]
    for component, _ in _pods(objects):
        for policy in _policies(objects, component):
            for rule in policy["spec"].get("egress", []):
                (own,) = [rule.get("to")] if "ports" not in rule else [None]
                assert own is None or "flink" in json.dumps(own), component


def test_a_network_that_is_named_is_the_only_one_that_a_port_is_open_to() -> None:
    objects = _rendered(*GIVEN["more"])
    for component in ("flink", "alerting", "portal", "topics"):
        rules = [
            rule for one in _policies(objects, component) for rule in one["spec"].get("egress", [])
            if {"port": 9093} in rule.get("ports", [])
        ]  # fmt: skip
        assert [rule["to"] for rule in rules] == [[{"ipBlock": {"cidr": "10.0.3.0/24"}}]], component


def test_a_receiver_of_samples_is_reached_by_those_who_send() -> None:
    objects = _rendered(
        *GIVEN["more"], "--set=networkPolicies.senders[0].podSelector.matchLabels.a=b"
    )
    (policy,) = [one for one in objects if one["metadata"]["name"] == "padit-adapters"
                 and one["kind"] == "NetworkPolicy"]  # fmt: skip
    (rule,) = [one for one in policy["spec"]["ingress"] if {"port": 4317} in one["ports"]]
    assert {"port": 5514, "protocol": "UDP"} in rule["ports"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"a": "b"}}}]
    (service,) = [one for one in objects if one["metadata"]["name"] == "padit-adapters"
                  and one["kind"] == "Service"]  # fmt: skip
    otlp, syslog = service["spec"]["ports"][1:]
    assert otlp == {"name": "otlp", "port": 4317, "targetPort": "otlp"}
    assert syslog == {"name": "syslog", "port": 5514, "targetPort": "syslog", "protocol": "UDP"}


def test_traces_are_sent_where_the_values_say() -> None:
    from padit.ops.tracing import SHARE

    objects = _rendered(*GIVEN["more"])
    sets = {one["metadata"]["name"]: one for one in objects if one["kind"] == "StatefulSet"}
    for name in ("adapters", "alerting"):
        (container,) = containers(sets[f"padit-{name}"])
        given = {one["name"]: one.get("value") for one in container["env"]}
        assert given["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"
        assert given[SHARE] == "0.001"


def test_who_wants_no_policies_about_egress_has_none() -> None:
    objects = _rendered("--set=networkPolicies.egress.enabled=false")
    assert not [one for one in objects if "Egress" in one.get("spec", {}).get("policyTypes", [])]


def test_a_hook_of_an_upgrade_has_its_policy_before_it_runs() -> None:
    # Else the hook would run under the policies of the version before.
    objects = _rendered(*GIVEN["more"])
    for component in ("migrate", "topics"):
        (policy,) = [
            one for one in objects if one["metadata"]["name"] == f"padit-{component}-egress"
        ]
        (job,) = [one for one in objects if one["metadata"]["name"] == f"padit-{component}"]
        notes, others = policy["metadata"]["annotations"], job["metadata"]["annotations"]
        assert notes["helm.sh/hook"] == others["helm.sh/hook"]
        weight = "helm.sh/hook-weight"
        assert int(notes[weight]) < int(others.get(weight, 0))


_RECEIVERS = {
    "mail": {"kind": "email", "host": "smtp.example.com"},
    "other": {"kind": "email", "host": "smtp.example.com", "port": 2525},
    "hook": {"kind": "webhook", "url": "https://hooks.example.com:8443/a?b=1"},
    "desk": {"kind": "slack", "token": "/secrets/slack", "channel": "C1"},
    "secret": {"kind": "teams", "url_file": "/secrets/teams"},
    "many": {"kind": "apprise", "urls_file": "/secrets/apprise"},
    "local": {"kind": "webhook", "url": "http://127.0.0.1:9999/"},
}


def _receiving(*names: str, ports: str = "") -> tuple[str, ...]:
    chosen = {name: _RECEIVERS[name] for name in names}
    given = f"--set-json=alerting.configuration.receivers={json.dumps(chosen)}"
    return (
        (given, f"--set=networkPolicies.egress.receivers.ports={{{ports}}}") if ports else (given,)
    )


@pytest.mark.parametrize(("name", "port"), [("mail", 587), ("other", 2525), ("hook", 8443)])
def test_a_receiver_at_a_port_that_is_closed_is_refused_by_name(name: str, port: int) -> None:
    """Its messages would be dead after their last attempt, which nobody would hear of."""
    done = _template(*_receiving(name, "desk", "local"))
    assert done.returncode != 0
    assert f"receiver {name} of alerting.configuration is at port {port}" in done.stderr
    assert "networkPolicies.egress.receivers.ports (now [443])" in done.stderr
    opened = _rendered(*_receiving(name, "desk", ports=f"443,{port}"))
    assert ("TCP", port) in _open(opened, "alerting")
    _rendered(*_receiving(name), "--set=networkPolicies.egress.enabled=false")
    _rendered(*_receiving(name), "--set=alerting.enabled=false")


def test_the_notes_say_by_which_ports_messages_leave_and_which_receivers_they_do_not_know(
    tmp_path: Path,
) -> None:
    chart = tmp_path / "padit"
    shutil.copytree(CHART, chart)
    notes = (chart / "templates" / "NOTES.txt").read_text()
    (chart / "templates" / "shown.yaml").write_text(
        '{{- define "shown" }}' + notes + '{{ end }}\nshown: {{ include "shown" . | toJson }}\n'
    )
    done = run("helm", "template", "padit", chart, f"--kube-version={KUBERNETES}",
               "--show-only=templates/shown.yaml",
               *_receiving("mail", "secret", "many", "desk", ports="443,587"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = yaml.safe_load(done.stdout)["shown"]
    assert "Messages leave by port 443, 587: others are closed" in shown
    assert re.findall(r"by which port receiver (\w+) is", shown) == ["many", "secret"]
