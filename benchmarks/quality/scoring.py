"""NAB, Merlion and SKAB: scores, floors and the guard against tuning to a benchmark."""

import importlib.util
import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.corpus import Array, read_folder
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detectors import Detector

__all__ = ["Flags", "Univariate", "alarm_every", "flag_all", "flagging", "skab", "tool"]

Scores = Mapping[str, Array]
Flags = Callable[[NDArray[np.int64], Array], NDArray[np.bool_]]


def tool(shared: Path, name: str) -> ModuleType:
    """A scorer that lies beside the data."""
    spec = importlib.util.spec_from_file_location(name, shared / "tools" / f"{name}.py")
    if spec is None or spec.loader is None:
        message = f"{shared}/tools/{name}.py is not there; it comes with the benchmark data"
        raise SystemExit(message)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Univariate:
    """A labelled corpus in NAB layout."""

    def __init__(self, shared: Path, data: Path, windows: Path, live: Path | None = None) -> None:
        self._nab = tool(shared, "nab_score")
        labels = self._nab.load_windows(windows)
        self.series = {n: value for n, value in read_folder(data).items() if n in labels}
        live_from = json.loads(live.read_text()) if live else {}
        self._files = {
            name: self._nab.File(
                name, [self._nab._ts(t) for t in times], labels[name], live_from.get(name)
            )
            for name, (times, _) in self.series.items()
        }
        self._is_nab = live is None
        self._corpus = self._subset(self.series)

    def run(self, scorer: Callable[[Array], Array]) -> Scores:
        """Scores of every file, each from scratch."""
        return {name: scorer(values) for name, (_, values) in self.series.items()}

    def score(self, scores: Scores) -> dict[str, float]:
        """Points by profile."""
        profiles = {"standard": "standard", "low_fp": "reward_low_FP_rate"}
        profiles["low_fn"] = "reward_low_FN_rate"
        return {
            short: float(self._corpus.score(scores, name)["score"])
            for short, name in profiles.items()
        }

    def guard(self, scores: Scores, profile: str = "standard") -> tuple[float, float]:
        """Points where each half of the categories gets the threshold of the other half.

        The mean over all ways to split the categories in halves, and the worst of them.
        """
        categories = sorted({name.split("/")[0] for name in self.series})
        points = []
        for chosen in itertools.combinations(categories, len(categories) // 2):
            one = self._subset([n for n in self.series if n.split("/")[0] in chosen])
            two = self._subset([n for n in self.series if n.split("/")[0] not in chosen])
            raw = null = windows = 0.0
            for here, there in ((one, two), (two, one)):
                threshold = there.score(scores, profile)["threshold"]
                got = self._at(here, scores, threshold, profile)
                raw, null = raw + got[0], null + got[1]
                windows += here.n_all_windows
            points.append(100 * (raw - null) / (windows - null))
        return float(np.mean(points)), float(np.min(points))

    def alarms(self, scores: Scores) -> tuple[Array, Any]:
        """Score of every scored row, and whether it lies in a labelled window."""
        return self._corpus._flat(scores), self._corpus.w >= 0

    def windows(self, name: str) -> NDArray[np.int64]:
        """The labelled window of each row of a file; -1: none."""
        return np.asarray(self._files[name].win, np.int64)

    def points_at(self, scores: Scores, threshold: float, profile: str = "standard") -> float:
        """Points where an alarm is a score of at least so much."""
        raw, null = self._at(self._corpus, scores, threshold, profile)
        return float(100 * (raw - null) / (self._corpus.n_all_windows - null))

    def _at(
        self, corpus: Any, scores: Scores, threshold: float, profile: str
    ) -> tuple[float, float]:
        weights = self._nab.PROFILES[profile]
        swept, raw, null = corpus._sweep(
            corpus._flat(scores), weights["fp"], weights["fn"], weights["tp"]
        )
        return float(raw[np.flatnonzero(swept >= threshold)[-1]]), float(null)

    def _subset(self, names: Any) -> Any:
        corpus = self._nab.Corpus({name: self._files[name] for name in names})
        corpus.nab = self._is_nab
        return corpus


def alarm_every(rows: int) -> Callable[[Array], Array]:
    """A detector that never looks at the data: the floor."""
    return lambda values: (np.arange(len(values)) % rows == 0).astype(float)


def flagging(detector: Detector[Any], alarm: float) -> Flags:
    """Flags the rows that one of our detectors scores `alarm` or more."""

    def flag(time: NDArray[np.int64], values: Array) -> NDArray[np.bool_]:
        metrics = range(len(values))
        table = FeatureTable(
            series=tuple(Series("bed", f"metric-{i}") for i in metrics),
            window_end=np.full(len(values), time[-1] + 1),
            code=np.arange(len(values), dtype=np.int32),
            features={},
            offset=np.arange(len(values) + 1) * len(time),
            time=np.tile(time, len(values)),
            value=values.ravel(),
            closed_until=int(time[-1]) + 1,
        )
        _, scores = detector.step(detector.initial(), table)
        if scores.sample is None:
            message = f"detector {detector.name} judges windows, not samples"
            raise SystemExit(message)
        highest = np.fmax.reduce(scores.sample.reshape(values.shape), axis=0)
        return np.asarray(np.nan_to_num(highest) >= alarm)

    return flag


def flag_all(time: NDArray[np.int64], values: Array) -> NDArray[np.bool_]:
    """Every row, without a look at it: the floor of SKAB's F1."""
    return np.ones(len(time), bool)


def skab(shared: Path, flag: Flags) -> dict[str, float]:
    """F1 and rates in % of false and missed alarms; the first 400 rows of the 34 files are learnt.

    Args:
        shared: holds data and scorers.
        flag: from the times (n,) in microseconds and values (metrics, n) of a file to bool (n,).
    """
    scorer = tool(shared, "skab_score")
    data = scorer.load_data(shared / "data" / "skab" / "data")
    outlier = {}
    for name, (times, columns) in data.items():
        metrics = sorted(set(columns) - {"anomaly", "changepoint"})
        values = np.array([columns[metric] for metric in metrics])
        time = np.array([int(t.timestamp() * 1e6) for t in times])
        outlier[name] = flag(time, values)[scorer.TRAIN_ROWS :]
    result = scorer.score(data, outlier)
    return {"f1": result["F1"], "far": result["FAR"], "mar": result["MAR"]}
