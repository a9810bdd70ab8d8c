"""`padit portal` at an orderly stop: streams end, and nothing but that is said."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
from websockets.sync.client import connect

from padit.devcluster.ports import free_port
from padit.portal.accounts import Accounts
from tests.limits import allowed
from tests.portal.making import append, transition, wait_for


def test_open_streams_end_at_an_orderly_stop_without_a_traceback(tmp_path: Path) -> None:
    append(tmp_path / "alerts.jsonl", transition("opened", 0))
    state = tmp_path / ".portal"
    state.mkdir()
    accounts = Accounts(state / "accounts.sqlite")
    key = accounts.new_key("watch", "viewer", 1, "test")[0]
    accounts.close()
    port, said = free_port(), tmp_path / "said.txt"
    command = [sys.executable, "-m", "padit.cli.main", "portal", f"--data={tmp_path}",
               f"--port={port}"]  # fmt: skip
    head = {"Authorization": f"Bearer {key}"}
    with said.open("wb") as file:
        process = subprocess.Popen(command, stderr=file)
    try:
        wait_for(lambda: b"the page" in said.read_bytes() and _answers(port), 60)
        with (
            connect(f"ws://127.0.0.1:{port}/api/ws", additional_headers=head) as socket,
            httpx.stream("GET", f"http://127.0.0.1:{port}/api/events", headers=head,
                         timeout=allowed(20)) as events,
        ):  # fmt: skip
            assert "hello" in str(socket.recv(timeout=allowed(20)))
            lines = events.iter_lines()
            assert next(line for line in lines if line.startswith("event:")) == "event: hello"
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            list(lines)  # it ends, and is not cut
            list(socket)  # closed in order, or it raises
            process.wait(allowed(20))
            assert time.monotonic() - began < allowed(5)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    text = said.read_text()
    assert not any(word in text for word in ("Traceback", "CancelledError", "ERROR", "Cancel ")), (
        text
    )


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/api/health/live").status_code == 200
    except httpx.TransportError:
        return False
