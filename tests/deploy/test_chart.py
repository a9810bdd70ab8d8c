"""The Helm chart: helm's own checks, Kubernetes' and the operator's schemas, and our code."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from padit.cli.main import main
from padit.connectors.uris import parse_address
from padit.ops import metric_names
from padit.pipelines.options import option_names
from padit.pipelines.worker_pool import _parser as pool_parser
from tests.deploy.chart import CHART, ROOT, VALUES, containers, objects, one_of, rendered, run
from tests.deploy.schemas import KUBERNETES, schemas
from tests.parts import required


def test_helm_finds_nothing_wrong() -> None:
    for values in VALUES.values():
        done = run("helm", "lint", "--strict", CHART, *values)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", VALUES)
def test_every_object_has_the_shape_of_its_kind(name: str) -> None:
    done = _conforms(rendered(name))
    assert done.returncode == 0, done.stdout
    count = json.loads(done.stdout)["summary"]
    assert (count["valid"], count["skipped"]) == (len(objects(name)), 0)


def _conforms(manifest: str) -> subprocess.CompletedProcess[str]:
    place = required(schemas)
    return run(
        "kubeconform", "-strict", "-summary", "-output=json", f"-kubernetes-version={KUBERNETES}",
        f"-schema-location={place}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", given=manifest,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true"),
     ("maxUnavailable: 1", "maxUnavailable: {a: 1}"), ("flinkVersion: v1_20", "flinkVersion: v0"),
     ("podMetricsEndpoints:", "podMetricEndpoints:"), ("jobLabel: ", "joblabel: ")],
)  # fmt: skip
def test_a_wrong_field_would_be_found(right: str, wrong: str) -> None:
    assert right in rendered("production")
    assert _conforms(rendered("production").replace(right, wrong)).returncode == 1


@pytest.mark.parametrize("name", VALUES)
def test_every_container_of_ours_is_locked_down_and_bounded(name: str) -> None:
    for one in objects(name):
        for container in containers(one):
            assert re.search(r":v?\d+\.\d+\.\d+", container["image"]), container["image"]
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]  # noqa: S108


def test_what_runs_long_has_probes() -> None:
    for ends in ("adapters$", "portal$", "alerting$"):
        (container,) = containers(one_of("default", "StatefulSet", ends))
        assert {"livenessProbe", "readinessProbe", "startupProbe"} <= set(container)
    (workers,) = containers(one_of("default", "FlinkDeployment", ""))
    assert workers["livenessProbe"]["httpGet"]["path"] == "/health"


def test_commands_of_the_chart_are_those_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    (workers,) = containers(one_of("production", "FlinkDeployment", ""))
    args = pool_parser().parse_args(workers["args"])
    assert args.port == 50000
    assert args.host == "127.0.0.1"
    assert args.metrics.endswith(f":{workers['ports'][0]['containerPort']}")
    submit = next(
        c for c in containers(one_of("production", "Job", "submit")) if c["name"] == "submit"
    )
    known = option_names() | {"--detach"}
    given = {one.partition("=")[0] for one in submit["args"] if one.startswith("--")}
    assert given <= known
    for name in ("adapters", "alerting", "portal"):
        (service,) = containers(one_of("production", "StatefulSet", f"{name}$"))
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

    content = one_of("default", "ConfigMap", "configuration")["data"]["adapters.yaml"]
    (tmp_path / "adapters.yaml").write_text(content)
    found = load_adapters(str(tmp_path / "adapters.yaml"))
    (container,) = containers(one_of("default", "StatefulSet", "adapters$"))
    assert found.health.port == container["ports"][0]["containerPort"]
    assert found.kafka.bootstrap == "kafka:9092"


def test_every_client_of_kafka_is_secured_in_production(tmp_path: Path) -> None:
    from padit.adapters.config import load_adapters

    content = one_of("production", "ConfigMap", "configuration")["data"]["adapters.yaml"]
    (tmp_path / "adapters.yaml").write_text(content)
    kafka = load_adapters(str(tmp_path / "adapters.yaml")).kafka
    assert kafka.security["security.protocol"] == "SASL_SSL"
    assert str(kafka.password_file).startswith("/etc/padit/kafka/")
    for one in objects("production"):
        for container in containers(one):
            words = [word for word in container.get("args", []) if "kafka://" in word]
            assert all("client_config=/etc/padit/kafka/" in word for word in words)
            if words or one["metadata"]["name"].endswith("adapters"):
                mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
                assert "/etc/padit/kafka" in mounted


def test_production_keeps_three_copies_and_waits_for_two() -> None:
    script = containers(one_of("production", "Job", "topics"))[0]["args"][0]
    assert "--replication-factor 3" in script
    assert "min.insync.replicas=2" in script
    flink = one_of("production", "FlinkDeployment", "")["spec"]
    assert flink["flinkConfiguration"]["high-availability.type"] == "kubernetes"
    assert flink["jobManager"]["replicas"] == 2
    ingress = one_of("production", "Ingress", "portal")
    assert ingress["metadata"]["annotations"]["cert-manager.io/cluster-issuer"]
    assert ingress["spec"]["tls"]


def test_the_settings_of_flink_are_those_of_flink_conf() -> None:
    local = yaml.safe_load((ROOT / "flink-conf" / "config.yaml").read_text())
    here = one_of("default", "FlinkDeployment", "")["spec"]["flinkConfiguration"]
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
            c for c in containers(one_of(name, "Job", "submit")) if c["name"] == "submit"
        )
        found = [one.partition("=") for one in container["args"]]
        return {
            value for option, _, value in found if option in ("--output", "--features", "--dlq")
        }

    assert not outputs("default") & outputs("green")
    assert all(one.endswith("-green") for one in outputs("green"))
    submit = one_of("green", "Job", "submit")
    assert "--window_size_sec=600" in containers(submit)[-1]["args"] + containers(submit)[0]["args"]


def test_nothing_but_flink_and_the_submission_reaches_flinks_rest() -> None:
    policy = one_of("default", "NetworkPolicy", "flink$")["spec"]
    everything = one_of("default", "NetworkPolicy", "deny$")["spec"]
    assert "ingress" not in everything
    to_rest = [
        rule for rule in policy["ingress"]
        if "ports" not in rule or {"port": 8081} in rule["ports"]
    ]  # fmt: skip
    allowed_in = json.dumps([rule["from"] for rule in to_rest])
    assert set(re.findall(r'component": "(\w+)"', allowed_in)) == {"flink", "submit"}
    assert "8099" not in json.dumps(policy)  # the job server is reached within its pod


def test_adapters_grow_while_samples_wait() -> None:
    scaler = one_of("scaled", "HorizontalPodAutoscaler", "adapters")["spec"]
    assert (
        scaler["scaleTargetRef"]["name"]
        == one_of("scaled", "StatefulSet", "adapters")["metadata"]["name"]
    )
    (metric,) = scaler["metrics"]
    assert metric["pods"]["metric"]["name"] == metric_names.PUBLISHER_BUFFERED
    # With a number of its own each upgrade would undo what the scaler did.
    assert "replicas" not in one_of("scaled", "StatefulSet", "adapters")["spec"]
    assert not [one for one in objects("default") if one["kind"] == "HorizontalPodAutoscaler"]


def test_portals_grow_with_their_load_and_share_their_users() -> None:
    scaler = one_of("production", "HorizontalPodAutoscaler", "portal")["spec"]
    portal = one_of("production", "StatefulSet", "portal")
    assert scaler["scaleTargetRef"]["name"] == portal["metadata"]["name"]
    assert "replicas" not in portal["spec"]
    (metric,) = scaler["metrics"]
    assert metric["resource"]["target"]["type"] == "Utilization"  # of what is requested:
    (container,) = containers(portal)
    assert container["resources"]["requests"]["cpu"]
    assert "--shared_accounts" in container["args"]
    assert "--data" not in container["args"]
    assert "PGPASSWORD" in [one["name"] for one in container["env"]]
    alerting = containers(one_of("production", "StatefulSet", "alerting"))[0]["args"]
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
    done = run("helm", "template", "padit", CHART, version, f"--set={given}")
    assert done.returncode != 0
    assert said in done.stderr


def test_what_stores_keep_is_what_padit_store_takes() -> None:
    from padit.cli.commands import store as command

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    (container,) = containers(one_of("production", "Deployment", "store-postgres"))
    args = parser.parse_args(container["args"][1:])
    assert args.store.startswith("postgresql://")
    job = yaml.safe_load((CHART / "values.yaml").read_text())["job"]
    written = {job["input"], *job["outputs"].values()}
    topics = [parse_address(one).path for one in args.topics]
    assert topics
    assert set(topics) <= written


def test_no_secret_stands_in_a_manifest() -> None:
    for name in VALUES:
        assert not [one for one in objects(name) if one["kind"] == "Secret"]
        for one in objects(name):
            for container in containers(one):
                for variable in container.get("env", []):
                    if "PASSWORD" in variable["name"]:
                        assert "secretKeyRef" in variable["valueFrom"]


def test_rules_and_dashboards_are_those_that_are_tested() -> None:
    rules = one_of("production", "PrometheusRule", "")["spec"]
    assert rules == yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())
    boards = one_of("production", "ConfigMap", "dashboards")["data"]
    assert {name: json.loads(text) for name, text in boards.items()} == {
        path.name: json.loads(path.read_text())
        for path in (ROOT / "deploy" / "grafana" / "dashboards").glob("*.json")
    }
