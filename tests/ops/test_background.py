"""Threads beside a program outlive errors that nobody expected."""

import ast
import threading

import pytest

from padit.ops import background
from padit.ops.background import Background, kept
from tests.limits import allowed
from tests.test_architecture import ROOT, SOURCES

# Threads that need not be begun again, and why.
_ONCE = {
    "adapters/publisher.py": "its loop takes every error and says it",
    "adapters/threads.py": "a call, whose error its caller gets",
    "cli/live_demo.py": "ends with the demo",
    "ops/deadline.py": "shuts a socket, nothing that fails",
    "ops/exporter.py": "a server, which answers each request by itself",
    "ops/progress_bar.py": "only draws",
    "pipelines/worker_pool.py": "one start of a worker, whose error is said",
    "portal/team/texts.py": "its loop takes every error and says it",
    "portal/training.py": "one training, whose error is its result",
}


def test_a_part_that_fails_unexpectedly_is_said_and_begun_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "_PAUSE_SECONDS", 0.01)
    begun, worked = [0], threading.Event()

    def run() -> None:
        begun[0] += 1
        if begun[0] < 3:
            raise KeyError(f"trouble {begun[0]}")
        worked.set()

    part = Background(run, "relay")
    part.start()
    assert worked.wait(allowed(10))
    part.stop()
    said = [one for one in caplog.records if one.exc_info]
    assert [one.getMessage().split(":")[0] for one in said] == ["relay", "relay"]
    assert "trouble 2" in caplog.text


def test_a_part_that_fails_while_it_is_stopped_ends() -> None:
    stopped = threading.Event()
    stopped.set()

    def run() -> None:
        raise KeyError

    kept(run, stopped, "relay")()


def test_every_thread_of_a_service_is_begun_again_or_need_not_be() -> None:
    alone = set()
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "threading.Thread":
                (target,) = [one.value for one in node.keywords if one.arg == "target"]
                if not ast.unparse(target).startswith("kept("):
                    alone.add(str(path.relative_to(ROOT)))
    assert alone == set(_ONCE)
