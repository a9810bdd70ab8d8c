"""`padit demo --live` as somebody starts it: a process, its link, its end."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.limits import allowed
from tests.portal.making import wait_for

__all__ = ["LiveDemo", "live_demo"]

_LINK = re.compile(r"(http://127\.0\.0\.1:\d+)/#/first/(\S+)")


@dataclass
class LiveDemo:
    """A running demo.

    Attributes:
        process: of it.
        address, token: of the page, and of the link that works once.
        began: when the command was started, monotonic seconds.
        log: what it prints.
    """

    process: "subprocess.Popen[bytes]"
    address: str
    token: str
    began: float
    log: Path

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(allowed(30))


@contextmanager
def live_demo(folder: Path, *options: str) -> Iterator[LiveDemo]:
    """Start the demo; at the end no process of it may be left."""
    log = folder / "demo.log"
    command = [sys.executable, "-m", "padit.cli.main", "demo", "--live", "--no_browser",
               "--port=0", f"--folder={folder / 'live'}", *options]  # fmt: skip
    began = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        wait_for(lambda: _LINK.search(log.read_text()) or process.poll() is not None, 120)
        found = _LINK.search(log.read_text())
        assert found is not None, log.read_text()
        parts = psutil.Process(process.pid).children(recursive=True)
        yield LiveDemo(process, found[1], found[2], began, log)
        assert process.wait(allowed(30)) == 0, log.read_text()
        assert not [one for one in parts if one.is_running()]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
