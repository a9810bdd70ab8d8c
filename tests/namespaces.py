"""Network namespaces: each is a host of its own on this machine. They need Linux and root."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from padit.devcluster.errors import MissingToolError
from tests.debian import program
from tests.limits import allowed

__all__ = ["again", "ip", "namespace", "run_in", "without_namespaces"]


def without_namespaces() -> str | None:
    """Why there can be none here, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need Linux and root"
    try:
        done = subprocess.run(
            ["unshare", "--net", "true"],
            capture_output=True,
            text=True,
            check=False,
            timeout=allowed(60),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"network namespaces cannot be tried: {error}"
    return f"network namespaces are refused: {done.stderr.strip()}" if done.returncode else None


def ip(*words: str) -> None:
    """Call `ip`. Raises MissingToolError with its words."""
    found = program("ip")
    done = subprocess.run(
        [found.path, *words], env=found.environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        message = f"ip {' '.join(words)}: {done.stderr.strip()}"
        raise MissingToolError(message)


def run_in(name: str, command: Sequence[str]) -> list[str]:
    """The command that runs another one in a namespace; its process id is that of the other."""
    return [program("ip").path, "netns", "exec", name, *command]


def again(space: str, words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run this program again in a namespace: `python -m WORDS`; its exit code.

    Who ends this process ends the other one as Ctrl-C does, once, so that it can end its own.
    """
    command = run_in(space, [sys.executable, "-m", *words])
    child = subprocess.Popen(command, env={**os.environ, **environment}, start_new_session=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: child.send_signal(signal.SIGINT))
    return child.wait()


@contextmanager
def namespace(kind: str) -> Iterator[str]:
    """A namespace with loopback only; its name. Raises MissingToolError if it cannot be made."""
    name = f"padit-{kind}-{uuid.uuid4().hex[:8]}"
    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        ip("netns", "del", name)
