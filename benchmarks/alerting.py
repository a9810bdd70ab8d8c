"""How fast alerting is, each figure beside its bar.

    python -m benchmarks.alerting [--only engine,ranking,memory,whatif,latency,dead] [--job]

Work in one thread is measured in CPU seconds, the median of five; latencies by the clock, so they
need an idle machine. `latency` and `dead` run the real service over SQLite with real receivers
over HTTP on this machine; an event is timed from when it is handed to the service to when its
request has arrived. `--job` adds the way through Kafka, the job on Flink in its low-latency
setting, Kafka and `padit alerting`: from the first anomalous sample's event time to the request.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks.alerting_live import dead_beside, latency_of_job, latency_of_service
from benchmarks.alerting_log import alert_lines, alerts, commands, config_of, open_episodes
from padit.alerting.cause import likely_causes
from padit.alerting.compiled import Policy
from padit.alerting.engine import Engine
from padit.alerting.preview import compare, preview
from padit.alerting.recorded import merged
from padit.alerting.state import Member, State

__all__ = ["main"]

_TIMES = 5
_MEGABYTE = 1 << 20


def _cpu(work: Callable[[], object]) -> float:
    """CPU seconds of a piece of work, the median of five."""
    found = []
    for _ in range(_TIMES):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return median(found)


def _line(what: str, found: str, bar: str, good: bool) -> bool:
    print(f"{what:<52} {found:>14}  bar {bar:<12} {'ok' if good else 'MISSED'}", flush=True)
    return good


def engine() -> bool:
    """Transitions a second through the engine: three routes, an inhibition and a silence."""
    events = alerts(20_000)
    policy = Policy(config_of())

    def work() -> None:
        one, state = Engine(policy), State()
        for event in events:
            one.apply(state, event)

    rate = len(events) / _cpu(work)
    return _line(
        "transitions/s through the engine, one core", f"{rate:,.0f}", "10,000", rate >= 1e4
    )


def ranking() -> bool:
    """Milliseconds to rank an incident's members, over a long graph."""
    members = [Member(one, one.opened) for one in alerts(2_000) if one.kind == "opened"][:1_000]
    sources = sorted({one.event.source_id for one in members})
    chain = {one: [below] for one, below in pairwise(sources)}
    taken = _cpu(lambda: likely_causes(members, chain, 1.0)) * 1e3
    return _line(f"ranking of {len(members):,} members, ms", f"{taken:.1f}", "5", taken < 5)


def memory() -> bool:
    """Megabytes of a process of its own with so many open episodes."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.alerting", "--only", "open"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    used = float(done.stdout)
    return _line("memory of 100,000 open episodes, MB", f"{used:.0f}", "1,000", used < 1_000)


def _open() -> bool:
    state = open_episodes(100_000)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _MEGABYTE)
    return len(state.alerts) == 100_000


def whatif() -> bool:
    """Seconds to compare two configurations, from the bytes on."""
    inputs = [("alert", alert_lines(50_000)), ("command", commands(1_000))]

    def work() -> None:
        entries, _ = merged(inputs)
        configs = config_of(), config_of(min_score=0.75)
        before, after = (preview(one, entries, brief=True) for one in configs)
        compare(before, after, entries)

    began = time.process_time()
    work()
    taken = time.process_time() - began
    what = "whatif, 50,000 transitions and 1,000 commands, s"
    return _line(what, f"{taken:.2f}", "5", taken < 5)


def latency() -> bool:
    """Milliseconds from an event to its request, for alerting alone."""
    with tempfile.TemporaryDirectory(prefix="padit-alerting-") as scratch:
        half, most = latency_of_service(Path(scratch))
    what = "event to request, alerting alone, p50 and p99 ms"
    return _line(what, f"{half:.1f}, {most:.1f}", "100 (p99)", most < 100)


def dead() -> bool:
    """A route's latency and rate alone, and beside receivers that are well, refuse or are silent.

    A second route is work of its own, so what a dead receiver costs shows beside one that is well.
    """
    good = True
    rows: dict[str, tuple[float, float, float]] = {}
    for name in ("alone", "well", "refused", "silent"):
        with tempfile.TemporaryDirectory(prefix="padit-alerting-") as scratch:
            rows[name] = dead_beside(Path(scratch), name)
        half, most, rate = rows[name]
        what = "alone" if name == "alone" else f"beside a receiver that is {name}"
        slower = rows["alone" if name in ("alone", "well") else "well"][2] / rate
        good &= _line(f"a route {what}: p50, p99 ms", f"{half:.1f}, {most:.1f}", "100", most < 100)
        good &= _line(
            f"a route {what}: messages/s",
            f"{rate:.0f}",
            "0.8 of well" if name in ("refused", "silent") else "",
            slower < 1.25 or name == "well",
        )
    return good


def job() -> bool:
    """Seconds from an anomalous sample to its request, through the job."""
    with tempfile.TemporaryDirectory(prefix="padit-alerting-") as scratch:
        half, most = latency_of_job(Path(scratch))
    what = "event to request, job in its low-latency setting, s"
    return _line(what, f"{half:.2f}, {most:.2f}", "1.5 (p99)", most < 1.5)


_PARTS = {"engine": engine, "ranking": ranking, "memory": memory, "whatif": whatif,
          "latency": latency, "dead": dead}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 1: a bar is missed."""
    parser = argparse.ArgumentParser(description=json.dumps(sorted(_PARTS)))
    parser.add_argument("--only", default=",".join(_PARTS))
    parser.add_argument("--job", action="store_true", help="through Kafka and Flink, too")
    args = parser.parse_args(argv)
    if args.only == "open":
        return 0 if _open() else 1
    good = [_PARTS[name]() for name in args.only.split(",") if name]
    if args.job:
        good.append(job())
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
