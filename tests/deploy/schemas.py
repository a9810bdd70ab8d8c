"""JSON schemas of Kubernetes' objects for kubeconform, from published packages, kept in the cache.

Kubernetes' own come with the Python package `kubernetes-validate`, those of Flink's operator with
its API on Maven, those of Prometheus' operator with its Go module. Objects take no other properties
than their schema names (`-strict`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from padit.devcluster import jars
from padit.devcluster.errors import MissingToolError
from tests.debian import digest_of, staged

__all__ = ["KUBERNETES", "schemas"]

KUBERNETES = "1.31.0"
_PACKAGE = "kubernetes-validate==1.37.0"
_OPERATOR = "1.10.0"
_FLINK = f"org.apache.flink:flink-kubernetes-operator-api:{_OPERATOR}"
_PROMETHEUS = "github.com/prometheus-operator/prometheus-operator@v0.84.0"
_MONITORING = ("podmonitors", "prometheusrules", "servicemonitors")
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_KINDS = (
    "configmap-v1", "deployment-apps-v1", "horizontalpodautoscaler-autoscaling-v2",
    "ingress-networking-v1", "job-batch-v1", "networkpolicy-networking-v1",
    "poddisruptionbudget-policy-v1", "service-v1", "statefulset-apps-v1",
)  # fmt: skip
_TIMEOUT_S = 300.0


def schemas() -> Path:
    """Return the folder of schemas, KIND-GROUP-VERSION.json; brought the first time.

    Raises MissingToolError with the words of pip, Maven or Go.
    """
    versions = f"kubernetes-{KUBERNETES}-flink-{_OPERATOR}"
    kinds = digest_of([*_KINDS, *_MONITORING, _PROMETHEUS])
    place = jars.home() / "schemas" / f"{versions}-{kinds}"
    if not place.is_dir():
        with staged(place) as staging, tempfile.TemporaryDirectory() as scratch:
            _kubernetes(Path(scratch), staging)
            _flink(Path(scratch), staging)
            _prometheus(Path(scratch), staging)
    return place


def _kubernetes(scratch: Path, target: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(scratch)]
    _run([*pip, _PACKAGE])
    archive = zipfile.ZipFile(next(scratch.glob("kubernetes_validate-*.whl")))
    folder = f"kubernetes_validate/kubernetes-json-schema/v{KUBERNETES}-local"
    definitions = json.loads(archive.read(f"{folder}/_definitions.json"))["$defs"]
    for name in _KINDS:
        schema = json.loads(archive.read(f"{folder}/{name}.json"))
        (target / f"{name}.json").write_text(json.dumps(_strict(_whole(schema, definitions))))


def _whole(schema: Any, definitions: dict[str, Any]) -> Any:
    """The schema with what its references refer to; none of ours goes in circles."""
    if isinstance(schema, list):
        return [_whole(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _whole(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    dialect = ("$schema", "$id")  # names of files that are not there
    return {n: _whole(value, definitions) for n, value in schema.items() if n not in dialect}


def _flink(scratch: Path, target: Path) -> None:
    _run(
        [
            jars.tool("mvn"),
            "-q",
            "-B",
            _COPY,
            f"-Dartifact={_FLINK}",
            f"-DoutputDirectory={scratch}",
        ]
    )
    archive = zipfile.ZipFile(next(scratch.glob("flink-kubernetes-operator-api-*.jar")))
    for name in archive.namelist():
        if name.startswith("META-INF/fabric8/") and name.endswith("-v1.yml"):
            _custom(archive.read(name), target)


def _prometheus(scratch: Path, target: Path) -> None:
    environment = {"GOFLAGS": "-mod=mod", "GOMODCACHE": str(scratch / "go")}
    found = json.loads(
        _run([jars.tool("go"), "mod", "download", "-json", _PROMETHEUS], environment)
    )
    archive = zipfile.ZipFile(found["Zip"])
    folder = f"{_PROMETHEUS}/example/prometheus-operator-crd"
    for name in _MONITORING:
        _custom(archive.read(f"{folder}/monitoring.coreos.com_{name}.yaml"), target)
    _run(["chmod", "-R", "u+w", str(scratch / "go")])  # so that it can be removed


def _custom(definition: bytes, target: Path) -> None:
    """Write the schemas of a kind that is defined by a resource."""
    custom = yaml.safe_load(definition)
    kind = custom["spec"]["names"]["kind"].lower()
    group = custom["spec"]["group"].partition(".")[0]
    for version in custom["spec"]["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        for common, content in {"apiVersion": "string", "kind": "string",
                                "metadata": "object"}.items():  # fmt: skip
            schema["properties"].setdefault(common, {"type": content})
        file = target / f"{kind}-{group}-{version['name']}.json"
        file.write_text(json.dumps(_strict(schema)))


def _strict(schema: Any) -> Any:
    """The schema, with objects that take no other properties than those they name."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _strict(value) for name, value in schema.items()}
    open_ended = made.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(made.get("properties"), dict) and not open_ended:
        made.setdefault("additionalProperties", False)
    return made


def _run(command: list[str], more: Mapping[str, str] = {}) -> str:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **more}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S, env=environment
    )
    if done.returncode != 0:
        message = f"{command[0]} failed: {(done.stdout + done.stderr)[-500:]}"
        raise MissingToolError(message)
    return done.stdout
