"""Series from files in NAB layout, and the tables that a job would make of them."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detect import Detection

__all__ = ["Array", "read_folder", "score_series", "table_of", "write_scores"]

Array = NDArray[np.float64]

SLICE = 1000  # samples of a series in a table: the job's `max_samples`
SECOND = 1_000_000


def read_folder(root: Path) -> dict[str, tuple[list[str], Array]]:
    """Timestamps as they stand and values of all `timestamp,value` files, by relative path."""
    found = {}
    for path in sorted(root.rglob("*.csv")):
        with path.open(newline="") as file:
            reader = csv.reader(file)
            head = next(reader, [])
            if "timestamp" not in head or "value" not in head:
                continue
            at, of = head.index("timestamp"), head.index("value")
            rows = [(row[at], row[of]) for row in reader if row]
        values = np.array([_number(value) for _, value in rows])
        found[path.relative_to(root).as_posix()] = ([time for time, _ in rows], values)
    if not found:
        message = f"{root} holds no CSV file with the columns timestamp and value"
        raise SystemExit(message)
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")  # a dead letter in the job; here a row that scores 0


def table_of(keys: Sequence[Series], values: Array, begin: int) -> FeatureTable:
    """One closed window with the samples (series, n) of all keys, one a second from `begin`.

    Files of the corpora repeat and skip times; the order of their rows is what counts.
    """
    count, size = values.shape
    end = (begin + size) * SECOND
    return FeatureTable(
        series=tuple(keys),
        window_end=np.full(count, end, np.int64),
        code=np.arange(count, dtype=np.int32),
        features={"count": np.full(count, float(size))},
        offset=np.arange(count + 1, dtype=np.int64) * size,
        time=np.tile(np.arange(begin, begin + size) * SECOND, count),
        value=values.ravel(),
        closed_until=end,
    )


def tables(keys: Sequence[Series], values: Array) -> Iterator[FeatureTable]:
    """The series (series, n) as consecutive windows."""
    for begin in range(0, values.shape[1], SLICE):
        yield table_of(keys, values[:, begin : begin + SLICE], begin)


def score_series(detection: Detection, values: Array) -> Array:
    """A score for each value of one series, from scratch; 0 while warming up."""
    good = np.flatnonzero(np.isfinite(values))
    states = detection.initial()
    parts = [np.empty(0)]
    for table in tables([Series("file", "value")], values[good][None]):
        states, detected = detection.step(states, table)
        parts.append(detection.samples(detected))
    result = np.zeros(len(values))
    result[good] = np.nan_to_num(np.concatenate(parts))
    return result


def write_scores(root: Path, name: str, times: Sequence[str], values: Array, scores: Array) -> None:
    """One result file in NAB layout."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["timestamp", "value", "anomaly_score"])
        for row in zip(times, values.tolist(), scores.tolist(), strict=True):
            writer.writerow(row)
