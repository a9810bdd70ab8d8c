"""Training from the page: one `padit train` at a time, in a process of its own.

What it learns from is named by the server's own options, never by a request: the run's readings,
the archive, or `sensor_log`. A model counts from an event time ahead, so a running job that reads
the folder scores all of its windows before that moment as it did.
"""

import logging
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from padit.domain.errors import ConfigurationError, PaditError

__all__ = ["Busy", "Job", "Trainer"]

_LOG = logging.getLogger(__name__)
_MOST_JOBS = 100
_MOST_WORDS = 2_000


class Busy(Exception):
    """Another training goes on."""


class Job(msgspec.Struct):
    """One training.

    Attributes:
        id, source: of it; `source` is what it learns from.
        by: who wanted it.
        valid_from: event time from which on the model counts, microseconds.
        state: running, trained, failed or stopped.
        asked, ended: when, seconds since 1970; `ended` 0: not yet.
        summary: what `padit train` says of the model.
        why: what went wrong.
    """

    id: str
    source: str
    by: str
    valid_from: int
    asked: float
    state: str = "running"
    ended: float = 0.0
    summary: dict[str, Any] = {}
    why: str = ""


Export = Callable[[Path, str, str, int, int], int]
"""Writes samples of patterns of source and metric in a span to a file; how many."""


class Trainer:
    """Starts trainings and knows their results.

    Args:
        folder: of the models.
        inputs: URI by the name of a source.
        export: writes `sensor_log` to a file; None: there is no database.
    """

    def __init__(
        self, folder: Path, inputs: Mapping[str, str], export: Export | None = None
    ) -> None:
        self.folder = folder
        self._inputs = dict(inputs)
        self._export = export
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False
        self.jobs: OrderedDict[str, Job] = OrderedDict()

    @property
    def sources(self) -> list[str]:
        """What can be learnt from, the default first."""
        return [*(["sensor_log"] if self._export else []), *self._inputs]

    def train(self, job: Job, source: str, metric: str, start: int, end: int) -> None:
        """Begin.

        Args:
            job: of a new id.
            source: pattern.
            metric: pattern.
            start: first event time of what is learnt from, microseconds; 0: no bound.
            end: last one.

        Raises:
            Busy: another one goes on.
            ConfigurationError: there is nothing of this name to learn from.
        """
        if job.source not in self.sources:
            message = f"there is no {job.source!r} to learn from; there is: {self.sources}"
            raise ConfigurationError(message)
        with self._lock:
            if self._stopped or any(one.state == "running" for one in self.jobs.values()):
                raise Busy
            self.jobs[job.id] = job
            while len(self.jobs) > _MOST_JOBS:
                self.jobs.popitem(last=False)
            self._thread = threading.Thread(
                target=self._run, args=(job, source, metric, start, end), name="training"
            )
            self._thread.start()

    def stop(self) -> None:
        """End what goes on."""
        with self._lock:
            self._stopped = True
            process, thread = self._process, self._thread
        if process is not None:
            process.terminate()
        if thread is not None:
            thread.join()

    def files(self) -> list[str]:
        """Names of what may be a model, in order; the last one counts the latest."""
        return sorted(path.name for path in self.folder.glob("*.json"))

    def models(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Models of these names, as `files` gives them; without their content."""
        found = []
        for path in map(self.folder.joinpath, names):
            try:
                content = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
                found.append({
                    "name": path.name, "valid_from": int(content["valid_from"]),
                    "digest": str(content["digest"]), "quality": content["quality"],
                    "metrics": [one["name"] for one in content["metrics"]],
                    "channels": len(content["channels"]), "rows": content["recording"]["rows"],
                    "sources": len(content["recording"]["sources"]),
                })  # fmt: skip
            except (OSError, msgspec.DecodeError, KeyError, TypeError, ValueError):
                continue  # no model
        return found

    def _run(self, job: Job, source: str, metric: str, start: int, end: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".training-", dir=self.folder))
        try:
            self._finish(job, self._command(job, staging, source, metric, start, end))
        except PaditError as error:
            job.state, job.why = "failed", str(error)[:_MOST_WORDS]
        except Exception as error:  # one fault must not end the thread in silence
            job.state, job.why = "failed", f"{type(error).__name__}: {error}"[:_MOST_WORDS]
            _LOG.exception("a training failed")
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            job.ended = time.time()

    def _command(
        self, job: Job, staging: Path, source: str, metric: str, start: int, end: int
    ) -> list[str]:
        """The command line; of `sensor_log` a copy is made first."""
        given = self._inputs.get(job.source)
        bounds: list[str] = []
        if given is None:
            if self._export is None:
                raise ConfigurationError(job.source)
            path = staging / "samples.jsonl"
            if not self._export(path, source, metric, start, end):
                message = "the database holds no sample of these names and times"
                raise ConfigurationError(message)
            given = str(path)
        else:
            for option, moment in (("--start_time", start), ("--end_time", end)):
                if moment:
                    bounds.append(f"{option}={moment / 1_000_000:.6f}")
        return [
            sys.executable, "-m", "padit.cli.main", "train", f"--input={given}",
            f"--output={self.folder}", f"--source={source}", f"--metric={metric}",
            f"--valid_from={job.valid_from / 1_000_000:.6f}", *bounds,
        ]  # fmt: skip

    def _finish(self, job: Job, command: list[str]) -> None:
        with self._lock:
            if self._stopped:
                job.state = "stopped"
                return
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        out, err = self._process.communicate()
        code = self._process.returncode
        with self._lock:
            self._process = None
        if code == 0:
            job.summary = msgspec.json.decode(out.splitlines()[-1], type=dict[str, Any])
            job.summary["model"] = Path(job.summary["model"]).name
            job.state = "trained"
            return
        job.state, job.why = "failed", err.decode("utf-8", "replace").strip()[-_MOST_WORDS:]
        if code < 0:  # ended by a signal, as `stop` does
            job.state = "stopped"
