"""Tables for detectors, cut as a test wants them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detectors import Detector

Array = NDArray[np.float64]
SECOND = 1_000_000
MODEL = str(Path(__file__).with_name("model_xy.json"))
"""A model of the metrics x and y, trained on the first 100 s of the laws' factory."""


def table_of(
    values: Mapping[Series, Array], start: Mapping[Series, int] | None = None, step: int = 1
) -> FeatureTable:
    """One window with a sample each `step` seconds of each series, from number `start` on."""
    keys = tuple(sorted(key for key in values if len(values[key])))
    counts = [len(values[key]) for key in keys]
    first = [(start or {}).get(key, 0) for key in keys]
    end = max((b + n for b, n in zip(first, counts, strict=True)), default=0) * step * SECOND
    times = [np.arange(b, b + n) * step * SECOND for b, n in zip(first, counts, strict=True)]
    return FeatureTable(
        keys,
        np.full(len(keys), end, np.int64),
        np.arange(len(keys), dtype=np.int32),
        {"count": np.array(counts, np.float64)},
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.concatenate([np.empty(0, np.int64), *times]),
        np.concatenate([np.empty(0), *(values[key] for key in keys)]),
        end,
    )


def cut(values: Mapping[Series, Array], at: Sequence[int], step: int = 1) -> Iterator[FeatureTable]:
    """The same samples in several tables."""
    edges = [0, *at, max(len(v) for v in values.values())]
    for a, b in pairwise(edges):
        yield table_of({key: v[a:b] for key, v in values.items()}, dict.fromkeys(values, a), step)


def samples(
    detector: Detector[Any], tables: Sequence[FeatureTable], reload: bool = False
) -> dict[Series, Array]:
    """Scores of all samples by series; with `reload`, state goes through bytes in between."""
    state = detector.initial()
    found: dict[Series, list[Array]] = {}
    for table in tables:
        if reload:
            state = detector.load(detector.dump(state))
        state, scores = detector.step(state, table)
        sample = scores.sample
        assert sample is not None
        for row, code in enumerate(table.code):
            part = sample[table.offset[row] : table.offset[row + 1]]
            found.setdefault(table.series[code], []).append(part)
    return {key: np.concatenate(parts) for key, parts in found.items()}
