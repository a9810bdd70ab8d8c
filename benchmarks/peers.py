"""What the option `peers` costs: one metric of many sources, and the one key at which they meet.

    python -m benchmarks.peers [--sources 100000] [--minutes 60] [--groups 32] [--storm]

Noise around a level, a sample each 30 s; one source in a hundred works for ten minutes an hour. All
reports of the key groups go to the fleet, as in the job. CPU time of this process, by part, and of
each report and each pass over a key group. With `--storm` all sources shift at once, in the last
ten minutes: the most that one key can be told.
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
        self.passes: list[float] = []
        self.of_reports: list[float] = []
        self.bytes, self.pieces = 0, 0
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
            self.passes.append(time.process_time() - begun)
            if self._peers and outcome.passed is not None:
                self._report(group, outcome)

    def _report(self, group: int, outcome: Outcome) -> None:
        begun = time.process_time()
        heard, passed = outcome.heard or Heard(), outcome.passed
        if passed is None:
            return
        data = heard.report(group, self._groups, passed).encode()
        judged = self._fleet.advance(self._cells, read_report(data))
        self.of_reports.append(time.process_time() - begun)
        self.totals = judged.totals or self.totals
        self.bytes += len(data)
        self.pieces += len(heard.extremes) + len(heard.openings) + len(heard.questions)


def _told(name: str, seconds: list[float]) -> str:
    """Sum, and milliseconds of one: median, p99, most."""
    if not seconds:
        return f"  {name}: none"
    middle, high, most = np.quantile(seconds, [0.5, 0.99, 1.0]) * 1e3
    return (
        f"  {name}: {sum(seconds):.2f} s CPU in {len(seconds):,}, each {middle:.2f} ms in the "
        f"median, p99 {high:.2f}, most {most:.2f}"
    )


def main() -> None:
    """Parse the command line, run without and with the option."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sources", type=int, default=100_000)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--groups", type=int, default=32)
    parser.add_argument("--storm", action="store_true", help="all sources shift at the end")
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
            if args.storm and number >= steps - 20:
                values += 40.0
            bench.step(number, values)
        samples = args.sources * steps
        print(
            f"peers {'on' if peers else 'off'}, {args.sources:,} sources, {samples:,} samples, "
            f"{1e6 * sum(bench.passes) / samples:.2f} us a sample in key groups"
        )
        print(_told("passes over key groups", bench.passes))
        if peers:
            print(_told("reports to the fleet", bench.of_reports))
            print(
                f"  {bench.bytes / 1e6:.1f} MB with {bench.pieces:,} pieces; {bench.totals.asked} "
                f"alerts asked about, {bench.totals.silenced} silenced"
            )


if __name__ == "__main__":
    main()
