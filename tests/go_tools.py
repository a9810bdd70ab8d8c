"""Programs in Go that tests run, built once from their published modules into the user's cache."""

from collections.abc import Callable
from pathlib import Path

from padit.devcluster.prism import go_program

__all__ = ["GO_TOOLS", "go_tool"]

GO_TOOLS: dict[str, tuple[str, str]] = {
    "fake-gcs-server": ("github.com/fsouza/fake-gcs-server", "1.56.1"),
    "helm": ("helm.sh/helm/v3/cmd/helm", "3.22.0"),
    "kubeconform": ("github.com/yannh/kubeconform/cmd/kubeconform", "0.8.0"),
    "telegraf": ("github.com/influxdata/telegraf/cmd/telegraf", "1.37.2"),
    "toxiproxy": ("github.com/Shopify/toxiproxy/v2/cmd/server", "2.12.0"),
}
"""Package and version of each, by its name."""
_TAGS = {
    "telegraf": "custom,inputs.file,outputs.http,outputs.influxdb,outputs.influxdb_v2,outputs.mqtt,"
    "outputs.opentelemetry,parsers.influx,serializers.json,serializers.prometheusremotewrite"
}
"""Of a program of very many parts, those that tests use."""


def go_tool(name: str, say: Callable[[str], None] | None = None) -> Path:
    """Return the path of a program of `GO_TOOLS`; raises and takes as long as `go_program`."""
    package, version = GO_TOOLS[name]
    tags = (f"-tags={_TAGS[name]}",) if name in _TAGS else ()
    return go_program(
        name, package, version, say,
        flags=("-ldflags=-s -w", *tags), environment={"CGO_ENABLED": "0", "GOFLAGS": "-p=1"},
        timeout=3600.0,
    )  # fmt: skip
