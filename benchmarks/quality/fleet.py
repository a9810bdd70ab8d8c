"""What the option `peers` saves on factories, and whether a fault is lost.

    python -m benchmarks.quality.fleet [--seeds 1,2,3,4]

The factory goes through windows, detectors, alerts and the fleet as in the job, once without the
option and once with it. An alert is right if its machine has a fault while it opens, or one window
later.
"""

import argparse
from collections import Counter
from typing import NamedTuple

import msgspec

from benchmarks.quality.machines import HOURS, MACHINES, START, WINDOWS, belongs
from padit.adapters.factory import Factory
from padit.adapters.factory_faults import FAULTS, schedule_faults
from padit.domain.alert import Transition
from padit.domain.config import JobConfig, Levels
from padit.domain.rows import Rows
from padit.transforms.alerts import Alerts
from padit.transforms.detect import Detection
from padit.transforms.fleet import FleetMachine
from padit.transforms.fleet_state import MemoryFleetStore, Totals
from padit.transforms.peer_report import Report
from padit.transforms.peers import ALL, Heard, Peers
from padit.transforms.windows import close_windows

__all__ = ["Watched", "watched"]


class Watched(NamedTuple):
    """A factory as the job saw it.

    Attributes:
        opened: openings without the option, in their order.
        told: ids of the alerts that are told with it.
        totals: of the fleet.
        late: seconds from the opening to the release of alerts that were told after all.
        sizes: reports, and those with something beside how far the group has come.
    """

    opened: list[Transition]
    told: set[str]
    totals: Totals
    late: list[float]
    sizes: tuple[int, int]


def watched(factory: Factory, hours: float = HOURS) -> Watched:
    """Run windows, detectors, alerts and the fleet over a factory."""
    config = JobConfig()
    detection = Detection(config.detectors, levels=Levels.of(config.alerts))
    alerts = Alerts.of(detection, config.alerts, WINDOWS)
    peers, fleet, store = (
        Peers.of(ALL, detection, WINDOWS),
        FleetMachine(WINDOWS.size),
        MemoryFleetStore(),
    )
    states, followed, remembered = detection.initial(), alerts.initial(), peers.initial()
    kept, closed, before = Rows.empty(), -(2**40), None
    opened: list[Transition] = []
    told, late, totals = set[str](), [], Totals()
    reports = full = 0
    for block in factory.blocks(round(hours * 3600), START):
        closing = WINDOWS.slot_before(int(block.time[-1]))
        result = close_windows([kept, block], closed, closing, WINDOWS)
        kept, closed = result.kept, closing
        states, detected = detection.step(states, result.table)
        followed, found = alerts.step(followed, detected)
        heard = Heard()
        peers.step(remembered, detected, found, heard)
        opened += [one for one in found if one.kind == "opened"]
        until = closing * WINDOWS.interval
        direct = [one.to_message() for one in heard.direct]
        report = Report(
            0, 1, before, until, direct, heard.extremes, heard.openings, heard.questions,
            heard.steps,
        )  # fmt: skip
        if before is not None and until <= before:
            continue
        before = until
        reports += 1
        full += any((direct, heard.extremes, heard.questions, heard.steps))
        judged = fleet.advance(store, report)
        totals = judged.totals or totals
        told |= {msgspec.json.decode(one.value)["data"]["id"] for one in judged.alerts}
        late += [
            (one.time - next(x.time for x in opened if x.alert.id == one.alert)) / 1e6
            for one in judged.silenced
            if one.told_after_all
        ]
    return Watched(opened, told, totals, late, (reports, full))


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.quality.fleet",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", default="1,2,3,4")
    seeds = [int(one) for one in parser.parse_args().seeds.split(",")]
    found: Counter[tuple[str, str]] = Counter()
    for seed in seeds:
        faults = schedule_faults(FAULTS, MACHINES, HOURS * 3600, seed)
        factory = Factory(MACHINES, seed, 1.0, faults)
        labels, seen = factory.labels(START), watched(factory)
        for rule in ("off", "on"):
            left = [one for one in seen.opened if rule == "off" or one.alert.id in seen.told]
            of = [[label for label in labels if belongs(one, label)] for one in left]
            found[rule, "false"] += sum(not some for some in of)
            found[rule, "faults"] += sum(any(label in some for some in of) for label in labels)
        found["all", "faults"] += len(labels)
        print(f"seed {seed}: {seen.totals}, told late after {seen.late} s, reports {seen.sizes}")
    days = len(seeds) * MACHINES * HOURS / 24
    for rule in ("off", "on"):
        false = found[rule, "false"]
        print(
            f"peers {rule:3} {found[rule, 'faults']} of {found['all', 'faults']} faults, {false} "
            f"false alerts ({false / days:.2f} a machine-day)"
        )


if __name__ == "__main__":
    main()
