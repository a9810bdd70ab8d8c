"""docker-compose.yml and the Dockerfile agree with pom.xml, pyproject.toml and flink-conf."""

from __future__ import annotations

import re
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
# The keys of the compose specification that this file uses.
KNOWN = set(
    [
        "image",
        "build",
        "command",
        "entrypoint",
        "environment",
        "ports",
        "volumes",
        "depends_on",
        "healthcheck",
        "restart",
        "network_mode",
        "profiles",
        "user",
        "read_only",
        "tmpfs",
        "cap_drop",
        "security_opt",
    ]
)


def _pom(name: str) -> str:
    text = (ROOT / "flink-conf" / "pom.xml").read_text()
    found = ET.fromstring(text).find(f".//{{*}}properties/{{*}}{name}")  # noqa: S314 - our own file
    assert found is not None
    assert found.text is not None
    return found.text


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_uses_known_keys_and_an_image_pinned_by_version(name: str) -> None:
    service = SERVICES[name]
    assert set(service) <= KNOWN
    assert re.search(r":(v?\d+\.\d+\.?\d*|RELEASE\.\d)", service["image"]), service["image"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_published_port_is_on_loopback(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_depends_on_exists(name: str) -> None:
    service = SERVICES[name]
    named = set(service.get("depends_on", []))
    if str(service.get("network_mode", "")).startswith("service:"):
        named.add(service["network_mode"].removeprefix("service:"))
    assert named <= set(SERVICES)
    volumes = {volume.split(":")[0] for volume in service.get("volumes", [])}
    files = {volume for volume in volumes if volume.startswith("./")}
    assert volumes - files <= set(COMPOSE["volumes"])
    assert all((ROOT / file).exists() for file in files)


def test_images_have_the_versions_of_the_pom() -> None:
    kafka = str(SERVICES["kafka"]["image"]).partition("@")[0]
    assert kafka == f"apache/kafka:{_pom('kafka.version')}"
    assert SERVICES["jobmanager"]["image"].startswith(f"flink:{_pom('flink.version')}-")
    assert SERVICES["taskmanager"]["image"] == SERVICES["jobmanager"]["image"]
    flink_line = ".".join(_pom("flink.version").split(".")[:2])
    wanted = f"apache/beam_flink{flink_line}_job_server:{_pom('beam.version')}"
    assert SERVICES["job-server"]["image"] == wanted


def test_python_and_java_sides_have_the_same_versions() -> None:
    project = _project()
    assert f"apache-beam=={_pom('beam.version')}" in project["dependencies"]
    flink = project["optional-dependencies"]["flink"]
    assert flink == [f"apache-flink-libraries=={_pom('flink.version')}"]
    assert SERVICES["workers"]["image"].endswith(f":{project['version']}")
    assert SERVICES["job"]["image"].endswith(f":{project['version']}")


def test_prism_has_the_version_of_beam() -> None:
    from padit.devcluster.prism import PRISM_VERSION

    assert _pom("beam.version") == PRISM_VERSION


def test_the_containers_have_the_cluster_settings_of_flink_conf() -> None:
    here = yaml.safe_load(SERVICES["jobmanager"]["environment"]["FLINK_PROPERTIES"])
    local = yaml.safe_load((ROOT / "flink-conf" / "config.yaml").read_text())
    shared = {
        key
        for key in local
        if key.startswith(("execution.", "restart-strategy.", "state.", "web.timeout"))
        and not key.endswith("dir")
    }
    for key in shared & set(here):
        assert here[key] == local[key], key
    assert {
        "execution.checkpointing.interval",
        "restart-strategy.type",
        "web.timeout",
    } <= shared & set(here)


def test_the_dockerfile_builds_what_compose_names_from_pinned_images() -> None:
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)
    outside = [image for image, _ in stages if image not in {stage for _, stage in stages}]
    assert outside
    assert all(re.search(r":\d+\.\d+\.\d+", image) for image in outside)
    targets = {s["build"]["target"] for s in SERVICES.values() if "build" in s}
    assert targets <= {stage for _, stage in stages}
    assert "USER " in DOCKERFILE


def _instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each on one line."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE)
    joined = re.sub(r"\\\n\s*", " ", text)
    found = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    return [(name, rest.strip()) for name, _, rest in found]


# The rules of hadolint that concern instructions like ours, by their numbers.
_RULES: dict[str, tuple[str, str]] = {
    "DL3000, DL3003: folders are absolute, and by WORKDIR": ("WORKDIR", r"/\S+"),
    "DL3025, DL3019: commands are words, without a shell": ("ENTRYPOINT|CMD", r"\[.*\]"),
    "DL3006, DL3007: images have a version": ("FROM", r"(?!.*:latest)(\S+:\S+|build|base) AS \w+"),
    "DL3013, DL3042: packages have versions": ("RUN", r"(?!.*pip install(?!.*--constraint)).*"),
    "DL3008, DL3009, DL3004: no system packages, no sudo": ("RUN", r"(?!.*(apt|sudo|apk)\b).*"),
    "DL4006, DL3047: nothing is piped or fetched": ("RUN", r"(?!.*(\||wget|curl)).*"),
}


@pytest.mark.parametrize("rule", _RULES)
def test_the_dockerfile_keeps_the_rules_of_hadolint(rule: str) -> None:
    names, pattern = _RULES[rule]
    found = [rest for name, rest in _instructions() if re.fullmatch(names, name)]
    assert found
    assert [rest for rest in found if not re.fullmatch(pattern, rest)] == []


def test_the_dockerfile_adds_nothing_and_names_no_maintainer() -> None:
    known = {"FROM", "ENV", "WORKDIR", "RUN", "COPY", "USER", "EXPOSE", "HEALTHCHECK",
             "ENTRYPOINT", "CMD"}  # fmt: skip
    assert {name for name, _ in _instructions()} <= known  # ADD (DL3020), MAINTAINER (DL4000) ...


def test_every_stage_that_runs_is_no_root_and_has_one_command() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    by_name = {one.partition("\n")[0].partition(" AS ")[2]: one for one in stages}
    users = re.findall(r"^USER (\S+)$", by_name["base"], re.MULTILINE)
    assert users[-1:] == ["10001"]
    for name in {s["build"]["target"] for s in SERVICES.values() if "build" in s}:
        assert by_name[name].startswith("base AS ")
        for word in ("ENTRYPOINT", "CMD"):
            assert len(re.findall(rf"^{word} ", by_name[name], re.MULTILINE)) == 1, (name, word)
        assert not re.search(r"^USER ", by_name[name], re.MULTILINE)


def test_the_dockerfile_copies_only_what_exists() -> None:
    for line in re.findall(r"^COPY ([^-].+)$", DOCKERFILE, re.MULTILINE):
        *sources, _target = line.split()
        for source in sources:
            if source not in {"README.md", "LICENSE"}:
                assert (ROOT / source).exists(), source


def test_the_image_gets_every_room() -> None:
    links = {path.name for path in (ROOT / "padit").iterdir() if path.is_symlink()}
    copied = {line.split()[0] for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE)}
    assert links | {"padit"} <= copied


def test_the_image_holds_compiled_kernels_where_its_user_only_reads() -> None:
    before, _, after = DOCKERFILE.partition("\nUSER ")
    assert "RUN " not in after
    assert "ENV PADIT_CACHE_DIR=/opt/padit/" in before
    assert "padit compile" in before
    assert "PADIT_CPU" not in DOCKERFILE  # for any processor


def test_the_containers_run_the_supported_python() -> None:
    (version,) = set(re.findall(r"^FROM python:(\d+\.\d+)", DOCKERFILE, re.MULTILINE))
    assert _project()["requires-python"].startswith(f">={version}")


OURS = ("workers", "job", "adapters", "alerting", "portal")
ALL = {
    "kafka", "jobmanager", "taskmanager", "workers", "postgres", "redis", "influxdb", "minio",
    "grafana", "portal", "prometheus", "adapters", "alerting",
}  # fmt: skip


def test_everything_that_padit_works_with_is_there() -> None:
    assert set(SERVICES) >= ALL


@pytest.mark.parametrize("name", sorted(ALL - {"taskmanager", "alerting"}))
def test_what_runs_long_says_whether_it_is_well(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", OURS)
def test_ours_write_nowhere_but_where_something_is_mounted(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108
    assert "privileged" not in service


def test_no_password_has_a_default() -> None:
    for name, service in SERVICES.items():
        for variable, value in (service.get("environment") or {}).items():
            if "PASSWORD" in variable:
                assert str(value).startswith("${PADIT_PASSWORD:?"), (name, variable)


def test_the_ports_that_the_source_documents_name_are_published() -> None:
    published = {
        port.split(":")[1]: name for name, one in SERVICES.items() for port in one.get("ports", [])
    }
    assert published["8080"] == published["3000"] == "portal"
    assert published["3100"] == "grafana"
    ports = [port.split(":")[1] for one in SERVICES.values() for port in one.get("ports", [])]
    assert len(ports) == len(set(ports))


def _words(command: Any) -> list[str]:
    return [str(one) for one in command]


@pytest.mark.parametrize("name", ["adapters", "alerting", "portal"])
def test_a_command_has_only_options_that_the_code_takes(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from padit.cli.main import main

    command, *given = _words(SERVICES[name]["command"])
    assert command == name
    with pytest.raises(SystemExit):
        main([command, "--help"])
    known = set(re.findall(r"--\w+", capsys.readouterr().out))
    assert {one.partition("=")[0] for one in given if one.startswith("--")} <= known


def test_the_worker_image_starts_the_pool_with_options_that_it_takes() -> None:
    import json

    from padit.pipelines.worker_pool import _parser

    stage = DOCKERFILE.partition("AS worker")[2].partition("\nFROM ")[0]
    (command,) = re.findall(r"^CMD (\[.*\])$", stage, re.MULTILINE)
    found = _parser().parse_args(json.loads(command))
    assert (found.host, found.port, found.metrics) == ("127.0.0.1", 50000, "0.0.0.0:9464")
    (entry,) = re.findall(r"^ENTRYPOINT (\[.*\])$", stage, re.MULTILINE)
    assert json.loads(entry) == ["python", "-m", "padit.pipelines.worker_pool"]


def test_configurations_of_compose_are_ones_that_the_code_takes() -> None:
    from padit.adapters.config import load_adapters
    from padit.adapters.registry import create_adapter
    from padit.alerting.policy import AlertingConfig
    from padit.domain.config import load_model

    place = ROOT / "deploy" / "compose"
    adapters = load_adapters(str(place / "adapters.yaml"))
    assert adapters.health.port == 9464
    for one in adapters.adapters:
        create_adapter(dict(one))
    load_model(str(place / "alerting.yaml"), AlertingConfig)


def test_prometheus_scrapes_ports_that_are_served() -> None:
    settings = yaml.safe_load((ROOT / "deploy" / "compose" / "prometheus.yml").read_text())
    jobs = {
        one["job_name"]: [target for part in one["static_configs"] for target in part["targets"]]
        for one in settings["scrape_configs"]
    }
    flink = yaml.safe_load(SERVICES["jobmanager"]["environment"]["FLINK_PROPERTIES"])
    reporter = flink["metrics.reporter.prom.port"]
    assert jobs["padit-flink"] == [f"jobmanager:{reporter}", f"taskmanager:{reporter}"]
    assert jobs["padit-workers"] == ["taskmanager:9464"]  # whose network the workers share
    assert jobs["padit-adapters"] == ["adapters:9464"]


_OF_OTHERS = {
    "PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS", "PGPASSWORD",
}  # fmt: skip
"""Variables that the interpreter, numpy's libraries and libpq read."""


@pytest.mark.parametrize("name", OURS)
def test_every_variable_of_an_image_is_one_that_the_code_reads(name: str) -> None:
    from tests.deploy.images import environment_of

    rooms = [path for path in (ROOT / "padit").iterdir() if path.is_symlink()]
    code = "".join(file.read_text() for room in rooms for file in sorted(room.rglob("*.py")))
    for variable in set(environment_of(name)) - _OF_OTHERS:
        assert re.search(rf'"{variable}"', code), variable


def test_published_ports_of_ours_are_exposed_by_their_images() -> None:
    from tests.deploy.images import stage

    for name in OURS:
        exposed = " ".join(re.findall(r"^EXPOSE (.*)$", stage(SERVICES[name]["build"]["target"]),
                                      re.MULTILINE)).split()  # fmt: skip
        for port in SERVICES[name].get("ports", []):
            assert str(port).split(":")[2] in exposed, (name, port)


def test_mounted_paths_are_those_that_commands_and_configurations_name() -> None:
    place = ROOT / "deploy" / "compose"
    for name in OURS:
        service = SERVICES[name]
        text = " ".join(map(str, service.get("command", [])))
        mounted = [volume.split(":")[1] for volume in service.get("volumes", [])]
        if (place / f"{name}.yaml").exists():
            text += (place / f"{name}.yaml").read_text()
        for path in re.findall(r"(?<![\w:/])/(?:etc|var)/[\w./-]+", text):
            assert any(path.startswith(one) for one in mounted), (name, path)
