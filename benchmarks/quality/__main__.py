"""Run the quality benchmark, or score any folder of series.

    python -m benchmarks.quality                        all corpora; writes build/quality.json
    python -m benchmarks.quality --references           the detectors of Beam and river as well
    python -m benchmarks.quality --data DIR --out DIR   results in NAB layout, nothing else

Each file is one series, from scratch, with the shipped default configuration, through `step` as
in the job. NAB, Merlion, SKAB and AI4I are read from ../shared/data, the scorers from
../shared/tools; chaotic series and the factory are made (`chaotic`, `machines`).
"""

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.chaotic import measure_chaotic, print_chaotic
from benchmarks.quality.corpus import read_folder, score_series, table_of, tables, write_scores
from benchmarks.quality.machines import machines, print_machines
from benchmarks.quality.operating import measure_operating, print_operating
from benchmarks.quality.reliability import LEVELS, between_false_alarms, draw, share_right
from benchmarks.quality.scoring import Univariate, flagging, skab
from benchmarks.quality.table import measure_floors, print_table
from padit.domain.config import JobConfig
from padit.domain.metric import Series
from padit.transforms.detect import Detection
from padit.transforms.detectors import create_detector

ROOT = Path(__file__).resolve().parents[2]
MULTIVARIATE = "multivariate"
ALARM = 0.7


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder of timestamp,value CSV files")
    parser.add_argument("--out", type=Path, help="folder for the results")
    parser.add_argument(
        "--references", action="store_true", help="score the detectors of Beam and river, too"
    )
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    options = parser.parse_args()
    if options.data:
        if not options.out:
            parser.error("--data needs --out, the folder for the results")
        score_folder(options.data, options.out)
    elif (options.shared / "data").is_dir():
        benchmark(options.shared, options.references)
    else:
        print(f"skipped: no corpora in {options.shared}/data")


def score_folder(data: Path, out: Path) -> None:
    """Scores of every series of a folder, in NAB layout."""
    detection = Detection(JobConfig().detectors)
    rows = 0
    for name, (times, values) in read_folder(data).items():
        write_scores(out, name, times, values, score_series(detection, values))
        rows += len(values)
    names = ", ".join(f"{one.name} {one.version}" for one in detection.detectors)
    print(f"{rows} rows scored with {names}, results in {out}")


def benchmark(shared: Path, compare: bool) -> None:
    """Score the three corpora, print the table, write build/quality.json.

    Args:
        shared: holds the data and the scorers.
        compare: score the detectors of Beam and river, too.
    """
    data = shared / "data"
    nab = Univariate(shared, data / "nab/data", data / "nab/labels/combined_windows.json")
    merlion = Univariate(
        shared,
        data / "merlion/data",
        data / "merlion/windows.json",
        data / "merlion/live_from.json",
    )
    detection = Detection(JobConfig().detectors)

    def ours(values: Any) -> Any:
        return score_series(detection, values)

    begin = time.process_time()
    scores = nab.run(ours)
    spent = time.process_time() - begin
    shocks = merlion.run(ours)
    reliability = {"NAB": share_right(nab, scores), "Merlion": share_right(merlion, shocks)}
    draw(ROOT / "docs" / "images" / "reliability.svg", reliability)
    quality: dict[str, Any] = {
        "nab": nab.score(scores) | _guards(nab, scores),
        "operating": measure_operating(nab),
        "chaotic": measure_chaotic(shared),
        "merlion": merlion.score(shocks),
        "reliability": reliability,
        "between_false_alarms": between_false_alarms(ours),
        "skab": skab(shared, flagging(create_detector(MULTIVARIATE, {}), ALARM)),
        "us_per_row": 1e6 * spent / sum(len(values) for values in scores.values()),
        "us_per_row_batched": _batched(),
        "bytes_per_series": _bytes(),
        "floors": measure_floors(shared, nab, merlion),
        "references": _references(shared, nab, merlion) if compare else {},
        "machines": machines(shared),
    }
    print_table(quality)
    print_operating("NAB", quality["operating"], "real series")
    print_chaotic(quality["chaotic"])
    _print_calibration(quality)
    print_machines(quality["machines"])
    target = ROOT / "build" / "quality.json"
    target.parent.mkdir(exist_ok=True)
    # A share of no alarms is not a number, and JSON has none for it.
    plain = json.loads(json.dumps(quality), parse_constant=lambda _: None)
    target.write_text(json.dumps(plain, indent=1, allow_nan=False) + "\n")


def _guards(nab: Univariate, scores: Any) -> dict[str, float]:
    """Points with the threshold of the other half, and those of the worst split."""
    found = {}
    for name, profile in (
        ("guard", "standard"),
        ("guard_low_fp", "reward_low_FP_rate"),
        ("guard_low_fn", "reward_low_FN_rate"),
    ):
        found[name], found[f"{name}_worst"] = nab.guard(scores, profile)
    return found


def _batched() -> float:
    """Microseconds a sample with 1,000 series at once, six samples a window."""
    detection = Detection(JobConfig().detectors)
    keys = [Series(f"source-{i:03}", "value") for i in range(1000)]
    values = np.random.default_rng(1).normal(size=(1000, 600)).cumsum(axis=1)
    states, spent, rows = detection.initial(), 0.0, 0
    for begin in range(0, values.shape[1], 6):
        table = table_of(keys, values[:, begin : begin + 6], begin)
        start = time.process_time()
        states, _ = detection.step(states, table)
        if begin >= 300:  # memories are filling by then
            spent, rows = spent + time.process_time() - start, rows + table.value.size
    return 1e6 * spent / rows


def _bytes() -> float:
    """Bytes of saved state a series, all memories full."""
    detection = Detection(JobConfig().detectors)
    values = np.random.default_rng(1).normal(size=(10, 20_000))
    states = detection.initial()
    for table in tables([Series(f"source-{i}", "value") for i in range(10)], values):
        states, _ = detection.step(states, table)
    return sum(len(data) for _, _, data in detection.dump(states)) / 10


def _references(shared: Path, nab: Univariate, merlion: Univariate) -> dict[str, Any]:
    """Figures by detector."""
    from benchmarks.quality.references import REFERENCES, measure  # river: the extra `dev` only

    return {one.name: measure(one, nab, merlion, partial(skab, shared)) for one in REFERENCES}


def _print_calibration(quality: dict[str, Any]) -> None:
    row = "{:34} {:>8} {:>8} {:>8}"
    print("\n" + row.format("samples for a false alarm at", *LEVELS))
    for name, found in quality["between_false_alarms"].items():
        print(row.format(name, *(f"{value:.0f}" for value in found.values())))
    for name, bins in quality["reliability"].items():
        print(f"{name}: share of alarms in a labelled window, by score")
        for one in bins:
            print(f"  {one['from']} to {one['to']}: {one['right']:.2f} of {one['alarms']}")


if __name__ == "__main__":
    main()
