"""`make factory-alerting`: a factory fails, and who should hears of it, by the real parts.

    python -m tests.alerting.factory --seed 1

Twelve machines run for eight hours behind one network switch. One machine has the four faults of
the simulator, one after the other; at last the switch loses packets, and the round trips of ten
machines take forty times as long. `padit run` reads the samples with the shipped configuration,
`padit alerting` its alerts, and three receivers get requests over HTTP. Of each fault it is counted
when it was told, in how many messages a route, and which source was named.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from padit.adapters.factory import Factory
from padit.adapters.factory_faults import FAULTS, Fault, Label
from padit.domain.config import JobConfig, load_config
from padit.domain.timestamps import MICROS, format_utc, parse_timestamp
from tests.alerting.receiving import Answer, Receiving, receiving
from tests.limits import allowed

__all__ = ["Heard", "main", "play"]

_MACHINES, _AT_NETWORK = 12, 10
_STEP = 5
_HOURS = 8
_FIRST_HOUR = 2
_LASTS = 1200.0
_WEARS_OUT = "tool_wear_failure"
_START = 1_772_352_000 * MICROS
_WINDOW, _INTERVAL = 120, 30
_SWITCH = "switch-1"
# What a person who looks at the curve is given: a minute; and the window has to end.
_ALLOWED_SECONDS = 60 + _INTERVAL
_LIMITS = Path(__file__).resolve().parents[2] / "pipelines/demo/factory.yaml"
_CONFIG = """
link: "https://padit.example/incidents/{{incident}}?t={{time}}"
receivers:
  hook: {{kind: webhook, url: "{url}hook"}}
  chat: {{kind: slack, url: "{url}chat"}}
  teams: {{kind: teams, url: "{url}teams"}}
routes:
  - {{name: hook, receiver: hook, go_on: true}}
  - {{name: chat, receiver: chat, go_on: true}}
  - {{name: teams, receiver: teams}}
incidents: {{window: 10m, depends_on: {{{edges}}}}}
"""


@dataclass
class Heard:
    """What became of one fault.

    Attributes:
        fault: its kind.
        source: that is at fault.
        start: epoch microseconds; when a person sees it: the failure, else the full strength.
        end: the same.
        told: seconds from `start` to the first message, by event time; None: none came.
        messages: by route.
        woken: of these on one route, those that are no end: an opening, a rise in severity.
        named: the source that the last message puts first.
        decided: whether it is sure.
    """

    fault: str
    source: str
    start: int
    end: int
    told: float | None = None
    messages: dict[str, int] = field(default_factory=dict)
    woken: int = 0
    named: str = ""
    decided: bool = False

    @property
    def sources(self) -> set[str]:
        """Where it shows: an alert elsewhere at the same time is not about it."""
        behind = Factory(_MACHINES).sources[:_AT_NETWORK] if self.source == _SWITCH else ()
        return {self.source, *behind}

    @property
    def good(self) -> bool:
        """In time, woken at most twice, one end, the right source first."""
        return (
            self.told is not None
            and self.told <= _ALLOWED_SECONDS
            and self.woken <= 2
            and max(self.messages.values()) <= self.woken + 1
            and self.named == self.source
        )


def _faults() -> list[Fault]:
    """One an hour, in the middle of it."""
    starts = [(_FIRST_HOUR + number + 0.5) * 3600 for number in range(len(FAULTS))]
    return [Fault(kind, at, at + _LASTS, 60.0) for kind, at in zip(FAULTS, starts, strict=True)]


def _write(path: Path, seed: int) -> None:
    """All samples in order of time, a line each."""
    calm = Factory(_MACHINES, seed, _STEP)
    steps = _HOURS * 3600 // _STEP
    values = calm.values(0, steps)
    for fault in _faults():  # some need another tool, which is there half an hour before
        first, count = round(fault.start) // 3600 * 3600 // _STEP, 3600 // _STEP
        failing = Factory(_MACHINES, seed, _STEP, {0: fault})
        values[first : first + count, :1] = failing.values(first, count, np.array([0]))
    at, chance = _network(), np.random.default_rng(seed)
    moments = _START + np.arange(steps) * _STEP * MICROS
    slow = (at.start <= moments) & (moments < at.end)
    trips = chance.lognormal(0.4, 0.15, (steps, _MACHINES))
    trips[np.ix_(slow, np.arange(_AT_NETWORK))] *= 40
    lost = chance.poisson(np.where(slow, 180, 0.2)) / 10
    names = [(one.source_id, one.metric_name, "custom") for one in calm.series]
    names += [(one, "rtt_ms", "latency") for one in calm.sources]
    names.append((_SWITCH, "packet_loss_percent", "error_rate"))
    with path.open("w", encoding="utf-8") as file:
        for step, moment in enumerate(moments.tolist()):
            stamp = format_utc(moment)
            row = [*values[step].ravel().tolist(), *trips[step].round(3).tolist(), lost[step]]
            file.writelines(
                f'{{"timestamp":"{stamp}","source_id":"{source}","metric_name":"{metric}",'
                f'"value":{value},"metric_type":"{kind}"}}\n'
                for (source, metric, kind), value in zip(names, row, strict=True)
            )


def _network() -> Heard:
    begin = _START + ((_FIRST_HOUR + len(FAULTS)) * 3600 + 1800) * MICROS
    return Heard("network", _SWITCH, begin, begin + round(_LASTS * MICROS))


def _seen(label: Label) -> Heard:
    return Heard(label.fault, label.source_id, label.failure or label.start, label.end)


def _swaps() -> list[int]:
    """When a machine gets another, used tool for a fault, or the old one back: its wear leaps."""
    needs = [one for one in _faults() if one.kind in ("overstrain", _WEARS_OUT)]
    begins = [_START + round(one.start) // 3600 * 3600 * MICROS for one in needs]
    return [moment for begin in begins for moment in (begin, begin + 3600 * MICROS)]


def _of_the_plant(path: Path) -> None:
    """The shipped detectors, and the limits of the plant's engineer."""
    detectors = (*JobConfig().detectors, *load_config(str(_LIMITS)).detectors)
    dumped = [one.model_dump(mode="json") for one in detectors]
    path.write_text(yaml.safe_dump({"detectors": dumped}), encoding="utf-8")


def play(folder: Path, seed: int, *, shipped: bool = False) -> tuple[list[Heard], int, int]:
    """Simulate, run the job, run alerting.

    What was heard of each fault, other incidents, and of these the leaps of `_swaps`.

    Args:
        folder: for all files.
        seed: of the factory.
        shipped: whether the job has no limits of the plant.
    """
    metrics, job = folder / "metrics.jsonl", folder / "job.yaml"
    _write(metrics, seed)
    if shipped:
        job.write_text("{}\n")
    else:
        _of_the_plant(job)
    padit = [sys.executable, "-m", "padit.cli.main"]
    alerts = folder / "alerts.jsonl"
    _call([*padit, "run", "--input", str(metrics), "--output", str(alerts),
           "--config", str(job), f"--window_size_sec={_WINDOW}",
           f"--extract_interval_sec={_INTERVAL}"])  # fmt: skip
    shutil.rmtree(folder / "data", ignore_errors=True)  # else all of it was sent already
    with receiving() as got:
        got.answer = lambda number: Answer(200, b'{"ok": true}')
        sources = Factory(_MACHINES, seed, _STEP).sources
        edges = ", ".join(f"{one}: [{_SWITCH}]" for one in sources[:_AT_NETWORK])
        config = folder / "alerting.yaml"
        config.write_text(_CONFIG.format(url=got.url, edges=edges))
        _call([*padit, "alerting", "--config", str(config), "--alerts", str(alerts),
               "--data", str(folder / "data")])  # fmt: skip
        heard = [
            _seen(Factory(_MACHINES, seed, _STEP, {0: one}).labels(_START)[0]) for one in _faults()
        ]
        heard.append(_network())
        return heard, *_judge(heard, got)


def _call(command: Sequence[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, timeout=allowed(900))
    if done.returncode:
        message = f"{command[3]} ended with {done.returncode}:\n{done.stderr.decode()[-2000:]}"
        raise RuntimeError(message)


def _judge(heard: Sequence[Heard], got: Receiving) -> tuple[int, int]:
    """Fill in what the receivers got; incidents that are of no fault, of these leaps of wear."""
    events = [json.loads(body) for path, _, body in got.requests if path == "/hook"]
    ends = {one["subject"]: parse_timestamp(one["time"])
            for one in events if one["type"].endswith(".resolved")}  # fmt: skip
    subjects: dict[str, Heard | None] = {}
    leaps: set[str] = set()
    for one in events:
        moment, members = parse_timestamp(one["time"]), one["data"]["incident"]["members"]
        sources = {member["source_id"] for member in members}
        subject = one["subject"]
        mine = next((f for f in heard if _covers(f, moment) and sources & f.sources), None)
        mine = mine or next(
            (f for f in heard if _warned(f, members, ends.get(subject, f.start))), None
        )
        known = subjects.setdefault(subject, mine if one["type"].endswith(".opened") else None)
        if known is None:
            if _leaps(members):
                leaps.add(subject)
            continue
        if known.told is None:
            known.told = (moment - known.start) / MICROS
        known.woken += not one["type"].endswith(".resolved")
        incident = one["data"]["incident"]
        known.named, known.decided = incident["causes"][0][0], incident["decided"]
    for path, _, body in got.requests:
        text = body.decode()
        for subject, known in subjects.items():
            if known is not None and subject in text:
                route = path.strip("/")
                known.messages[route] = known.messages.get(route, 0) + 1
    return sum(known is None for known in subjects.values()), len(leaps)


def _covers(fault: Heard, moment: int) -> bool:
    """From a fault's onset, which lies before its failure, to its end."""
    return fault.start - round(_LASTS * MICROS) // 4 <= moment < fault.end


def _warned(fault: Heard, members: Sequence[Mapping[str, Any]], end: int) -> bool:
    """Whether the wear of the tool that will fail was reported before, and that still stands then.

    The tool is there from the full hour on; that it was put in is a leap and no warning.
    """
    since = fault.start // (3600 * MICROS) * 3600 * MICROS
    return (
        fault.fault == _WEARS_OUT
        and end >= fault.start
        and not _leaps(members)
        and all(
            each["source_id"] == fault.source
            and each["metric_name"] == "tool_wear_min"
            and since <= each["opened"] < fault.start
            for each in members
        )
    )


def _leaps(members: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an incident is about a tool that was swapped."""
    return {each["metric_name"] for each in members} == {"tool_wear_min"} and any(
        0 <= each["opened"] - swap <= 180 * MICROS for each in members for swap in _swaps()
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run and print; 0: every fault was told in time, in few messages, and named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shipped", action="store_true", help="without limits of the plant")
    parser.add_argument("--keep", type=Path, help="folder for its files")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="padit-factory-") as scratch:
        folder = args.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        heard, others, leaps = play(folder, args.seed, shipped=args.shipped)
    for one in heard:
        print(json.dumps(asdict(one) | {"good": one.good}))
    print(f"{sum(one.good for one in heard)} of {len(heard)} as they should be; "
          f"{others} incidents of no fault, {leaps} of these where a tool is swapped")  # fmt: skip
    return 0 if all(one.good for one in heard) else 1


if __name__ == "__main__":
    sys.exit(main())
