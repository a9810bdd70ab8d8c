"""The commands of docs/monitoring.md and docs/security.md, typed as they stand in a shell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from padit.devcluster.flink import FlinkCluster
from padit.devcluster.ports import free_port
from tests.integration.helpers import ROOT, metric, produce, wait_for
from tests.integration.test_start_pages import Shell
from tests.limits import allowed
from tests.parts import KafkaPart, required_program
from tests.test_docs_commands import commands

BROKER, METRICS = "127.0.0.1:9092", "127.0.0.1:9464"
START = 1_767_600_000


def _page(name: str) -> list[str]:
    return list(commands((ROOT / "docs" / name).read_text(encoding="utf-8")))


def _typed(command: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env={**os.environ, **environment},
        capture_output=True, text=True, check=False, timeout=allowed(60),
    )  # fmt: skip


def test_a_run_says_how_it_is_with_the_commands_of_the_page(
    kafka: KafkaPart, tmp_path: Path
) -> None:
    topic = kafka.topic("metrics", 4)
    replaced = {f"kafka://{BROKER}/metrics": kafka.uri(topic), METRICS: f"127.0.0.1:{free_port()}"}

    def as_here(command: str) -> str:
        for old, new in replaced.items():
            command = command.replace(old, new)
        return command

    run, health, metrics = map(as_here, _page("monitoring.md")[:3])
    produce(
        kafka.bootstrap, topic, [metric(f"m-{n}", "x", START + n, 1.0, n % 4) for n in range(40)]
    )
    shell = Shell(tmp_path, f"{run.removesuffix('&')} --start_offset=earliest")
    try:
        shell.until(lambda: _typed(health, {}).returncode == 0)
        wait_for(lambda: _read_by(_typed(metrics, {}).stdout) == 40, 60, lambda: shell.said[-3000:])
    finally:
        shell.end()
    said = [line for line in shell.said.splitlines() if line.startswith("{")]
    assert {"timestamp", "level", "event"} <= json.loads(said[0]).keys()


def _read_by(text: str) -> float:
    found = re.findall(r"^padit_job_read_total(?:\{.*\})? (\S+)$", text, re.MULTILINE)
    return sum(map(float, found))


def test_the_rules_are_checked_and_tested_with_the_commands_of_the_page() -> None:
    program = required_program("promtool")
    path = f"{Path(program.path).parent}{os.pathsep}{os.environ['PATH']}"
    for command in _page("monitoring.md")[3:]:
        done = _typed(command, {**program.environment, "PATH": path})
        assert done.returncode == 0, done.stdout + done.stderr
        assert "SUCCESS" in done.stdout


def test_the_doctor_finds_nothing_that_others_reach(flink: FlinkCluster) -> None:
    (command,) = [one for one in _page("security.md") if one.startswith("padit doctor")]
    here = (
        f"--flink={flink.rest_url} --job_endpoint={flink.job_endpoint} "
        f"--environment_config={flink.worker_endpoint}"
    )
    padit = f"{sys.executable} -m padit.cli.main {command.removeprefix('padit ')} {here}"
    done = _typed(padit, {"PYTHONPATH": str(ROOT), "PADIT_STATE_DIR": "nowhere"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok       exposure") == 3


@pytest.mark.parametrize("command", [one for one in _page("security.md") if "python" in one])
def test_images_are_listed_with_the_command_of_the_page(command: str) -> None:
    done = _typed(command.replace("python", sys.executable, 1), {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "by its tag only" in done.stdout
