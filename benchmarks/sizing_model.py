r"""Cores, memory, state and network that a load takes: a model fitted to measured runs.

    python -m benchmarks.sizing_model                        # the tables of docs/sizing.md
    python -m benchmarks.sizing_model --series 1000000 --records 1000000

Each cost is a sum of causes with coefficients that are not negative (`scipy.optimize.nnls`, each
run weighed by its own cost, so that a small run counts as much as a large one):

    CPU s of the workers   = RECORD_S * records + start * parallelism + window * windows
    CPU s of the JVMs      = start + parallel * parallelism
    MB of a worker         = base + series * series of the worker
    loopback, bytes        = state written + start * parallelism + record * records

State is not taken from replays, which are over before a checkpoint holds full windows, but from
where windows were full (`STATE`): bytes = series * series + sample * samples in the windows. What
state a run has written is computed, not fitted: `state_size.written_by_replay` of a replay, by the
code that ran then (since states are packed a replay writes a tenth to a half of it), `CLOSE` and
`KEPT` of a live job, whose windows are full.

A core is one of the machine the runs were on; its speed and what else ran are said in the docs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

__all__ = [
    "MEASURED",
    "QUANTITIES",
    "Load",
    "Model",
    "Need",
    "fit",
    "left_out",
    "main",
    "measured",
    "need",
    "within",
]

MEASURED = Path(__file__).with_name("sizing.json")
STATE = (
    # Series, samples of each in its window and the open slot, bytes: all of it, and the part that
    # does not depend on samples; `python -m benchmarks.state_size`, series of four weeks as they
    # are saved, the same on every machine.
    (100, 360.0, 2_323_200.0),
    (100, 0.0, 2_023_000.0),
)
RECORD_S = 3.53e-6
"""CPU seconds of a worker for a record: a million records on a quiet machine, docs/benchmarks.md
(`python -m benchmarks.throughput --only drain,shipped_flink`). The runs here are too short to tell
a record from a start."""
CLOSE = 7_080.0
"""Bytes that a series with full windows writes at an extraction: about a quarter of its state, as
changes, and from time to time all of it; the mean of half an hour (`benchmarks.state_size`)."""
KEPT = 20.3
"""Bytes that a sample takes in the state until its window is over; from the same command."""
SERIES_OF_A_WORKER = 10_000
"""The most that a worker was seen to hold in its state cache of 256 MB; CPU and memory of runs
beyond it are shown, and not fitted."""
_HEADROOM = 0.6
"""Share of a core that is planned to be used; the rest is for bursts and for catching up."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Quantity:
    """One cost.

    Attributes:
        name: of the cost.
        causes: names of the coefficients.
        of: the causes' amounts of a run.
        cost: of a run; None if the run does not have it.
        known: part of the cost that is not fitted.
        fits: whether a run says something about it.
    """

    name: str
    causes: tuple[str, ...]
    of: Callable[[Row], list[float]]
    cost: Callable[[Row], float | None]
    known: Callable[[Row], float] = lambda row: 0.0
    fits: Callable[[Row], bool] = lambda row: within(row)


def _parallel(row: Row) -> float:
    return float(row["point"]["parallelism"])


def _jvms(row: Row) -> float:
    return float(row["cpu_s"]["taskmanager"] + row["cpu_s"]["jobmanager"])


def within(row: Row) -> bool:
    """Whether a run is of the set that CPU and memory are fitted to.

    Its state was on the heap, and its workers held all of it in their caches.
    """
    few = row["point"]["series"] / _parallel(row) <= SERIES_OF_A_WORKER
    return bool(few and row["backend"] == "hashmap" and not _later(row))


def _later(row: Row) -> bool:
    """Whether a run is of later code than the whole set; only its loopback is fitted."""
    return "state_written" in row


def _cached(row: Row) -> bool:
    """Whether a worker's state came once; that of 100,000 series did not fit its cache."""
    return bool(row["point"]["series"] / _parallel(row) <= 5 * SERIES_OF_A_WORKER)


QUANTITIES = (
    Quantity(
        "workers, CPU s", ("start", "window"),
        lambda row: [_parallel(row), row["windows"]],
        lambda row: float(row["cpu_s"]["workers"]),
        lambda row: RECORD_S * row["read"],
    ),
    Quantity("JVMs, CPU s", ("start", "parallel"), lambda row: [1.0, _parallel(row)], _jvms),
    Quantity(
        "worker, MB", ("base", "series"),
        lambda row: [1.0, row["point"]["series"] / _parallel(row)],
        lambda row: float(row["memory_mb"]["workers"]),
    ),
    Quantity(
        "loopback, bytes", ("start", "record"),
        lambda row: [_parallel(row), row["read"]],
        lambda row: float(row["loopback_bytes"]) if _later(row) else None,
        lambda row: float(row.get("state_written", 0)),
        lambda row: _later(row) and _cached(row),  # whatever keeps the state
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Model:
    """Coefficients, by cost and cause."""

    coefficients: dict[str, dict[str, float]]

    def predict(self, quantity: Quantity, row: Row) -> float:
        """What a run would cost."""
        known = self.coefficients[quantity.name]
        amounts = quantity.of(row)
        pairs = zip(quantity.causes, amounts, strict=True)
        return quantity.known(row) + sum(known[one] * n for one, n in pairs)


def measured(place: Path = MEASURED) -> list[Row]:
    """All runs."""
    rows: list[Row] = json.loads(place.read_text())
    return rows


def fit(rows: Sequence[Row]) -> Model:
    """The coefficients that fit best, relative to each run's own cost."""
    found = {}
    for quantity in QUANTITIES:
        costs = [(row, quantity.cost(row)) for row in rows if quantity.fits(row)]
        known = [(row, cost) for row, cost in costs if cost]
        amounts = np.array([quantity.of(row) for row, _ in known], dtype=float)
        weight = 1.0 / np.array([cost for _, cost in known])
        # Columns of like size, so that the solver's tolerance means the same for each.
        scale = np.maximum(np.abs(amounts).max(axis=0), 1e-12)
        left = np.array([max(0.0, cost - quantity.known(row)) for row, cost in known])
        solved, _ = nnls(amounts / scale * weight[:, None], left * weight)
        solved = solved / scale
        pairs = zip(quantity.causes, solved.tolist(), strict=True)
        found[quantity.name] = dict(pairs)
    amounts = np.array([[series, series * samples] for series, samples, _ in STATE])
    solved, _ = nnls(amounts, np.array([size for _, _, size in STATE]))
    found["state, bytes"] = dict(zip(("series", "sample"), solved.tolist(), strict=True))
    return Model(found)


def left_out(rows: Sequence[Row]) -> dict[str, float]:
    """By cost, the worst relative error at a run that the coefficients were fitted without.

    These are the error bars of the model: how far off it may be at a load that was not measured.
    """
    worst = {quantity.name: 0.0 for quantity in QUANTITIES}
    for row in rows:
        model = fit([one for one in rows if one is not row])
        for quantity in QUANTITIES:
            cost = quantity.cost(row) if quantity.fits(row) else None
            if cost:
                error = abs(model.predict(quantity, row) / cost - 1.0)
                worst[quantity.name] = max(worst[quantity.name], error)
    return worst


@dataclass(frozen=True)
class Load:
    """What has to be watched.

    Attributes:
        series: that live at a time.
        records: a second, one sample each.
        interval: `--extract_interval_sec`.
        window: `--window_size_sec`.
    """

    series: float
    records: float
    interval: float = 60.0
    window: float = 300.0


@dataclass(frozen=True)
class Need:
    """What that takes, without the broker and the sinks.

    Attributes:
        worker_cores: with headroom. What a JVM needs follows from jobs, not from records.
        workers: Python workers, which is the parallelism: each uses one core.
        worker_mb: of each.
        state_gb: in a checkpoint.
        checkpoint_mb_s: written, at a checkpoint every 60 s that holds all of the state.
        loopback_mb_s: between a worker and the TaskManager beside it: most of it is state.
        network_mb_s: between hosts: the topic, and rows on their way to the worker of their group.
    """

    worker_cores: float
    workers: int
    worker_mb: float
    state_gb: float
    checkpoint_mb_s: float
    loopback_mb_s: float
    network_mb_s: float


def need(model: Model, load: Load) -> Need:
    """What a load takes in steady state; what a start costs is left out."""
    known = model.coefficients
    windows = load.series / load.interval
    cpu, record = known["workers, CPU s"], known["loopback, bytes"]["record"]
    cores = (RECORD_S * load.records + cpu["window"] * windows) / _HEADROOM
    workers = max(1, int(np.ceil(cores)), int(np.ceil(load.series / SERIES_OF_A_WORKER)))
    memory, state = known["worker, MB"], known["state, bytes"]
    samples = load.records * (load.window + load.interval)
    held = state["series"] * load.series + state["sample"] * samples
    return Need(
        worker_cores=cores,
        workers=workers,
        worker_mb=memory["base"] + memory["series"] * load.series / workers,
        state_gb=held / 1e9,
        checkpoint_mb_s=held / 1e6 / 60,
        loopback_mb_s=((record + KEPT) * load.records + CLOSE * windows) / 1e6,
        network_mb_s=record * load.records / 1e6,
    )


def _points(model: Model, rows: Sequence[Row]) -> list[str]:
    lines = ["| run | " + " | ".join(one.name for one in QUANTITIES) + " |"]
    lines.append("|---" * (len(QUANTITIES) + 1) + "|")
    for row in rows:
        point, cells = row["point"], []
        for quantity in QUANTITIES:
            cost = quantity.cost(row)
            scale, digits = (1e-6, 0) if "bytes" in quantity.name else (1.0, 1)
            cells.append(
                f"{cost * scale:,.{digits}f} ({model.predict(quantity, row) * scale:,.{digits}f})"
                if cost
                else "-"
            )
        kept = ("" if row["backend"] == "hashmap" else ", RocksDB") + (", later" * _later(row))
        name = f"{point['series']:,} series, {point['seconds']} s, interval {point['interval']} s"
        lines.append(
            f"| {name}, parallelism {point['parallelism']}{kept} | " + " | ".join(cells) + " |"
        )
    return [line.replace("bytes", "MB") for line in lines]


def _coefficients(model: Model, rows: Sequence[Row]) -> list[str]:
    worst = left_out(rows)
    lines = ["| cost | coefficients | worst error at a run left out |", "|---|---|---|"]
    for name, found in model.coefficients.items():
        error = f"{worst[name]:.0%}" if name in worst else ""
        lines.append(
            f"| {name} | " + ", ".join(f"{k} {v:.4g}" for k, v in found.items()) + f" | {error} |"
        )
    return lines


def _needs(model: Model, loads: Sequence[Load]) -> list[str]:
    names = ("series", "records/s", "worker cores", "workers", "MB each", "state GB")
    heads = [*names, "checkpoint MB/s", "loopback MB/s", "network MB/s"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for load in loads:
        one = need(model, load)
        lines.append(
            f"| {load.series:,.0f} | {load.records:,.0f} | {one.worker_cores:,.1f} |"
            f" {one.workers} | {one.worker_mb:,.0f} | {one.state_gb:,.1f} |"
            f" {one.checkpoint_mb_s:,.1f} | {one.loopback_mb_s:,.1f} | {one.network_mb_s:,.1f} |"
        )
    return lines


def tables(rows: Sequence[Row]) -> str:
    """The tables of docs/sizing.md."""
    model = fit(rows)
    loads = [Load(1e3, 1e3), Load(1e4, 1e4), Load(1e5, 1e5), Load(1e6, 1e5), Load(1e6, 1e6)]
    parts = [_points(model, rows), _coefficients(model, rows), _needs(model, loads)]
    return "\n\n".join("\n".join(one) for one in parts)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables, or what one load needs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--from", dest="place", type=Path, default=MEASURED)
    parser.add_argument("--series", type=float)
    parser.add_argument("--records", type=float, help="a second")
    parser.add_argument("--interval", type=float, default=60.0, help="--extract_interval_sec")
    args = parser.parse_args(argv)
    rows = measured(place=args.place)
    if args.series and args.records:
        load = Load(args.series, args.records, args.interval)
        print("\n".join(_needs(fit(rows), [load])))
    else:
        print(tables(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
