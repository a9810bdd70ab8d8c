"""The detectors that the quality benchmark compares with are used as their authors document it."""

import numpy as np
import pytest
from river import anomaly

from benchmarks.quality.references import REFERENCES, Reference, flags_of, scores_of, state_bytes
from benchmarks.quality.table import print_table

BY_NAME = {one.name: one for one in REFERENCES}
every = pytest.mark.parametrize("reference", REFERENCES, ids=lambda one: one.name)


def series(size: int = 600) -> np.ndarray:
    values = np.random.default_rng(2).normal(size=size)
    values[400:410] += 8.0
    return values


@every
def test_the_scores_of_a_prefix_do_not_know_what_follows(reference: Reference) -> None:
    values = series()
    whole = scores_of(reference, values)
    assert whole.any()
    assert whole[:450].tolist() == scores_of(reference, values[:450]).tolist()


@every
def test_a_row_without_a_number_scores_0_and_teaches_nothing(reference: Reference) -> None:
    values = series()
    broken = np.insert(values, 300, np.nan)
    scores = scores_of(reference, broken)
    assert scores[300] == 0.0
    assert np.delete(scores, 300).tolist() == scores_of(reference, values).tolist()


@every
def test_several_metrics_are_scored_row_by_row(reference: Reference) -> None:
    values = np.stack([series(), np.random.default_rng(3).normal(size=600)])
    flags = flags_of(reference)(np.arange(600), values)
    assert flags.shape == (600,)
    assert flags[400:410].any()
    assert not flags.all()


def test_z_score_is_of_the_thousand_rows_before() -> None:
    values = np.random.default_rng(4).normal(size=1300)
    scores = scores_of(BY_NAME["Beam ZScore"], values)
    before = values[200:1200]
    expected = abs(values[1200] - before.mean()) / before.std(ddof=1)
    assert scores[1200] == pytest.approx(expected)


def test_half_space_trees_are_flagged_as_by_the_filter_of_river() -> None:
    scores = scores_of(BY_NAME["river HalfSpaceTrees"], series())
    told = BY_NAME["river HalfSpaceTrees"].alarms(scores)
    judge = anomaly.QuantileFilter(anomaly.GaussianScorer(), q=0.95)
    for score, flag in zip(scores.tolist(), told.tolist(), strict=True):
        assert judge.classify(score) == flag
        judge.quantile.update(score)


def test_a_state_is_measured_when_its_windows_are_full() -> None:
    assert state_bytes(BY_NAME["Beam IQR"]) > 8 * 1000


def test_the_table_has_a_line_for_all_that_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    points = {"standard": 1.25, "low_fp": 2.0, "low_fn": 3.0, "guard": 4.0, "guard_worst": 5.0}
    points |= {f"guard_low_{one}{end}": 6.0 for one in ("fp", "fn") for end in ("", "_worst")}
    print_table(
        {
            "nab": points,
            "merlion": {"standard": 62.0},
            "skab": {"f1": 0.7961, "far": 12.0},
            "us_per_row": 30.0,
            "us_per_row_batched": 7.0,
            "bytes_per_series": 13000.0,
            "floors": {"every row flagged": {"skab": {"f1": 0.6984, "far": 100.0}}},
            "references": {"Beam ZScore": {"us_per_row": 6.4, "nab": {"standard": 20.0}}},
        }
    )
    lines = {line[:36].strip(): line[36:].split() for line in capsys.readouterr().out.splitlines()}
    shipped = ["1.2", "2.0", "3.0", "4.0", "62.0", "0.796", "12.0", "30.0", "13,000"]
    assert lines["shipped configuration"] == shipped
    assert lines["every row flagged (no data)"] == ["0.698", "100.0"]
    assert lines["Beam ZScore"] == ["20.0", "6.4"]
    assert lines["Numenta HTM (published)"] == ["70.1"]
