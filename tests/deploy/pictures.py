"""Pictures of the dashboards, from their JSON and a real Prometheus over a job and adapters.

    python -m tests.deploy.pictures --seconds 240 --into docs/images

Not Grafana's own drawing: each panel's queries are sent to Prometheus as they stand in the file,
and uPlot draws what comes back at the place, with the title, unit and legend that the file names.
Fails if any query gives nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.topics import create_topic
from padit.devcluster.broker import start_broker
from padit.devcluster.ports import free_port
from tests.deploy.prometheus import DEPLOY, Prometheus
from tests.limits import allowed
from tests.portal.browsing import browser

__all__ = ["answered", "draw", "main"]

ROOT = DEPLOY.parent
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
_UPLOT = ROOT / "portal" / "static" / "vendor"
_RATE = 500  # records a second
_SETTLED_S = 90.0  # until what waited at the start is read, and rates have their minute
_JOB = (
    f"--config={ROOT / 'benchmarks' / 'rule.yaml'}", "--window_size_sec=30",
    "--extract_interval_sec=5", "--start_offset=earliest", "--audit=null",
)  # fmt: skip


def answered(
    dashboard: dict[str, Any], prometheus: Prometheus, begin: float, end: float
) -> list[dict[str, Any]]:
    """Every panel with what its queries gave: a list of (legend, times, values) each."""
    panels = []
    for panel in dashboard["panels"]:
        lines = []
        for target in panel.get("targets", []):
            for one in prometheus.over(target["expr"], begin, end):
                legend = target["legendFormat"]
                for label, value in one["metric"].items():
                    legend = legend.replace("{{" + label + "}}", value)
                times, values = zip(*one["values"], strict=True)
                lines.append({"legend": legend, "times": times, "values": values})
        panels.append({
            "title": panel["title"], "kind": panel["type"], "place": panel["gridPos"],
            "unit": panel["fieldConfig"]["defaults"]["unit"], "lines": lines,
            "empty": [
                target["expr"] for target in panel.get("targets", [])
                if not prometheus.over(target["expr"], begin, end)
            ],
        })  # fmt: skip
    return panels


def draw(title: str, panels: Sequence[dict[str, Any]], into: Path) -> None:
    """A picture of a dashboard."""
    page = (Path(__file__).parent / "pictures.html").read_text()
    style = (_UPLOT / "uplot.css").read_text()
    script = (_UPLOT / "uplot.js").read_text().replace("export { uPlot as default };", "")
    data = json.dumps({"title": title, "panels": panels}).replace("<", "\\u003c")
    for name, text in (("STYLE", style), ("UPLOT", script), ("DATA", data)):
        page = page.replace(f"/*{name}*/", text)
    with browser() as chromium:
        shown = chromium.new_page(viewport={"width": 1280, "height": 800})
        faults: list[str] = []
        shown.on("pageerror", lambda error: faults.append(str(error)))
        shown.set_content(page)
        assert shown.evaluate("document.body.className") == "drawn", faults
        into.parent.mkdir(parents=True, exist_ok=True)
        shown.screenshot(path=str(into), full_page=True)


@contextmanager
def _running(directory: Path) -> Iterator[dict[str, str]]:
    """A live job under load, and adapters; where each is scraped."""
    with ExitStack() as stack:
        broker = start_broker(directory / "kafka")
        stack.callback(broker.stop)
        at = broker.bootstrap
        topic, alerts = create_topic(at, "metrics"), create_topic(at, "alerts")
        ports = {"padit-workers": free_port(), "padit-adapters": free_port()}
        targets = {job: f"127.0.0.1:{port}" for job, port in ports.items()}
        config = {
            "kafka": {"bootstrap": at, "topic": topic},
            "buffer": {"directory": str(directory / "buffer")},
            "health": {"host": "127.0.0.1", "port": ports["padit-adapters"]},
            "adapters": [{"type": "host", "interval_sec": 1}],
        }
        (directory / "adapters.yaml").write_text(yaml.safe_dump(config))
        padit = ["padit.cli.main"]
        job = ["run", f"--input=kafka://{at}/{topic}", f"--output=kafka://{at}/{alerts}", *_JOB]
        load = ["tests.soak.load", "--bootstrap", at, "--topic", topic, f"--rate={_RATE}"]
        load += ["--sources=50", f"--account={directory}/account"]
        load += [f"--incidents={directory}/incidents"]
        metrics = {"PADIT_METRICS": targets["padit-workers"], "PADIT_STATE_DIR": "nowhere"}
        for name, words, more in (
            ("job", [*padit, *job], metrics),
            ("adapters", [*padit, "adapters", f"--config={directory}/adapters.yaml"], {}),
            ("load", load, {}),
        ):
            stack.enter_context(_process(directory / f"{name}.log", words, more))
        yield targets


@contextmanager
def _process(log: Path, words: Sequence[str], more: dict[str, str]) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=ROOT, stdout=output, stderr=output,
            env={**os.environ, **more},
        )  # fmt: skip
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(allowed(30))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main(argv: Sequence[str] | None = None) -> int:
    """Draw every dashboard; 1 if a query gave nothing."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.deploy.pictures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=240.0, help="that are drawn")
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "images")
    args = parser.parse_args(argv)
    empty = 0
    with (
        tempfile.TemporaryDirectory(prefix="padit-pictures-") as scratch,
        _running(Path(scratch)) as targets,
        Prometheus(Path(scratch), targets) as prometheus,
    ):
        _await(prometheus)
        time.sleep(_SETTLED_S)
        begin = time.time()
        time.sleep(args.seconds)
        for path in DASHBOARDS:
            dashboard = json.loads(path.read_text())
            panels = answered(dashboard, prometheus, begin, begin + args.seconds)
            picture = args.into / f"dashboard-{path.stem}.png"
            draw(dashboard["title"], panels, picture)
            print(f"{picture}: {len(panels)} panels")
            for panel in panels:
                for expression in panel["empty"]:
                    empty += 1
                    print(f"  nothing in {panel['title']!r}: {expression}")
    return 1 if empty else 0


def _await(prometheus: Prometheus) -> None:
    deadline = time.monotonic() + allowed(120)
    while not prometheus.query("padit_job_read_total > 0"):
        assert time.monotonic() < deadline, "the job does not read"
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
