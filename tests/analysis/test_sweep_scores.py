"""How configurations are scored, each measure against a case worked out by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from padit.analysis.report.truth import Truth
from padit.analysis.sweep.evaluate import Alerted, WindowSetting
from padit.analysis.sweep.labels import labels_for
from padit.analysis.sweep.paths import paths_of, with_values
from padit.analysis.sweep.results import Results, config_text, short_names
from padit.analysis.sweep.score import Measures, Wish, measure, ranked
from padit.analysis.sweep.space import Range, combinations, draws
from padit.analysis.sweep.trials import Trial
from padit.domain.config import AlertSettings, DetectorSetting, JobConfig, load_config
from padit.domain.errors import ConfigurationError
from padit.domain.metric import Series
from padit.transforms.windows import WindowOptions

MINUTE = 60_000_000
DAY = 1440 * MINUTE


def _alert(opened: int, resolved: int, source: str = "m1", metric: str = "torque") -> Alerted:
    return Alerted(opened * MINUTE, source, metric, resolved * MINUTE, "WARNING")


def _truth(start: int, end: int, source: str = "m1", *metrics: str) -> Truth:
    return Truth(source, "fault", start * MINUTE, end * MINUTE, None, metrics)


def _measured(
    alerts: list[list[Alerted]],
    truths: list[Truth] | None = None,
    *,
    wished: float = 2.0,
    values: list[dict[str, Any]] | None = None,
    grid: bool = True,
    days: float = 1.0,
) -> list[Measures]:
    places = values or [{"x": number} for number in range(len(alerts))]
    wish = Wish(truths, wished, (0, round(days * DAY)))
    return measure(alerts, [5 * MINUTE] * len(alerts), places, wish, grid=grid)


def test_precision_recall_and_delay_follow_from_the_labels() -> None:
    truths = [_truth(100, 130), _truth(300, 330, "m1", "torque"), _truth(500, 520, "m2")]
    alerts = [
        _alert(104, 110),  # the first label, after 4 minutes
        _alert(120, 125),  # the same again: right, but no other delay
        _alert(334, 350),  # the second, in the window after its end
        _alert(336, 350, "m1", "rpm"),  # too late, and of another metric
        _alert(40, 50, "m2"),  # before
    ]
    [one] = _measured([alerts], truths)
    assert (one.precision, one.recall) == (3 / 5, 2 / 3)
    assert one.f1 == one.score == pytest.approx(2 * 0.6 * (2 / 3) / (0.6 + 2 / 3))
    assert (one.found, one.faults, one.alerts, one.per_day) == (2, 3, 5, 5.0)
    assert one.delay_median == pytest.approx((4 + 34) / 2 * 60)
    assert one.delay_p95 == pytest.approx((4 + 0.95 * 30) * 60)


def test_without_alerts_precision_is_undefined_and_the_score_zero() -> None:
    [one] = _measured([[]], [_truth(1, 2)])
    assert (one.precision, one.recall, one.f1, one.delay_median) == (None, 0.0, 0.0, None)


def test_a_flap_is_an_alert_that_opens_within_a_window_of_the_last_resolution() -> None:
    alerts = [
        _alert(0, 10),
        _alert(15, 20),  # 5 minutes, a window, later
        _alert(26, 30),  # 6 minutes later
        _alert(31, 40, "m2"),  # another series
    ]
    [one] = _measured([alerts])
    assert one.flaps == 1


@pytest.mark.parametrize(
    ("alerts", "wished", "volume"),
    [(4, 2.0, 0.5), (1, 2.0, 0.5), (2, 2.0, 1.0), (0, 2.0, 0.0), (0, 0.0, 1.0), (3, 0.0, 0.0)],
)
def test_volume_is_the_smaller_of_found_and_wished_over_the_larger(
    alerts: int, wished: float, volume: float
) -> None:
    [one] = _measured([[_alert(60 * n, 60 * n + 5) for n in range(alerts)]], wished=wished)
    assert one.volume == volume


def test_neighbours_agree_in_the_alerts_that_overlap() -> None:
    first = [_alert(0, 10), _alert(100, 110), _alert(200, 210, "m2")]
    second = [_alert(5, 20), _alert(111, 120)]
    third: list[Alerted] = []
    one, two, three = _measured([first, second, third])
    assert one.neighbours == pytest.approx(2 / 5)  # one alert of each, of five
    assert two.neighbours == pytest.approx((2 / 5 + 0) / 2)
    assert three.neighbours == 0.0
    assert three.halves == 1.0
    assert one.stability == pytest.approx((one.halves + 2 / 5) / 2)


def test_halves_agree_as_far_as_they_have_as_many_alerts() -> None:
    early = [_alert(10 * n, 10 * n + 1) for n in range(3)]
    assert _measured([[*early, _alert(1000, 1001)]])[0].halves == pytest.approx(0.5)
    assert _measured([early])[0].halves == 0.0


def test_neighbours_in_a_grid_are_one_step_away_in_one_parameter() -> None:
    values = [{"x": x, "y": y} for x in (1, 5, 100) for y in ("a", "b")]
    alone = [[_alert(100 * n, 100 * n + 1)] for n in range(6)]
    alone[2] = alone[0]  # x 5 and y a as x 1 and y a
    measures = _measured(alone, values=values)
    assert measures[0].neighbours == 1 / 2  # agrees with x 5, not with y b
    assert measures[5].neighbours == 0.0


def test_neighbours_of_random_draws_are_the_three_nearest() -> None:
    values = [{"x": x} for x in (0.1, 0.2, 0.3, 0.4, 0.9)]
    same = [_alert(0, 1)]
    alerts = [same, same, same, same, [_alert(500, 501)]]
    assert _measured(alerts, values=values, grid=False)[0].neighbours == 1.0
    assert _measured(alerts, values=values, grid=False)[4].neighbours == 0.0


def test_of_equal_scores_the_sooner_the_calmer_the_earlier_goes_first() -> None:
    def one(score: float, delay: float | None, flaps: int, per_day: float) -> Measures:
        return Measures(score, 1, per_day, flaps, delay_median=delay)

    found = ranked([one(0.5, 1, 0, 1), one(0.9, 60, 0, 1), one(0.9, 30, 2, 1), one(0.9, 30, 0, 9),
                    one(0.9, 30, 0, 2), one(0.9, None, 0, 1), one(0.9, 30, 0, 2)])  # fmt: skip
    assert found == [4, 6, 3, 2, 1, 5, 0]


SERIES = (Series("jump_up", "value"), Series("m1", "torque"))
HOUR = (1_767_225_600_000_000, 1_767_229_200_000_000)


def _labels(tmp_path: Path, name: str, content: Any) -> str:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_nab_windows_are_labels_of_the_source_that_is_named_like_the_file(tmp_path: Path) -> None:
    times = ["2026-01-01 00:10:00.000000", "2026-01-01 00:20:00.000000"]
    later = ["2026-03-01 00:10:00", "2026-03-01 00:20:00"]
    windows = {"artificial/jump_up.csv": [times, later], "real/other.csv": [times]}
    found = labels_for(_labels(tmp_path, "nab.json", windows), SERIES, HOUR)
    assert found.truths == [
        Truth("jump_up", "anomaly", HOUR[0] + 10 * MINUTE, HOUR[0] + 20 * MINUTE)
    ]
    assert found.ignored == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("l.json", {"faults": [{"source_id": "m1", "start": "2026-01-01T00:10:00Z",
                                "end": "2026-01-01T00:20:00Z", "metrics": ["torque", "rpm"]}]}),
        ("l.csv", "source_id,start,end,metrics\n"
                  "m1,2026-01-01T00:10:00Z,2026-01-01T00:20:00Z,torque rpm\n"),
    ],
)  # fmt: skip
def test_labels_of_the_simulator_are_read_in_both_forms(
    tmp_path: Path, name: str, content: Any
) -> None:
    [one] = labels_for(_labels(tmp_path, name, content), SERIES, HOUR).truths
    assert (one.source_id, one.metrics) == ("m1", ("torque", "rpm"))


def test_labels_of_other_series_are_an_error_that_names_both(tmp_path: Path) -> None:
    other = [{"source_id": "m1", "start": "2026-01-01", "end": "2026-01-02", "metrics": ["rpm"]}]
    with pytest.raises(ConfigurationError, match="labels name m1, the recording has jump_up, m1"):
        labels_for(_labels(tmp_path, "l.json", other), SERIES, HOUR)


RULES = JobConfig(
    detectors=(
        DetectorSetting(
            name="rule",
            parameters={"rules": [
                {"metric": "torque", "conditions": [{"feature": "max", "limit": 60, "adds": 0.7},
                                                    {"feature": "max", "limit": 70}]},
                {"conditions": [{"feature": "max", "op": "<", "limit": 1}]},
            ]},
        ),
        DetectorSetting(name="novelty", metric="rpm"),
        DetectorSetting(name="novelty", source="m*", parameters={"warning": 0.5}),
    ),
)  # fmt: skip


def test_paths_name_limits_parameters_by_number_and_alert_settings() -> None:
    changed = with_values(
        RULES,
        {"detectors.rule.torque.max_above.1": 75, "detectors.rule.max_below": 2,
         "detectors.2.warning": 0.9, "detectors.1.intervals": 32, "alerts.resolve_after_sec": 60},
    )  # fmt: skip
    [torque, rest] = changed.detectors[0].parameters["rules"]
    assert [one["limit"] for one in torque["conditions"]] == [60, 75]
    assert [one["adds"] for one in torque["conditions"]] == [0.7, 0.5]
    assert rest["conditions"][0]["limit"] == 2
    assert changed.detectors[1] == DetectorSetting(
        name="novelty", metric="rpm", parameters={"intervals": 32}
    )
    assert changed.detectors[2].parameters == {"warning": 0.9}
    assert changed.alerts == AlertSettings(resolve_after_sec=60)


def test_every_path_leads_to_the_value_that_it_names() -> None:
    found = paths_of(RULES)
    assert "detectors.rule.rules.0.conditions.1.limit" in found
    assert found["detectors.rule.max_above.1"] == found["detectors.rule.torque.max_above.1"]
    for path in found:
        if path.endswith((".limit", "horizon", "warm_up")) or "_above" in path:
            assert with_values(RULES, {path: 1024}) != RULES, path


@given(
    st.floats(1e-3, 1e3).map(lambda value: float(f"{value:.4g}")),
    st.integers(8, 512),
    st.floats(0.1, 1),
)
def test_the_best_as_yaml_is_the_configuration_that_was_tried(
    limit: float, intervals: int, open_at: float
) -> None:
    values: dict[str, Any] = {
        "detectors.rule.torque.max_above.0": limit,
        "detectors.1.intervals": intervals,
        "alerts.open_at": open_at,
    }
    config = with_values(RULES.model_copy(update={"input": {"metrics": "a,b"}}), values)
    setting = WindowSetting(WindowOptions(MINUTE, MINUTE, 1000), 0)
    trial = Trial(values, config, setting, {"window_size_sec": 60.0})
    [one] = _measured([[]])
    results = Results("a file.csv", [trial], [one], [0], [], Wish(None, 1, (0, 1)), 1, True)
    text = config_text(results, 0, "best.yaml", ["--end_offset=5"])
    assert JobConfig.model_validate(yaml.safe_load(text)) == config
    command = "padit replay --input 'a file.csv' --config best.yaml --window_size_sec=60"
    assert f"#   {command} --end_offset=5 --output alerts.jsonl\n" in text


def test_the_default_configuration_is_written_out_in_full(tmp_path: Path) -> None:
    setting = WindowSetting(WindowOptions(MINUTE, MINUTE, 1000), 0)
    [one] = _measured([[]])
    trial = Trial({}, JobConfig(), setting, {})
    results = Results("a.csv", [trial], [one], [0], [], Wish(None, 1, (0, 1)), 1, True)
    path = tmp_path / "best.yaml"
    path.write_text(config_text(results, 0, "best.yaml", []))
    assert load_config(str(path)) == JobConfig()


def _range(low: float, high: float, **more: Any) -> Range:
    return Range.model_validate({"from": low, "to": high, **more})


@given(st.integers(-50, 50), st.integers(1, 50), st.integers(1, 7), st.integers(0, 2**32))
def test_draws_lie_on_the_steps_between_the_bounds(
    low: int, width: int, step: int, seed: int
) -> None:
    span = _range(low, low + width, step=step)
    allowed = span.listed("x")
    found = draws({"x": span, "y": (1, 2)}, seed)
    assert all(next(found)["x"] in allowed for _ in range(5))


def test_a_grid_counts_like_an_odometer() -> None:
    vary: dict[str, Any] = {"a": (1, 2), "b": _range(1, 100, steps=3, scale="log"),
                            "c": 7}  # fmt: skip
    found = [tuple(one.values()) for one in combinations(vary)]
    assert found == [(1, 1, 7), (1, 10, 7), (1, 100, 7), (2, 1, 7), (2, 10, 7), (2, 100, 7)]


def test_short_names_of_parameters_are_distinct() -> None:
    paths = ["detectors.rule.p99_above", "detectors.1.warning", "detectors.2.warning",
             "detectors.rule.max_above.0"]  # fmt: skip
    assert short_names(paths) == [
        "p99_above",
        "detectors.1.warning",
        "detectors.2.warning",
        "max_above.0",
    ]


@pytest.mark.parametrize(
    "wide",
    [{"steps": 10**9}, {"step": 1e-9}, {"step": 5e-324}, {"steps": 10**9, "scale": "log"}],
    ids=str,
)
def test_a_range_of_very_many_values_is_refused_before_they_are_made(wide: dict[str, Any]) -> None:
    found = Range.model_validate({"from": 1, "to": 1e9, **wide})
    with pytest.raises(ConfigurationError, match="at most 20,000 configurations"):
        found.listed("window_size_sec")
    drawn = found.draw(np.random.default_rng(0))
    assert isinstance(drawn, int | float)
    assert 1 <= drawn <= 1e9
