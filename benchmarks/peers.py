"""What the option `peers` costs: one metric of many sources, and the one key at which they meet.

    python -m benchmarks.peers [--sources 100000] [--minutes 60] [--groups 32]

Noise around a level, a sample each 30 s; one source in a hundred works for ten minutes an hour. All
reports of the key groups go to the fleet, as in the job. CPU time of this process, by part.
"""

import argparse
import time

import numpy as np

from padit.domain.batch import Batch
from padit.domain.config import JobConfig, Levels
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.watermark import Position
from padit.pipelines.kernels import prepare
from padit.transforms.alerts import Alerts
from padit.transforms.detect import Detection
from padit.transforms.fleet import FleetMachine
from padit.transforms.fleet_state import MemoryFleetStore, Totals
from padit.transforms.group import GroupMachine, Outcome
from padit.transforms.keying import split_batch
from padit.transforms.peer_report import read_report
from padit.transforms.peers import ALL, Heard, Peers
from padit.transforms.resident import Resident
from padit.transforms.store import MemoryStore
from padit.transforms.windows import WindowOptions

SECOND = 1_000_000
STEP = 30 * SECOND
START = 1_767_571_200 * SECOND
WINDOWS = WindowOptions(120 * SECOND, 30 * SECOND, 1000)


class Bench:
    """The machines of a job, and what they cost.

    Args:
        sources: how many.
        groups: key groups.
        peers: whether the option is set.
    """

    def __init__(self, sources: int, groups: int, *, peers: bool) -> None:
        config = JobConfig()
        detection = Detection(config.detectors, levels=Levels.of(config.alerts))
        alerts = Alerts.of(detection, config.alerts, WINDOWS)
        asks = Peers.of(ALL, detection, WINDOWS) if peers else None
        resident = Resident(1 << 34)
        self._machine = GroupMachine(WINDOWS, detection, alerts, resident=resident, peers=asks)
        self._stores = [MemoryStore() for _ in range(groups)]
        self._fleet, self._cells = FleetMachine(WINDOWS.size), MemoryFleetStore()
        self._series = [Series(f"host-{one:06}", "load", "1") for one in range(sources)]
        self._groups, self._peers = groups, peers
        self.cpu, self.fleet, self.bytes, self.reports, self.pieces = 0.0, 0.0, 0, 0, 0
        self.totals = Totals()

    def step(self, number: int, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
        """One sample of each source."""
        code = np.arange(len(values), dtype=np.int32)
        moment = START + number * STEP
        rows = Rows(self._series, code, np.full(len(values), moment), values)
        position = Position(0, 0, number, number + 1, moment, number + 1)
        for group, keyed in split_batch(Batch(1, (position,), rows), self._groups):
            begun = time.process_time()
            outcome = self._machine.advance(self._stores[group], keyed, group=group)
            self.cpu += time.process_time() - begun
            if self._peers and outcome.passed is not None:
                self._report(group, outcome)

    def _report(self, group: int, outcome: Outcome) -> None:
        begun = time.process_time()
        heard, passed = outcome.heard or Heard(), outcome.passed
        if passed is None:
            return
        data = heard.report(group, self._groups, passed).encode()
        judged = self._fleet.advance(self._cells, read_report(data))
        self.fleet += time.process_time() - begun
        self.totals = judged.totals or self.totals
        self.bytes += len(data)
        self.reports += 1
        self.pieces += len(heard.extremes) + len(heard.openings) + len(heard.questions)


def main() -> None:
    """Parse the command line, run without and with the option."""
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description=__doc__)
    parser.add_argument("--sources", type=int, default=100_000)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--groups", type=int, default=32)
    args = parser.parse_args()
    prepare()
    steps = args.minutes * 2
    for peers in (False, True):
        bench, chance = Bench(args.sources, args.groups, peers=peers), np.random.default_rng(3)
        begins = chance.integers(0, 120, args.sources)
        works = chance.random(args.sources) < 0.01
        for number in range(steps):
            values = chance.normal(50.0, 1.0, args.sources)
            values[works & ((number - begins) % 120 < 20)] += 10.0
            bench.step(number, values)
        samples = args.sources * steps
        print(
            f"peers {'on ' if peers else 'off'} {args.sources:,} sources, {samples:,} samples: key "
            f"groups {bench.cpu:.1f} s CPU ({1e6 * bench.cpu / samples:.2f} us a sample), fleet "
            f"{bench.fleet:.2f} s in {bench.reports:,} reports of {bench.bytes / 1e6:.1f} MB with "
            f"{bench.pieces:,} pieces; {bench.totals}"
        )


if __name__ == "__main__":
    main()
