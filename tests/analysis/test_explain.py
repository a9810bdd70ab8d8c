"""`padit explain`: from the evidence alone, from files, after a change, and on bad input."""

import json
from pathlib import Path
from typing import Any

import pytest

from padit.cli.main import main
from tests.analysis.explaining import STATEFUL, Ran, edit, noisy_lines, run_job, seed_run
from tests.pipelines.seed import START, line, seed_lines

ROOT = Path(__file__).parents[2]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return seed_run(tmp_path_factory.mktemp("seed"))


@pytest.fixture(scope="module")
def stateful(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("stateful")
    (folder / "job.yaml").write_text(STATEFUL)
    ran = run_job(folder, noisy_lines(), f"--config={folder}/job.yaml", "--extract_interval_sec=30",
                  "--window_size_sec=120")  # fmt: skip
    assert any(one["data"]["source_id"] == "probe-1" for one in ran.events)
    return ran


def test_the_evidence_alone_is_enough_where_it_holds_all_rows(seed: Ran, capsys: Capture) -> None:
    assert main(["explain", seed.first, "--from", seed.alerts]) == 0
    out = capsys.readouterr().out
    for what in ("digest of rows", "features: all 15, from 12 rows", "score of rule: 1"):
        assert f"equal      opened: {what}" in out
    assert out.endswith("equal: 2 transitions, from the evidence alone\n")


def test_the_rows_give_every_byte_again(seed: Ran, capsys: Capture) -> None:
    assert main(["explain", seed.first, "--from", seed.alerts, "--input", seed.input]) == 0
    assert "equal: 2 transitions, every byte, from the rows" in capsys.readouterr().out


def test_an_id_may_be_short_or_that_of_a_transition(seed: Ran) -> None:
    assert main(["explain", seed.first[:8], "--from", seed.alerts]) == 0
    assert main(["explain", seed.events[-1]["id"], "--from", seed.alerts]) == 0


def _row(event: dict[str, Any]) -> None:
    event["data"]["evidence"]["latest"]["value"][3] += 1


def _feature(event: dict[str, Any]) -> None:
    event["data"]["evidence"]["features"]["p99"] = 64.0


def _score(event: dict[str, Any]) -> None:
    event["data"]["evidence"]["detectors"][0]["score"] = 0.9
    event["data"]["score"] = 0.9


def _limit(event: dict[str, Any]) -> None:
    event["data"]["detector"]["parameters"]["rules"][0]["conditions"][0]["limit"] = 5


def _severity(event: dict[str, Any]) -> None:
    event["data"]["severity"] = "WARNING"


def _identity(event: dict[str, Any]) -> None:
    event["id"] = "0" * 32


def _outside(event: dict[str, Any]) -> None:
    event["data"]["evidence"]["latest"]["time_us"][0] -= 10**9


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_row, "digest of rows"),
        (_feature, "features: p99: 63.35"),
        (_score, "score of rule: 1.0 computed, 0.9 in the alert"),
        (_limit, "reason: crossed[0].limit: 5.0 computed, 10.0 in the alert"),
        (_severity, "severity: WARNING does not follow from 1.0"),
        (_identity, "transition id"),
        (_outside, "rows: some lie outside the window"),
    ],
)
def test_whatever_was_changed_in_an_alert_is_found(
    seed: Ran, tmp_path: Path, capsys: Capture, change: Any, said: str
) -> None:
    alerts = edit(seed, tmp_path / "changed.jsonl", change)
    assert main(["explain", seed.first, "--from", alerts]) == 1
    out = capsys.readouterr().out
    assert said in out
    assert out.splitlines()[-1].startswith("different (from the evidence alone)")


@pytest.mark.parametrize(("share", "state"), [(1e-12, "equal"), (1e-6, "different")])
def test_a_feature_may_differ_in_its_last_digits_only(
    seed: Ran, tmp_path: Path, capsys: Capture, share: float, state: str
) -> None:
    def rounded(event: dict[str, Any]) -> None:
        event["data"]["evidence"]["features"]["mean"] *= 1 + share

    alerts = edit(seed, tmp_path / "rounded.jsonl", rounded)
    assert main(["explain", seed.first, "--from", alerts]) == (state == "different")
    out = capsys.readouterr().out
    assert ("different" in out) == (state == "different")
    assert "opened: features: " in out
    assert ("1 to nine digits" in out) == (state == "equal")


def test_other_rows_in_the_input_are_found_field_by_field(
    seed: Ran, tmp_path: Path, capsys: Capture
) -> None:
    lines = seed_lines()
    lines[-4] = line(110, 66.0)
    source = tmp_path / "input.jsonl"
    source.write_bytes(b"\n".join(lines))
    assert main(["explain", seed.first, "--from", seed.alerts, "--input", str(source)]) == 1
    out = capsys.readouterr().out
    assert "data.evidence.features.max: 66.0 computed, 65.0 in the alert" in out
    assert "the rows came from" in out  # another file, so its offsets do not apply


def test_input_without_the_rows_says_what_was_read(
    seed: Ran, tmp_path: Path, capsys: Capture
) -> None:
    source = tmp_path / "input.jsonl"
    source.write_bytes(b"\n".join(line(i, 5.0, "probe-9") for i in range(9)))
    assert main(["explain", seed.first, "--from", seed.alerts, "--input", str(source)]) == 1
    out = capsys.readouterr().out
    assert "there are no rows of probe-1 rtt_ms from 2025-12-31T23:57:00Z" in out
    assert "9 rows of all sources from 2026-01-01T00:00:00Z to 2026-01-01T00:00:08Z" in out


def test_detectors_that_remember_cannot_be_recomputed_from_the_evidence(
    stateful: Ran, capsys: Capture
) -> None:
    assert main(["explain", stateful.first, "--from", stateful.alerts]) == 2
    assert "has state from earlier samples; --input replays it" in capsys.readouterr().out


def test_every_alert_of_detectors_that_remember_comes_again_from_the_rows(
    stateful: Ran, capsys: Capture
) -> None:
    ids = {one["data"]["id"] for one in stateful.events}
    for one in sorted(ids):
        options = ["--from", stateful.alerts, "--input", stateful.input]
        assert main(["explain", one, *options]) == 0
        assert "every byte, from the rows" in capsys.readouterr().out


def test_a_history_that_is_cut_off_is_not_equal(stateful: Ran, capsys: Capture) -> None:
    """The proof that the test above can fail: without their memory detectors give other scores."""
    alert = next(e["data"] for e in stateful.events if e["data"]["source_id"] == "probe-1")
    options = ["--from", stateful.alerts, "--input", stateful.input]
    start = f"--start_time={START + 980}"
    assert main(["explain", alert["id"], *options, start]) == 1
    assert "different (from" in capsys.readouterr().out


def test_a_changed_configuration_is_reported_with_its_effect(
    seed: Ran, tmp_path: Path, capsys: Capture
) -> None:
    config = tmp_path / "job.yaml"
    conditions = "[{feature: p99, limit: 70, adds: 0.5}, {feature: cusum, limit: 50, adds: 0.5}]"
    config.write_text(
        f"detectors: [{{name: rule, parameters: {{rules: [{{conditions: {conditions}}}]}}}}]\n"
        "alerts: {open_at: 0.8}\n"
    )
    assert main(["explain", seed.first, "--from", seed.alerts, "--config", str(config)]) == 0
    out = capsys.readouterr().out
    assert "has 70.0 for rule.rules[0].conditions[0].limit, the alert was made with 10.0" in out
    assert "has 0.8 for alerts.open_at, the alert was made with 0.7" in out
    assert "this window scores 0.5 and does not alert" in out


def test_the_same_configuration_is_reported(seed: Ran, tmp_path: Path, capsys: Capture) -> None:
    config = tmp_path / "job.yaml"
    config.write_text("detectors: [{name: rule}, {name: novelty, metric: other}]")
    assert main(["explain", seed.first, "--from", seed.alerts, "--config", str(config)]) == 0
    assert "has the same settings for this series" in capsys.readouterr().out


def test_another_version_of_the_detector_is_reported(
    seed: Ran, tmp_path: Path, capsys: Capture
) -> None:
    def older(event: dict[str, Any]) -> None:
        event["data"]["evidence"]["detectors"][0]["version"] = 0

    alerts = edit(seed, tmp_path / "older.jsonl", older)
    main(["explain", seed.first, "--from", alerts])
    expected = "detector rule had version 0 when the alert was made, this code has version 2"
    assert expected in capsys.readouterr().out


def _drop(*path: str) -> Any:
    def change(event: dict[str, Any]) -> None:
        inner = event["data"]
        for name in path[:-1]:
            inner = inner[name]
        del inner[path[-1]]

    return change


def _unknown_detector(event: dict[str, Any]) -> None:
    event["data"]["evidence"]["detectors"][0]["name"] = "oracle"


def _unknown_parameter(event: dict[str, Any]) -> None:
    event["data"]["detector"]["parameters"]["mood"] = 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_drop("evidence", "thresholds"), "missing required field `thresholds`"),
        (_drop("evidence", "digest"), "missing required field `digest`"),
        (_drop("evidence", "features", "p99"), "contradicts itself: p99 missing"),
        (_drop("detector", "parameters"), "missing required field `parameters`"),
        (lambda e: e["data"]["evidence"]["window"].update(end="soon"), "incomplete or damaged"),
        (lambda e: e["data"]["evidence"]["latest"]["value"].pop(), "contradicts itself"),
        (lambda e: e["data"]["evidence"]["latest"].update(value="x"), "Expected `array`"),
        (_unknown_detector, "this code has no detector oracle"),
        (_unknown_parameter, "this code refuses the parameters that the alert was made with"),
    ],
)
def test_evidence_that_is_damaged_cannot_be_recomputed(
    seed: Ran, tmp_path: Path, capsys: Capture, change: Any, said: str
) -> None:
    alerts = edit(seed, tmp_path / "damaged.jsonl", change)
    assert main(["explain", seed.first, "--from", alerts]) == 2
    captured = capsys.readouterr()
    assert said in captured.err + captured.out
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("0123456789", "there is no alert '0123456789' in"),
        ("0123456789", "which holds 1 alert; closest:"),
        ("", "there is no alert ''"),
    ],
)
def test_an_unknown_id_names_the_closest(
    seed: Ran, capsys: Capture, wanted: str, said: str
) -> None:
    assert main(["explain", wanted, "--from", seed.alerts]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert seed.first in err


def test_a_place_without_alerts_a_damaged_and_a_missing_file_are_errors(
    tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "bad.jsonl").write_text('{"id": 1\n')
    for name, said in (
        ("empty", "it holds no alerts"),
        ("bad", "bad.jsonl, line 1, is not an alert of PADIT"),
        ("nothing", "cannot be read"),
    ):
        assert main(["explain", "abcd", "--from", str(tmp_path / f"{name}.jsonl")]) == 2
        assert said in capsys.readouterr().err


def test_an_audit_log_named_by_the_option_must_exist(seed: Ran, capsys: Capture) -> None:
    options = ["--from", seed.alerts, "--input", seed.input]
    assert main(["explain", seed.first, *options, "--audit=nothing.jsonl"]) == 2
    assert "nothing.jsonl cannot be read" in capsys.readouterr().err
    assert main(["explain", seed.first, *options, f"--audit={seed.input}"]) == 2
    assert "line 1, is no record of an audit log" in capsys.readouterr().err


def test_the_audit_log_names_the_rows_of_every_step_that_a_window_caused(seed: Ran) -> None:
    audit = Path(seed.alerts).with_suffix(".audit.jsonl")
    records = [json.loads(one) for one in audit.read_text().splitlines()]
    found = {one["transition"]: one for one in records if one["record"] == "provenance"}
    assert set(found) == {e["id"] for e in seed.events if not e["type"].endswith("resolved")}
    (one,) = found.values()
    assert (one["alert"], one["source"]) == (seed.first, seed.input)
    assert (one["began"], one["offsets"]) == ({"0": 0}, {"0": [0, 16]})


def test_a_file_that_lost_rows_is_not_what_the_alert_was_made_of(
    tmp_path: Path, capsys: Capture
) -> None:
    ran = seed_run(tmp_path)
    Path(ran.input).write_bytes(b"\n".join(seed_lines()[:5]))
    assert main(["explain", ran.first, "--from", ran.alerts, "--input", ran.input]) == 2
    err = capsys.readouterr().err
    assert "ends at offset 5, the rows are at 0 to 15" in err


def test_the_page_shows_the_window_and_what_crossed_which_line(
    seed: Ran, tmp_path: Path, capsys: Capture
) -> None:
    page = tmp_path / "deep" / "alert.html"
    options = ["--from", seed.alerts, "--html", str(page)]
    assert main(["explain", seed.first, *options]) == 0
    text = page.read_text(encoding="utf-8")
    assert "{{" not in text
    assert "http" not in text.replace("http-equiv", "")
    for shown in ("p99 &gt; 10", "63.35 ms &gt; 10 adds 0.5", "86.75 &gt; 50 adds 0.5", ">window<"):
        assert shown in text
    assert text.count("<circle") == 12


def test_the_page_of_the_rows_shows_what_lies_around_the_window(
    stateful: Ran, tmp_path: Path
) -> None:
    page = tmp_path / "alert.html"
    options = ["--from", stateful.alerts, "--input", stateful.input, "--html", str(page)]
    assert main(["explain", stateful.first, *options]) == 0
    text = page.read_text(encoding="utf-8")
    evidence = stateful.events[0]["data"]["evidence"]
    assert evidence["samples"] > len(evidence["latest"]["value"])
    assert text.count("<circle") > evidence["samples"]
    assert "changepoint" in text
    assert "novelty" in text


def test_names_cannot_inject_anything_into_the_page(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>{{alert}}"
    lines = [line(10 * i, 50.0 + 9 * i, name) for i in range(15)]
    ran = run_job(tmp_path, lines)
    page = tmp_path / "alert.html"
    assert main(["explain", ran.first, "--from", ran.alerts, "--html", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "{{alert}}" in text


def test_a_page_that_cannot_be_written_is_an_error(
    seed: Ran, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "file").write_text("")
    options = ["--from", seed.alerts, "--html", str(tmp_path / "file" / "alert.html")]
    assert main(["explain", seed.first, *options]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_without_an_id_the_alerts_are_listed(seed: Ran, capsys: Capture) -> None:
    assert main(["explain", "--from", seed.alerts]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{seed.first}  2026-01-01T00:02:00Z CRITICAL rtt_ms of probe-1")
    assert "holds 1 alert\n" in captured.err


def test_the_lines_of_the_readme_work_as_they_stand(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    commands = [one.split("#")[0].split() for one in readme.splitlines() if one.startswith("padit")]
    rules = str(ROOT / "pipelines/demo/factory.yaml")
    # What makes these files, and what reads them; other sections have tests of their own.
    files = {"machines.jsonl", "alerts.jsonl", "tuned.jsonl", "labels.json", "alert.html", rules}
    chosen = [
        one
        for one in (
            [rules if part == "pipelines/demo/factory.yaml" else part for part in command[1:]]
            for command in commands
            if command[1] in ("simulate", "run", "diff", "explain")
        )
        if {part for part in one if "." in part and "=" not in part} <= files
    ]
    assert sum(one[0] == "explain" for one in chosen) >= 3
    assert sum(one[0] == "diff" for one in chosen) >= 3
    monkeypatch.chdir(tmp_path)
    codes = {tuple(one): main(one) for one in chosen}
    assert {one[0]: code for one, code in codes.items()} == {
        "simulate": 0, "run": 0, "diff": 1, "explain": 0,
    }  # fmt: skip
    assert "every byte, from the rows" in capsys.readouterr().out
    assert (tmp_path / "alert.html").exists()


def test_what_detectors_remembered_is_compared_by_its_digest(
    stateful: Ran, tmp_path: Path, capsys: Capture
) -> None:
    audit = Path(stateful.alerts).with_suffix(".audit.jsonl")
    records = [json.loads(one) for one in audit.read_text().splitlines()]
    kept = [one for one in records if one["record"] == "provenance"]
    assert all(len(one["state"]) == 64 for one in kept)
    options = ["--from", stateful.alerts, "--input", stateful.input]
    assert main(["explain", stateful.first, *options]) == 0
    assert "state digest" not in capsys.readouterr().out
    changed = tmp_path / "audit.jsonl"
    changed.write_text("\n".join(json.dumps({**one, "state": "0" * 64}) for one in kept))
    assert main(["explain", stateful.first, *options, f"--audit={changed}"]) == 0
    assert "from that of the job (state digest)" in capsys.readouterr().out
