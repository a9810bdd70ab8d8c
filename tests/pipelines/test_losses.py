"""A run that failed says so: exit code 3, the commonest reasons, and the option that mends each."""

import json
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import tests.pipelines.found  # noqa: F401  # registers found://
from padit.cli.main import main
from padit.ops.run_context import RunContext
from padit.pipelines.job import Ended, run_to_end
from tests.limits import allowed
from tests.pipelines.seed import RULE, line, seed_lines, write

Capture = pytest.CaptureFixture[str]

MESSWERTE = "\ufeffZeitstempel;Temperatur\n" + "".join(
    f"05.01.2026 00:{minute:02}:00;{20 + minute % 3}\n" for minute in range(12)
)
"""Case 02: a German Excel export."""
LAST_CENTURY = "timestamp,value\n" + "".join(f"{n},20\n" for n in range(12))
"""As case 06, a number that is no time of ours: rows counted where the time should be."""
CONNECT = (
    b'{"schema": {"type": "struct"}, "payload": {"timestamp": 1767571200, "source_id": "s", '
    b'"metric_name": "m", "value": 1.0}}'
)
"""Case 08: an envelope."""
TELEGRAF = (
    b'{"fields": {"usage_idle": 91.5}, "name": "cpu", "tags": {"host": "srv-1"}, '
    b'"timestamp": 1767571200}'
)


ROWS = [f"2026-01-05 00:{minute:02}:00,{20 + minute % 3}\n" for minute in range(12)]
CASES = {
    "messwerte.csv?delimiter=;&timestamp=Zeitstempel": MESSWERTE,
    "us.csv": "timestamp,value\n" + "".join(f"17675712{n:02}000000,20\n" for n in range(12)),
    "ns.csv": "timestamp,value\n" + "".join(f"17675712{n:02}000000000,20\n" for n in range(12)),
    "connect.jsonl": CONNECT.decode() + "\n",
    "telegraf.jsonl": TELEGRAF.decode() + "\n",
    "melt.csv": "timestamp,metric_name,value\n"
    + "".join(row.replace(",", f",{name},") for name in ("cpu", "mem", "disk") for row in ROWS),
    "newest-first.csv": "timestamp,value\n" + "".join(reversed(ROWS)),
}
"""Inputs of cases 02, 06, 08 and 09. A source may learn to read them; then nothing is lost."""


def _run(capsys: Capture, source: str, *options: str, verb: str = "run") -> tuple[int, Any, str]:
    code = main([verb, f"--input={source}", "--output=null", RULE, *options])
    captured = capsys.readouterr()
    return code, json.loads(captured.out), captured.err


def _reasons(error: str) -> list[tuple[int, str]]:
    """(amount, words) of the reasons of a summary."""
    found = re.findall(r"^  [\d.]+ % \(([\d,]+)\) (.*)$", error, re.MULTILINE)
    return [(int(amount.replace(",", "")), words) for amount, words in found]


@pytest.mark.parametrize("verb", ["run", "replay"])
def test_a_table_whose_every_time_is_unreadable_ends_with_3_and_an_example(
    tmp_path: Path, capsys: Capture, verb: str
) -> None:
    (tmp_path / "messwerte.csv").write_text(LAST_CENTURY)
    code, summary, error = _run(capsys, str(tmp_path / "messwerte.csv"), verb=verb)
    assert (code, summary["read"], summary["scored"]) == (3, 12, 0)
    assert "padit: nothing could be scored: 12 of 12 values (100 %) were lost" in error
    assert "messwerte.csv, row 0: 0,20" in error
    assert "padit look" in error


@pytest.mark.parametrize("name", CASES)
def test_an_input_that_is_not_understood_is_never_a_success_without_a_word(
    tmp_path: Path, capsys: Capture, name: str
) -> None:
    file, _, options = name.partition("?")
    (tmp_path / file).write_text(CASES[name], encoding="utf-8")
    code, summary, error = _run(capsys, f"{tmp_path}/{file}{'?' if options else ''}{options}")
    lost = summary["late"] + summary["dead_lettered"]
    assert summary["read"] == lost + summary["scored"] > 0
    assert code == (3 if 10 * lost > summary["read"] else 0)
    assert bool(lost) == (f"{lost} of {summary['read']} values" in error)
    assert sum(amount for amount, _ in _reasons(error)) == lost


def test_a_run_that_can_read_nothing_logs_it_without_dlq(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "messwerte.csv").write_text(MESSWERTE, encoding="utf-8")
    source = f"{tmp_path}/messwerte.csv?delimiter=;&timestamp=Zeitstempel"
    code = main(["run", f"--input={source}", "--output=null", RULE])
    error = capsys.readouterr().err
    assert code in (0, 3)  # a source may learn to read these dates
    assert bool(code) == ("nothing could be scored" in error)
    assert bool(code) == ("'05.01.2026 00:00:00'" in error)


@pytest.mark.parametrize("envelope", [CONNECT, TELEGRAF])
def test_a_file_of_foreign_envelopes_ends_with_3_and_shows_how_they_begin(
    tmp_path: Path, capsys: Capture, envelope: bytes
) -> None:
    source = write(tmp_path / "foreign.jsonl", [envelope] * 3)
    code, summary, error = _run(capsys, source)
    assert (code, summary["dead_lettered"]) == (3, 3)
    assert f"row 0: {envelope.decode()[:100]}" in error


def test_a_file_without_a_sample_ends_with_3(tmp_path: Path, capsys: Capture) -> None:
    code, _, error = _run(capsys, write(tmp_path / "blank.jsonl", [b" ", b""]))
    assert code == 3
    assert "nothing was read: " in error


def _disordered(folder: Path) -> str:
    """Three sources, each a quarter of an hour of its own behind the other, as one log."""
    lines = [line(60 * i, 5.0 + i % 3, source) for source in "abc" for i in range(16)]
    return write(folder / "log.jsonl", lines)


def test_a_late_share_comes_with_the_out_of_orderness_that_mends_it(
    tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "about.json").write_text("{}")
    source = f"found://x/y?file={_disordered(tmp_path)}&findings={tmp_path}/about.json"
    code, summary, error = _run(capsys, source)
    assert (code, summary["late"] > 10) == (3, True)
    assert "out of order" in error
    [remedy] = re.findall(r"remedy: (--out_of_orderness_sec=\d+)", error)
    code, summary, error = _run(capsys, source, remedy)
    assert (code, summary["late"], summary["scored"]) == (0, 0, 48)
    assert "lost" not in error


def test_a_share_of_losses_that_is_allowed_ends_with_0_and_is_shown(
    tmp_path: Path, capsys: Capture
) -> None:
    source = write(tmp_path / "some.jsonl", [*seed_lines(), b'{"'])
    code, _, error = _run(capsys, source)
    assert code == 0
    assert "padit: 1 of 16 values (6 %) was lost" in error
    assert _reasons(error) == [(1, "unusable, such as: Input data was truncated")]


def test_strict_makes_any_loss_a_failure(tmp_path: Path, capsys: Capture) -> None:
    source = write(tmp_path / "some.jsonl", [*seed_lines(), b"{"])
    assert _run(capsys, source, "--strict")[0] == 3
    assert "--strict allows no loss" in _run(capsys, source, "--strict")[2]
    assert _run(capsys, write(tmp_path / "all.jsonl", seed_lines()), "--strict")[0] == 0


def test_the_allowed_share_is_an_option(tmp_path: Path, capsys: Capture) -> None:
    source = write(tmp_path / "half.jsonl", [*seed_lines(), *[b"{"] * 10])
    code, _, error = _run(capsys, source)
    assert code == 3
    assert "more than the 10 % that --max_loss_share=0.1 allows" in error
    assert _run(capsys, source, "--max_loss_share=0.4")[0] == 0
    assert main(["run", f"--input={source}", "--max_loss_share=1.5"]) == 2


FINDINGS: dict[str, Any] = {
    "guesses": [{"place": "x.csv", "what": "the delimiter is ';'", "option": "delimiter=comma"}],
    "unwatched": [
        {
            "place": "x.csv", "what": f"column 'p{n}'", "reason": f"holds text such as '{n} ms'",
            "remedy": f"metrics=p{n}", "amount": 15, "unit": "cells", "numeric": 15,
        }
        for n in range(90, 105)
    ]
    + [
        {
            "place": "x.csv", "what": "column 'note'", "reason": "holds text such as 'ok'",
            "remedy": "ignore=note", "amount": 1000, "unit": "cells", "numeric": 0,
        }
    ],
}  # fmt: skip


def _found(folder: Path, about: Any, lines: list[bytes], more: str = "") -> str:
    (folder / "about.json").write_text(json.dumps(about))
    write(folder / "lines.jsonl", lines)
    return f"found://x/y?file={folder}/lines.jsonl&findings={folder}/about.json{more}"


def test_what_is_guessed_and_not_watched_is_named_once_at_the_start_and_counted(
    tmp_path: Path, capsys: Capture
) -> None:
    code, summary, error = _run(capsys, _found(tmp_path, FINDINGS, seed_lines()))
    lines = error.splitlines()
    assert lines[0] == "padit: x.csv: the delimiter is ';' (a guess; the option: delimiter=comma)"
    assert lines[1] == (
        "padit: x.csv: not watched: column 'p90' (15 cells): "
        "holds text such as '90 ms'; metrics=p90"
    )
    assert lines[11] == "  and 6 more like it; `padit look --json` lists all"
    assert summary["unwatched"] == 15 * 15 + 1000
    assert summary["read"] == summary["scored"] == 15
    assert code == 3
    assert "padit: 225 of 240 values (94 %) were lost" in error
    assert _reasons(error) == [(225, "not watched: column 'p90' and 14 more like it")]
    assert "remedy: metrics=p90" in error


def test_text_that_is_not_watched_is_named_and_is_no_loss(tmp_path: Path, capsys: Capture) -> None:
    about = {"unwatched": FINDINGS["unwatched"][-1:]}
    code, summary, error = _run(capsys, _found(tmp_path, about, seed_lines()), "--strict")
    assert (code, summary["unwatched"]) == (0, 1000)
    assert "column 'note' (1,000 cells)" in error


def test_a_run_that_is_only_warming_up_ends_with_0_and_says_how_many_windows_are_missing(
    tmp_path: Path, capsys: Capture
) -> None:
    lines = [line(60 * i, 5.0) for i in range(4)]
    source = write(tmp_path / "short.jsonl", lines)
    code = main(["run", f"--input={source}", "--output=null"])
    error = capsys.readouterr().err
    assert code == 0
    assert "all 1 series are still warming up" in error
    assert "usual judges a series from sample 9 on, they have 4 each; about 5 more windows" in error
    assert "detectors: [{name: rule" in error


def _live(source: str, name: str, count: int, *options: str) -> Ended:
    """A live run that is stopped once a total has come so far."""
    context = RunContext()
    ended: list[Ended | None] = []
    argv = [f"--input={source}", "--output=null", RULE, *options]
    thread = threading.Thread(
        target=lambda: ended.append(run_to_end(argv, live=True, context=context))
    )
    thread.start()
    until = time.monotonic() + allowed(60)
    while context.totals().get(name, 0) < count and time.monotonic() < until:
        time.sleep(0.05)
    context.request_stop()
    thread.join(allowed(60))
    [found] = ended
    assert found is not None
    return found


def test_a_live_run_counts_and_never_fails_for_what_it_lost(
    tmp_path: Path, capsys: Capture
) -> None:
    source = _found(tmp_path, FINDINGS, [b"{"] * 5, "&live=1")
    found = _live(source, "dead_lettered", 5, "--strict")
    assert not found.verdict.failed
    assert "nothing could be scored: 230 of 230 values" in found.verdict.lines[0]
    assert found.summary.dead_lettered == 5


def test_a_live_run_that_is_stopped_early_has_lost_nothing(tmp_path: Path) -> None:
    source = _found(tmp_path, {}, [line(0, 5.0)], "&live=1")
    found = _live(source, "waiting", 1)
    assert (found.summary.waiting, found.verdict.lines) == (1, ())


def test_the_audit_log_holds_the_reasons_for_runs_whose_readers_are_elsewhere(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _found(tmp_path, {}, [*seed_lines(), line(-500, 5.0), *[b"{"] * 20, line(1, "x")])
    output = tmp_path / "alerts.jsonl"
    argv = ["run", f"--input={source}", f"--output={output}", RULE, "--overwrite"]
    assert main(argv) == 3
    here = capsys.readouterr().err
    first = (tmp_path / "alerts.audit.jsonl").read_bytes()
    monkeypatch.setattr(RunContext, "losses", lambda self: None)  # as if they were elsewhere
    assert main(argv) == 3
    assert _reasons(capsys.readouterr().err) == _reasons(here)
    assert (tmp_path / "alerts.audit.jsonl").read_bytes() == first


def test_on_prism_a_run_loses_the_same_for_the_same_reasons(
    tmp_path: Path, capsys: Capture, prism: Path
) -> None:
    lines = [*seed_lines(), line(-500, 5.0), *[b"{"] * 20, line(1, "x")]
    source = write(tmp_path / "bad.jsonl", lines)
    there = _run(capsys, source, "--runner=PrismRunner", f"--prism_location={prism}")
    here = _run(capsys, source)
    assert there[0] == here[0] == 3
    assert {**there[1], "seconds": 0} == {**here[1], "seconds": 0}
    assert _reasons(there[2]) == _reasons(here[2]) != []


def test_sweep_ends_with_3_where_too_much_is_lost(tmp_path: Path, capsys: Capture) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text("vary: {alerts.open_at: [0.6, 0.7]}")
    source = write(tmp_path / "half.jsonl", [*seed_lines(), *[b"{"] * 10])
    argv = ["sweep", source, "--grid", str(grid), "--jobs=1"]
    assert main(argv) == 3
    assert "10 of 25 values (40 %) were lost" in capsys.readouterr().err
    assert main([*argv, "--max_loss_share=0.5"]) == 0


def test_every_exit_code_is_in_help(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for command in ([], ["run"], ["replay"]):
        with pytest.raises(SystemExit):
            main([*command, "--help"])
        text = " ".join(capsys.readouterr().out.split())
        assert "Exit codes: 0 done; 1 " in text
        assert "; 3 nothing could be read, or too much" in text


def _config(folder: Path, text: str) -> str:
    (folder / "job.yaml").write_text(f"detectors: [{{name: rule}}]\n{text}\n")
    return f"--config={folder}/job.yaml"


MACHINES = [
    b'{"timestamp": %d, "m": "a", "temp": 20.5, "rpm": "9%d"}' % (1767571200 + 60 * i, i)
    for i in range(12)
]


def test_what_a_mapping_leaves_unwatched_is_in_the_summary_the_verdict_and_the_reasons(
    tmp_path: Path, capsys: Capture
) -> None:
    source = write(tmp_path / "m.jsonl", MACHINES)
    form = "{time: timestamp, source: m, value: temp, metric: m}"
    config = _config(tmp_path, f"input: {{format: {form}}}")
    code = main(["run", f"--input={source}", "--output=null", config])
    answered = capsys.readouterr()
    summary = json.loads(answered.out)
    assert (code, summary["read"], summary["scored"], summary["unwatched"]) == (3, 12, 12, 12)
    assert _reasons(answered.err) == [(12, "not watched: field 'rpm'")]
    assert "12 of 24 values (50 %) were lost" in answered.err


def test_look_shows_what_a_mapping_leaves_unwatched(tmp_path: Path, capsys: Capture) -> None:
    source = write(tmp_path / "m.jsonl", MACHINES)
    form = "{time: timestamp, source: m, value: temp, metric: m}"
    assert main(["look", source, _config(tmp_path, f"input: {{format: {form}}}")]) == 0
    shown = capsys.readouterr().out
    assert "field 'rpm' (12 fields)" in shown
    assert "Not watched" in shown


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("telegraf.jsonl", TELEGRAF.decode()),
        ("connect.jsonl", CONNECT.decode()),
        (
            "change.jsonl",
            '{"before": null, "after": {"machine_id": "m", "temp": 20.5}, "op": "c", '
            '"source": {"connector": "mysql", "name": "s", "table": "t"}, "ts_ms": 1767571200000}',
        ),
    ],
)
def test_the_remedy_for_a_foreign_record_reads_it(
    tmp_path: Path, capsys: Capture, name: str, text: str
) -> None:
    source = write(tmp_path / name, [text.encode()] * 3)
    code, _, error = _run(capsys, source)
    assert code == 3
    [remedy] = re.findall("remedy: `(.*)` in the file of --config", error)
    code = main(["run", f"--input={source}", "--output=null", _config(tmp_path, remedy)])
    summary = json.loads(capsys.readouterr().out)
    assert (code, summary["dead_lettered"], summary["unwatched"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("timestamp,v\n05.01.2026 00:00,1\n05.01.2026 00:01,2\n", "time_format"),
        ("timestamp,v\n1767571200000000,1\n1767571260000000,2\n", "time_format"),
        ("timestamp;v\n2026-01-05 00:00:00;1,5\n2026-01-05 00:01:00;2,25\n", "decimal"),
        ('timestamp,v\n2026-01-05 00:00:00,"7,554.9"\n2026-01-05 00:01:00,8\n', "thousands"),
    ],
)
def test_the_option_that_a_guess_names_states_it_and_silences_the_guess(
    tmp_path: Path, capsys: Capture, text: str, stated: str
) -> None:
    (tmp_path / "a.csv").write_text(text)
    _, guessed, error = _run(capsys, f"{tmp_path}/a.csv")
    [option] = re.findall(rf"the option: ({stated}=[^)]*)\)", error)
    code, summary, error = _run(capsys, f"{tmp_path}/a.csv?{option}")
    assert (code, summary["scored"]) == (0, guessed["scored"])
    assert f"{stated}=" not in error


def test_a_plain_file_begins_without_a_word(tmp_path: Path, capsys: Capture) -> None:
    rows = "".join(f"{1767571200 + 60 * i},a,cpu,{i % 5}\n" for i in range(12))
    (tmp_path / "a.csv").write_text(f"timestamp,source_id,metric_name,value\n{rows}")
    assert "guess" not in _run(capsys, f"{tmp_path}/a.csv")[2]
    assert main(["look", f"{tmp_path}/a.csv"]) == 0
    assert "are seconds since 1970" in capsys.readouterr().out
