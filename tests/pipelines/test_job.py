"""The job on the DirectRunner, from files to alerts, through the command line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import tests.pipelines.drip  # noqa: F401  # registers drip://
from padit.cli.main import main
from tests.limits import allowed
from tests.pipelines.seed import RULE, line, seed_lines, with_rule, write

ROOT = Path(__file__).parents[2]
ACCOUNTED = ("scored", "late", "duplicate", "dead_lettered", "waiting")


class Ran:
    """What a run left behind."""

    def __init__(self, code: int, out: str, alerts: Path) -> None:
        self.code = code
        self.lines = out.splitlines()
        self.alerts = [json.loads(one) for one in alerts.read_text().splitlines()]

    @property
    def summary(self) -> dict[str, Any]:
        """The one line on standard output."""
        [only] = self.lines
        found: dict[str, Any] = json.loads(only)
        return found


def _run(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    lines: list[bytes],
    *options: str,
    query: str = "",
) -> Ran:
    source = write(tmp_path / "input.jsonl", lines) + query
    alerts = tmp_path / "alerts.jsonl"
    code = main(["run", f"--input={source}", f"--output={alerts}", *with_rule(options)])
    return Ran(code, capsys.readouterr().out, alerts)


def _balanced(summary: dict[str, Any]) -> bool:
    return bool(summary["read"] == sum(summary[name] for name in ACCOUNTED))


def test_the_seed_case_opens_one_critical_alert(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = _run(tmp_path, capsys, seed_lines())
    assert ran.code == 0
    opened = [one for one in ran.alerts if one["type"] == "io.padit.alert.opened"]
    assert [(one["data"]["severity"], one["data"]["score"]) for one in opened] == [("CRITICAL", 1)]
    assert ran.alerts[-1]["type"] == "io.padit.alert.resolved"
    assert set(ran.summary) == {
        "read", "scored", "late", "duplicate", "dead_lettered", "waiting", "in_flight", "windows",
        "anomalies", "alerts", "series", "warm", "series_evicted", "judged",
        "judged_hours", "budget_alerts", "budget_more",
        "unwatched", "seconds",
    }  # fmt: skip
    assert (ran.summary["read"], ran.summary["scored"], ran.summary["alerts"]) == (15, 15, 1)


def test_the_shipped_configuration_opens_one_critical_alert_on_the_seed_case(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.yaml").write_text("")
    ran = _run(tmp_path, capsys, seed_lines(), f"--config={tmp_path}/empty.yaml")
    opened = [one["data"] for one in ran.alerts if one["type"] == "io.padit.alert.opened"]
    assert [one["severity"] for one in opened] == ["CRITICAL"]
    assert "highest in" in opened[0]["summary"]


def test_ordinary_values_open_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = _run(tmp_path, capsys, seed_lines()[:10])
    assert (ran.alerts, ran.summary["alerts"], ran.summary["windows"] > 0) == ([], 0, True)


def test_every_record_is_accounted_for_and_every_output_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [*seed_lines(), seed_lines()[3], line(600, 5), b"{", line(1, 5), line(5, "x"), b"[]"]
    names = ("features", "anomalies", "late", "dlq")
    options = [f"--{name}={tmp_path / name}.jsonl" for name in names]
    options = [*options, "--out_of_orderness_sec=200", "--key_groups=3"]
    ran = _run(tmp_path, capsys, lines, *options, query="?order=arrival")
    summary = ran.summary
    assert _balanced(summary)
    assert (summary["read"], summary["late"], summary["duplicate"]) == (21, 1, 1)
    assert summary["dead_lettered"] == 3
    found = {name: (tmp_path / f"{name}.jsonl").read_text().splitlines() for name in names}
    assert len(found["features"]) == summary["windows"]
    assert len(found["anomalies"]) == summary["anomalies"] > 0
    assert [json.loads(one)["value"] for one in found["late"]] == [5.0]
    assert sorted(json.loads(one)["offset"] for one in found["dlq"]) == [17, 19, 20]


def test_two_runs_give_the_same_bytes_whatever_the_key_groups(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [one for i in range(4) for one in (line(s, 5 + 9 * s, f"m{i}") for s in range(20))]
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    _run(tmp_path / "one", capsys, lines, "--key_groups=1", "--out_of_orderness_sec=60")
    _run(tmp_path / "two", capsys, lines, "--key_groups=7", "--out_of_orderness_sec=60")
    left, right = (str(tmp_path / name / "alerts.jsonl") for name in ("one", "two"))
    assert Path(left).read_bytes() == Path(right).read_bytes() != b""
    assert main(["diff", left, right]) == 0
    assert "equal: 8 transitions" in capsys.readouterr().out


def test_no_detectors_still_write_features(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "none.yaml").write_text("detectors: []")
    features = tmp_path / "features.jsonl"
    ran = _run(
        tmp_path, capsys, seed_lines(), f"--config={tmp_path}/none.yaml", f"--features={features}"
    )
    assert ran.code == 0
    assert {json.loads(one)["score"] for one in features.read_text().splitlines()} == {None}


def test_results_come_out_while_the_source_is_still_being_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alerts = tmp_path / "alerts.jsonl"
    source = f"drip://here/now?file={alerts}&patience=60"
    code = main(["run", f"--input={source}", f"--output={alerts}", RULE])
    ran = Ran(code, capsys.readouterr().out, alerts)
    assert (ran.code, ran.summary["read"], ran.summary["scored"]) == (0, 17, 16)
    assert ran.alerts[0]["type"] == "io.padit.alert.opened"


def test_a_source_that_waits_for_results_in_vain_gives_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The proof that the test above can fail: here no window can close before the end."""
    alerts = tmp_path / "alerts.jsonl"
    source = f"drip://here/now?file={alerts}&patience=1"
    options = [f"--input={source}", f"--output={alerts}", "--out_of_orderness_sec=100000", RULE]
    assert main(["run", *options]) == 1
    assert "no alert came out while the source was still being read" in capsys.readouterr().err


def test_a_live_run_stops_cleanly_on_sigterm(tmp_path: Path) -> None:
    alerts = tmp_path / "alerts.jsonl"
    source = f"drip://here/now?file={alerts}&patience=100&live=1"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.pipelines.drip", "run", f"--input={source}",
         f"--output={alerts}", RULE],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + 90
        while not (alerts.exists() and alerts.stat().st_size) and time.monotonic() < until:
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=allowed(60))
    finally:
        process.kill()
    assert process.returncode == 0, err
    summary = json.loads(out)
    assert _balanced(summary)
    assert (summary["read"], summary["dead_lettered"], summary["waiting"]) == (17, 1, 1)
    assert b"io.padit.alert.opened" in alerts.read_bytes()


def test_the_installed_command_runs_as_a_process(tmp_path: Path) -> None:
    source = write(tmp_path / "input.jsonl", seed_lines())
    done = subprocess.run(
        [sys.executable, "-m", "padit.cli.main", "replay", "--input", source, "--output", "null"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["alerts"] == 1
