"""The commands of docs/deploy.md, typed as they stand: helm installs, and one colour takes over."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.chart import ROOT, containers, objects
from tests.deploy.kubernetes import Cluster, cluster
from tests.deploy.schemas import KUBERNETES
from tests.go_tools import go_tool
from tests.limits import allowed
from tests.parts import required
from tests.test_docs_commands import commands

_PAGE = ROOT / "docs" / "deploy.md"


class Helm:
    """Types commands of helm.

    Args:
        place: for its files.
        config: of the cluster.
    """

    def __init__(self, place: Path, config: Path) -> None:
        program = required(lambda: go_tool("helm", print))
        (place / "bin").mkdir()
        (place / "bin" / "helm").symlink_to(program)
        self._env = {
            **os.environ, "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "KUBECONFIG": str(config), "HELM_CACHE_HOME": str(place),
            "HELM_CONFIG_HOME": str(place),
        }  # fmt: skip

    def type(self, command: str) -> str:
        """Type one in the checkout; what helm says to its user."""
        done = subprocess.run(
            ["bash", "-c", command], cwd=ROOT, env=self._env,
            capture_output=True, text=True, check=False, timeout=allowed(60),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Helm, Cluster]]:
    place = tmp_path_factory.mktemp("helm")
    kinds = {
        (one["apiVersion"], one["kind"]): _plural(one["kind"]) for one in objects("production")
    }
    with cluster(kinds, KUBERNETES, place) as (there, config):
        yield Helm(place, config), there


def _plural(kind: str) -> str:
    word = kind.lower()
    return (
        f"{word[:-1]}ies"
        if word.endswith("y")
        else f"{word}es"
        if word.endswith("s")
        else f"{word}s"
    )


def _commands() -> list[str]:
    return [one for one in commands(_PAGE.read_text()) if one.startswith("helm ")]


def _running(there: Cluster, kind: str) -> set[str]:
    return {one["metadata"]["name"] for one in there.objects.values() if one["kind"] == kind}


def _jobs(there: Cluster) -> dict[str, dict[str, str]]:
    """The options of each job that is submitted, by the release."""
    found = {}
    for one in there.objects.values():
        if one["kind"] == "Job" and "-submit-" in one["metadata"]["name"]:
            words = [word.partition("=") for part in containers(one) for word in part["args"]]
            release = one["metadata"]["name"].partition("-submit-")[0]
            found[release] = {name: value for name, _, value in words}
    return found


def _outputs(there: Cluster) -> dict[str, str]:
    """The topic of alerts that each job writes to, by the release."""
    uris = {release: options["--output"] for release, options in _jobs(there).items()}
    return {release: re.sub(r"\?.*", "", uri).rpartition("/")[2] for release, uri in uris.items()}


def test_the_commands_of_the_page_install_it_and_let_another_colour_take_over(
    typed: tuple[Helm, Cluster],
) -> None:
    helm, there = typed
    install, green, without_job, takes_over = _commands()

    notes = helm.type(install)
    assert "portal at https://padit.example.org" in notes
    assert "by its tag only" in notes
    wanted = {(one["kind"], one["metadata"]["name"]) for one in objects("production")}
    hooks = {name for kind, name in wanted if name in ("padit-migrate", "padit-topics")}
    kept = {one["metadata"]["name"] for one in there.objects.values() if one["kind"] != "Secret"}
    assert kept == {name for _, name in wanted} - hooks - {f"{hook}-egress" for hook in hooks}
    services = _running(there, "StatefulSet")
    assert services == {"padit-adapters", "padit-alerting", "padit-portal"}

    helm.type(green)
    assert _running(there, "StatefulSet") == services  # nothing is polled or delivered twice
    assert _running(there, "FlinkDeployment") == {"padit-flink", "padit-green-flink"}
    assert _outputs(there) == {"padit": "alerts", "padit-green": "alerts-green"}
    assert _jobs(there)["padit-green"]["--bootstrap_from"] == "-6h"
    assert len(_running(there, "PrometheusRule")) == 1

    helm.type(without_job)
    assert _outputs(there) == {"padit-green": "alerts-green"}
    helm.type(takes_over)
    assert _outputs(there) == {"padit-green": "alerts"}
    assert _jobs(there)["padit-green"]["--live_from"] == "2026-11-29T09:21:32Z"
    assert _running(there, "StatefulSet") == services
    assert len(_running(there, "PrometheusRule")) == 1


def test_policies_tables_and_topics_come_before_whatever_needs_them(
    typed: tuple[Helm, Cluster],
) -> None:
    _, there = typed
    made = [path.rpartition("/")[2] for method, path in there.created if method == "POST"]
    order = [name for name in made if name in ("networkpolicies", "jobs", "flinkdeployments")]
    assert order[:4] == ["networkpolicies", "networkpolicies", "jobs", "jobs"]  # hooks
    assert "flinkdeployments" in order[4:]


def test_whatever_topic_a_part_names_is_made_beforehand() -> None:
    for name in ("default", "production", "green"):
        found = [one for one in objects(name) if one["metadata"]["name"] == "padit-topics"]
        (container,) = containers(found[0])
        (listed,) = re.findall(r"for topic in (.*); do", container["args"][0])
        text = yaml.safe_dump(
            [one for one in objects(name) if one["kind"] != "ConfigMap"], width=9999
        )
        named = set(re.findall(r"kafka://[^/\s]+/([\w.-]+)", text))
        assert named <= {*listed.split(), ""}, name


def test_every_colour_but_blue_is_a_job_alone() -> None:
    kinds: dict[str, Any] = {}
    for one in objects("green"):
        kinds.setdefault(one["kind"], []).append(one["metadata"]["name"])
    assert not {"StatefulSet", "Deployment", "Ingress", "PrometheusRule"} & kinds.keys()
    assert kinds["FlinkDeployment"] == ["padit-flink"]
