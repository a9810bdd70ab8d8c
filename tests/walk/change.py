"""The second half: everything that is changed on a job that runs, and how to go back."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from padit.devcluster.flink import rest_json
from padit.devcluster.processes import is_running
from tests.alerting.receiving import Receiving
from tests.limits import allowed
from tests.walk.deploy import deliveries, job_words, page_somebody, submit
from tests.walk.load import Load
from tests.walk.site import Running, Site

__all__ = [
    "Live",
    "bad_green",
    "good_green",
    "leave",
    "lose_a_taskmanager",
    "now",
    "refuse",
    "roll_back",
    "upgrade",
]

_NEW_RULES = """detectors:
  - name: rule
    parameters: {rules: [{metric: "*", conditions: [{feature: max, limit: 5.8, adds: 0.8}]}]}
"""


@dataclass
class Live:
    """What is live now.

    Attributes:
        run, job: the active colour: its command, and Flink's id.
        began: of the first job, RFC 3339; alerts from then on are written.
        savepoint: of the last stop.
        summaries: of the runs that ended.
    """

    run: Running
    job: str
    began: str
    savepoint: str
    summaries: list[dict[str, Any]]


def now() -> str:
    """RFC 3339, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _stop(site: Site, live: Live) -> None:
    live.savepoint = site.stop_job(live.job)
    live.run.process.communicate(timeout=allowed(120))
    site.running.remove(live.run)


def upgrade(site: Site, live: Live, load: Load, receiver: Receiving) -> None:
    """Stop with a savepoint, go on from it; twice, the second time with more parallelism."""
    site.page.step("Upgrade with an unchanged graph", "Stop with a savepoint, go on from it.")
    _stop(site, live)
    words = job_words(site, "--start_offset=earliest", f"--savepoint_path={live.savepoint}")
    live.run, live.job = submit(site, "blue", words)
    _restored(site, live)
    page_somebody(site, load, receiver, 5)
    site.page.step("Rescale", "The same with --parallelism=2.")
    _stop(site, live)
    more = ("--start_offset=earliest", f"--savepoint_path={live.savepoint}")
    live.run, live.job = submit(site, "blue", job_words(site, *more, parallelism=2))
    _restored(site, live)
    page_somebody(site, load, receiver, 6)


def _restored(site: Site, live: Live) -> None:
    found = rest_json(f"{site.state.rest_url}/jobs/{live.job}/checkpoints")["latest"]["restored"]
    site.page.check(found is not None, "Flink has restored the savepoint")


def refuse(site: Site, live: Live) -> None:
    """A savepoint does not carry state that changed; the message names the option."""
    site.page.step("Changed options are refused", "A wrong start is an error, not a wrong result.")
    words = job_words(site, f"--savepoint_path={live.savepoint}", "--start_offset=earliest")
    changed = [w.replace("_interval_sec=5", "_interval_sec=10") for w in words]
    said = site.run(*changed, code=1, seconds=300, lines=3)
    site.page.check("--extract_interval_sec was 5.0 and is 10.0" in said, "the reason is named")
    site.page.check(site.whole(live.job), "the job that is live goes on")


def lose_a_taskmanager(site: Site, live: Live, load: Load, receiver: Receiving) -> None:
    """SIGKILL for the TaskManager that has the job; Flink restores on the other."""
    site.page.step("Lose a TaskManager", "SIGKILL; the slots of the other one take the job.")
    job = f"{site.state.rest_url}/jobs/{live.job}"
    restored = rest_json(f"{job}/checkpoints")["counts"]["restored"]
    vertex = rest_json(job)["vertices"][0]["id"]
    host = rest_json(f"{job}/vertices/{vertex}/taskmanagers")["taskmanagers"][0]
    name = str(host["taskmanager-id"])
    (record,) = [one for one in site.state.running if one.name == f"Flink {name}"]
    os.kill(record.pid, signal.SIGKILL)
    site.page.command(f"kill -9 $(pid of {name})", "")
    site.until(
        lambda: rest_json(f"{job}/checkpoints")["counts"]["restored"] > restored,
        180,
        "Flink has restored the last checkpoint",
    )
    site.until(lambda: site.whole(live.job), 120, "every task runs again")
    page_somebody(site, load, receiver, 7)


def bad_green(site: Site, live: Live) -> None:
    """A configuration that changes alerts does not pass the gate, and blue is not touched."""
    site.page.step(
        "Green does not pass the gate",
        "A new configuration beside the live one, from history, into topics that nobody delivers.",
    )
    (site.folder / "rules-new.yaml").write_text(_NEW_RULES)
    words = job_words(site, *_history(live), alerts="alerts-green")
    run, job = submit(site, "green", [w.replace("rules.yaml", "rules-new.yaml") for w in words])
    site.until(lambda: site.events("alerts-green"), 120, "green has alerts")
    _quiet(site, "alerts")
    site.run(*_gate(site, "alerts-green"), code=1, lines=10)
    site.page.check(live.job in site.jobs() and site.whole(live.job), "blue was never touched")
    site.page.command("interrupt the command of green", "")
    site.end(run)
    site.running.remove(run)
    site.until(lambda: job not in site.jobs(), 60, "green is gone")


def _history(live: Live) -> tuple[str, str]:
    return "--bootstrap_from=earliest", f"--live_from={live.began}"


def _gate(site: Site, green: str) -> list[str]:
    at = f"kafka://{site.state.bootstrap}"
    return ["diff", f"{at}/alerts", f"{at}/{green}"]


def _quiet(site: Site, topic: str) -> None:
    """Until nothing has come for 15 s: then two topics can be compared."""

    def done() -> bool:
        before = len(site.events(topic))
        time.sleep(15)
        return len(site.events(topic)) == before

    site.until(done, 240, f"nothing new on {topic} for 15 s")


def good_green(site: Site, live: Live, load: Load, receiver: Receiving) -> None:
    """The same results: the gate opens, and green becomes the one that owns deliveries."""
    site.page.step(
        "Green passes the gate",
        "The same again with what changes nothing, here parallelism. An empty difference opens it.",
    )
    green, job = submit(site, "green", job_words(site, *_history(live), alerts="alerts-green-2"))
    since = time.time()
    paged = page_somebody(site, load, receiver, 8)
    del paged
    names = {f"/padit/cell-{number}" for number in (4, 5, 6, 7, 8)}
    site.until(
        lambda: names <= {e["source"] for e in site.events("alerts-green-2")},
        120,
        "green found every incident, those from before it was started too",
    )
    _quiet(site, "alerts")
    _quiet(site, "alerts-green-2")
    site.run(*_gate(site, "alerts-green-2"), code=0, lines=6)
    count = len(site.events("alerts"))
    site.page.check(count == len(site.events("alerts-green-2")), f"both have {count} transitions")
    _only_blue_is_delivered(site, receiver, since)
    site.page.step("Green takes over", "Blue stops with a savepoint; green writes the real topics.")
    site.page.command("interrupt the command of green", "")
    site.end(green)
    site.running.remove(green)
    site.until(lambda: job not in site.jobs(), 60, "the rehearsing green is gone")
    _stop(site, live)
    live.run, live.job = submit(site, "green-live", job_words(site, *_history(live)))
    page_somebody(site, load, receiver, 9)
    _no_id_twice(site)


def _only_blue_is_delivered(site: Site, receiver: Receiving, since: float) -> None:
    del since
    told = [event for event in deliveries(receiver) if "cell-8" in str(event)]
    opened = [event for event in told if "opened" in str(event.get("type"))]
    site.page.check(len(opened) <= 1, "with two colours running somebody was paged once")


def _no_id_twice(site: Site) -> None:
    ids = [str(event["id"]) for event in site.events("alerts")]
    site.page.check(len(ids) == len(set(ids)), f"{len(ids)} transitions, no id twice")


def roll_back(site: Site, live: Live, load: Load, receiver: Receiving) -> None:
    """Back to blue's savepoint: what it says again has the same ids, and nobody is paged twice."""
    site.page.step("Roll back", "Green is stopped, blue goes on from its savepoint.")
    savepoint = live.savepoint
    messages = len(deliveries(receiver))
    _stop(site, live)
    words = job_words(site, "--start_offset=earliest", f"--savepoint_path={savepoint}")
    live.run, live.job = submit(site, "blue", words)
    _restored(site, live)
    page_somebody(site, load, receiver, 10)
    _no_id_twice(site)
    ids = [str(event["id"]) for event in deliveries(receiver)]
    site.page.check(len(ids) == len(set(ids)), "no message was delivered twice")
    again = [e for e in deliveries(receiver)[messages:] if 'cell-9"' in str(e)]
    opened = [e for e in again if "opened" in str(e.get("type"))]
    site.page.check(not opened, "nobody was paged again about cell-9")


def leave(site: Site, live: Live, alerting: Running, receiver: Receiving, load: Load) -> None:
    """The account, and nothing is left."""
    site.page.step("The account", "Every record and every message is accounted for.")
    _quiet(site, "alerts")
    summary = site.end(live.run)
    site.running.remove(live.run)
    site.page.command("interrupt the command of the job", str(summary), 4)
    known = sum(int(summary[one]) for one in ("scored", "late", "duplicate", "dead_lettered"))
    rest = int(summary["read"]) - known - int(summary["waiting"])
    site.page.check(rest == 0, f"{summary['read']} records read, residue {rest}")
    site.page.check(summary["late"] == summary["dead_lettered"] == 0, "none late, none refused")
    opened = {e["id"] for e in site.events("alerts") if str(e["type"]).endswith(".opened")}
    site.page.note(
        f"{load.sent} records sent, {len(opened)} alerts opened, "
        f"{len(deliveries(receiver))} messages delivered."
    )
    alerting.process.send_signal(signal.SIGTERM)
    alerting.process.communicate(timeout=allowed(60))
    site.running.remove(alerting)
    site.page.step("Take it down", "Processes are ended by their ids; data stays.")
    records = site.state.processes
    site.run("down", lines=8)
    site.page.check(not any(is_running(one) for one in records), "no process is left")
