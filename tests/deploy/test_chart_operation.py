"""What keeps parts of the chart running: tables made beforehand, probes, scrapes, drained hosts."""

from __future__ import annotations

import argparse
import json
import re

import pytest
import yaml

from tests.deploy.chart import CHART, ROOT, VALUES, containers, objects, one_of, run
from tests.deploy.schemas import KUBERNETES


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
        policy = one_of("production", "NetworkPolicy", f"{maker}$")["spec"]
        (container,) = containers(one_of("production", "StatefulSet", f"{maker}$"))
        ports = [port["port"] for rule in policy["ingress"] for port in rule["ports"]]
        assert ports == [container["ports"][0]["containerPort"]]


def test_alerting_listens_where_it_is_scraped() -> None:
    (container,) = containers(one_of("production", "StatefulSet", "alerting$"))
    address = container["args"][container["args"].index("--metrics") + 1]
    assert address == f"0.0.0.0:{container['ports'][0]['containerPort']}"
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["alerting"]
    (port,) = re.findall(r"--metrics=0\.0\.0\.0:(\d+)", " ".join(compose["command"]))
    assert f":{port}/health" in " ".join(compose["healthcheck"]["test"])


def test_pods_of_a_part_are_spread_and_drained_one_at_a_time() -> None:
    budgets = [one for one in objects("production") if one["kind"] == "PodDisruptionBudget"]
    kept = [one["spec"]["selector"]["matchLabels"] for one in budgets]
    flink = one_of("production", "FlinkDeployment", "")["spec"]["podTemplate"]["spec"]
    pods = [flink] + [
        one["spec"]["template"]["spec"] for one in objects("production")
        if one["kind"] == "StatefulSet"
    ]  # fmt: skip
    assert len(pods) == 4
    for pod in pods:
        (spread,) = pod["topologySpreadConstraints"]
        assert spread["labelSelector"]["matchLabels"] in kept


def test_flinks_own_containers_are_no_root_and_gain_nothing() -> None:
    pod = one_of("default", "FlinkDeployment", "")["spec"]["podTemplate"]["spec"]
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


def test_tables_are_brought_up_before_any_pod_is_replaced() -> None:
    from padit.cli.commands import migrate as command

    job = one_of("production", "Job", "migrate$")
    notes = job["metadata"]["annotations"]
    assert notes["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert "hook-failed" not in notes["helm.sh/hook-delete-policy"]  # its log is what one needs
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    wanted: dict[str, list[str]] = {}
    for container in containers(job):
        args = parser.parse_args(container["args"][1:])
        assert container["args"][0] == "migrate"
        assert not args.check
        assert job["spec"]["activeDeadlineSeconds"] > args.wait_sec * (job["spec"]["backoffLimit"])
        assert "PGPASSWORD" in [one["name"] for one in container["env"]]
        for part in ("alerting", "portal", "store"):
            wanted.setdefault(part, []).extend(getattr(args, part))
    used = containers(one_of("production", "StatefulSet", "alerting$"))[0]["args"]
    assert wanted["alerting"] == wanted["portal"] == [used[used.index("--data") + 1]]
    (store,) = containers(one_of("production", "Deployment", "store-postgres"))
    assert wanted["store"] == [store["args"][1]]


@pytest.mark.parametrize(
    "more", [(), ("--set=stores[0].name=r", "--set=stores[0].uri=redis://redis:6379/0",
                  "--set=stores[0].topics={metrics}")],
)  # fmt: skip
def test_without_a_database_there_is_nothing_to_bring_up(more: tuple[str, ...]) -> None:
    version = f"--kube-version={KUBERNETES}"
    done = run("helm", "template", "padit", CHART, version, *more)
    assert done.returncode == 0, done.stderr
    assert "padit-migrate" not in done.stdout


def test_the_hook_of_tables_can_be_left_to_others() -> None:
    version, values = f"--kube-version={KUBERNETES}", VALUES["production"]
    done = run("helm", "template", "p", CHART, version, *values, "--set=migrations.enabled=false")
    assert done.returncode == 0, done.stderr
    assert "p-migrate" not in done.stdout
