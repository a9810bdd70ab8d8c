"""The first half of the walk: from an empty machine to the first page that somebody gets."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from padit.devcluster.flink import rest_json
from padit.pipelines.flink_counters import flink_counters
from tests.alerting.receiving import Receiving
from tests.walk.load import Load
from tests.walk.site import Running, Site

__all__ = ["deliveries", "install", "job_words", "page_somebody", "parts", "paging", "submit"]

RULES = "detectors:\n  - name: rule\n"
WINDOWS = ("--window_size_sec=60", "--extract_interval_sec=5", "--out_of_orderness_sec=2")
_ALERTING = """receivers:
  oncall: {{kind: webhook, url: "{url}", timeout_sec: 5}}
routes: [{{name: all, receiver: oncall}}]
"""


def install(site: Site, wheel: Path) -> None:
    """The wheel is installed, and everything it needs is there."""
    site.page.step("Install", "A wheel in an empty environment, far from any checkout.")
    site.page.command(f"pip install {wheel.name}", "")
    site.run("doctor", "--only", "tools,packages,kernels", lines=4)


def parts(site: Site) -> None:
    """Broker, Flink and workers; the doctor finds nothing broken."""
    site.page.step("Start what it runs on", "A broker, Flink with two TaskManagers, workers.")
    topics = (
        "metrics,alerts,alerts-green,alerts-green-2,alerts-audit,green-audit,alert-commands,dlq"
    )
    site.run("up", "--free_ports", "--taskmanagers", "2", "--topics", topics, seconds=600, lines=8)
    state = site.state
    usual = {
        state.bootstrap: "127.0.0.1:9092",
        state.rest_url: "http://127.0.0.1:8081",
        state.job_endpoint: "127.0.0.1:8099",
        state.worker_endpoint: "127.0.0.1:50000",
    }
    ports = {old.rpartition(":")[2]: new.rpartition(":")[2] for old, new in usual.items()}
    site.page.names |= usual
    site.page.names |= {f"port {old} answers": f"port {new} answers" for old, new in ports.items()}
    site.run("doctor", seconds=120, lines=6)


def paging(site: Site, receiver: Receiving) -> Running:
    """Before any alert, whether a page arrives at all."""
    site.page.step("Can somebody be paged?", "A test message goes the way that alerts will go.")
    config = site.folder / "alerting.yaml"
    config.write_text(_ALERTING.format(url=receiver.url))
    site.run("notify", "test", "all", "--config", "alerting.yaml")
    site.page.check(len(receiver.requests) == 1, "the receiver has the test message")
    site.run("routes", "test", "--config=alerting.yaml", "--source=cell-7", "--metric=rtt_ms")
    at = f"kafka://{site.state.bootstrap}"
    return site.begin(
        "alerting", "alerting", "--config=alerting.yaml", f"--alerts={at}/alerts",
        f"--audit={at}/alerts-audit", f"--commands={at}/alert-commands", "--data=alerting",
    )  # fmt: skip


def job_words(site: Site, *more: str, alerts: str = "alerts", parallelism: int = 1) -> list[str]:
    """The command of the job."""
    at = f"kafka://{site.state.bootstrap}"
    audit = "alerts-audit" if alerts == "alerts" else "green-audit"
    words = ["run", "--runner=FlinkRunner", f"--parallelism={parallelism}"]
    words += [f"--input={at}/metrics", f"--output={at}/{alerts}", f"--audit={at}/{audit}"]
    return [*words, f"--dlq={at}/dlq", "--config=rules.yaml", *WINDOWS, *more]


def submit(site: Site, name: str, words: list[str]) -> tuple[Running, str]:
    """Start a job and wait until Flink runs all of it; the command and Flink's id."""
    known = set(site.jobs())
    run = site.begin(name, *words)

    def runs() -> bool:
        new = [job for job in site.jobs() if job not in known]
        return bool(new) and site.whole(new[-1])

    site.until(runs, 180, "Flink runs every task of the job")
    job = next(one for one in site.jobs() if one not in known)
    site.page.names[job] = f"JOB-{len([n for n in site.page.names.values() if n[:3] == 'JOB']) + 1}"
    return run, job


def first_job(site: Site) -> tuple[Running, str]:
    """The job, and whether the two places that count agree."""
    site.page.step("Submit the job", "Its metrics agree in both places where they are scraped.")
    (site.folder / "rules.yaml").write_text(RULES)
    run, job = submit(site, "blue", job_words(site, "--start_offset=earliest"))
    site.until(lambda: _read(site, job) > 500, 120, "Flink counts more than 500 records read")
    site.until(lambda: agree(site, job), 60, "workers and Flink count the same records read")
    return run, job


def _read(site: Site, job: str) -> int:
    return flink_counters(site.state.rest_url, job, "padit").get("read", 0)


def agree(site: Site, job: str) -> bool:
    """Whether Flink's total lies between two of the workers' around it; both go on growing."""
    before = site.scraped().get("padit_job_read_total", 0.0)
    time.sleep(2.5)  # Flink shows what was a second ago
    flink = _read(site, job)
    after = site.scraped().get("padit_job_read_total", 0.0)
    return before <= flink <= after


def deliveries(receiver: Receiving) -> list[dict[str, Any]]:
    """Messages that the receiver took, without the test message."""
    pairs = list(zip(receiver.events, receiver.answers, strict=False))
    return [event for event, answer in pairs[1:] if answer.status == 200]


def page_somebody(site: Site, load: Load, receiver: Receiving, source: int) -> float:
    """A source fails; seconds from the failure to the page."""
    before = len(deliveries(receiver))
    began = load.fail(source)
    name = f"cell-{source}"

    def paged() -> bool:
        return any(name in str(event) for event in deliveries(receiver)[before:])

    site.until(paged, 60, f"the receiver is paged about {name}")
    took = time.time() - began
    site.page.note(f"From the first bad sample to the page: {took:.1f} s.")
    return took


def watched(site: Site, job: str) -> None:
    """What an operator looks at first."""
    site.page.step(
        "Look at it",
        "Checkpoints are complete, no record is lost, and other machines cannot reach it.",
    )
    checkpoints = f"{site.state.rest_url}/jobs/{job}/checkpoints"
    site.until(
        lambda: rest_json(checkpoints)["counts"]["completed"] > 1, 60, "two checkpoints completed"
    )
    latest = rest_json(checkpoints)["latest"]
    failed = latest["failed"]  # one may come too early, while tasks are being started
    good = failed is None or failed["id"] < latest["completed"]["id"]
    site.page.check(good, "the last checkpoint is complete")
    metrics = site.scraped()
    for name in ("padit_job_dead_lettered_total", "padit_job_late_total"):
        site.page.check(metrics.get(name, 0.0) == 0, f"{name} is 0")
    site.run("doctor", "--only", "broker,flink,workers,exposure", lines=14)
