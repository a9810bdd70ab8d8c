"""Start, watch and stop our own processes, and never signal any other.

A process is identified by its id *and* its start time. A recorded process is signalled only
if both still match, so an id that the system has reused for another process is left alone.
Each process leads a session of its own: Ctrl-C in the terminal does not reach it, and its
children can be found and ended with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import psutil

from padit.devcluster.errors import PartFailedError
from padit.devcluster.service import Startable

__all__ = [
    "Part",
    "ProcessRecord",
    "Service",
    "is_running",
    "kill_process",
    "log_tail",
    "start_process",
    "stop_process",
    "wait_until",
]

# Our own children, kept so that they are reaped when they end.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class ProcessRecord:
    """One process that was started here. Written to a state file and read back as JSON.

    Attributes:
        name: for messages.
        pid: its process id, also the id of its session and process group.
        started: start time in clock ticks since the boot of the machine; only for
            comparison.
        log: file of its output.
    """

    name: str
    pid: int
    started: str
    log: str

    def to_json(self) -> dict[str, str | int]:
        """Return the fields as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, str | int]) -> ProcessRecord:
        """Read back what `to_json` wrote. Raises KeyError or ValueError if it is damaged."""
        return cls(
            str(fields["name"]), int(fields["pid"]), str(fields["started"]), str(fields["log"])
        )


def start_process(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> ProcessRecord:
    """Start `command` detached from the terminal, output appended to `log`.

    Raises PartFailedError if the program cannot be executed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            child = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as error:
            message = f"{name}: cannot execute {command[0]!r}: {error}"
            raise PartFailedError(message) from error
    _children[child.pid] = child
    return ProcessRecord(name, child.pid, _start_mark(child.pid) or "ended at once", str(log))


def _start_mark(pid: int) -> str | None:
    """Return the start time, which tells apart processes with the same id; None if none runs."""
    try:
        # Field 22 of /proc/PID/stat; the name in field 2 may hold spaces, so count from its end.
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except FileNotFoundError:
        pass
    except ProcessLookupError:
        return None
    else:
        return f"{boot}:{ticks}"
    try:  # macOS, or no such process
        return str(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def _find(record: ProcessRecord) -> psutil.Process | None:
    """Return the recorded process if it still runs, never one that got its id later."""
    child = _children.get(record.pid)
    if child is not None:
        child.poll()  # reap it if it has ended
    if _start_mark(record.pid) != record.started:
        return None
    try:
        process = psutil.Process(record.pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.NoSuchProcess:
        return None


def is_running(record: ProcessRecord) -> bool:
    """Whether this very process still runs."""
    return _find(record) is not None


def stop_process(record: ProcessRecord, *, grace_s: float = 15.0) -> bool:
    """End the process and its children: SIGTERM, and SIGKILL after `grace_s` seconds.

    Returns whether it was running. Never signals another process with the same id.
    """
    return _end(record, signal.SIGTERM, grace_s)


def kill_process(record: ProcessRecord) -> bool:
    """SIGKILL this process only, as a crash would; its children are left. Returns if it ran."""
    process = _find(record)
    if process is None:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
    _wait([process], 10.0)
    return True


def _end(record: ProcessRecord, first: signal.Signals, grace_s: float) -> bool:
    process = _find(record)
    if process is None:
        return False
    # psutil compares start times before it signals, so these handles are safe to keep.
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [*process.children(recursive=True), process]
        process.send_signal(first)
        _wait([process], grace_s)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        _wait(family, 10.0)
    return True


def _wait(processes: list[psutil.Process], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while any(_alive(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(0.02)


def _alive(process: psutil.Process) -> bool:
    child = _children.get(process.pid)
    if child is not None and child.poll() is not None:
        return False
    try:
        # The first thread of a killed JVM is a zombie while the others still hold its ports.
        return process.is_running() and (
            process.status() != psutil.STATUS_ZOMBIE or _threads_left(process.pid)
        )
    except psutil.NoSuchProcess:
        return False


def _threads_left(pid: int) -> bool:
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


def log_tail(log: str | Path, lines: int = 25) -> str:
    """Return the last `lines` lines of a log, or a note that it is empty or missing."""
    try:
        with Path(log).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 200 * lines))
            text = file.read().decode(errors="replace")
    except OSError as error:
        return f"(no log: {error})"
    return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"


def wait_until(record: ProcessRecord, answers: Callable[[], bool], timeout_s: float) -> float:
    """Wait until `answers()` is true; return the seconds it took.

    `answers` may raise OSError while the part is not up yet. Raises PartFailedError, with the
    end of the log, if the process ends before that or `timeout_s` seconds pass.
    """
    begin = time.monotonic()
    while True:
        with contextlib.suppress(OSError):
            if answers():
                return time.monotonic() - begin
        if not is_running(record):
            reason = "ended before it answered"
        elif time.monotonic() - begin > timeout_s:
            reason = f"did not answer within {timeout_s:g} s"
        else:
            time.sleep(0.05)
            continue
        message = f"{record.name} {reason}. The end of {record.log}:\n{log_tail(record.log)}"
        raise PartFailedError(message)


class Part(Startable):
    """A process that can be started, stopped, killed and restarted unchanged.

    Args:
        name: for messages and its log.
        command: the program and its arguments; the same at every start.
        log: file of its output, appended at every start.
        answers: whether it is up; OSError counts as no.
        env: its whole environment, or None for ours.
        timeout_s: how long a start may take, in seconds.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        answers: Callable[[], bool],
        env: Mapping[str, str] | None = None,
        timeout_s: float = 180.0,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.record: ProcessRecord | None = None
        self._answers = answers
        self._env = env
        self._timeout_s = timeout_s

    @property
    def pid(self) -> int:
        """The process id of the running part. Raises PartFailedError if it was not started."""
        if self.record is None:
            message = f"{self.name} was not started"
            raise PartFailedError(message)
        return self.record.pid

    @property
    def running(self) -> bool:
        """Whether the process of the last start still runs."""
        return self.record is not None and is_running(self.record)

    def launch(self) -> Self:
        """Start the process without waiting for it. Does nothing while it runs."""
        if not self.running:
            self.record = start_process(self.name, self.command, log=self.log, env=self._env)
        return self

    def wait(self) -> float:
        """Wait until it answers; return the seconds that took. Stops it when it fails."""
        record = self.record
        if record is None:
            message = f"{self.name} was not started"
            raise PartFailedError(message)
        try:
            return wait_until(record, self._answers, self._timeout_s)
        except BaseException:
            self.stop()
            raise

    def start(self) -> Self:
        """Start the process and wait until it answers. Raises PartFailedError."""
        self.launch()
        self.wait()
        return self

    def stop(self) -> None:
        """End it and its children. Does nothing if it does not run."""
        if self.record is not None:
            stop_process(self.record)

    def kill(self) -> None:
        """End it as a crash would: SIGKILL, no clean-up, children left alone."""
        if self.record is not None:
            kill_process(self.record)

    def restart(self) -> Self:
        """Stop it if it runs and start it again: same ports, same directories, same log."""
        self.stop()
        return self.start()


class Service(Startable):
    """One process behind an address; a subclass holds it as `part`."""

    part: Part

    def start(self) -> Self:
        """Start it if it does not run, and wait until it answers."""
        self.part.start()
        return self

    def stop(self) -> None:
        """End it and its children; what it keeps on disk stays."""
        self.part.stop()

    def kill(self) -> None:
        """End it as a crash would; its children are left alone."""
        self.part.kill()

    def restart(self) -> None:
        """Start it again on the same port and data, after `stop`, `kill` or while it runs."""
        self.part.restart()
