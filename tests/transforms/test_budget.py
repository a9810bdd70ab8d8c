"""Lines of a series from its own past: a rate that is kept, and what does not move them."""

import itertools
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from padit.analysis.budget import Spending, budget_line
from padit.domain.config import AlertSettings, Budget
from padit.domain.errors import StateError
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms import budget as module
from padit.transforms.budget import BudgetLines, Lines, doublings
from tests.codecs.samples import steady
from tests.transforms.scripted import Row, Window, follow

HOUR = 3_600_000_000
DAY = 24 * HOUR
BEGIN = 1_767_225_600_000_000
Values = NDArray[np.float64]


def _budget(text: str = "5 per 1000 series a day", open_at: float = 0.7) -> BudgetLines:
    return BudgetLines(Budget.parse(text), Budget.parse("1 per 1000 series a day"), open_at)


def _run(
    lines: BudgetLines, scores: Values, step: int = HOUR, cuts: Sequence[int] = ()
) -> tuple[Any, Lines]:
    """State and lines over scores (windows, series), one window each `step` microseconds."""
    names = tuple(Series("s", f"{i:04}") for i in range(scores.shape[1]))
    state = lines.initial()
    found: list[Lines] = []
    bounds = sorted({0, len(scores), *cuts})
    for first, last in itertools.pairwise(bounds):
        if found:
            state = lines.load(lines.dump(state))
        end = np.repeat(BEGIN + step * np.arange(first + 1, last + 1), len(names))
        code = np.tile(np.arange(len(names), dtype=np.int32), last - first)
        n = len(end)
        table = FeatureTable(
            names, end, code, {"count": np.ones(n)}, np.arange(n + 1), end - 1, np.zeros(n),
            int(end[-1]),
        )  # fmt: skip
        detected: Any = SimpleNamespace(table=table, calibrated=scores[first:last].ravel())
        state, one = lines.step(state, detected)
        found.append(one)
    shape = (-1, len(names))
    return state, Lines(
        np.concatenate([one.open_at for one in found]).reshape(shape),
        np.concatenate([one.critical_at for one in found]).reshape(shape),
        sum(one.hours for one in found),
        sum(one.more for one in found),
    )


def _hourly(key: Series, rows: Sequence[Row]) -> list[Window]:
    return [(HOUR * number, key, row) for number, row in enumerate(rows, 1)]


def _score(measure: Values) -> Values:
    """Scores of measures in units of the warning."""
    return np.asarray(measure / (measure + 3 / 7))


@pytest.mark.parametrize(("middle", "spread"), [(0.3, 0.05), (0.6, 0.1), (1.0, 0.3), (2.0, 0.6)])
def test_ordinary_noise_costs_about_the_budget(middle: float, spread: float) -> None:
    chance = np.random.default_rng(1)
    scores = _score(np.maximum(chance.gumbel(middle, spread, (24 * 40, 200)), 0.0))
    _, lines = _run(_budget("1 per 10 series a day"), scores)
    later = slice(24 * 20, None)
    opened = int((scores[later] >= lines.open_at[later]).sum())
    assert opened <= 2 * 0.1 * 200 * 20
    if middle >= 1:  # louder than the least line: the budget is what decides
        assert opened >= 0.1 * 0.1 * 200 * 20
    assert int((scores[later] >= 0.7).sum()) > opened or middle < 0.6


def test_a_loud_series_is_quiet_after_half_a_day() -> None:
    chance = np.random.default_rng(4)
    scores = _score(np.maximum(chance.gumbel(1.0, 0.3, (48, 200)), 0.0))
    _, lines = _run(_budget(), scores)
    opened = (scores >= lines.open_at).mean(axis=1) * 24
    assert (scores >= 0.7).mean() * 24 > 10
    assert opened[13:].mean() < 1


def test_a_smaller_budget_and_critical_alerts_have_higher_lines() -> None:
    chance = np.random.default_rng(2)
    scores = _score(np.maximum(chance.gumbel(1.0, 0.3, (24 * 10, 5)), 0.0))
    _, wide = _run(_budget("1 per 10 series a day"), scores)
    _, narrow = _run(_budget("1 per 1000 series a day"), scores)
    assert (narrow.open_at[24:] > wide.open_at[24:]).all()
    assert (narrow.critical_at[-1] >= 0.9).all()
    assert (wide.critical_at > wide.open_at).all()


def test_a_new_series_and_a_quiet_one_open_alerts_at_the_fixed_line() -> None:
    _, lines = _run(_budget(), np.full((24 * 30, 1), 0.05))
    assert lines.open_at[0, 0] == 0.7
    assert (lines.open_at < 0.8).all()
    assert (lines.open_at[12:] == 0.7).all()
    assert (lines.critical_at == 0.9).all()
    _, strict = _run(_budget(open_at=0.95), np.full((60, 1), 0.05))
    assert strict.open_at[-1, 0] == strict.critical_at[-1, 0] == 0.95


def test_faults_in_less_than_half_of_the_days_do_not_raise_the_line() -> None:
    quiet = np.full((24 * 30, 1), 0.1)
    faulty = quiet.copy()
    for day in range(6, 30, 3):
        faulty[24 * day + 5 : 24 * day + 9] = 0.97
    _, lines = _run(_budget(), faulty)
    assert (lines.open_at[24 * 6 :] < 0.75).all()


def test_what_happens_every_day_is_ordinary() -> None:
    scores = np.full((24 * 30, 1), 0.1)
    scores[5::24] = 0.9
    _, lines = _run(_budget(), scores)
    opened = scores[:, 0] >= lines.open_at[:, 0]
    assert opened[: 24 * 3].any()
    assert not opened[24 * 14 :].any()


def test_a_storm_is_not_rationed() -> None:
    scores = np.full((24 * 10, 300), 0.1)
    scores[-1] = 0.95
    _, lines = _run(_budget("1 per 1000 series a day"), scores)
    assert (scores[-1] >= lines.open_at[-1]).all()


def test_hours_and_what_more_would_cost_are_counted() -> None:
    chance = np.random.default_rng(3)
    scores = _score(np.maximum(chance.gumbel(1.0, 0.3, (24 * 40, 100)), 0.0))
    scores[:30, 0] = np.nan
    _, lines = _run(_budget("1 per 10 series a day"), scores)
    assert lines.hours == 24 * 40 * 100 - 100 - 30  # the last hour of each has not ended
    opened = int((scores >= lines.open_at).sum())
    assert 0.3 * opened < lines.more < 3 * opened


def _quantile(counts: Values, share: float) -> float:
    reached = np.cumsum(counts)
    wanted = share * reached[-1]
    number = int(np.searchsorted(reached, wanted))
    score = (number + 1 - (reached[number] - wanted) / counts[number]) / 32
    return float(3 / 7 * score / (1 - score))


def _peaks(scores: Sequence[float], end: Sequence[int], length: int) -> list[list[float]]:
    """For each window the peaks of the blocks that ended before it."""
    peaks: dict[int, float] = {}
    found = []
    for score, time in zip(scores, end, strict=True):
        now = (time - 1) // length
        found.append([peak for block, peak in peaks.items() if block != now])
        if score == score:
            peaks[now] = max(score, peaks.get(now, 0.0))
    return found


def _reference(scores: Sequence[float], end: Sequence[int]) -> list[list[float]]:
    """As the module's docstring has it, one series, slow and plain."""
    found = [[0.7, 0.9] for _ in scores]
    for k, length in enumerate((HOUR, DAY)):
        for row, peaks in zip(found, _peaks(scores, end, length), strict=True):
            own = np.histogram(peaks, 32, (0, 1))[0]
            counts = own + (module._PRIOR[k] if len(peaks) < 12 else 0)
            if counts.sum() >= 8:
                quartile, median = (_quantile(counts, share) for share in (0.25, 0.5))
                for j, rate in enumerate((0.005, 0.001)):
                    measure = median + doublings(rate, length) * (median - quartile)
                    row[j] = max(row[j], measure / (measure + 3 / 7))
    return found


@steady
@given(
    st.lists(st.sampled_from([0.0, 0.1, 0.31, 0.5, 0.72, 0.9, 0.999, float("nan")]), min_size=1,
             max_size=100),
    st.sampled_from([HOUR // 3, HOUR, 7 * HOUR, 3 * DAY]),
)  # fmt: skip
def test_lines_are_those_of_the_plain_formula(scores: list[float], step: int) -> None:
    lines = _budget()
    _, found = _run(lines, np.array(scores)[:, None], step)
    end = [BEGIN + step * (i + 1) for i in range(len(scores))]
    expected = np.array(_reference(scores, end))
    assert np.allclose(found.open_at[:, 0], expected[:, 0], rtol=0, atol=1e-9)
    assert np.allclose(found.critical_at[:, 0], expected[:, 1], rtol=0, atol=1e-9)


@steady
@given(
    st.lists(st.tuples(*[st.sampled_from([0.0, 0.3, 0.8, 1.0, float("nan")])] * 2), min_size=2,
             max_size=60),
    st.sets(st.integers(1, 60), max_size=8),
)  # fmt: skip
def test_lines_do_not_depend_on_how_time_is_cut(
    rows: list[tuple[float, float]], cuts: set[int]
) -> None:
    lines, scores = _budget(), np.array(rows)
    whole_state, whole = _run(lines, scores, HOUR // 2)
    state, parts = _run(lines, scores, HOUR // 2, [cut for cut in cuts if cut < len(rows)])
    assert lines.dump(state) == lines.dump(whole_state)
    for one, other in zip(parts, whole, strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()
    assert ((whole.open_at >= 0.7) & (whole.open_at <= 1)).all()


def test_the_kernels_read_nothing_outside_of_their_arrays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = np.array([[0.0], [1.0], [np.nan], [0.999999999999], [1.0]] * 300)
    _, compiled = _run(_budget(), scores)
    for name in ("_calibrate", "_draw", "_count", "_quantile"):
        monkeypatch.setattr(module, name, getattr(module, name).py_func)
    _, plain = _run(_budget(), scores)
    assert compiled.open_at.tobytes() == plain.open_at.tobytes()
    assert np.isfinite(plain.open_at).all()


@pytest.mark.parametrize("score", [1.0, 1.5, 1e300, np.inf])
def test_a_score_beyond_all_scores_counts_as_the_highest(
    monkeypatch: pytest.MonkeyPatch, score: float
) -> None:
    """A plug-in may give one; the histogram has no place for it."""
    monkeypatch.setattr(module, "_count", getattr(module, "_count").py_func)  # noqa: B009
    counts = np.zeros(32, np.uint16)
    module._count(counts, score, 100)
    assert counts.tolist() == [0] * 31 + [1]


def test_the_state_of_a_series_is_bounded() -> None:
    lines = _budget()
    state, _ = _run(lines, np.full((24 * 200, 1), 0.4))
    assert int(state.data["counts"][0, 0].sum()) <= 24 * 28
    assert int(state.data["counts"][0, 1].sum()) <= 7 * 16
    few, _ = _run(lines, np.full((2, 1000), 0.4))
    assert len(lines.dump(few)) < 250 * 1000


def test_damaged_calibration_is_a_clear_error() -> None:
    with pytest.raises(StateError, match="damaged"):
        _budget().load(b"")


def test_an_alert_says_at_which_lines_it_opened() -> None:
    key = Series("a", "x")
    rare = Budget.parse("1 per 999999999 series a day")
    strict = BudgetLines(Budget.parse("5 per 1000 series a day"), rare, 0.7)
    history = [Row(0.4), Row(0.5), Row(0.6)] * 5
    opened, *_ = follow(_hourly(key, [*history, Row(0.93, 0.93)]), budget=strict)
    thresholds = opened.alert.evidence["thresholds"]
    assert thresholds["budget"] == "5 per 1000 series a day"
    assert thresholds["open_at"] == 0.7 < thresholds["opened_at"] <= 0.93
    assert thresholds["critical_at"] > 0.9
    assert opened.alert.severity == "WARNING"
    assert follow(_hourly(key, [*history, Row(0.72, 0.72)]), budget=strict) == []
    plain, *_ = follow(_hourly(key, [*history, Row(0.93, 0.93)]))
    assert plain.alert.severity == "CRITICAL"


def test_stated_limits_are_under_no_budget() -> None:
    key = Series("a", "x")
    rows = _hourly(key, [*[Row(0.4), Row(0.5), Row(0.6)] * 5, Row(0.93, 0.93)])
    opened, *_ = follow(rows, budget=_budget(), budgeted=False)
    assert opened.alert.severity == "CRITICAL"
    rows = _hourly(key, [*[Row(0.4), Row(0.5), Row(0.6)] * 5, Row(0.7, 0.7)])
    assert len(follow(rows, budget=_budget(), budgeted=False)) == 2


@pytest.mark.parametrize(
    ("text", "daily"),
    [("5 per 1000 series a day", 0.005), ("2 per series per day", 2.0), ("0.5 per 10 series a day",
                                                                        0.05)],
)  # fmt: skip
def test_a_budget_is_a_rate_of_alerts(text: str, daily: float) -> None:
    assert Budget.parse(text).daily == pytest.approx(daily)


@pytest.mark.parametrize(
    "text", ["", "5", "5 a day", "0 per 10 series a day", "5 per 0 series a day"]
)
def test_what_is_no_budget_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no budget; write it like '5 per 1000 series a day'"):
        AlertSettings(budget=text)


def test_the_end_of_a_run_names_budget_spent_and_what_more_would_cost() -> None:
    settings = AlertSettings(budget="2 per 100 series a day")
    line = budget_line(settings, Spending(48_000, 30, 25, 100)) or ""
    assert "2 per 100 series a day" in line
    assert "30 in 2,000 series-days" in line
    assert "15.0 per 1000" in line
    assert line.endswith("twice the budget would have added 25")
    young = budget_line(settings, Spending(2_400, 3, 1, 100)) or ""
    assert "--bootstrap_from" in young
    assert budget_line(settings, Spending(0, 0, 0, 9)) is None
    assert budget_line(AlertSettings(budget=None), Spending(480, 3, 2, 1)) is None
