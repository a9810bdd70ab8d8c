"""Where a walk takes place: an installed `padit`, a folder, and what was started there."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from padit.devcluster.flink import rest_json
from padit.devcluster.processes import log_tail
from padit.devcluster.state import State, read_state
from tests.integration.helpers import read_topic
from tests.limits import allowed
from tests.walk.transcript import Transcript

__all__ = ["Running", "Site"]


@dataclass(frozen=True)
class Running:
    """A command that goes on.

    Attributes:
        line: as it was typed.
        process: itself.
        log: its standard error.
    """

    line: str
    process: subprocess.Popen[str]
    log: Path


@dataclass
class Site:
    """The place of one walk.

    Attributes:
        padit: the installed command.
        folder: current directory of every command.
        page: transcript.
        metrics: address of the worker pool's metrics.
    """

    padit: Path
    folder: Path
    page: Transcript
    metrics: str
    running: list[Running] = field(default_factory=list)

    @property
    def state(self) -> State:
        """Of `padit up`."""
        found = read_state(self.folder / ".padit")
        assert found is not None
        return found

    def environment(self) -> dict[str, str]:
        """Without what points into a checkout."""
        left = ("PYTHONPATH", "PADIT_STATE_DIR")
        return {k: v for k, v in os.environ.items() if k not in left}

    def run(self, *words: object, code: int = 0, seconds: float = 300, lines: int = 14) -> str:
        """Run `padit` to its end; its output is in the transcript and its exit code checked."""
        line = "padit " + shlex.join(str(one) for one in words)
        setting = {"PADIT_METRICS": self.metrics} if words[0] == "up" else {}
        line = " ".join([*(f"{name}={value}" for name, value in setting.items()), line])
        done = subprocess.run(
            [str(self.padit), *(str(one) for one in words)],
            cwd=self.folder, env=self.environment() | setting, capture_output=True, text=True,
            check=False, timeout=allowed(seconds),
        )  # fmt: skip
        self.page.command(line, done.stdout + done.stderr, lines)
        self.page.check(done.returncode == code, f"exit code {code}")
        return done.stdout + done.stderr

    def begin(self, name: str, *words: object) -> Running:
        """Start `padit` in the background."""
        line = "padit " + shlex.join(str(one) for one in words) + " &"
        log = self.folder / f"{name}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                [str(self.padit), *(str(one) for one in words)],
                cwd=self.folder, env=self.environment(),
                stdout=subprocess.PIPE, stderr=file, text=True, start_new_session=True,
            )  # fmt: skip
        found = Running(line, process, log)
        self.running.append(found)
        self.page.command(line, "")
        return found

    def end(self, one: Running, seconds: float = 120) -> dict[str, Any]:
        """Interrupt a run as Ctrl-C does; its summary, the last line."""
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGINT)
        out, _ = one.process.communicate(timeout=allowed(seconds))
        lines = [text for text in out.strip().splitlines() if text.startswith("{")]
        return json.loads(lines[-1]) if lines else {}

    def close(self) -> None:
        """End what still runs, by process id."""
        for one in self.running:
            if one.process.poll() is None:
                one.process.kill()
                one.process.communicate()

    def until(self, done: Callable[[], object], seconds: float, what: str) -> float:
        """Wait until it is so; the seconds it took are in the transcript."""
        began = time.monotonic()
        while not self._asked(done):
            late = time.monotonic() - began > allowed(seconds)
            failed = [one for one in self.running if one.process.poll() not in (None, 0, -9)]
            if late or failed:
                tails = "\n".join(log_tail(one.log, 12) for one in failed or self.running)
                self.page.check(False, f"{what} (not within {allowed(seconds):g} s): {tails}")
            time.sleep(0.25)
        took = time.monotonic() - began
        self.page.check(True, f"{what} (after {took:.0f} s)")
        return took

    @staticmethod
    def _asked(done: Callable[[], object]) -> bool:
        try:
            return bool(done())
        except OSError:
            return False

    def jobs(self, state: str = "RUNNING") -> list[str]:
        """Flink's ids of the jobs in this state, the newest last."""
        found = rest_json(f"{self.state.rest_url}/jobs/overview")["jobs"]
        found = sorted(found, key=lambda one: int(one["start-time"]))
        return [str(one["jid"]) for one in found if one["state"] == state]

    def whole(self, job: str) -> bool:
        """Whether all tasks of a job run."""
        tasks = rest_json(f"{self.state.rest_url}/jobs/{job}")["vertices"]
        return all(task["status"] == "RUNNING" for task in tasks)

    def stop_job(self, job: str) -> str:
        """Stop a job with a savepoint, as docs/operations.md has it; the savepoint.

        Flink refuses while a checkpoint or the start of a task is on its way: it is asked again.
        """
        url = f"{self.state.rest_url}/jobs/{job}/stop"
        body = '{"drain": false}'
        line = f"curl -X POST -H 'Content-Type: application/json' -d '{body}' {url}"
        places: list[str] = []

        def done() -> bool:
            places[:] = filter(None, [self._savepoint(url, body)])
            return bool(places)

        self.page.command(line, "")
        self.until(done, 180, "the savepoint is written, and the job has ended")
        self.page.note(f"`{places[0]}`")
        return places[0]

    def _savepoint(self, url: str, body: str) -> str | None:
        """Ask once; where it was written, or None if it was not. Raises OSError."""
        request = urllib.request.Request(  # noqa: S310 - http only
            url, body.encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=allowed(10)) as answer:  # noqa: S310
            number = json.load(answer)["request-id"]
        at = f"{url.removesuffix('/stop')}/savepoints/{number}"
        deadline = time.monotonic() + allowed(60)
        while time.monotonic() < deadline:
            found: dict[str, Any] = rest_json(at, allowed(5))
            if found["status"]["id"] == "COMPLETED":
                place = found["operation"].get("location")
                return None if place is None else str(place)
            time.sleep(0.25)
        return None

    def events(self, topic: str) -> list[dict[str, Any]]:
        """Transitions on a topic of alerts."""
        stored = read_topic(self.state.bootstrap, topic)
        return [json.loads(one.value or b"{}") for one in stored]

    def scraped(self) -> dict[str, float]:
        """The job's totals over all workers, as Prometheus would add them up."""
        with urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=allowed(5)) as answer:
            lines = answer.read().decode().splitlines()
        found: dict[str, float] = {}
        for line in lines:
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                short = name.partition("{")[0]
                found[short] = found.get(short, 0.0) + float(value)
        return found
