"""The commands of README.md and of docs/operations.md, typed in their order as they stand.

Addresses of brokers and clusters are those of the tests' parts. What a page shows that is not typed
here has a test of its own, which `ELSEWHERE` names; a command that neither has is an error.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from padit.cli.main import main
from padit.devcluster.flink import FlinkCluster
from tests.integration.helpers import ROOT, wait_for
from tests.limits import allowed
from tests.parts import KafkaPart
from tests.test_docs_commands import PAGES, _words, commands

TYPED = ("README.md", "docs/operations.md", "docs/simulator.md")
ELSEWHERE: Mapping[str, Mapping[str, str]] = {
    "README.md": {
        "make demo": "tests/report/test_report.py",
        "make install": "tests/test_extras.py",
        "make test": "tests/test_suite.py",  # what it takes, and in which order
        "padit up": "tests/integration/test_local_parts.py",
        "padit doctor": "tests/walk/deploy.py",
        "padit down": "tests/integration/test_local_parts.py",
        "padit run --runner=FlinkRunner": "tests/integration/test_pages.py",  # of operations.md
        "padit portal": "tests/portal/test_page_use.py",
    },
    "docs/adapters.md": {
        "padit adapters": "tests/adapters", "curl -H": "tests/adapters/test_log_store.py",
    },
    "docs/alerting.md": {
        "padit alerting": "tests/alerting/test_service.py",
        "padit whatif": "tests/alerting/test_whatif.py",
        "padit routes": "tests/walk/deploy.py",
        "padit feedback": "tests/alerting",
        "padit sweep": "tests/analysis/test_sweep.py",
    },
    "docs/archive.md": {
        "padit archive": "tests/stores", "padit replay": "tests/stores/test_replay_from_archive.py",
    },
    "docs/benchmarks.md": {"make": "tests/benchmarks", "python": "tests/benchmarks"},
    "docs/connectors.md": {"padit replay": "tests/connectors"},
    "docs/detectors/calm.md": {"python": "tests/benchmarks/test_calm.py"},
    "docs/deploy.md": {"helm": "tests/deploy/test_install.py"},
    "docs/faults.md": {"make": "tests/faults/test_faults.py"},
    "docs/look.md": {"padit look": "tests/analysis"},
    "docs/monitoring.md": {"": "tests/integration/test_operators_pages.py"},
    "docs/plugins.md": {"padit plugins": "tests/ops/test_plugins.py"},
    "docs/portal/first-minutes.md": {"make": "tests/report", "padit": "tests/portal"},
    "docs/portal.md": {
        "padit demo": "tests/report", "padit portal": "tests/portal/test_team.py",
        "padit alerting": "tests/alerting", "padit store": "tests/stores",
        "curl": "tests/portal/test_access.py",
    },
    "docs/security.md": {
        "padit doctor": "tests/integration/test_operators_pages.py",
        "padit run": "tests/integration/test_job_acls.py",
        "python": "tests/integration/test_operators_pages.py",
    },
    "docs/sizing.md": {"python": "tests/benchmarks/test_sizing.py"},
    "docs/soak.md": {
        "python": "tests/integration/test_residuals.py", "make soak": "tests/soak/test_soak.py",
    },
    "docs/start/csv.md": {"": "tests/integration/test_start_pages.py"},
    "docs/start/logs.md": {"": "tests/integration/test_start_pages.py"},
    "docs/start/o-ru.md": {"": "tests/integration/test_start_pages.py"},
    "docs/start/plc.md": {"": "tests/integration/test_start_pages.py"},
    "docs/start/telegraf.md": {"": "tests/integration/test_start_pages.py"},
    "docs/stores.md": {
        "pip install": "tests/deploy/test_wheel.py", "padit store": "tests/stores",
        "padit replay": "tests/stores",
    },
    "docs/sweep.md": {"padit": "tests/analysis/test_sweep.py"},
    "docs/training.md": {"padit": "tests/analysis"},
    "docs/upgrade.md": {
        "padit run": "tests/integration/test_job_bootstrap.py",
        "padit migrate": "tests/stores/test_migrate_command.py",
    },
}  # fmt: skip
BROKER = "127.0.0.1:9092"
_FILE = re.compile(r"^cat > (\S+) <<'EOF'\n(.*?)^EOF$", re.MULTILINE | re.DOTALL)


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def _elsewhere(page: str, command: str) -> str | None:
    """The test that runs a command of a page, if another one does."""
    known = ELSEWHERE.get(page, {})
    found = [test for start, test in known.items() if " ".join(_words(command)).startswith(start)]
    return found[0] if found else None


@pytest.mark.parametrize("page", [one.relative_to(ROOT).as_posix() for one in PAGES])
def test_every_command_of_a_page_is_typed_here_or_by_a_test_that_is_named(page: str) -> None:
    found = list(commands(_text(page)))
    missing = [one for one in found if page not in TYPED and _elsewhere(page, one) is None]
    assert missing == []
    tests = {test for one in found if (test := _elsewhere(page, one)) is not None}
    assert [one for one in sorted(tests) if not (ROOT / one).exists()] == []


class Said(NamedTuple):
    """A command that was typed.

    Attributes:
        command: as it was typed.
        code: its exit code.
        out: what it printed.
    """

    command: str
    code: int
    out: str


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like the checkout to the commands of README.md."""
    (tmp_path / "pipelines").symlink_to(ROOT / "pipelines")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _type(page: str, replaced: Mapping[str, str], capsys: Any) -> list[Said]:
    """Type the commands of a page that no other test runs; files that it makes are made."""
    for name, content in _FILE.findall(_text(page)):
        Path(name).write_text(content)
    found = []
    for command in commands(_text(page)):
        if _elsewhere(page, command) is not None or command.startswith("cat > "):
            continue
        for old, new in replaced.items():
            command = command.replace(old, new)
        code = main(_words(command)[1:])
        found.append(Said(" ".join(_words(command)), code, capsys.readouterr().out))
    return found


def test_the_commands_of_the_readme_do_what_it_says(
    kafka: KafkaPart, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = kafka.topic("metrics", 4)
    said = _type("README.md", {f"kafka://{BROKER}/metrics": kafka.uri(topic)}, capsys)
    # `padit diff` of two different runs ends with 1, as the page says.
    assert [one for one in said if one.code != (1 if " diff " in one.command else 0)] == []
    assert len(said) >= 11
    (shown,) = re.findall(r'^(\{"read":72000.*\})$', _text("README.md"), re.MULTILINE)
    (own,) = [one.out for one in said if "--output alerts.jsonl" in one.command]
    wanted, found = json.loads(shown), json.loads(own)
    assert {**found, "seconds": 0} == {**wanted, "seconds": 0}
    (listed,) = [one.out for one in said if one.command == "padit explain --from alerts.jsonl"]
    explained = [one.command.split()[2] for one in said if one.command.startswith("padit explain")]
    assert listed.startswith(explained[1])
    for name in ("tuned.jsonl", "replayed.jsonl", "best.yaml", "sweep.html"):
        assert (place / name).stat().st_size > 0


def test_the_commands_of_the_simulators_page_end_well(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "build").mkdir()
    said = _type("docs/simulator.md", {}, capsys)
    assert said
    assert [one for one in said if one.code != 0] == []


def _bash(command: str, variables: Mapping[str, str]) -> Any:
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=True, timeout=allowed(30),
        env={**os.environ, **variables},
    )  # fmt: skip
    return json.loads(done.stdout)


def test_a_job_is_stopped_and_continued_with_the_commands_of_the_page(
    kafka: KafkaPart, flink: FlinkCluster, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stop, ask, resume, keep, again = commands(_text("docs/operations.md"))
    uri = kafka.uri(kafka.topic("metrics", 4))
    main(["simulate", "--machines=2", "--hours=0.1", "--output", uri])

    def start(command: str, *more: str) -> dict[str, str]:
        words = shlex.split(command.replace(f"kafka://{BROKER}/metrics", uri))[1:]
        own = [one for one in flink.options(2) if "parallelism" not in one]
        capsys.readouterr()
        assert main([*words, *own, "--detach", *more]) == 0
        found = json.loads(capsys.readouterr().out)
        job = {"FLINK": found["flink"], "JOB": found["job"]}
        wait_for(lambda: _checkpoints(job) > 0, 90)
        return job

    def _checkpoints(job: Mapping[str, str]) -> int:
        found = _bash("curl -s $FLINK/jobs/$JOB/checkpoints", job)
        return int(found["counts"]["completed"]) if "counts" in found else 0  # it is being set up

    def asked(request: str, job: Mapping[str, str]) -> str:
        variables = {**job, "REQUEST": _bash(request, job)["request-id"]}
        wait_for(lambda: _bash(ask, variables)["status"]["id"] == "COMPLETED", 60)
        return str(_bash(ask, variables)["operation"]["location"])

    first = re.sub(r" --savepoint_path=\S+", " --start_offset=earliest", resume)
    job = start(first, "--checkpointing_interval=1000")
    savepoint = asked(stop, job)
    job = start(re.sub(r"--savepoint_path=\S+", f"--savepoint_path={savepoint}", resume))
    ends = keep.replace("/backup", str(place / "backup")).replace("}'", ', "cancel-job": true}\'')
    assert asked(ends, job).startswith(f"file:{place}/backup/")
    wait_for(lambda: _bash("curl -s $FLINK/jobs/$JOB", job)["state"] == "CANCELED", 60)
    assert "--savepoint_path=.padit/flink/checkpoints/$JOB" in again
