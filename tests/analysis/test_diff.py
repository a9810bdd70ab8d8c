"""`padit diff` for people: which alerts differ between two runs, and why."""

import json
from pathlib import Path
from typing import Any

import pytest

from padit.analysis.alert_files import read_events
from padit.analysis.explain.alert_history import histories_of, pair
from padit.cli.main import main
from padit.domain.timestamps import MICROS
from tests.analysis.explaining import Ran, edit, noisy_lines, run_job
from tests.pipelines.seed import NEXT_HOUR, START, line, seed_lines

Capture = pytest.CaptureFixture[str]
LINES = [*seed_lines(), NEXT_HOUR]


def _rules(folder: Path, limit: float, cusum: float = 50, more: str = "") -> str:
    conditions = (
        f"[{{feature: p99, limit: {limit}, adds: 0.5}}, "
        f"{{feature: cusum, limit: {cusum}, adds: 0.5}}]"
    )
    path = folder / f"limit-{limit}-{cusum}.yaml"
    rules = f"[{{conditions: {conditions}}}]"
    path.write_text(f"detectors: [{{name: rule, parameters: {{rules: {rules}}}}}]\n{more}")
    return f"--config={path}"


def _two(tmp_path: Path, left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Ran, Ran]:
    """Two runs, each (lines, options...)."""
    ran = []
    for name, (lines, *options) in (("a", left), ("b", right)):
        (tmp_path / name).mkdir()
        ran.append(run_job(tmp_path / name, lines, *options))
    return ran[0], ran[1]


def _diff(capsys: Capture, left: Ran, right: Ran) -> tuple[int, str, dict[str, Any]]:
    """Exit code, text for people, and JSON."""
    capsys.readouterr()
    code = main(["diff", left.alerts, right.alerts])
    text = capsys.readouterr().out
    assert main(["diff", left.alerts, right.alerts, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, text, found


def test_equal_runs_are_equal_in_json_too(tmp_path: Path, capsys: Capture) -> None:
    code, text, found = _diff(capsys, *_two(tmp_path, (LINES,), (LINES[::1],)))
    assert (code, text) == (0, "equal: 2 transitions, every byte\n")
    assert found == {
        "equal": True,
        "transitions": {"a": 2, "b": 2, "only_a": 0, "only_b": 0, "changed": 0},
    }


def test_a_live_file_that_was_continued_is_compared_by_id(tmp_path: Path, capsys: Capture) -> None:
    """A job that was started again appends out of order, and writes old steps a second time."""
    left, right = _two(tmp_path, (LINES,), (LINES,))
    lines = Path(left.alerts).read_bytes().splitlines(keepends=True)
    Path(left.alerts).write_bytes(b"".join([*reversed(lines), lines[0]]))
    code, text, _ = _diff(capsys, left, right)
    assert (code, text) == (0, "equal: 2 transitions, every byte\n")


def test_a_limit_that_changes_no_alert_is_reported_as_a_setting_alone(
    tmp_path: Path, capsys: Capture
) -> None:
    # The rule of another series: no alert sees it, and every alert records it.
    more = ", {metric: other, conditions: [{feature: max, limit: 1}]}"
    first, second = _rules(tmp_path, 10), _rules(tmp_path, 10, 50.0)
    path = Path(second.removeprefix("--config="))
    path.write_text(path.read_text().replace("]}]}", f"]}}{more}]}}"))
    code, text, found = _diff(capsys, *_two(tmp_path, (LINES, first), (LINES, second)))
    assert code == 1
    assert "0 removed, 0 added, 0 moved, 0 changed, 1 the same but for the settings" in text
    assert [one["path"] for one in found["settings"]] == ["rule.rules[1]"]
    assert found["settings"][0]["a"] == "(nothing)"


def test_an_alert_that_a_limit_removed_names_the_limit_and_the_distance(
    tmp_path: Path, capsys: Capture
) -> None:
    both = [*LINES[:-1], *(line(10 * i, 400.0 + i, "probe-2") for i in range(15)),
            *(line(150 + 10 * i, 9000.0 * i, "probe-2") for i in range(9)), NEXT_HOUR]  # fmt: skip
    left, right = _rules(tmp_path, 10), _rules(tmp_path, 100)
    code, text, found = _diff(capsys, *_two(tmp_path, (both, left), (both, right)))
    assert code == 1
    assert "set differently:\n    rule.rules[0].conditions[0].limit: 10.0 in A, 100.0 in B" in text
    (removed,) = found["removed"]
    assert (removed["a"]["source_id"], removed["b"]) == ("probe-1", None)
    assert removed["why"] == [
        "p99 63.35 crosses > 10, but not > 100 as in B",
        "with the settings of B the window scores 0.5, alerts open at 0.7",
    ]
    assert "- 2026-01-01T00:02:00Z CRITICAL probe-1:rtt_ms" in text


def test_what_is_removed_one_way_is_added_the_other_way(tmp_path: Path, capsys: Capture) -> None:
    both = [*LINES[:-1], *(line(10 * i, 9000.0 * i, "probe-2") for i in range(15)), NEXT_HOUR]
    left, right = _rules(tmp_path, 100), _rules(tmp_path, 10)
    _, text, found = _diff(capsys, *_two(tmp_path, (both, left), (both, right)))
    assert found["removed"] == []
    assert "p99 63.35 crosses > 10, but not > 100 as in A" in found["added"][0]["why"]
    assert "added:\n+ 2026-01-01T00:02:00Z" in text


def test_an_alert_that_opens_later_is_moved_and_says_which_feature_held_it(
    tmp_path: Path, capsys: Capture
) -> None:
    runs = _two(tmp_path, (LINES, _rules(tmp_path, 10)), (LINES, _rules(tmp_path, 10, 100)))
    _, text, found = _diff(capsys, *runs)
    (moved,) = found["moved"]
    assert (found["removed"], found["added"]) == ([], [])
    assert moved["why"] == [
        "opens 60 s later in B",
        "cusum 86.75 crosses > 50, but not > 100 as in B",
        "with the settings of B the window scores 0.5, alerts open at 0.7",
    ]
    assert text.index("- 2026-01-01T00:02:00Z") < text.index("+ 2026-01-01T00:03:00Z")


def test_other_windows_are_the_reason_and_the_features_show_it(
    tmp_path: Path, capsys: Capture
) -> None:
    windows = ("--window_size_sec=120", "--extract_interval_sec=30")
    lines = [line(10 * i, 5.0 if i < 32 else 20.0 + 3 * i) for i in range(40)]
    lines.append(line(3600, 5.0))
    _, _, found = _diff(capsys, *_two(tmp_path, (lines,), (lines, *windows)))
    assert {one["path"]: (one["a"], one["b"]) for one in found["settings"]} == {
        "alerts.resolve_after_sec": (300.0, 120.0),
        "window.interval_sec": (60.0, 30.0),
        "window.size_sec": (300.0, 120.0),
    }
    (moved,) = found["moved"]
    assert moved["why"][0] == "opens 30 s earlier in B"
    assert "300 s every 60 s, at most 1000 samples in A, 120 s every 30 s" in moved["why"][1]
    assert moved["why"][2].startswith(("p99", "cusum"))


def test_a_step_at_another_time_is_reported_with_both_times(
    tmp_path: Path, capsys: Capture
) -> None:
    after = _rules(tmp_path, 10, more="alerts: {resolve_after_sec: 60}")
    _, _, found = _diff(capsys, *_two(tmp_path, (LINES,), (LINES, after)))
    (altered,) = found["altered"]
    assert altered["why"] == ["resolved at 2026-01-01T00:11:00Z in A, at 2026-01-01T00:07:00Z in B"]


def test_other_rows_are_reported_with_the_features_they_changed(
    tmp_path: Path, capsys: Capture
) -> None:
    other = list(LINES)
    other[11] = line(110, 70.0)
    _, text, found = _diff(capsys, *_two(tmp_path, (LINES,), (other,)))
    (altered,) = found["altered"]
    assert altered["why"][0] == "other rows in the window: 12 in A, 12 in B"
    assert altered["why"][1].startswith("p99 63.35 in A, 67.8 in B (6.56%)")
    assert altered["why"][2].startswith("cusum 86.75 in A, ")
    assert found["settings"] == []
    assert "changed:\n~ 2026-01-01T00:02:00Z CRITICAL probe-1:rtt_ms" in text


def test_rows_that_never_came_are_the_reason_where_the_settings_are_equal(
    tmp_path: Path, capsys: Capture
) -> None:
    second = [line(10 * i, 9000.0 * i, "probe-2") for i in range(15)]
    both = [*LINES[:-1], *second, NEXT_HOUR]
    runs = _two(tmp_path, (both,), ([*LINES[:10], *second, NEXT_HOUR],))
    _, _, found = _diff(capsys, *runs)
    assert [one["why"] for one in found["removed"]] == [
        ["the settings are the same: B had other rows, or had them too late"]
    ]


def test_a_step_of_only_one_run_is_reported(tmp_path: Path, capsys: Capture) -> None:
    left = _two(tmp_path, (LINES,), (LINES,))[0]
    right = Ran(left.input, Path(left.alerts))
    target = tmp_path / "short.jsonl"
    target.write_text("".join(Path(left.alerts).read_text().splitlines(keepends=True)[:1]))
    right.alerts = str(target)
    _, _, found = _diff(capsys, left, right)
    assert found["altered"][0]["why"] == ["resolved at 2026-01-01T00:11:00Z only in A"]


def test_a_run_without_alerts_has_no_known_settings(tmp_path: Path, capsys: Capture) -> None:
    _, _, found = _diff(capsys, *_two(tmp_path, (LINES,), (LINES[:10],)))
    assert found["removed"][0]["why"] == ["B holds no alert that records its settings"]
    assert found["settings"] == []


def test_detectors_that_remember_are_not_judged_by_one_window(
    tmp_path: Path, capsys: Capture
) -> None:
    config = "detectors: [{{name: changepoint, parameters: {{threshold: {}, warning: 1}}}}]"
    (tmp_path / "low.yaml").write_text(config.format(3))
    (tmp_path / "high.yaml").write_text(config.format(12))
    windows = ("--window_size_sec=120", "--extract_interval_sec=30")
    lines = noisy_lines()
    runs = _two(tmp_path, (lines, f"--config={tmp_path}/low.yaml", *windows),
                (lines, f"--config={tmp_path}/high.yaml", *windows))  # fmt: skip
    _, _, found = _diff(capsys, *runs)
    assert {one["path"] for one in found["settings"]} == {"changepoint.threshold"}
    why = {line for one in found["removed"] for line in one["why"]}
    assert "changepoint in B may have other state; `padit explain --input` replays it" in why


def test_another_spacing_is_reported_as_a_difference(tmp_path: Path, capsys: Capture) -> None:
    left = _two(tmp_path, (LINES,), (LINES,))[0]
    right = Ran(left.input, Path(left.alerts))
    target = tmp_path / "spaced.jsonl"
    target.write_bytes(Path(left.alerts).read_bytes().replace(b'"data":', b'"data": '))
    right.alerts = str(target)
    code, _, found = _diff(capsys, left, right)
    assert code == 1
    assert "the bytes differ in spacing or in the order of fields" in found["altered"][0]["why"]


def test_alerts_of_before_evidence_held_settings_are_compared_by_their_fields(
    tmp_path: Path, capsys: Capture
) -> None:
    left = _two(tmp_path, (LINES,), (LINES,))[0]

    def older(event: dict[str, Any]) -> None:
        del event["data"]["evidence"]["thresholds"]
        event["data"]["score"] = 0.95

    right = Ran(left.input, Path(left.alerts))
    right.alerts = edit(left, tmp_path / "older.jsonl", older)
    code, _, found = _diff(capsys, left, right)
    assert code == 1
    assert "data.score: 1.0 in A, 0.95 in B" in found["altered"][0]["why"]


def test_lives_are_paired_by_id_then_by_series_and_the_nearest_opening(tmp_path: Path) -> None:
    lines = [line(10 * i, 9000.0 * (i % 7), "probe-1") for i in range(40)]
    ran = run_job(tmp_path, [*lines, line(90_000, 1.0)])

    def later(event: dict[str, Any]) -> None:
        event["data"]["id"] = "another"
        event["data"]["opened"] = event["data"]["opened"].replace("00:0", "00:1")

    (left,) = histories_of(read_events(ran.alerts))
    (right,) = histories_of(read_events(edit(ran, tmp_path / "later.jsonl", later)))
    assert right.opened - left.opened == 600 * MICROS
    assert pair([left], [left]).same == [(left, left)]
    assert pair([left], [right]).moved == [(left, right)]
    assert pair([left, left], [right]).removed == [left]
    assert left.opened > START * MICROS
