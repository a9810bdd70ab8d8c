"""The command line: exit codes, remedies, help."""

import json
import pkgutil
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import padit.cli.commands
from padit.cli.main import main
from tests.limits import allowed
from tests.pipelines.seed import RULE, seed_lines, write

COMMANDS = sorted(
    module.name.replace("_", "-")
    for module in pkgutil.iter_modules(padit.cli.commands.__path__)
    if not module.name.startswith("_")
)
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_shows_examples(command: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    out = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"\n  padit {command}" in out


def test_help_lists_every_command(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert [command for command in COMMANDS if command not in out] == []


def test_help_of_run_lists_every_default(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert "Length of a window. (default: 300.0)" in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--window_size=5"], "unknown option --window_size; did you mean --window_size_sec?"),
        (["--xyzzy=5"], "unknown option --xyzzy"),
        (["--window_size_sec=30"], "smaller than --extract_interval_sec=60"),
        (["--window_size_sec=100"], "must be a whole multiple of --extract_interval_sec=60"),
        (
            ["--window_size_sec=0"],
            "--window_size_sec: 0 must lie between 1e-06 and 1000000000 seconds",
        ),
        (["--window_size_sec=nan"], "--window_size_sec: nan must lie between"),
        (["--max_ahead_sec=inf"], "--max_ahead_sec: inf must lie between"),
        (["--out_of_orderness_sec=-1"], "--out_of_orderness_sec: -1 must lie between 0 and"),
        (["--key_groups=0"], "--key_groups: 0 must lie between 1 and 4096"),
        (["--start_time=1e9", "--end_time=5e8"], "is not before --end_time"),
        (["--start_time=2026-01-01", "--start_offset=5"], "both set where to begin"),
        (["--end_time=2026-01-01", "--end_offset=5"], "both set where to end"),
        (["--start_offset=soon"], "--start_offset=soon is neither earliest, latest nor a number"),
        (["--start_offset=²"], "--start_offset=² is neither earliest, latest nor a number"),
        (["--start_offset=9", "--end_offset=5"], "--start_offset=9 is not before --end_offset=5"),
        (["--start_time=soon"], "--start_time=soon is neither RFC 3339"),
        ([f"--start_offset={2**63}"], f"beyond every offset; the largest is {2**63 - 1}"),
        (["--detach"], "--detach needs a cluster that keeps the job, --runner=FlinkRunner"),
        (["--runner=SparkRunner"], "--runner=SparkRunner is not one of DirectRunner, PrismRunner"),
        (["--config=nothing.yaml"], "nothing.yaml cannot be read"),
        (["--output=alerts.doc"], "can be written; known are:"),
    ],
)
def test_a_wrong_option_is_an_error_with_its_remedy(
    tmp_path: Path, capsys: Capture, options: list[str], said: str
) -> None:
    source = write(tmp_path / "input.jsonl", seed_lines())
    assert main(["run", f"--input={source}", "--output=null", *options]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert (captured.out, "Traceback" in captured.err) == ("", False)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 2, "--input is missing"),
        (["--input=nothing.jsonl"], 1, "nothing.jsonl does not exist"),
        (["--input=data.doc"], 2, "can be read; known are:"),
        *(
            ([f"--input=a.csv?encoding={one}"], 2, "is no encoding of files that Python knows")
            for one in ("klingon", "base64", "idna", "undefined", "punycode")
        ),
        *(
            ([f"--input=a.csv?time_format={one}"], 2, "time_format: ")
            for one in ("%25", "%25Y-%25", "%25-", "%25-m", "%25%25")
        ),
    ],
)
def test_a_wrong_input_is_an_error_with_its_remedy(
    capsys: Capture, options: list[str], code: int, said: str
) -> None:
    assert main(["run", *options]) == code
    assert said in capsys.readouterr().err


def test_a_wrong_detector_is_an_error_before_anything_runs(tmp_path: Path, capsys: Capture) -> None:
    source = write(tmp_path / "input.jsonl", seed_lines())
    config = tmp_path / "job.yaml"
    config.write_text("detectors: [{name: roule}]")
    assert main(["run", f"--input={source}", "--output=null", f"--config={config}"]) == 2
    assert "there is no detector 'roule'" in capsys.readouterr().err


def test_an_option_that_is_no_number_is_an_error_that_names_it(capsys: Capture) -> None:
    assert main(["run", "--input=x.jsonl", "--max_samples=x"]) == 2
    assert capsys.readouterr().err == "padit: --max_samples: x is not a whole number\n"


def _event(number: int, **changes: Any) -> bytes:
    data = {"source_id": "a", "metric_name": "m", "summary": "s", "score": 0.5, **changes}
    return msgspec.json.encode(
        {
            "id": f"id{number}",
            "type": "io.padit.alert.opened",
            "time": f"2026-01-01T00:00:0{number}.000000Z",
            "data": data,
        }
    )


def _diff(tmp_path: Path, left: list[bytes], right: list[bytes]) -> int:
    return main(
        ["diff", write(tmp_path / "left.jsonl", left), write(tmp_path / "right.jsonl", right)]
    )


def test_diff_of_equal_runs_does_not_mind_order_and_repetition(
    tmp_path: Path, capsys: Capture
) -> None:
    assert _diff(tmp_path, [_event(1), _event(2)], [_event(2), _event(1), _event(2)]) == 0
    assert "equal: 2 transitions, every byte" in capsys.readouterr().out


def test_diff_reports_missing_new_and_changed_alerts(tmp_path: Path, capsys: Capture) -> None:
    left = [_event(1), _event(2), _event(3)]
    right = [_event(1), _event(2, score=0.75), _event(4)]
    assert _diff(tmp_path, left, right) == 1
    out = capsys.readouterr().out
    assert "1 only in A, 1 only in B, 1 changed" in out
    assert "data.score: 0.5 in A, 0.75 in B" in out
    assert "- 2026-01-01T00:00:03" in out
    assert "+ 2026-01-01T00:00:04" in out


def test_diff_of_one_byte_is_different(tmp_path: Path) -> None:
    assert _diff(tmp_path, [_event(1)], [_event(1).replace(b'"score":', b'"score": ')]) == 1


@pytest.mark.parametrize("bad", [b"no JSON", b"{}", json.dumps({"id": 1}).encode()])
def test_diff_of_what_is_no_alert_file_names_the_line(
    tmp_path: Path, capsys: Capture, bad: bytes
) -> None:
    assert _diff(tmp_path, [_event(1)], [_event(1), bad]) == 2
    assert "right.jsonl, line 2, is not an alert" in capsys.readouterr().err


def test_diff_of_a_missing_file_is_unreadable(tmp_path: Path, capsys: Capture) -> None:
    nothing = str(tmp_path / "nothing.jsonl")
    assert main(["diff", nothing, nothing]) == 2
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("form", [["--start_offset=latest"], ["--start_offset", "latest"]])
def test_doctor_judges_an_option_however_it_is_written(form: list[str], capsys: Capture) -> None:
    assert main(["doctor", "--only=options", *form]) == 0
    assert "starting at the latest offset" in capsys.readouterr().out


@pytest.mark.parametrize("interval", ["--5", "²", "-1", "soon"])
def test_doctor_finds_an_interval_that_is_none(interval: str, capsys: Capture) -> None:
    assert main(["doctor", "--only=options", f"--checkpointing_interval={interval}"]) == 0
    assert f"{interval}: no checkpoints and no restarts" in capsys.readouterr().out


def test_a_step_beyond_all_time_is_counted_without_a_warning_of_a_library(
    tmp_path: Path, capsys: Capture
) -> None:
    place = tmp_path / "a.csv"
    place.write_text("a\n" + "".join(f"{i}\n" for i in range(40)))
    where = f"--input={place}?start=2199-12-31&step=1e300"
    assert main(["run", where, "--output=null"]) == 3
    captured = capsys.readouterr()
    assert "39 of 40 values" in captured.err
    assert '"dead_lettered":39' in captured.out


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize(
    "words",
    [["run", "--output=null"], ["run", "--output=-"], ["look"], ["diff"], ["simulate"]],
    ids=" ".join,
)
def test_a_full_disk_behind_standard_output_is_an_error_in_a_sentence(
    tmp_path: Path, words: list[str]
) -> None:
    place = write(tmp_path / "seed.jsonl", seed_lines())
    alerts = write(tmp_path / "alerts.jsonl", [_event(1)])
    rest = {
        "run": [f"--input={place}", RULE],
        "look": [place],
        "diff": [alerts, alerts],
        "simulate": ["--machines=1", "--hours=0.01", f"--output={tmp_path / 'm.csv'}"],
    }[words[0]]
    command = [sys.executable, "-m", "padit.cli.main", *words, *rest]
    with FULL.open("w") as full:
        done = subprocess.run(command, check=False, stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=allowed(60))  # fmt: skip
    assert done.returncode == 1
    assert "padit: " in done.stderr
    assert "No space left on device" in done.stderr
    assert "Exception ignored" not in done.stderr
    if "--output=-" not in words:  # Beam logs where a step failed
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_simulation_that_finds_no_room_says_so_and_keeps_what_was_there(
    tmp_path: Path, capsys: Capture, suffix: str
) -> None:
    place = tmp_path / f"a{suffix}"
    few = ["simulate", "--machines=1", "--hours=0.1", f"--output={place}"]
    assert main(few) == 0
    before = place.read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        assert main([*few, "--seed=9", "--hours=20", "--overwrite"]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        signal.signal(signal.SIGXFSZ, ignored)
    assert f"{place} cannot be written: File too large" in capsys.readouterr().err
    assert place.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir() if one.name.endswith(".new")] == []


def test_an_adapter_without_a_sample_says_so(tmp_path: Path, capsys: Capture) -> None:
    files = f"files=[{{path: '{tmp_path}/*.log'}}]"
    assert main(["adapters", "try", "logs", "--set", files]) == 0
    assert "no sample came; --wait SECONDS" in capsys.readouterr().err


def test_a_result_that_cannot_be_written_is_one_sentence_without_a_traceback(
    tmp_path: Path,
) -> None:
    rows = "".join(f"{1767225600 + second},{second % 7}\n" for second in range(3600))
    (tmp_path / "a.csv").write_text(f"timestamp,value\n{rows}")
    run = ["run", f"--input={tmp_path / 'a.csv'}", f"--output={tmp_path / 'alerts.jsonl'}",
           f"--features={tmp_path / 'features.jsonl'}", "--extract_interval_sec=5"]  # fmt: skip
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)); "
    code = f"{limit} from padit.cli.main import main; sys.exit(main({run!r}))"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True,
                          timeout=allowed(60))  # fmt: skip
    assert done.returncode == 1
    told = [line for line in done.stderr.splitlines() if "features.jsonl" in line]
    assert len(told) == 1
    assert "File too large" in told[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("command", "code"), [(["demo"], 130), (["simulate"], 130),
                                              (["simulate", "--realtime"], 0)])  # fmt: skip
def test_ctrl_c_is_the_end_of_a_simulation_only_where_it_has_no_other(
    command: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def interrupted(*_: object) -> Iterator[object]:
        yield from ()
        raise KeyboardInterrupt

    monkeypatch.setattr("padit.cli.commands.simulate._paced", interrupted)
    monkeypatch.chdir(tmp_path)
    output = [] if command == ["demo"] else ["--output=a.jsonl"]
    assert main([*command, *output]) == code
    assert "drawing the report" not in capsys.readouterr().err
