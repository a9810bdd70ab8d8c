"""What `helm install` asks of Kubernetes, answered: objects are kept, jobs are done at once.

A real API server has to be compiled, for minutes. This one knows the kinds that it is given, keeps
what is created in its order, and says what helm waits for; schemas are checked elsewhere
(tests/deploy/test_chart.py).
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import yaml

from tests.serving import Serving

__all__ = ["Cluster", "cluster"]

_MAGIC = b"k8s\x00"
_DONE = {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
Kinds = Mapping[tuple[str, str], str]
"""By (apiVersion, kind) the name of the resource, as `deployments`."""


class Cluster:
    """The objects there are.

    Args:
        kinds: that it knows.
        version: of Kubernetes, `1.31.0`.

    Attributes:
        created: method and path of every change, in their order.
        objects: by path.
    """

    def __init__(self, kinds: Kinds, version: str) -> None:
        self._kinds, self._version = kinds, version
        self.created: list[tuple[str, str]] = []
        self.objects: dict[str, dict[str, Any]] = {}

    def get(self, path: str, query: Mapping[str, list[str]]) -> dict[str, Any] | None:
        """The answer to GET, None if there is no such thing."""
        if path == "/version":
            major, minor, _ = self._version.split(".")
            return {"major": major, "minor": minor, "gitVersion": f"v{self._version}"}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": self._groups()}
        if (
            path.startswith(("/api/", "/apis/"))
            and path.count("/") < 4
            and "namespaces" not in path
        ):
            return self._resources(path.removeprefix("/apis/").removeprefix("/api/"))
        if path in self.objects:
            return self.objects[path]
        if path.rpartition("/")[2] in {*self._kinds.values(), "secrets"}:
            return self._list(path, query)
        return None

    def _groups(self) -> list[dict[str, Any]]:
        versions = sorted({version for version, _ in self._kinds if "/" in version})
        found = [(one, {"groupVersion": one, "version": one.partition("/")[2]}) for one in versions]
        return [
            {"name": name.partition("/")[0], "versions": [one], "preferredVersion": one}
            for name, one in found
        ]

    def _resources(self, version: str) -> dict[str, Any]:
        known = {**self._kinds, ("v1", "Secret"): "secrets"}
        return {
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version,
            "resources": [
                {"name": name, "singularName": "", "namespaced": True, "kind": kind,
                 "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"]}
                for (own, kind), name in sorted(known.items()) if own == version
            ],
        }  # fmt: skip

    def _list(self, path: str, query: Mapping[str, list[str]]) -> dict[str, Any]:
        items = self.matching(path, query)
        kind = items[0]["kind"] if items else "Secret"
        version = items[0]["apiVersion"] if items else "v1"
        return {
            "kind": f"{kind}List", "apiVersion": version, "metadata": {"resourceVersion": "1"},
            "items": items,
        }  # fmt: skip

    def matching(self, path: str, query: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        """Objects of a list that have the name and the labels that are asked for."""
        name = query.get("fieldSelector", [""])[0].removeprefix("metadata.name=")
        pairs = [one.split("=", 1) for one in query.get("labelSelector", [""])[0].split(",") if one]
        return [
            one for place, one in self.objects.items()
            if place.rpartition("/")[0] == path and name in ("", one["metadata"]["name"])
            and all(one["metadata"].get("labels", {}).get(key) == value for key, value in pairs)
        ]  # fmt: skip

    def change(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to POST, PUT, PATCH and DELETE."""
        self.created.append((method, path))
        if method == "DELETE":
            return self.objects.pop(path, None)
        place = path if method in ("PUT", "PATCH") else f"{path}/{body['metadata']['name']}"
        if method == "PATCH":
            body = _merged(self.objects[path], body)
        body["metadata"] |= {"namespace": "default", "resourceVersion": "1", "uid": place}
        if body["kind"] == "Job":
            body["status"] = _DONE
        self.objects[place] = body
        return body


def _merged(old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """A JSON merge patch (RFC 7396)."""
    found = {key: value for key, value in old.items() if patch.get(key, value) is not None}
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(found.get(key), dict):
            found[key] = _merged(found[key], value)
        elif value is not None:
            found[key] = value
    return found


def _fields(message: bytes) -> dict[int, list[bytes]]:
    """The fields of a message of Protocol Buffers that have a length, by their number."""
    found: dict[int, list[bytes]] = {}
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
            if byte < 128:
                return value

    while at < len(message):
        key = number()
        if key & 7 == 2:
            length = number()
            found.setdefault(key >> 3, []).append(message[at : at + length])
            at += length
        else:
            number()  # of what is kept here only numbers of variable length occur besides
    return found


def secret_of(body: bytes) -> dict[str, Any]:
    """A Secret as clients send it: Kubernetes' Protocol Buffers, behind four bytes of their own."""
    (raw,) = _fields(body.removeprefix(_MAGIC))[2]
    secret = _fields(raw)
    about = _fields(secret[1][0])
    pairs = [_fields(one) for one in about.get(11, [])]
    data = [_fields(one) for one in secret.get(2, [])]
    return {
        "apiVersion": "v1", "kind": "Secret", "type": secret[3][0].decode(),
        "metadata": {
            "name": about[1][0].decode(),
            "labels": {one[1][0].decode(): one[2][0].decode() for one in pairs},
        },
        "data": {one[1][0].decode(): b64encode(one[2][0]).decode() for one in data},
    }  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    cluster: Cluster
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer, head and body apart, takes 40 ms

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, found: dict[str, Any] | None) -> None:
        lost = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
                "code": 404}  # fmt: skip
        body = json.dumps(lost if found is None else found).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        asked = urlparse(self.path)
        query = parse_qs(asked.query)
        if asked.path == "/openapi/v2":  # no schemas: nothing is checked with them
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if query.get("watch", [""])[0] in ("1", "true"):
            self._watch(asked.path, query)
            return
        self._answer(self.cluster.get(asked.path, query))

    def _watch(self, path: str, query: Mapping[str, list[str]]) -> None:
        """What there is, and that this was all; nothing changes afterwards."""
        found = self.cluster.matching(path, query)
        events = [{"type": "ADDED", "object": one} for one in found]
        kind = found[0] if found else {"apiVersion": "v1", "kind": "Secret"}
        mark = {"resourceVersion": "1", "annotations": {"k8s.io/initial-events-end": "true"}}
        events.append({"type": "BOOKMARK", "object": {
            "apiVersion": kind["apiVersion"], "kind": kind["kind"], "metadata": mark,
        }})  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write("".join(json.dumps(one) + "\n" for one in events).encode())
        self.wfile.flush()
        self.close_connection = True
        time.sleep(0.2)

    def _change(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        content = secret_of(body) if body.startswith(_MAGIC) else json.loads(body or b"{}")
        self._answer(self.cluster.change(self.command, urlparse(self.path).path, content))

    do_POST = do_PUT = do_PATCH = do_DELETE = _change


@contextmanager
def cluster(kinds: Kinds, version: str, place: Path) -> Iterator[tuple[Cluster, Path]]:
    """A cluster on the loopback, and a file that tells clients where it is."""
    found = Cluster(kinds, version)
    handler = type("Handler", (_Handler,), {"cluster": found})
    serving = Serving(ThreadingHTTPServer(("127.0.0.1", 0), handler))
    config = place / "kubeconfig"
    config.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{serving.port}"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "users": [{"name": "test", "user": {}}],
    }))  # fmt: skip
    with serving:
        yield found, config
