"""The Helm chart: helm's own checks, Kubernetes' and the operator's schemas, and our code."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from padit.cli.main import main
from padit.connectors.uris import parse_address
from padit.ops import metric_names
from padit.pipelines.options import option_names
from padit.pipelines.worker_pool import _parser as pool_parser
from tests.deploy.schemas import KUBERNETES, schemas
from tests.go_tools import go_tool
from tests.limits import allowed
from tests.parts import required

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "padit"
VALUES: dict[str, tuple[str, ...]] = {
    "default": (),
    "production": (f"--values={CHART}/production.yaml",),
    "green": ("--set=job.colour=green,job.options={--window_size_sec=600}",),
    "scaled": ("--set=adapters.autoscaling.enabled=true",),
    "little": ("--set=adapters.enabled=false,portal.enabled=false,alerting.enabled=false",),
}
_MONITORING = "PodMonitor,ServiceMonitor,PrometheusRule"  # their schemas are on no registry


def _run(
    tool: str, *arguments: object, given: str | None = None
) -> subprocess.CompletedProcess[str]:
    program = required(lambda: go_tool(tool, print))
    return subprocess.run(
        [str(program), *map(str, arguments)],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=allowed(120),
        env={**os.environ, "HELM_CACHE_HOME": "/tmp", "HELM_CONFIG_HOME": "/tmp"},  # noqa: S108
    )


@cache
def rendered(name: str) -> str:
    done = _run("helm", "template", "padit", CHART, f"--kube-version={KUBERNETES}", *VALUES[name])
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(name: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(rendered(name)) if one]


def _one(name: str, kind: str, ends: str) -> dict[str, Any]:
    (found,) = [
        one
        for one in objects(name)
        if one["kind"] == kind and re.search(ends, one["metadata"]["name"])
    ]
    return found


def _containers(one: dict[str, Any]) -> list[dict[str, Any]]:
    """All containers of an object that starts pods; those of Flink's own images have no image."""
    found: list[dict[str, Any]] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            for name, value in node.items():
                if name in ("containers", "initContainers"):
                    found.extend(value)
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(one.get("spec", {}))
    return [container for container in found if "image" in container]


def test_helm_finds_nothing_wrong() -> None:
    for values in VALUES.values():
        done = _run("helm", "lint", "--strict", CHART, *values)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", VALUES)
def test_every_object_has_the_shape_of_its_kind(name: str) -> None:
    done = _conforms(rendered(name))
    assert done.returncode == 0, done.stdout
    count = json.loads(done.stdout)["summary"]
    assert count["valid"] + count["skipped"] == len(objects(name))
    assert count["valid"] > count["skipped"]


def _conforms(manifest: str) -> subprocess.CompletedProcess[str]:
    place = required(schemas)
    return _run(
        "kubeconform", "-strict", "-summary", "-output=json", f"-kubernetes-version={KUBERNETES}",
        f"-schema-location={place}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json",
        f"-skip={_MONITORING}", given=manifest,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true"),
     ("maxUnavailable: 1", "maxUnavailable: {a: 1}"), ("flinkVersion: v1_20", "flinkVersion: v0")],
)  # fmt: skip
def test_a_wrong_field_would_be_found(right: str, wrong: str) -> None:
    assert right in rendered("default")
    assert _conforms(rendered("default").replace(right, wrong)).returncode == 1


@pytest.mark.parametrize("name", VALUES)
def test_every_container_of_ours_is_locked_down_and_bounded(name: str) -> None:
    for one in objects(name):
        for container in _containers(one):
            assert re.search(r":v?\d+\.\d+\.\d+", container["image"]), container["image"]
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]  # noqa: S108


def test_what_runs_long_has_probes() -> None:
    for ends in ("adapters$", "portal$", "alerting$"):
        (container,) = _containers(_one("default", "StatefulSet", ends))
        assert {"livenessProbe", "readinessProbe", "startupProbe"} <= set(container)
    (workers,) = _containers(_one("default", "FlinkDeployment", ""))
    assert workers["livenessProbe"]["httpGet"]["path"] == "/health"


def test_whatever_has_an_alert_rule_is_scraped_by_the_chart_and_by_compose() -> None:
    monitors = [one for one in objects("production") if one["kind"].endswith("Monitor")]
    jobs = set(re.findall(r'"replacement": "(padit-\w+)"', json.dumps(monitors)))
    compose = yaml.safe_load((ROOT / "deploy" / "compose" / "prometheus.yml").read_text())
    assert jobs == {one["job_name"] for one in compose["scrape_configs"]} - {"prometheus"}
    # Who makes what the rules ask for; a name without a maker is an error.
    makers = {
        "padit_canary_": "alerting", "padit_adapter_": "adapters", "padit_publisher_": "adapters",
        "padit_loop_": "adapters", "padit_job_": "workers", "padit_worker_pool_": "workers",
        "flink_": "flink",
    }  # fmt: skip
    rules = (ROOT / "deploy" / "prometheus" / "rules.yml").read_text()
    names = set(re.findall(r"\b(?:padit|flink)_\w+", rules)) - {"padit_process_memory_limit_bytes"}
    asked = {maker for name in names for start, maker in makers.items() if name.startswith(start)}
    assert {name for name in names if not name.startswith(tuple(makers))} == set()
    assert {f"padit-{maker}" for maker in asked} <= jobs
    for maker in ("adapters", "alerting"):
        policy = _one("production", "NetworkPolicy", f"{maker}$")["spec"]
        (container,) = _containers(_one("production", "StatefulSet", f"{maker}$"))
        ports = [port["port"] for rule in policy["ingress"] for port in rule["ports"]]
        assert ports == [container["ports"][0]["containerPort"]]


def test_alerting_listens_where_it_is_scraped() -> None:
    (container,) = _containers(_one("production", "StatefulSet", "alerting$"))
    address = container["args"][container["args"].index("--metrics") + 1]
    assert address == f"0.0.0.0:{container['ports'][0]['containerPort']}"
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["alerting"]
    (port,) = re.findall(r"--metrics=0\.0\.0\.0:(\d+)", " ".join(compose["command"]))
    assert f":{port}/health" in " ".join(compose["healthcheck"]["test"])


def test_pods_of_a_part_are_spread_and_drained_one_at_a_time() -> None:
    budgets = [one for one in objects("production") if one["kind"] == "PodDisruptionBudget"]
    kept = [one["spec"]["selector"]["matchLabels"] for one in budgets]
    flink = _one("production", "FlinkDeployment", "")["spec"]["podTemplate"]["spec"]
    pods = [flink] + [
        one["spec"]["template"]["spec"] for one in objects("production")
        if one["kind"] == "StatefulSet"
    ]  # fmt: skip
    assert len(pods) == 4
    for pod in pods:
        (spread,) = pod["topologySpreadConstraints"]
        assert spread["labelSelector"]["matchLabels"] in kept


def test_flinks_own_containers_are_no_root_and_gain_nothing() -> None:
    pod = _one("default", "FlinkDeployment", "")["spec"]["podTemplate"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (main_container,) = pod["containers"]
    security = main_container["securityContext"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}


def test_nothing_fills_a_hosts_disk() -> None:
    for name in VALUES:
        for one in objects(name):
            text = json.dumps(one)
            assert text.count('"emptyDir"') == text.count('"sizeLimit"'), one["metadata"]["name"]


def test_commands_of_the_chart_are_those_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    (workers,) = _containers(_one("production", "FlinkDeployment", ""))
    args = pool_parser().parse_args(workers["args"])
    assert args.port == 50000
    assert args.host == "127.0.0.1"
    assert args.metrics.endswith(f":{workers['ports'][0]['containerPort']}")
    submit = next(
        c for c in _containers(_one("production", "Job", "submit")) if c["name"] == "submit"
    )
    known = option_names() | {"--detach"}
    given = {one.partition("=")[0] for one in submit["args"] if one.startswith("--")}
    assert given <= known
    for name in ("adapters", "alerting", "portal"):
        (service,) = _containers(_one("production", "StatefulSet", f"{name}$"))
        if not _has_command(name):
            continue
        with pytest.raises(SystemExit):
            main([name, "--help"])
        words = capsys.readouterr().out
        assert {one for one in service["args"] if one.startswith("--")} <= set(
            re.findall(r"--\w+", words)
        ), name


def _has_command(name: str) -> bool:
    return (ROOT / "cli" / "commands" / f"{name}.py").exists()


def test_the_adapters_configuration_is_one_that_they_take(tmp_path: Path) -> None:
    from padit.adapters.config import load_adapters

    content = _one("default", "ConfigMap", "configuration")["data"]["adapters.yaml"]
    (tmp_path / "adapters.yaml").write_text(content)
    found = load_adapters(str(tmp_path / "adapters.yaml"))
    (container,) = _containers(_one("default", "StatefulSet", "adapters$"))
    assert found.health.port == container["ports"][0]["containerPort"]
    assert found.kafka.bootstrap == "kafka:9092"


def test_every_client_of_kafka_is_secured_in_production(tmp_path: Path) -> None:
    from padit.adapters.config import load_adapters

    content = _one("production", "ConfigMap", "configuration")["data"]["adapters.yaml"]
    (tmp_path / "adapters.yaml").write_text(content)
    kafka = load_adapters(str(tmp_path / "adapters.yaml")).kafka
    assert kafka.security["security.protocol"] == "SASL_SSL"
    assert str(kafka.password_file).startswith("/etc/padit/kafka/")
    for one in objects("production"):
        for container in _containers(one):
            words = [word for word in container.get("args", []) if "kafka://" in word]
            assert all("client_config=/etc/padit/kafka/" in word for word in words)
            if words or one["metadata"]["name"].endswith("adapters"):
                mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
                assert "/etc/padit/kafka" in mounted


def test_production_keeps_three_copies_and_waits_for_two() -> None:
    script = _containers(_one("production", "Job", "topics"))[0]["args"][0]
    assert "--replication-factor 3" in script
    assert "min.insync.replicas=2" in script
    flink = _one("production", "FlinkDeployment", "")["spec"]
    assert flink["flinkConfiguration"]["high-availability.type"] == "kubernetes"
    assert flink["jobManager"]["replicas"] == 2
    ingress = _one("production", "Ingress", "portal")
    assert ingress["metadata"]["annotations"]["cert-manager.io/cluster-issuer"]
    assert ingress["spec"]["tls"]


def test_the_settings_of_flink_are_those_of_flink_conf() -> None:
    local = yaml.safe_load((ROOT / "flink-conf" / "config.yaml").read_text())
    here = _one("default", "FlinkDeployment", "")["spec"]["flinkConfiguration"]
    shared = {
        key for key in here
        if key.startswith(("execution.", "restart-strategy.", "state.", "web.timeout"))
        and not key.endswith("dir")
    }  # fmt: skip
    assert len(shared) > 5
    assert {key: here[key] for key in shared} == {key: str(local[key]) for key in shared}


def test_the_green_job_writes_to_topics_of_its_own() -> None:
    def outputs(name: str) -> set[str]:
        container = next(
            c for c in _containers(_one(name, "Job", "submit")) if c["name"] == "submit"
        )
        found = [one.partition("=") for one in container["args"]]
        return {
            value for option, _, value in found if option in ("--output", "--features", "--dlq")
        }

    assert not outputs("default") & outputs("green")
    assert all(one.endswith("-green") for one in outputs("green"))
    submit = _one("green", "Job", "submit")
    assert (
        "--window_size_sec=600" in _containers(submit)[-1]["args"] + _containers(submit)[0]["args"]
    )


def test_nothing_but_flink_and_the_submission_reaches_flinks_rest() -> None:
    policy = _one("default", "NetworkPolicy", "flink$")["spec"]
    everything = _one("default", "NetworkPolicy", "deny$")["spec"]
    assert "ingress" not in everything
    to_rest = [
        rule for rule in policy["ingress"]
        if "ports" not in rule or {"port": 8081} in rule["ports"]
    ]  # fmt: skip
    allowed_in = json.dumps([rule["from"] for rule in to_rest])
    assert set(re.findall(r'component": "(\w+)"', allowed_in)) == {"flink", "submit"}
    assert "8099" not in json.dumps(policy)  # the job server is reached within its pod


def test_adapters_grow_while_samples_wait() -> None:
    scaler = _one("scaled", "HorizontalPodAutoscaler", "adapters")["spec"]
    assert (
        scaler["scaleTargetRef"]["name"]
        == _one("scaled", "StatefulSet", "adapters")["metadata"]["name"]
    )
    (metric,) = scaler["metrics"]
    assert metric["pods"]["metric"]["name"] == metric_names.PUBLISHER_BUFFERED
    # With a number of its own each upgrade would undo what the scaler did.
    assert "replicas" not in _one("scaled", "StatefulSet", "adapters")["spec"]
    assert not [one for one in objects("default") if one["kind"] == "HorizontalPodAutoscaler"]


def test_portals_grow_with_their_load_and_share_their_users() -> None:
    scaler = _one("production", "HorizontalPodAutoscaler", "portal")["spec"]
    portal = _one("production", "StatefulSet", "portal")
    assert scaler["scaleTargetRef"]["name"] == portal["metadata"]["name"]
    assert "replicas" not in portal["spec"]
    (metric,) = scaler["metrics"]
    assert metric["resource"]["target"]["type"] == "Utilization"  # of what is requested:
    (container,) = _containers(portal)
    assert container["resources"]["requests"]["cpu"]
    assert "--shared_accounts" in container["args"]
    assert "--data" not in container["args"]
    assert "PGPASSWORD" in [one["name"] for one in container["env"]]
    alerting = _containers(_one("production", "StatefulSet", "alerting"))[0]["args"]
    store = container["args"][container["args"].index("--store") + 1]
    assert alerting[alerting.index("--data") + 1] == store


@pytest.mark.parametrize(
    ("given", "said"),
    [("portal.replicas=2", "several portals need portal.team"),
     ("portal.autoscaling.enabled=true", "several portals need portal.team"),
     ("portal.team.enabled=true", "give alerting.store")],
)  # fmt: skip
def test_portals_that_would_not_know_each_others_users_are_refused(given: str, said: str) -> None:
    version = f"--kube-version={KUBERNETES}"
    done = _run("helm", "template", "padit", CHART, version, f"--set={given}")
    assert done.returncode != 0
    assert said in done.stderr


def test_what_stores_keep_is_what_padit_store_takes() -> None:
    from padit.cli.commands import store as command

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    (container,) = _containers(_one("production", "Deployment", "store-postgres"))
    args = parser.parse_args(container["args"][1:])
    assert args.store.startswith("postgresql://")
    job = yaml.safe_load((CHART / "values.yaml").read_text())["job"]
    written = {job["input"], *job["outputs"].values()}
    topics = [parse_address(one).path for one in args.topics]
    assert topics
    assert set(topics) <= written


def test_tables_are_brought_up_before_any_pod_is_replaced() -> None:
    from padit.cli.commands import migrate as command

    job = _one("production", "Job", "migrate$")
    notes = job["metadata"]["annotations"]
    assert notes["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert "hook-failed" not in notes["helm.sh/hook-delete-policy"]  # its log is what one needs
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    wanted: dict[str, list[str]] = {}
    for container in _containers(job):
        args = parser.parse_args(container["args"][1:])
        assert container["args"][0] == "migrate"
        assert not args.check
        assert job["spec"]["activeDeadlineSeconds"] > args.wait_sec * (job["spec"]["backoffLimit"])
        assert "PGPASSWORD" in [one["name"] for one in container["env"]]
        for part in ("alerting", "portal", "store"):
            wanted.setdefault(part, []).extend(getattr(args, part))
    used = _containers(_one("production", "StatefulSet", "alerting$"))[0]["args"]
    assert wanted["alerting"] == wanted["portal"] == [used[used.index("--data") + 1]]
    (store,) = _containers(_one("production", "Deployment", "store-postgres"))
    assert wanted["store"] == [store["args"][1]]


@pytest.mark.parametrize(
    "more", [(), ("--set=stores[0].name=r", "--set=stores[0].uri=redis://redis:6379/0",
                  "--set=stores[0].topics={metrics}")],
)  # fmt: skip
def test_without_a_database_there_is_nothing_to_bring_up(more: tuple[str, ...]) -> None:
    version = f"--kube-version={KUBERNETES}"
    done = _run("helm", "template", "padit", CHART, version, *more)
    assert done.returncode == 0, done.stderr
    assert "padit-migrate" not in done.stdout


def test_the_hook_of_tables_can_be_left_to_others() -> None:
    version, values = f"--kube-version={KUBERNETES}", VALUES["production"]
    done = _run("helm", "template", "p", CHART, version, *values, "--set=migrations.enabled=false")
    assert done.returncode == 0, done.stderr
    assert "p-migrate" not in done.stdout


def test_no_secret_stands_in_a_manifest() -> None:
    for name in VALUES:
        assert not [one for one in objects(name) if one["kind"] == "Secret"]
        for one in objects(name):
            for container in _containers(one):
                for variable in container.get("env", []):
                    if "PASSWORD" in variable["name"]:
                        assert "secretKeyRef" in variable["valueFrom"]


def test_rules_and_dashboards_are_those_that_are_tested() -> None:
    rules = _one("production", "PrometheusRule", "")["spec"]
    assert rules == yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())
    boards = _one("production", "ConfigMap", "dashboards")["data"]
    assert {name: json.loads(text) for name, text in boards.items()} == {
        path.name: json.loads(path.read_text())
        for path in (ROOT / "deploy" / "grafana" / "dashboards").glob("*.json")
    }
