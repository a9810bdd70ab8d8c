r"""From an event to the open page: broker, live job, alerting, portal and a real Chromium.

    python -m benchmarks.portal_live --seconds 100 --into build/portal-live.json

A real broker and PostgreSQL; the job live in a process in its low-latency setting (windows of 10 s
every 0.25 s, 0.2 s of allowed disorder), 1,000 samples a second of 100 series; `padit alerting` and
a team's `padit portal`, each a process of its own. 100 incidents over the time. The page notes when
the row of an incident has been painted; the clock is one machine's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.latency import opened_alerts, produce_incidents
from benchmarks.sla import live_job
from benchmarks.topics import create_topic
from padit.devcluster.broker import start_broker
from padit.devcluster.ports import free_port
from tests.portal.browsing import browser
from tests.postgres import start_postgres

__all__ = ["main"]

_CONFIG = """
receivers: {page: {kind: webhook, url: "http://127.0.0.1:9/"}}
routes: [{name: page, receiver: page, settle: 0s}]
"""
_LINK = re.compile(r"/#/first/(\S+)")
_PATIENCE = 120.0
_BOUND = 2.0
# Behind the frame in which a row is painted.
_WATCH = """() => {
  window.seen = {};
  const look = () => requestAnimationFrame(() => setTimeout(() => {
    for (const row of document.querySelectorAll('li.incident:not(.over)')) {
      const name = /probe-[0-9]+/.exec(row.textContent);
      if (name && !window.seen[name[0]]) window.seen[name[0]] = Date.now() / 1000;
    }
  }));
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
}"""


@contextlib.contextmanager
def _running(*words: str, said: Path) -> Iterator[None]:
    """`padit` with these words, until the end."""
    with said.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "padit.cli.main", *words], stdout=file, stderr=file
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


@contextlib.contextmanager
def _database(folder: Path) -> Iterator[str]:
    os.environ.setdefault("PGUSER", "padit")
    server = start_postgres(folder / "postgres", fsync="on")
    try:
        server.database("padit")
        yield server.uri()
    finally:
        server.stop()


def _link(said: Path) -> str:
    """The link that makes the first user, once the portal has printed it."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        found = _LINK.search(said.read_text())
        if found:
            return found[1]
        time.sleep(0.2)
    message = f"the portal gives no link: {said.read_text()[-2000:]}"
    raise RuntimeError(message)


@contextlib.contextmanager
def _opened(address: str, link: str) -> Iterator[Any]:
    """The page, tall enough for all rows, and watched."""
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 16000})
        page.set_default_timeout(_PATIENCE * 1000)
        page.goto(f"{address}/#/first/{link}")
        page.fill("input[name=name]", "ann")
        page.fill("input[name=password]", "correct horse battery")
        page.press("input[name=password]", "Enter")
        page.wait_for_selector("main#content h1")
        page.evaluate(_WATCH)
        yield page


def _measure(folder: Path, seconds: float) -> dict[str, Any]:
    config, said, port = folder / "alerting.yaml", folder / "portal.txt", free_port()
    config.write_text(_CONFIG)
    with start_broker(folder / "kafka") as broker, _database(folder) as store:
        kafka = broker.bootstrap
        samples, commands = create_topic(kafka, "metrics"), create_topic(kafka, "commands")
        alerts = create_topic(kafka, "alerts", append_time=True)
        place = f"kafka://{kafka}"
        with (
            live_job(kafka, samples, alerts, folder),
            _running("alerting", f"--config={config}", f"--alerts={place}/{alerts}",
                     f"--commands={place}/{commands}", f"--data={store}",
                     said=folder / "alerting.txt"),
            _running("portal", f"--store={store}", f"--kafka={place}", f"--config={config}",
                     f"--alerts_topic={alerts}", f"--commands_topic={commands}",
                     f"--state={folder / 'portal'}", f"--port={port}", said=said),
            _opened(f"http://127.0.0.1:{port}", _link(said)) as page,
        ):  # fmt: skip
            first = produce_incidents(kafka, samples, seconds)
            with contextlib.suppress(Exception):  # what lacks is counted below
                page.wait_for_function(
                    "count => Object.keys(window.seen).length >= count", arg=len(first),
                    timeout=60_000,
                )  # fmt: skip
            seen: dict[str, float] = page.evaluate("() => window.seen")
        return _result(first, opened_alerts(kafka, alerts), seen)


def _result(
    first: dict[str, float], written: dict[str, float], seen: dict[str, float]
) -> dict[str, Any]:
    def shares(values: Sequence[float]) -> dict[str, float]:
        return {
            name: round(float(np.quantile(values, part)), 3)
            for name, part in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("worst", 1.0))
        }

    whole = [seen[one] - first[one] for one in first if one in seen]
    return {
        "incidents": len(first),
        "seen": len(whole),
        "event_to_topic_s": shares([written[one] - first[one] for one in first if one in written]),
        "topic_to_page_s": shares([seen[one] - written[one] for one in written if one in seen]),
        "event_to_page_s": shares(whole),
        f"within_{_BOUND:g}_s": sum(one <= _BOUND for one in whole) / len(first),
        "load": [round(one, 1) for one in os.getloadavg()],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and write one JSON object; 1 if an incident was not seen."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=100.0, help="in which incidents begin")
    parser.add_argument("--into", type=Path, default=Path("build/portal-live.json"))
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="portal-live-") as folder:
        found = _measure(Path(folder), args.seconds)
    args.into.parent.mkdir(parents=True, exist_ok=True)
    args.into.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found))
    return int(found["seen"] < found["incidents"])


if __name__ == "__main__":
    sys.exit(main())
