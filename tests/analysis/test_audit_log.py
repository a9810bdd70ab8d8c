"""Audit logs under their earlier name, the journal: places, tags and option are still read."""

from pathlib import Path

import msgspec
import pytest

from padit.analysis.audit_log import audit_logs_beside, read_decisions, read_run_totals
from padit.cli.main import main
from padit.domain.audit import (
    IdlenessDecision,
    Provenance,
    Record,
    RunTotals,
    decode_record,
    encode_record,
)
from padit.domain.renamed import new_run
from padit.pipelines.options import JobOptions, PaditOptions, parse_options
from tests.pipelines.seed import line, write

OLD = Path(__file__).parent / "old" / "silence.jsonl"
# Lines of an alerts.journal.jsonl as they were written.
JOURNAL = """\
{"record":"provenance","transition":"8b9dfa87d3c917b78ff760eca051ee3d",\
"alert":"5dbd81723fdb853ecb0c8f2791bee6c1","time":1767226260000000,"offsets":{"0":[0,1800]},\
"began":{"0":0},"state":"0bd3459e","source":"all.jsonl"}
{"record":"idle","following":{"0":900,"2":7},"watermarks":{"2":1767226000000000}}
{"record":"ledger","read":{"0":[1800,0,0]},"scored":720,"duplicate":0,"windows":68,"anomalies":1,\
"alerts":1,"series":1,"warm":1,"group":13,"judged":{"rule":1}}
{"record":"ledger","read":{"0":[1800,0,0]},"scored":1080,"duplicate":0,"windows":94,\
"anomalies":0,"alerts":0,"series":1,"warm":1,"group":25,"judged":{"rule":1}}
"""
Capture = pytest.CaptureFixture[str]


def test_records_with_the_old_tags_are_read(tmp_path: Path) -> None:
    place = tmp_path / "alerts.journal.jsonl"
    place.write_text(JOURNAL)
    kinds = [type(decode_record(one)) for one in JOURNAL.splitlines()]
    assert kinds == [Provenance, IdlenessDecision, RunTotals, RunTotals]
    assert read_decisions(str(place)) == ((2, 7, 1767226000000000),)
    totals = read_run_totals(str(place)) or {}
    assert (totals["read"], totals["scored"], totals["alerts"]) == (1800, 1800, 1)


@pytest.mark.parametrize(
    ("record", "tag"),
    [
        (RunTotals({0: (1, 0, 0)}, 1, 0, 1, 0, 0), b'"record":"run_totals"'),
        (IdlenessDecision({0: 7}, {1: 5}), b'"record":"idleness_decision"'),
    ],
)
def test_records_are_written_with_the_new_tags(record: Record, tag: bytes) -> None:
    assert tag in encode_record(record)
    assert decode_record(encode_record(record)) == record


@pytest.mark.parametrize("text", ['{"record":"diary"}', "[]", "7", '{"record":"ledger"}', "{"])
def test_other_json_is_no_record(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_record(text)


def test_the_new_place_is_looked_at_first() -> None:
    assert audit_logs_beside("a/alerts.jsonl") == [
        "a/alerts.audit.jsonl",
        "a/alerts.journal.jsonl",
    ]
    assert audit_logs_beside("kafka://b:9092/x") == [
        "kafka://b:9092/x-audit",
        "kafka://b:9092/x-journal",
    ]
    assert audit_logs_beside("-") == []


def test_explain_finds_the_old_file_beside_the_alerts_and_prefers_the_new_one(
    tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "alerts.jsonl").write_bytes(OLD.read_bytes())
    (tmp_path / "alerts.journal.jsonl").write_text(JOURNAL)
    write(tmp_path / "all.jsonl", [line(10.0 * i, 5.0, "pump") for i in range(400)])
    explain = ["explain", "5dbd8172", f"--from={tmp_path}/alerts.jsonl", "--input"]
    other = "the rows came from all.jsonl"  # the file's name is its path here
    assert main([*explain, f"{tmp_path}/all.jsonl"]) in (1, 2)
    assert other in capsys.readouterr().out
    (tmp_path / "alerts.audit.jsonl").write_text("")
    assert main([*explain, f"{tmp_path}/all.jsonl"]) in (1, 2)
    assert other not in capsys.readouterr().out


def test_the_old_option_is_accepted_and_reported_once(capsys: Capture) -> None:
    new_run()
    options = parse_options(["--input=a.jsonl", "--journal=log.jsonl"])
    assert JobOptions.of(options).audit == "log.jsonl"
    assert options.view_as(PaditOptions).audit == "log.jsonl"
    warnings = capsys.readouterr().err.splitlines()
    assert warnings == ["padit: --journal is deprecated, its name is --audit now"]


def test_a_replay_with_the_old_option_writes_where_it_names(
    tmp_path: Path, capsys: Capture
) -> None:
    write(tmp_path / "all.jsonl", [line(10.0 * i, 5.0) for i in range(40)])
    place = [f"--input={tmp_path}/all.jsonl", f"--output={tmp_path}/alerts.jsonl"]
    assert main(["replay", *place, f"--journal={tmp_path}/log.jsonl"]) == 0
    assert capsys.readouterr().err.count("--journal is deprecated") == 1
    assert (tmp_path / "log.jsonl").exists()
    assert not (tmp_path / "alerts.audit.jsonl").exists()
