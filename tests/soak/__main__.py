"""`make soak HOURS=2`: the shipped job under load and faults for hours; prints a report.

    python -m tests.soak --hours 2 --rate 10000 --seed 1 --into build/soak

A real Kafka, Flink with the job as `padit run` submits it, alerting with a receiver that takes its
messages, 10,000 records a second with poison, late ones and duplicates. Every few minutes one of
six faults. `INTO/report.md` is written anew every minute, so the run may be cut at any time;
`samples.jsonl` holds what it is made of. SIGTERM or Ctrl-C ends it in order, with the account.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from padit.alerting.report import account
from padit.alerting.store.opening import open_store
from tests.soak.load import read_account
from tests.soak.plant import Plant, plant
from tests.soak.report import Ending, Fault, Plan, report
from tests.soak.strikes import STRIKES, chosen
from tests.soak.watch import Watch

_EVERY_S, _WRITE_S = 10.0, 60.0
_FIRST_FAULT_S = 300.0
_DRAIN_S = 600.0
_MESSAGE = "message "


class Soak:
    """One run.

    Args:
        plan: what to do.
        plant: what it runs on.
        into: folder of the report.
        between: seconds between two faults, least and most.
    """

    def __init__(self, plan: Plan, plant: Plant, into: Path, between: tuple[float, float]) -> None:
        self._plan, self._plant, self._into, self._between = plan, plant, into, between
        self._chance = random.Random(plan.seed)
        self._watch = Watch(plant, into / "samples.jsonl")
        self._faults: list[Fault] = []
        self._next: list[str] = []
        self._thread: threading.Thread | None = None
        self.stopping = False

    def run(self) -> Ending:
        """Until its time is over, or it is told to stop."""
        began = time.monotonic()
        sampled = written = began - _WRITE_S
        strike_at = began + min(_FIRST_FAULT_S, self._between[1])
        while not self.stopping and time.monotonic() - began < self._plan.hours * 3600:
            now = time.monotonic()
            if now - sampled >= _EVERY_S:
                sampled = now
                self._watch.sample()
                self._level()
            if now - written >= _WRITE_S:
                written = now
                self.write(None)
            if now >= strike_at and not self._striking():
                self._strike()
                strike_at = now + self._chance.uniform(*self._between)
            time.sleep(0.2)
        ending = self._end()
        self.write(ending)
        return ending

    def write(self, ending: Ending | None) -> None:
        """The report as of now."""
        text = report(self._plan, self._watch.samples, self._faults, ending)
        (self._into / "report.md").write_text(text)
        _say(f"{len(self._watch.samples)} samples, {len(self._faults)} faults")

    def _striking(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _strike(self) -> None:
        """Strike in a thread, so that samples are taken meanwhile."""
        self._next = self._next or chosen(self._chance)
        fault = Fault(self._next.pop(), time.time())
        _say(f"fault: {fault.kind}")
        self._faults.append(fault)

        def work() -> None:
            try:
                fault.detail = STRIKES[fault.kind](self._plant, self._chance)
            except Exception as error:  # it is noted, and the soak goes on
                fault.detail = f"failed: {error!r:.200}"

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()

    def _level(self) -> None:
        """Whether the job has caught up after the last fault: at most 2 s of load behind."""
        if not self._faults or self._faults[-1].seconds is not None:
            return
        last, sample = self._faults[-1], self._watch.samples[-1]
        behind = sample["end"] - sample["read"] if {"end", "read"} <= sample.keys() else None
        moment = sample["at"]
        if behind is not None and behind < 2 * self._plan.rate and moment > last.at + _EVERY_S:
            last.seconds = moment - last.at

    def _end(self) -> Ending:
        plant = self._plant
        if self._thread is not None:
            self._thread.join(120)
        _say("stops the producer, and waits until the job has read everything")
        plant.load.stop()
        deadline = time.monotonic() + _DRAIN_S
        while time.monotonic() < deadline:
            end, read = self._watch.end(), self._watch.read()
            if end is not None and end == read:
                break
            time.sleep(2)
        time.sleep(15)  # until what was read is judged, checkpointed and delivered
        self._watch.sample()
        on_topic = self._watch.end() or 0
        summary = plant.end()
        time.sleep(10)
        plant.alerting.stop()
        self._watch.close()
        sent = read_account(plant.account)
        return Ending(sent["acknowledged"], sent["failed"], on_topic, summary, *self._messages())

    def _messages(self) -> tuple[str, int, dict[str, int]]:
        store = open_store(str(self._plant.directory / "alerting"), leading=False)
        try:
            counts = store.counts()
        finally:
            store.close()
        states: dict[str, int] = {}
        for found in counts.values():
            for name, count in found.items():
                if name.startswith(_MESSAGE):
                    state = name.removeprefix(_MESSAGE)
                    states[state] = states.get(state, 0) + count
        taken = {
            str(event["id"])
            for event, answer in zip(
                self._plant.receiver.events, self._plant.receiver.answers, strict=True
            )
            if answer.status == 200
        }
        return account(counts).replace("\n", "; "), len(taken), states


def main(argv: Sequence[str] | None = None) -> int:
    """Run; 0: every record is accounted for and no message was lost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--rate", type=int, default=10_000, help="records a second")
    parser.add_argument("--sources", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--between", type=float, nargs=2, default=(150.0, 300.0),
                        help="seconds between two faults, least and most")  # fmt: skip
    parser.add_argument("--into", type=Path, default=Path("build/soak"))
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING)
    args.into.mkdir(parents=True, exist_ok=True)
    (args.into / "pid").write_text(f"{os.getpid()}\n")
    plan = Plan(args.rate, args.hours, args.seed, args.sources)
    signal.signal(signal.SIGTERM, _interrupt)
    with plant(args.into / "plant", args.rate, args.seed, args.sources) as place:
        soak = Soak(plan, place, args.into, tuple(args.between))
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, lambda *_: setattr(soak, "stopping", True))
        ending = soak.run()
    print((args.into / "report.md").read_text(), flush=True)
    print(json.dumps({"residue": ending.residue, "messages": ending.messages}), flush=True)
    good = ending.residue == 0 and ending.distinct == ending.messages.get("delivered", 0)
    return 0 if good else 1


def _interrupt(*_: object) -> None:
    raise SystemExit(1)  # while the parts start: all of them are stopped


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
