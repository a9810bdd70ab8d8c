"""Names of metrics stand in one place, and the counters of a run carry them."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from padit.cli.main import main
from padit.ops import metric_names
from padit.ops.stats import Stats
from tests.pipelines.seed import RULE, seed_lines, write
from tests.test_architecture import ROOT, SOURCES

HOME = ROOT / "ops" / "metric_names.py"
EXPORTED = re.compile(
    r"padit_(adapters?|publisher|loop|callback|process|job|worker_pool|alerting|canary)_\w+|process_\w+_(bytes|total)"
)


def _literals(tree: ast.AST) -> Iterator[str]:
    """Names of metrics that are written out: of Prometheus anywhere, of Beam in its calls."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if EXPORTED.fullmatch(node.value):
                yield node.value
        elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("Metrics."):
            for argument in node.args:
                if isinstance(argument, ast.Constant):
                    yield str(argument.value)


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_no_other_file_writes_out_the_name_of_a_metric() -> None:
    found = {path.name: list(_literals(_parsed(path))) for path in SOURCES if path != HOME}
    assert {name: literals for name, literals in found.items() if literals} == {}


@pytest.mark.parametrize(
    "code", ['stats.add("padit_publisher_sent_total", 3)', 'Metrics.counter(NAMESPACE, "read")']
)
def test_a_written_out_name_would_be_found(code: str) -> None:
    assert len(list(_literals(ast.parse(code)))) == 1


def test_every_metric_of_the_adapters_has_a_help_text() -> None:
    values = {one for one in vars(metric_names).values() if isinstance(one, str)}
    exported = {one for one in values if EXPORTED.fullmatch(one) and one != metric_names.JOB_PREFIX}
    exported |= {
        metric_names.job_metric(name)
        for name in (*metric_names.OF_A_GROUP.values(), *metric_names.OF_THE_FLEET,
                     metric_names.READ, metric_names.LATE,
                     metric_names.PARTITIONS_ENDED)
    }  # fmt: skip
    assert exported == metric_names.HELP.keys()
    stats = Stats()
    stats.add(metric_names.ADAPTER_POLLS, adapter="a")
    assert "# HELP padit_adapter_polls_total Polls that succeeded." in stats.render()


def test_without_an_audit_log_the_counters_give_the_same_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "in.jsonl", seed_lines())
    found: list[dict[str, object]] = []
    for audit in ("null", str(tmp_path / "audit.jsonl")):
        place = [f"--input={tmp_path}/in.jsonl", f"--output={tmp_path}/{len(found)}.jsonl"]
        assert main(["replay", *place, RULE, f"--audit={audit}"]) == 0
        found.append({**json.loads(capsys.readouterr().out), "seconds": 0})
    assert found[0] == found[1]
    assert (found[0]["series"], found[0]["warm"], found[0]["judged"]) == (1, 1, {"rule": 1})
