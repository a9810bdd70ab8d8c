"""Hosts of this machine, and what a job on Flink says of itself at both of its places."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.network import MIDDLE, Network, network
from tests.limits import allowed
from tests.namespaces import run_in
from tests.parts import required

_SERVE = "import socket\nwith socket.create_server(('', 4000)) as s: print(flush=True); s.accept()"
_CALL = "import socket,sys; socket.create_connection((sys.argv[1], 4000), timeout=1)"


@pytest.fixture
def hosts() -> Iterator[Network]:
    made = network()
    found = required(made.__enter__)
    try:
        yield found
    finally:
        made.__exit__(None, None, None)


def _reached(hosts: Network, source: str, address: str) -> bool:
    call = run_in(source, [sys.executable, "-c", _CALL, address])
    return subprocess.run(call, check=False, capture_output=True).returncode == 0


def test_a_host_whose_cable_is_pulled_reaches_nobody_until_it_is_put_back(hosts: Network) -> None:
    a, b = hosts.outer["a"], hosts.outer["b"]
    for place, address, source in ((hosts.middle, MIDDLE, a), (b, hosts.address("b"), a)):
        serve = run_in(place, [sys.executable, "-c", _SERVE])
        with subprocess.Popen(serve, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            server.stdout.readline()
            try:
                hosts.pull("a")
                assert not _reached(hosts, source, address)
                hosts.plug("a")
                assert _reached(hosts, source, address)
            finally:
                server.kill()


def test_flinks_reporter_and_the_workers_count_the_same(hosts: Network, tmp_path: Path) -> None:
    del hosts  # there can be some
    place = tmp_path / "scraped.json"
    command = [sys.executable, "-m", "tests.hosts.scraped", f"--into={place}"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=allowed(240)
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(place.read_text())
    assert found["flink"] == found["workers"]
    for name in ("read", "late", "duplicate", "dead_lettered"):
        assert found["summary"][name] == found["workers"][name]
    counts = found["workers"]
    assert (counts["read"], counts["duplicate"], counts["dead_lettered"]) == (33, 1, 1)
    assert (counts["alerts"], counts["late"]) == (2, 1)
