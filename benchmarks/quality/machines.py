"""Alert-level quality on machines: the factory simulator's faults, and the failure modes of AI4I.

The factory goes through windows, detectors and alerts as in the job. The model is trained, as by
`padit train`, on a day of another factory (another seed) without faults. An alert is right if its
machine has a fault while it opens, or one window later; which metric it names is counted apart.

The rows of AI4I are products, one after the other, and independent of each other but for a slow
walk of the temperatures. So every second row is learnt (without the failures: somebody looked at
the products) and the others are judged, each by itself.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.quality.corpus import Array
from padit.adapters.factory import UNITS, Factory
from padit.adapters.factory_faults import FAULTS, Label, schedule_faults
from padit.analysis.training import Training, save
from padit.analysis.training.train import model_of
from padit.domain.alert import Transition
from padit.domain.config import AlertSettings, DetectorSetting, JobConfig, Levels, load_config
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.transforms.alerts import Alerts
from padit.transforms.detect import Detection
from padit.transforms.detectors import create_detector
from padit.transforms.windows import WindowOptions, close_windows

__all__ = ["HOURS", "MACHINES", "START", "WINDOWS", "belongs", "machines", "print_machines"]

SECOND = 1_000_000
START = 1_767_592_800 * SECOND
SEEDS = (1, 2, 3, 4)
LEARNT_SEED, LEARNT_HOURS = 100, 24
MACHINES, HOURS = 8, 8
WINDOWS = WindowOptions(120 * SECOND, 30 * SECOND, 1000)
RULES = Path(__file__).resolve().parents[2] / "pipelines/demo/factory.yaml"
MODES = ("HDF", "PWF", "OSF", "TWF", "RNF")


def machines(shared: Path) -> dict[str, Any]:
    """Figures by data set and detector, for `machines.*` in build/quality.json."""
    with TemporaryDirectory() as folder:
        found: dict[str, Any] = {"factory": _factory(folder)}
        table = shared / "data" / "ai4i" / "ai4i2020.csv"
        if table.is_file():
            found["ai4i"] = _ai4i(table, folder)
    return found


def print_machines(found: Mapping[str, Any]) -> None:
    """The tables."""
    print(
        f"\nMachines: {len(SEEDS)} factories of {MACHINES} machines, {HOURS} h each, "
        f"every fault once in each; found / faults, median delay; critical: false ones"
    )
    row = "{:14} {:>9} {:>7} {:>9} {:>10} {:>8} " + " {:>17}" * len(FAULTS)
    names = [fault.replace("_failure", "").replace("_", " ") for fault in FAULTS]
    print(row.format("", "precision", "recall", "named", "false/day", "critical", *names))
    for name, one in found["factory"].items():
        cells = [
            f"{mode['found']}/{mode['faults']}"
            + (f", {mode['delay_sec']:.0f} s" if mode["found"] else "")
            for mode in one["by_fault"].values()
        ]
        print(
            row.format(
                name,
                f"{one['precision']:.2f}",
                f"{one['recall']:.2f}",
                f"{one['named_right']:.2f}",
                f"{one['false_per_machine_day']:.2f}",
                f"{one['false_critical']}",
                *cells,
            )
        )
    if "ai4i" not in found:
        print("AI4I: skipped, ai4i2020.csv is not there")
        return
    print("\nAI4I 2020, rows by themselves: share of the failures of each mode that are found")
    row = "{:14} {:>9} {:>7} {:>11}" + " {:>6}" * len(MODES)
    print(row.format("", "precision", "recall", "false/1,000", *MODES))
    for name, one in found["ai4i"].items():
        cells = [f"{one['by_mode'][mode]:.2f}" for mode in MODES]
        figures = [f"{one['precision']:.2f}", f"{one['recall']:.2f}"]
        print(row.format(name, *figures, f"{one['false_per_1000']:.2f}", *cells))
    print("(RNF fails at random and TWF at a random wear above 200 min: no value tells them.)")


def _factory(folder: str) -> dict[str, Any]:
    learnt = Factory(MACHINES, LEARNT_SEED)
    rows = list(learnt.blocks(LEARNT_HOURS * 3600, START))
    trained = model_of(rows_of_blocks(rows), Training(input="a day of the factory"))
    path = save(trained.model, f"{folder}/factory.json")
    configs = {
        "rule": load_config(str(RULES)),
        "shipped": JobConfig(),
        "novelty": _config("novelty", {}),
        "multivariate": _config("multivariate", {}),
        "model": _config("model", {"path": str(path)}),
    }
    alerts: dict[str, list[tuple[int, Transition]]] = {name: [] for name in configs}
    labels: list[tuple[int, Label]] = []
    for seed in SEEDS:
        faults = schedule_faults(FAULTS, MACHINES, HOURS * 3600, seed)
        factory = Factory(MACHINES, seed, 1.0, faults)
        labels += [(seed, label) for label in factory.labels(START)]
        for name, transitions in watch(factory.blocks(HOURS * 3600, START), configs).items():
            alerts[name] += [(seed, one) for one in transitions]
    return {name: _measure(transitions, labels) for name, transitions in alerts.items()}


def rows_of_blocks(blocks: Sequence[Rows]) -> list[Rows]:
    """All blocks as one."""
    first = blocks[0]
    code, time, value = (
        np.concatenate([getattr(b, c) for b in blocks]) for c in ("code", "time", "value")
    )
    return [Rows(first.series, code, time, value)]


def watch(blocks: Iterator[Rows], configs: Mapping[str, JobConfig]) -> dict[str, list[Transition]]:
    """Transitions of the job's alerts over a stream of rows, for several configurations at once."""
    detections = {
        name: Detection(config.detectors, levels=Levels.of(config.alerts))
        for name, config in configs.items()
    }
    alerts = {
        name: Alerts.of(detections[name], config.alerts, WINDOWS)
        for name, config in configs.items()
    }
    states = {name: one.initial() for name, one in detections.items()}
    episodes = {name: one.initial() for name, one in alerts.items()}
    found: dict[str, list[Transition]] = {name: [] for name in configs}
    kept, closed = Rows.empty(), -(2**40)
    for block in blocks:
        closing = WINDOWS.slot_before(int(block.time[-1]))
        result = close_windows([kept, block], closed, closing, WINDOWS)
        kept, closed = result.kept, closing
        for name, detection in detections.items():
            states[name], detected = detection.step(states[name], result.table)
            episodes[name], transitions = alerts[name].step(episodes[name], detected)
            found[name] += transitions
    return found


def _config(name: str, parameters: dict[str, Any]) -> JobConfig:
    settings = AlertSettings(resolve_after_sec=120)  # as the rules have it
    return JobConfig(
        detectors=(DetectorSetting(name=name, parameters=parameters),), alerts=settings
    )


def _measure(
    transitions: Sequence[tuple[int, Transition]], labels: Sequence[tuple[int, Label]]
) -> dict[str, Any]:
    opened = [(seed, one) for seed, one in transitions if one.kind == "opened"]
    severe = {(seed, t.alert.id) for seed, t in transitions if t.alert.severity == "CRITICAL"}
    right = named = critical = 0
    delays: dict[tuple[int, str], float] = {}
    for seed, one in opened:
        label = next((lab for s, lab in labels if s == seed and belongs(one, lab)), None)
        if label is None:
            critical += (seed, one.alert.id) in severe
            continue
        right += 1
        named += one.alert.metric_name in label.metrics
        key = (seed, label.fault)
        delays[key] = min(delays.get(key, np.inf), (one.time - label.start) / SECOND)
    by_fault = {}
    for fault in FAULTS:
        some = [delay for (_, kind), delay in delays.items() if kind == fault]
        total = sum(label.fault == fault for _, label in labels)
        by_fault[fault] = {
            "faults": total,
            "found": len(some),
            "delay_sec": float(np.median(some)) if some else None,
        }
    days = len(SEEDS) * MACHINES * HOURS / 24
    return {
        "alerts": len(opened),
        "precision": right / len(opened) if opened else 0.0,
        "recall": len(delays) / len(labels),
        "delay_sec": float(np.median(list(delays.values()))) if delays else None,
        "named_right": named / right if right else 0.0,
        "alerts_per_machine_day": len(opened) / days,
        "false_per_machine_day": (len(opened) - right) / days,
        "false_critical": critical,
        "by_fault": by_fault,
    }


def belongs(one: Transition, label: Label) -> bool:
    """Whether an alert opened on the machine of a fault, while it went on or one window later."""
    end = label.end + WINDOWS.size
    return one.alert.source_id == label.source_id and label.start <= one.time <= end


def _ai4i(path: Path, folder: str) -> dict[str, Any]:
    values, failures = _read(path)
    learnt = np.arange(len(values)) % 2 == 0
    ill = np.any(list(failures.values()), axis=0)
    clean = values[learnt & ~ill]
    series = [Series("line", metric, unit) for metric, unit in UNITS.items()]
    rows = Rows(
        series,
        np.tile(np.arange(len(series), dtype=np.int32), len(clean)),
        np.repeat(START + np.arange(len(clean)) * 60 * SECOND, len(series)),
        clean.ravel(),
    )
    trained = model_of([rows], Training(input="AI4I", interval=3600 * SECOND))
    model = str(save(trained.model, f"{folder}/ai4i.json"))
    found = {}
    for name, parameters in (("multivariate", {}), ("model", {"path": model})):
        detector = create_detector(name, parameters)
        alone = name == "model"  # what learns as it goes needs rows that follow each other
        table = _table(values[~learnt], alone)
        _, scores = detector.step(detector.initial(), table)
        if scores.sample is None:
            message = f"detector {name} judges windows, not rows"
            raise SystemExit(message)
        shape = (-1, len(UNITS)) if alone else (len(UNITS), -1)
        score = np.fmax.reduce(scores.sample.reshape(shape), axis=1 if alone else 0)
        modes = {mode: failed[~learnt] for mode, failed in failures.items()}
        found[name] = _measure_rows(np.nan_to_num(score) >= 0.7, modes)
    return found


def _measure_rows(alarm: Any, modes: Mapping[str, Any]) -> dict[str, Any]:
    ill = np.any(list(modes.values()), axis=0)
    return {
        "precision": float((alarm & ill).sum() / max(alarm.sum(), 1)),
        "recall": float((alarm & ill).sum() / ill.sum()),
        "false_per_1000": float(1000 * (alarm & ~ill).sum() / (~ill).sum()),
        "by_mode": {
            mode: float((alarm & failed).sum() / failed.sum()) for mode, failed in modes.items()
        },
    }


def _read(path: Path) -> tuple[Array, dict[str, Any]]:
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file, delimiter="\t"))
    columns = ("Air temperature [K]", "Process temperature [K]", "Rotational speed [rpm]",
               "Torque [Nm]", "Tool wear [min]")  # fmt: skip
    values = np.array([[float(line[name]) for name in columns] for line in lines])
    return values, {mode: np.array([line[mode] == "1" for line in lines]) for mode in MODES}


def _table(values: Array, alone: bool) -> FeatureTable:
    """Rows one a minute of one source, or each of a source of its own."""
    metrics = sorted(UNITS)
    rows = len(values)
    names = [f"product-{i:05}" for i in range(rows)] if alone else ["line"]
    keys = tuple(Series(name, metric, UNITS[metric]) for name in names for metric in metrics)
    size = 1 if alone else rows
    ordered = values[:, [list(UNITS).index(metric) for metric in metrics]]
    end = START + size * 60 * SECOND
    return FeatureTable(
        keys,
        np.full(len(keys), end, np.int64),
        np.arange(len(keys), dtype=np.int32),
        {"count": np.full(len(keys), float(size))},
        np.arange(len(keys) + 1, dtype=np.int64) * size,
        np.tile(START + np.arange(size) * 60 * SECOND, len(keys)),
        ordered.ravel() if alone else ordered.T.ravel(),
        end,
    )
